import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { HubContext, HubSession } from '../contract.ts';
import { addressTemplate } from '../delivery/template.ts';
import { notationOf, partitioned, recognise } from './broker.ts';
import { Cbs } from './cbs.ts';
import type { AmqpSettings } from './definition.ts';
import { type Endpoint, readConnectionString, resolveEndpoint } from './endpoint.ts';
import { AmqpSession } from './session.ts';
import { openWire, type Wire } from './wire.ts';

/** Channels that are not for links: the exchange of tokens, the look for a queue. */
const spareChannels = 4;

/** Connects, logs in and, for an address without placeholders, attaches. See the contract for what it rejects with. */
export async function connect(settings: AmqpSettings, context: HubContext, signal: AbortSignal): Promise<HubSession> {
  const endpoint = await resolveEndpoint(settings, context);
  const wire = await openWire(
    endpoint,
    { timeoutMs: settings.connectTimeout, idleTimeoutMs: settings.idleTimeout, container: `dragoman-${context.gateway}` },
    signal,
  );
  const abort = (): void => void wire.close(0);
  signal.addEventListener('abort', abort, { once: true });
  const session = sessionOn(wire, endpoint, settings, context);
  try {
    if (addressOfAll(endpoint.address)) await session.openFixed();
    if (signal.aborted)
      throw new NotConnectedError('hub-connect-stopped', `Connecting to ${wire.at} was stopped.`, { retry: 'with-backoff' });
    return session;
  } catch (error) {
    session.finish(error as Error);
    await session[Symbol.asyncDispose]();
    throw asRefusal(error);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Whether the address is the same for every message. */
const addressOfAll = (address: string): boolean => !/\{(?!gateway\}|source\})/.test(address);

function sessionOn(wire: Wire, endpoint: Endpoint, settings: AmqpSettings, context: HubContext): AmqpSession {
  const { place, login, address } = endpoint;
  const broker = recognise(settings.broker, place.host, wire.peer);
  context.log.debug({ broker: broker.name, kind: broker.kind }, 'AMQP connection open');
  const cbs =
    login.kind === 'cbs'
      ? new Cbs({
          wire,
          host: place.host,
          proof: async () => (await readConnectionString(settings, context)).proof,
          lifetimeMs: settings.tokenLifetime,
          timeoutMs: settings.connectTimeout,
          failed: (error) => session.finish(error),
          renewed: (renewed) => context.log.debug({ address: renewed }, 'hub token renewed'),
        })
      : undefined;
  const channels = typeof wire.peer.channel_max === 'number' ? wire.peer.channel_max + 1 : 65_536;
  const session: AmqpSession = new AmqpSession({
    wire,
    broker,
    template: addressTemplate(address, notationOf(broker)),
    cbs,
    gateway: context.gateway,
    source: context.source,
    partitionKey: settings.partitionKey ?? (partitioned(broker.kind) ? 'gateway' : 'none'),
    allowUnroutable: settings.allowUnroutable,
    compression: settings.compression,
    window: settings.window,
    maxMessageBytes: settings.maxMessage,
    maxLinks: Math.max(1, Math.min(settings.maxLinks, channels - spareChannels)),
    closeLinkAfterMs: settings.closeLinkAfter,
    checkQueueEveryMs: settings.checkQueueEvery,
    ackTimeoutMs: settings.ackTimeout,
    attachTimeoutMs: settings.connectTimeout,
    log: context.log,
  });
  return session;
}

/** What a person must change first is no lost connection while we only connect. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof NotConnectedError) || error.retry !== 'after-fix') return error;
  const { code, message, hint, cause } = error;
  return new GatewayError(code, message, { retry: 'after-fix', cause, ...(hint ? { hint } : {}) });
}
