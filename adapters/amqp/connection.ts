import { formatDuration } from '../../mappings/duration.ts';
import { NotConnectedError } from '../../model/error.ts';
import type { SampleBatch } from '../../model/sample.ts';
import type { ConnectContext, Connection, ObservedPoint } from '../contract.ts';
import type { AmqpAddress } from './address.ts';
import { type Broker, openBroker } from './broker.ts';
import type { Endpoint } from './endpoint.ts';
import { type Listener, openListener } from './listener.ts';
import { ownContainerId, readLogin } from './login.ts';
import { lookOnce } from './look.ts';
import { Observation } from './observation.ts';
import { Registry } from './registry.ts';
import { readAdmission } from './server-login.ts';
import { type AmqpSettings, type BrokerSettings, hostAndPort, type ListenSettings } from './settings.ts';

const brokers = new Registry<Broker>();
const listeners = new Registry<Listener>();

/** Connects to the broker, or listens; machines that share a broker or a port share the connection. Rejects as the contract says. */
export async function connectAmqp(settings: AmqpSettings, context: ConnectContext, signal: AbortSignal): Promise<Connection<AmqpAddress>> {
  try {
    return settings.listen
      ? await joinListener(settings as ListenSettings, context, signal)
      : await joinBroker(settings as BrokerSettings, context, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new NotConnectedError('amqp-stopped', `connecting ${context.equipment} was stopped`, { retry: 'with-backoff' });
  }
}

async function joinBroker(settings: BrokerSettings, context: ConnectContext, signal: AbortSignal): Promise<AmqpConnection> {
  // What differs from machine to machine of one broker stays out; everything else makes another connection.
  const { address: _address, ...wire } = settings;
  const open = async (attempt: AbortSignal): Promise<Broker> => {
    const [login, containerId] = await Promise.all([
      readLogin(settings, context),
      settings.containerId ?? ownContainerId(context.stateFolder),
    ]);
    return openBroker(settings, login, containerId, attempt);
  };
  const lease = await brokers.lease(JSON.stringify([wire, context.stateFolder]), open, signal);
  return new AmqpConnection(lease.shared, settings, () => lease[Symbol.asyncDispose]());
}

async function joinListener(settings: ListenSettings, context: ConnectContext, signal: AbortSignal): Promise<AmqpConnection> {
  const { host, port } = settings.listen;
  const admission = await readAdmission(settings, context);
  const lease = await listeners.lease(hostAndPort(host, port), () => openListener(settings, admission, context.log), signal);
  try {
    const membership = lease.shared.join(admission);
    return new AmqpConnection(lease.shared, settings, async () => {
      membership[Symbol.dispose]();
      await lease[Symbol.asyncDispose]();
    });
  } catch (error) {
    await lease[Symbol.asyncDispose]();
    throw error;
  }
}

class AmqpConnection implements Connection<AmqpAddress> {
  readonly #endpoint: Endpoint;
  readonly #settings: AmqpSettings;
  readonly #leave: () => PromiseLike<void>;
  readonly #known = new Set<string>();
  #left: Promise<void> | undefined;

  constructor(endpoint: Endpoint, settings: AmqpSettings, leave: () => PromiseLike<void>) {
    this.#endpoint = endpoint;
    this.#settings = settings;
    this.#leave = leave;
  }

  observe(points: readonly ObservedPoint<AmqpAddress>[], signal: AbortSignal): AsyncIterable<SampleBatch> {
    // With listen, the user is the machine that logs in to us: only its messages count.
    const user = this.#settings.listen ? this.#settings.user : undefined;
    return new Observation(this.#endpoint, points, user, this.#known).run(signal);
  }

  read(points: readonly ObservedPoint<AmqpAddress>[], signal: AbortSignal): Promise<readonly SampleBatch[]> {
    const { timeout } = this.#settings;
    return lookOnce(this.#endpoint, points, { timeoutMs: timeout, timeoutText: formatDuration(timeout) }, signal);
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#endpoint.counters };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#left ??= Promise.resolve(this.#leave());
    return this.#left;
  }
}
