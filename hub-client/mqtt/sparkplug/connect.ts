import type { HubContext, HubSession } from '../../contract.ts';
import { connectStopped } from '../../delivery/socket.ts';
import { addressOf } from '../../delivery/unreachable.ts';
import type { MqttSettings } from '../definition.ts';
import type { Link, Login } from '../link.ts';
import { negotiate } from '../negotiate.ts';
import { BdSeq } from './bd-seq.ts';
import { deathPayload } from './edge-node.ts';
import { namesOf, stateTopic } from './names.ts';
import { PrimaryHost } from './primary-host.ts';
import { SparkplugSession } from './session.ts';

/** Connects as edge node: will, subscriptions, the wait for the primary host, births. Rejects as the contract says. */
export async function connectSparkplug(
  login: Omit<Login, 'version' | 'will'>,
  settings: MqttSettings,
  sparkplug: NonNullable<MqttSettings['sparkplug']>,
  { gateway, source, log, plant, stateFolder }: HubContext,
  signal: AbortSignal,
): Promise<HubSession> {
  const at = addressOf(login.place);
  const names = namesOf(sparkplug.group, sparkplug.edgeNode ?? gateway);
  const numbers = new BdSeq(stateFolder, names.group, names.edgeNode, log);
  let bdSeq = 0;
  const link = await negotiate(
    settings.version,
    at,
    async (version) => {
      bdSeq = await numbers.next();
      const will = { topic: names.nodeTopic('NDEATH'), body: deathPayload(bdSeq, Date.now()), retain: false };
      return { ...login, version, will };
    },
    log,
    signal,
  );
  try {
    const host = sparkplug.primaryHost === undefined ? undefined : { id: sparkplug.primaryHost, state: new PrimaryHost() };
    let change = host && nextState(link, host);
    const filters = [...names.commandFilters, ...(host ? [stateTopic(host.id)] : [])];
    await orLost(link, signal, login, link.subscribe(filters));
    // What is retained comes with the subscription; a host that was never there has left nothing.
    if (host && !host.state.online) log.info({ primaryHost: host.id, broker: at }, 'waiting for the primary host');
    while (host && !host.state.online) {
      await orLost(link, signal, login, change);
      change = nextState(link, host);
    }
    return new SparkplugSession(link, {
      at,
      gateway,
      source,
      log,
      plant,
      names,
      bdSeq,
      aliases: sparkplug.aliases,
      primaryHost: host,
      window: settings.window,
      maxBodyBytes: settings.maxMessage,
      ackTimeoutMs: settings.ackTimeout,
    });
  } catch (error) {
    await link.end(500);
    throw error;
  }
}

/** Resolves when the host has said something new. */
function nextState(link: Link, { id, state }: { readonly id: string; readonly state: PrimaryHost }): Promise<void> {
  return new Promise((resolve) => {
    link.onMessage = (topic, body) => {
      if (topic === stateTopic(id) && state.take(body)) resolve();
    };
  });
}

/** What is wanted, unless the link goes or the signal aborts first. */
async function orLost(link: Link, signal: AbortSignal, { place }: Pick<Login, 'place'>, wanted: Promise<void> | undefined): Promise<void> {
  const stop = Promise.withResolvers<never>();
  const abort = (): void => stop.reject(connectStopped(place));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  const lost = link.lost.then((reason) => {
    throw reason;
  });
  try {
    await Promise.race([wanted, stop.promise, lost]);
  } finally {
    signal.removeEventListener('abort', abort);
    // Whoever loses the race must not become an unhandled rejection.
    lost.catch(() => {});
  }
}
