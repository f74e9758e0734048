import type { Log } from '../../../adapters/contract.ts';
import { decodePayload, type SparkplugPayload } from '../../../encodings/sparkplug/payload.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import type { Plant } from '../../../model/plant.ts';
import type { HubEvent } from '../../../model/telemetry.ts';
import type { HubMessage, HubSession } from '../../contract.ts';
import { OrderedWindow } from '../../delivery/ordered-window.ts';
import type { Link } from '../link.ts';
import { over } from '../link-end.ts';
import { unacknowledged } from '../session.ts';
import { deathPayload, EdgeNode } from './edge-node.ts';
import { type Names, rebirthMetric, stateTopic } from './names.ts';
import type { PrimaryHost } from './primary-host.ts';

export interface SparkplugOptions {
  /** `host:port`, for texts. */
  readonly at: string;
  readonly gateway: string;
  readonly source: string;
  readonly log: Log;
  readonly plant: Plant;
  readonly names: Names;
  readonly bdSeq: number;
  readonly aliases: boolean;
  readonly primaryHost: { readonly id: string; readonly state: PrimaryHost } | undefined;
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly ackTimeoutMs: number;
}

/** How long a clean end waits for what is under way. */
const graceMs = 250;
/** How long the broker has to close its side after our DISCONNECT. */
const closeMs = 500;
/** Changes of the plant that come in one go make one round of births. */
const settleMs = 100;
/** After so long without data nothing more is expected of a machine that is gone. */
const idleMs = 5_000;
/** Least time between two births that hosts ask for. */
const birthPauseMs = 1_000;
/** Room of a packet beside its payload: topic, at most, and properties. */
const headerBytes = 1_024;
const nothing = new Uint8Array(0);

/**
 * One life of an edge node: from its birth to its death. Data goes with QoS 0, as Sparkplug wants it; a batch counts as taken when the
 * broker has answered a PINGREQ sent after it, and so has read everything before.
 */
export class SparkplugSession implements HubSession {
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly closed: Promise<Error | undefined>;

  readonly #link: Link;
  readonly #options: SparkplugOptions;
  readonly #node: EdgeNode;
  readonly #sends: OrderedWindow;
  readonly #closed = Promise.withResolvers<Error | undefined>();
  readonly #watch: Disposable;
  #settle: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #commandSeen = false;
  #nextBirth: NodeJS.Timeout | undefined;
  #lastBirthMs = Number.NEGATIVE_INFINITY;
  #end: NotConnectedError | undefined;
  #ended: Promise<void> | undefined;
  #disposal: Promise<void> | undefined;

  /** Publishes the births at once. */
  constructor(link: Link, options: SparkplugOptions) {
    const { maximumPacketSize } = link.limits;
    this.#link = link;
    this.#options = options;
    this.window = options.window;
    this.maxBodyBytes = options.maxBodyBytes;
    this.closed = this.#closed.promise;
    this.#node = new EdgeNode({
      ...options,
      maxPayloadBytes: (maximumPacketSize ?? 256 * 1_048_576) - headerBytes,
      publish: (topic, body) => link.publish({ topic, body, qos: 0, retain: false }),
      now: Date.now,
    });
    this.#sends = new OrderedWindow({
      count: options.window,
      bytes: 1,
      ackTimeoutMs: options.ackTimeoutMs,
      probe: () => link.probe(),
      overdue: (waiting) => this.#finish(unacknowledged(link, waiting, options)),
    });
    link.onMessage = (topic, body) => this.#received(topic, body);
    void link.lost.then((reason) => this.#finish(reason));
    this.#watch = options.plant.onChange(() => {
      this.#settle ??= setTimeout(() => {
        this.#settle = undefined;
        this.#say(() => this.#node.plantChanged());
      }, settleMs);
    });
    this.#say(() => this.#node.birth());
  }

  /** Never called: the forwarder hands whole events to a session that has `sendEvents`. */
  async send({ id }: HubMessage): Promise<void> {
    throw new GatewayError('message-format', `Message ${id} has a body; Sparkplug B takes events.`, { retry: 'never' });
  }

  sendEvents(events: readonly HubEvent[]): Promise<void> {
    return this.#sends.send(nothing, (_body, settle) => {
      let refused: Error | undefined;
      let waits = true;
      try {
        waits = this.#node.send(events);
      } catch (error) {
        if (error instanceof NotConnectedError) this.#finish(error);
        refused = error as Error;
      }
      clearTimeout(this.#idle);
      if (waits) this.#idle = setTimeout(() => this.#say(() => this.#node.rest()), idleMs);
      void this.#link.barrier().then(() => settle(refused));
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  #received(topic: string, body: Uint8Array): void {
    if (this.#end) return;
    const { names, primaryHost, log } = this.#options;
    if (primaryHost && topic === stateTopic(primaryHost.id)) {
      if (primaryHost.state.take(body) && !primaryHost.state.online) this.#hostOffline(primaryHost.id);
      return;
    }
    const command = readCommand(body);
    if (topic === names.nodeTopic('NCMD') && command?.metrics.some(({ name, value }) => name === rebirthMetric && value === true)) {
      log.debug({ group: names.group, edgeNode: names.edgeNode }, 'a host asks for births');
      this.#rebirth();
      return;
    }
    if (this.#commandSeen) return;
    this.#commandSeen = true;
    const metrics = (command?.metrics ?? []).map(({ name, alias }) => name ?? `alias ${alias}`);
    log.warn({ topic, metrics }, 'a Sparkplug host wants to write; commands are not taken, and further ones not logged');
  }

  /** At once; hosts that ask again and again get one birth a second. */
  #rebirth(): void {
    if (this.#nextBirth) return;
    const restMs = this.#lastBirthMs + birthPauseMs - performance.now();
    const birth = (): void => {
      this.#nextBirth = undefined;
      this.#lastBirthMs = performance.now();
      this.#say(() => this.#node.birth());
    };
    if (restMs <= 0) birth();
    else this.#nextBirth = setTimeout(birth, restMs);
  }

  /** Death and disconnect at once (§5.5); the outbox keeps until the next session has seen the host online. */
  #hostOffline(host: string): void {
    this.#sayDeath();
    this.#finish(
      new NotConnectedError('hub-primary-host', `The primary host ${host} of ${this.#options.at} went offline.`, { retry: 'with-backoff' }),
    );
  }

  /** Runs what publishes; a birth that the broker cannot take ends the session. */
  #say(publish: () => void): void {
    if (this.#end) return;
    try {
      publish();
    } catch (error) {
      this.#finish(error instanceof NotConnectedError ? error : failed(error));
    }
  }

  async #dispose(): Promise<void> {
    if (!this.#end) {
      this.#sends.pause();
      await this.#sends.drained(graceMs);
    }
    if (!this.#end) this.#sayDeath();
    this.#finish(undefined);
    await this.#ended;
  }

  /** DISCONNECT takes the will away, so the death is told by ourselves. */
  #sayDeath(): void {
    const { names, bdSeq } = this.#options;
    this.#link.publish({ topic: names.nodeTopic('NDEATH'), body: deathPayload(bdSeq, Date.now()), qos: 1, retain: false });
  }

  /** Once, whoever was first. */
  #finish(reason: NotConnectedError | undefined): void {
    if (this.#end) return;
    this.#end = reason ?? over(this.#options.at);
    clearTimeout(this.#settle);
    clearTimeout(this.#idle);
    clearTimeout(this.#nextBirth);
    this.#watch[Symbol.dispose]();
    this.#sends.close(this.#end);
    this.#closed.resolve(reason);
    this.#ended = this.#link.end(closeMs);
  }
}

function readCommand(body: Uint8Array): SparkplugPayload | undefined {
  try {
    return decodePayload(body);
  } catch {
    return undefined;
  }
}

const failed = (cause: unknown): NotConnectedError =>
  new NotConnectedError('hub-session-over', `The Sparkplug session failed: ${String(cause)}`, { retry: 'with-backoff', cause });
