import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { SampleBatch } from '../../model/sample.ts';
import type { ConnectContext, Connection, ObservedPoint, SecretReference } from '../contract.ts';
import type { MqttAddress } from './address.ts';
import { passingClientId, stableClientId } from './identity.ts';
import type { Link, Login } from './link.ts';
import { openNegotiated } from './negotiate.ts';
import { type Counters, Observation, type ObservationParts } from './observation.ts';
import { readOnce } from './read-once.ts';
import type { MqttSettings } from './settings.ts';
import type { SparkplugHost } from './sparkplug/host.ts';
import { HostState } from './sparkplug/host-state.ts';
import { Subscriptions } from './subscriptions.ts';

/** After the subscription, before it is said that nothing came: retained messages and births are on their way. */
const settleMs = 1_000;
/** How long a clean end waits for readings that are on their way to the disk, so that their messages need not come twice. */
const drainMs = 500;

/** Opens a session with the broker. Rejects as the contract says. */
export async function connect(settings: MqttSettings, context: ConnectContext, signal: AbortSignal): Promise<Connection<MqttAddress>> {
  const login = await loginOf(settings, context);
  const hostId = context.onlyLooks ? undefined : settings.sparkplug?.hostId;
  const state = hostId === undefined ? undefined : new HostState(hostId, Date.now());
  const passing = { ...login, sessionExpiryMs: 0 };
  const link = await openNegotiated(context.onlyLooks ? passing : { ...login, will: state?.will }, settings.version, signal);
  const file = context.onlyLooks
    ? undefined
    : join(context.stateFolder, `subscriptions-${hash('sha256', login.clientId, 'hex').slice(0, 16)}.json`);
  const subscriptions = new Subscriptions(link, { qos: settings.qos, retained: !settings.ignoreRetained }, file);
  await state?.announce(link);
  return new MqttConnection({ link, subscriptions, settings, context, passing, state });
}

async function loginOf(settings: MqttSettings, context: ConnectContext): Promise<Login> {
  const open = async (reference: SecretReference | undefined): Promise<string | undefined> =>
    reference === undefined ? undefined : await context.secret(reference);
  const { endpoint, keepAlive, connectTimeout, sessionExpiry, maxInFlight } = settings;
  return {
    endpoint,
    tls: { ca: await open(settings.ca), certificate: await open(settings.certificate), key: await open(settings.key) },
    clientId: context.onlyLooks ? passingClientId() : (settings.clientId ?? (await stableClientId(context.stateFolder, context.equipment))),
    user: typeof settings.user === 'string' ? settings.user : await open(settings.user),
    password: await open(settings.password),
    keepAliveMs: keepAlive,
    connectTimeoutMs: connectTimeout,
    sessionExpiryMs: sessionExpiry,
    maxInFlight,
    will: undefined,
  };
}

interface ConnectionParts {
  readonly link: Link;
  readonly subscriptions: Subscriptions;
  readonly settings: MqttSettings;
  readonly context: ConnectContext;
  /** For a look beside the session. */
  readonly passing: Login;
  readonly state: HostState | undefined;
}

class MqttConnection implements Connection<MqttAddress> {
  readonly #parts: ConnectionParts;
  readonly #counters: Counters = { messages: 0, unmatched: 0, refused: 0, rebirths: 0 };
  readonly #heard = new Set<string>();
  #sparkplug: SparkplugHost | undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  async *observe(points: readonly ObservedPoint<MqttAddress>[], signal: AbortSignal): AsyncIterable<SampleBatch> {
    const { link, subscriptions } = this.#parts;
    const observation = new Observation(this.#observationParts(link, subscriptions), points, this.#sparkplug);
    this.#sparkplug = observation.sparkplug;
    yield* observation.run(signal);
  }

  /** Beside the session, with a client id of its own: takes nothing from it. */
  async read(points: readonly ObservedPoint<MqttAddress>[], signal: AbortSignal): Promise<readonly SampleBatch[]> {
    const { passing, settings } = this.#parts;
    const link = await openNegotiated({ ...passing, clientId: passingClientId() }, settings.version, signal);
    try {
      const subscriptions = new Subscriptions(link, { qos: settings.qos, retained: true }, undefined);
      const parts = { ...this.#observationParts(link, subscriptions), heard: new Set<string>() };
      return await readOnce(new Observation(parts, points), points.length, settleMs, signal);
    } finally {
      await link.close();
    }
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters, unacknowledged: this.#parts.link.inbox.unsettled };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { link, state } = this.#parts;
    if (link.ended) return;
    await link.inbox.drained(drainMs);
    await state?.withdraw(link);
    await link.close();
  }

  #observationParts(link: Link, subscriptions: Subscriptions): ObservationParts {
    const { settings, context } = this.#parts;
    const { log, equipment } = context;
    return { link, subscriptions, settings, counters: this.#counters, log, equipment, settleMs, heard: this.#heard };
  }
}
