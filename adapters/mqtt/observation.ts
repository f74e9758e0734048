import { NotConnectedError } from '../../model/error.ts';
import type { SampleBatch, SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { Log, ObservedPoint } from '../contract.ts';
import { waitingState } from '../payload/states.ts';
import type { MqttAddress } from './address.ts';
import { Batches } from './batches.ts';
import { endpointName } from './endpoint.ts';
import type { Delivery } from './inbox.ts';
import type { Link } from './link.ts';
import { type Machine, Machines } from './machines.ts';
import { Routes } from './routes.ts';
import type { MqttSettings } from './settings.ts';
import { SparkplugHost } from './sparkplug/host.ts';
import { commandTopic, rebirthRequest, rebirths } from './sparkplug/rebirth.ts';
import { namedNode, nodeSubscription } from './sparkplug/topic.ts';
import { refusedState, type Subscriptions } from './subscriptions.ts';
import { parseFilter, type TopicFilter } from './topic.ts';

export interface Counters {
  messages: number;
  /** On topics that no point wants. */
  unmatched: number;
  /** Made themselves known and found no room. */
  refused: number;
  /** Sparkplug births that were asked for. */
  rebirths: number;
}

export interface ObservationParts {
  readonly link: Link;
  readonly subscriptions: Subscriptions;
  readonly settings: MqttSettings;
  readonly counters: Counters;
  readonly log: Log;
  readonly equipment: string;
  /** How long after its subscription a point may wait for a retained message, or a node for its birth, before it is said that nothing came. */
  readonly settleMs: number;
  /** Points that had a sample in this life of the connection, by name and address. */
  readonly heard: Set<string>;
}

/** A plain point, for what is said when nothing came. */
interface Plain {
  readonly index: number;
  readonly key: string;
  /** Names of the captures that tell its machine, sorted. */
  readonly machineOf: string;
  readonly waiting: SampleState;
}

/** What the disk did not take is given again after so long: time for it to recover. */
const refusePauseMs = 2_000;

/** Turns the messages of one connection into samples for one set of points. */
export class Observation {
  readonly #parts: ObservationParts;
  readonly #points: readonly ObservedPoint<MqttAddress>[];
  readonly #filters: readonly TopicFilter[];
  readonly #machines: Machines;
  readonly #batches: Batches;
  readonly #routes: Routes;
  readonly #plain: readonly Plain[];
  /** Undefined when no point is a Sparkplug metric. */
  readonly sparkplug: SparkplugHost | undefined;
  readonly #subscribed = Promise.withResolvers<void>();
  #subscribedMono: number | undefined;
  #wake: () => void = () => {};
  #failure: Error | undefined;
  #refused = false;

  constructor(parts: ObservationParts, points: readonly ObservedPoint<MqttAddress>[], before?: SparkplugHost) {
    const { settings } = parts;
    this.#parts = parts;
    this.#points = points;
    this.#filters = points.map(({ address }) => parseFilter(address.topic));
    this.#machines = new Machines(
      points.map(({ name }) => name),
      settings,
    );
    this.#batches = new Batches(this.#machines);
    const payloads = points.flatMap(({ address: { topic, payload } }, index) => (payload ? [{ index, topic, payload }] : []));
    this.#routes = new Routes(payloads, this.#machines);
    this.#plain = points.flatMap((point, index) => (this.#machines.isPattern(index) ? [] : [plainOf(point, index, this.#filters[index]!)]));
    if (this.#plain.some(({ machineOf }) => machineOf === '')) this.#machines.itself();
    const metrics = points.flatMap(({ address: { topic, metric } }, index) => (metric === undefined ? [] : [{ index, topic, metric }]));
    if (metrics.length === 0) return;
    const broker = endpointName(settings.endpoint);
    this.sparkplug = new SparkplugHost({
      points: metrics,
      machines: this.#machines,
      askRebirth: (group, node) => this.#askRebirth(group, node),
      onBirth: (group, node) => rebirths.born(broker, group, node),
    });
    if (before) this.sparkplug.adopt(before, this.#batches);
  }

  /** Points that are there before any message, and of which each gets a first sample. */
  get expected(): readonly number[] {
    return this.#plain.flatMap(({ index, machineOf }) => (machineOf === '' ? [index] : []));
  }

  /** Resolves when the broker has answered to the subscriptions of `run`; never when the link is lost before. */
  get subscribed(): Promise<void> {
    return this.#subscribed.promise;
  }

  /** Yields until the signal aborts (returns) or the link is lost (throws its reason). */
  async *run(signal: AbortSignal): AsyncGenerator<SampleBatch> {
    const { link } = this.#parts;
    const { inbox } = link;
    const wake = (): void => this.#wake();
    inbox.onPacket = wake;
    signal.addEventListener('abort', wake, { once: true });
    void link.lost.then(wake);
    let timer: NodeJS.Timeout | undefined;
    this.#subscribe().catch((error: unknown) => {
      // The loss of the link is told by itself.
      if (!link.ended) this.#failure = error instanceof Error ? error : new Error(String(error));
      wake();
    });
    try {
      for (;;) {
        if (signal.aborted) return;
        if (!inbox.isEmpty) yield* this.#handOn(inbox.take());
        if (signal.aborted) return;
        yield* this.#batches.finish(Date.now());
        const dueMs = this.#tell();
        yield* this.#batches.finish(Date.now());
        if (signal.aborted) return;
        if (link.ended) throw link.ended;
        if (this.#failure) throw this.#failure;
        if (!inbox.isEmpty) continue;
        clearTimeout(timer);
        if (dueMs !== undefined) timer = setTimeout(wake, dueMs);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          // What came while nobody listened.
          if (!inbox.isEmpty || signal.aborted || link.ended || this.#failure || this.#batches.hasSome) resolve();
        });
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      inbox.onPacket = () => {};
      this.#remember();
    }
  }

  /** Hands on what one delivery became; if the consumer leaves before the last batch, the messages wait for the next observation. */
  async *#handOn(delivery: Delivery): AsyncGenerator<SampleBatch> {
    const { inbox } = this.#parts.link;
    const { counters } = this.#parts;
    const before = this.#machines.refused;
    for (const packet of delivery.packets) {
      counters.messages++;
      if (packet.retain && this.#parts.settings.ignoreRetained) continue;
      if (this.sparkplug?.take(packet, this.#batches)) continue;
      if (!this.#routes.take(packet, this.#batches)) counters.unmatched++;
    }
    counters.refused += this.#machines.refused - before;
    const batches = this.#batches.finish(delivery.packets.at(-1)?.receivedMs ?? Date.now());
    inbox.expect(delivery, batches.length);
    let handed = 0;
    try {
      for (const batch of batches) {
        let open = true;
        const once = (act: () => void): void => {
          if (open) act();
          open = false;
        };
        yield {
          ...batch,
          acknowledge: () => once(() => inbox.durable(delivery)),
          refuse: (reason) => once(() => this.#refuse(delivery, reason)),
        };
        handed++;
      }
    } finally {
      if (handed < batches.length) inbox.putBack(delivery);
    }
  }

  /** MQTT has no word for "give it again": only a new connection makes the broker do so, and not for QoS 0. */
  #refuse({ packets }: Delivery, reason: string): void {
    const { link, settings } = this.#parts;
    const gone = packets.filter(({ qos }) => qos === 0).length;
    if (gone > 0) {
      this.#batches.lose(`messages of QoS 0 could not be stored (${reason}), and the broker does not keep them`, gone);
      this.#wake();
    }
    if (this.#refused) return;
    this.#refused = true;
    link.inbox.refuse();
    const text = `Messages of ${endpointName(settings.endpoint)} could not be stored (${reason}); the broker keeps them and gives them again.`;
    const error = new NotConnectedError('mqtt-not-taken', text, { retry: 'with-backoff', hint: 'Make room for the outbox' });
    setTimeout(() => link.drop(error), refusePauseMs).unref();
  }

  async #subscribe(): Promise<void> {
    const { subscriptions, link } = this.#parts;
    const wanted = this.#points.map(({ address }, index) =>
      address.metric === undefined ? this.#filters[index]!.subscription : nodeSubscription(this.#filters[index]!),
    );
    const { refused, lowered } = await subscriptions.set(wanted);
    this.#subscribedMono = performance.now();
    this.#subscribed.resolve();
    for (const { index, machineOf } of this.#plain) {
      const code = refused.get(wanted[index]!);
      const target = code === undefined || machineOf !== '' ? undefined : this.#machines.target(index, {});
      if (target) this.#batches.add(target, undefined, refusedState(wanted[index]!, code!), undefined, Date.now());
    }
    for (const [filter, code] of refused) {
      const { reason } = refusedState(filter, code);
      this.#parts.log.warn({ equipment: this.#parts.equipment, topic: filter, reason }, 'subscription refused');
    }
    if (lowered.length > 0) {
      const fields = { equipment: this.#parts.equipment, topic: lowered[0], topics: lowered.length };
      this.#parts.log.warn(fields, 'broker grants only QoS 0: messages that come while the gateway is away are lost');
    }
    for (const [index, { address }] of this.#points.entries()) {
      const node = address.metric === undefined || link.ended ? undefined : namedNode(this.#filters[index]!);
      if (node && !this.sparkplug?.isBorn(node.group, node.node)) this.#askRebirth(node.group, node.node);
    }
    this.#wake();
  }

  #askRebirth(group: string, node: string): void {
    const { link, settings, counters, log, equipment } = this.#parts;
    if (settings.sparkplug?.rebirth === false) return;
    if (!rebirths.mayAsk(endpointName(settings.endpoint), group, node)) return;
    counters.rebirths++;
    log.debug({ equipment, node: `${group}/${node}` }, 'asking a Sparkplug node for its birth');
    void link.publish(commandTopic(group, node), rebirthRequest(Date.now()));
  }

  /** Says of machines that have been known for a while which of their points nothing came for. Gives the ms until the next one is due. */
  #tell(): number | undefined {
    const subscribed = this.#subscribedMono;
    if (subscribed === undefined) return undefined;
    const now = performance.now();
    for (;;) {
      const next = this.#machines.untold[0];
      if (!next) return undefined;
      const dueMs = Math.max(subscribed, next.sinceMono) + this.#parts.settleMs - now;
      if (dueMs > 0) return Math.ceil(dueMs);
      this.#tellOf(next);
      this.#machines.tell();
    }
  }

  #tellOf(machine: Machine): void {
    const names = machine.captures ? Object.keys(machine.captures).join() : '';
    const now = Date.now();
    for (const { index, key, machineOf, waiting } of this.#plain) {
      if (machineOf !== names || machine.heard.has(index)) continue;
      // It had one before the mapping was reloaded, and what is known of it still holds.
      if (names === '' && this.#parts.heard.has(key)) continue;
      this.#batches.add({ machine, observed: index, name: undefined, index, heard: false }, undefined, waiting, undefined, now);
    }
  }

  #remember(): void {
    const itself = this.#plain.some(({ machineOf }) => machineOf === '') ? this.#machines.itself() : undefined;
    for (const { index, key, machineOf } of this.#plain) if (machineOf === '' && itself?.heard.has(index)) this.#parts.heard.add(key);
  }
}

function plainOf({ name, address }: ObservedPoint<MqttAddress>, index: number, { captures }: TopicFilter): Plain {
  const { metric, payload, topic } = address;
  return {
    index,
    key: JSON.stringify([name, address], exactly),
    machineOf: captures.toSorted().join(),
    waiting:
      metric === undefined && payload
        ? waitingState(topic, payload)
        : { status: statuses.BadWaitingForInitialData, reason: `no Sparkplug birth on ${topic} yet` },
  };
}

const exactly = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
