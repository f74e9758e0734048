import type { NotConnectedError } from '../../model/error.ts';
import type { SampleBatch, SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { RawValue, ValueType } from '../../model/value.ts';
import type { ObservedPoint } from '../contract.ts';
import type { MessageReader, MessageSamples } from '../payload/contract.ts';
import { messageReader } from '../payload/reader.ts';
import { waitingState } from '../payload/states.ts';
import { UndecodableError } from '../payload/undecodable.ts';
import type { AmqpAddress } from './address.ts';
import { maxMessageBytes } from './broker-link.ts';
import type { Endpoint } from './endpoint.ts';
import type { Feed, SharedDelivery, Subscriber } from './feed.ts';
import type { Outcome, Rejection } from './inflow.ts';
import { AmqpMessage } from './message.ts';

/** The points that one address feeds. */
export interface Route {
  readonly address: string;
  readonly reader: MessageReader;
  /** Places among the observed points. */
  readonly points: readonly number[];
}

export function routesOf(points: readonly ObservedPoint<AmqpAddress>[]): Route[] {
  const placed = points.map(({ address }, index) => ({ index, address: address.payload, link: address.address }));
  return [...Map.groupBy(placed, ({ link }) => link)].map(([address, members]) => ({
    address,
    reader: messageReader(members, { maxBody: maxMessageBytes }),
    points: members.map(({ index }) => index),
  }));
}

/** A message as samples, or the samples that say why it is none, and what its sender is to be told. */
export function readMessage(
  { reader, points }: Pick<Route, 'reader' | 'points'>,
  bytes: Buffer,
  receivedMs: number,
): { readonly samples: MessageSamples; readonly outcome: 'accepted' | Rejection } {
  try {
    return { samples: reader.read(new AmqpMessage(bytes, receivedMs)), outcome: 'accepted' };
  } catch (error) {
    const { message } = error as Error;
    const condition = error instanceof UndecodableError ? 'amqp:decode-error' : 'amqp:internal-error';
    const state: SampleState = { status: statuses.BadDataEncodingInvalid, reason: message };
    return { samples: withoutValues(points, () => state, receivedMs), outcome: { condition, description: message.slice(0, 500) } };
  }
}

function withoutValues(points: readonly number[], stateOf: (index: number) => SampleState, nowMs: number): MessageSamples {
  return {
    points: [...points],
    values: points.map(() => undefined),
    states: points.map(stateOf),
    sourceTimesMs: points.map(() => nowMs),
    sourceTicks: points.map(() => 0),
    types: points.map(() => undefined),
  };
}

/** What happened, in the order in which it did. */
type Event =
  | { readonly route: LiveRoute; readonly delivery: SharedDelivery }
  /** Undefined: its points wait for their first message. */
  | { readonly route: LiveRoute; readonly state: SampleState | undefined };

interface LiveRoute extends Route {
  readonly feed: Feed;
  /** Points of this address that had a sample since it was attached. */
  readonly seen: Set<number>;
  waiting: NodeJS.Timeout | undefined;
}

/** Messages that wait in a queue come within this; after it a point says that there is none. */
const firstMessageMs = 2_000;

/**
 * Watches the addresses of one machine's points. What arrived in one turn of the event loop becomes one batch,
 * which is acknowledged as a whole.
 */
export class Observation {
  readonly #endpoint: Endpoint;
  readonly #points: readonly ObservedPoint<AmqpAddress>[];
  readonly #user: string | undefined;
  /** Names of points that had a sample on this connection: a reload does not make them wait for their first one again. */
  readonly #known: Set<string>;
  #events: Event[] = [];
  #wake: (() => void) | undefined;
  #turn = false;
  #lost: NotConnectedError | undefined;

  constructor(endpoint: Endpoint, points: readonly ObservedPoint<AmqpAddress>[], user: string | undefined, known: Set<string>) {
    this.#endpoint = endpoint;
    this.#points = points;
    this.#user = user;
    this.#known = known;
  }

  async *run(signal: AbortSignal): AsyncGenerator<SampleBatch> {
    const routes = routesOf(this.#points).map((route) => this.#live(route));
    const wake = (): void => this.#wakeUp();
    signal.addEventListener('abort', wake);
    void this.#endpoint.lost.then((error) => {
      this.#lost = error;
      this.#wakeUp();
    });
    const subscriptions = routes.map((route) => route.feed.subscribe(this.#subscriber(route)));
    let batch: Batch | undefined;
    try {
      while (!signal.aborted) {
        if (this.#lost) throw this.#lost;
        batch = this.#next();
        if (batch) yield batch.samples;
        else await this.#wait();
        batch = undefined;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      for (const { waiting } of routes) clearTimeout(waiting);
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
      // The consumer left at the yield: it did not take that batch.
      batch?.giveBack();
      for (const event of this.#events) if ('delivery' in event) event.route.feed.giveBack([event.delivery]);
    }
  }

  #live(route: Route): LiveRoute {
    const seen = new Set(route.points.filter((index) => this.#known.has(this.#points[index]!.name)));
    return { ...route, feed: this.#endpoint.feed(route.address), seen, waiting: undefined };
  }

  #subscriber(route: LiveRoute): Subscriber {
    return {
      user: this.#user,
      take: (delivery) => this.#push({ route, delivery }),
      attached: () => {
        clearTimeout(route.waiting);
        route.waiting = setTimeout(() => this.#push({ route, state: undefined }), firstMessageMs);
      },
      detached: (state) => {
        clearTimeout(route.waiting);
        route.seen.clear();
        for (const index of route.points) this.#known.delete(this.#points[index]!.name);
        this.#push({ route, state });
      },
    };
  }

  #push(event: Event): void {
    this.#events.push(event);
    if (this.#turn) return;
    this.#turn = true;
    // At the end of this turn of the event loop: what else the socket holds comes along.
    setImmediate(() => {
      this.#turn = false;
      this.#wakeUp();
    });
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** All that waits as one batch; undefined when there is nothing to tell. */
  #next(): Batch | undefined {
    const events = this.#events;
    if (events.length === 0) return undefined;
    this.#events = [];
    const batch = new Batch();
    for (const event of events) {
      const { route } = event;
      if ('delivery' in event) {
        const { delivery } = event;
        const { samples, outcome } = readMessage(route, delivery.bytes, delivery.receivedMs);
        batch.add(samples, delivery.receivedMs);
        batch.hold(route.feed, delivery, outcome);
        for (const index of samples.points) this.#sawFirst(route, index);
      } else {
        const unseen = route.points.filter((index) => !route.seen.has(index));
        const nowMs = Date.now();
        const stateOf = (index: number): SampleState => event.state ?? waitingState(route.address, this.#points[index]!.address.payload);
        batch.add(withoutValues(unseen, stateOf, nowMs), nowMs);
      }
    }
    if (!batch.isEmpty) return batch;
    // Messages for nobody here (`when`): nothing to store, so nothing to wait for.
    batch.acknowledge();
    return undefined;
  }

  #sawFirst(route: LiveRoute, index: number): void {
    if (route.seen.has(index)) return;
    route.seen.add(index);
    this.#known.add(this.#points[index]!.name);
  }
}

interface Held {
  readonly feed: Feed;
  readonly delivery: SharedDelivery;
  readonly outcome: Outcome;
}

/** Samples of several messages, and the messages. Whoever settles first decides; later calls do nothing. */
class Batch {
  readonly #points: number[] = [];
  readonly #values: (RawValue | undefined)[] = [];
  readonly #states: (SampleState | undefined)[] = [];
  readonly #times: number[] = [];
  readonly #ticks: number[] = [];
  readonly #types: (ValueType | undefined)[] = [];
  #receivedMs = 0;
  #held: Held[] = [];

  get isEmpty(): boolean {
    return this.#points.length === 0;
  }

  get samples(): SampleBatch {
    return {
      receivedMs: this.#receivedMs,
      points: this.#points,
      values: this.#values,
      states: this.#states,
      sourceTimesMs: this.#times,
      sourceTicks: this.#ticks,
      types: this.#types,
      ...(this.#held.length > 0 && { acknowledge: () => this.acknowledge(), refuse: () => this.#finishAll('released') }),
    };
  }

  add({ points, values, states, sourceTimesMs, sourceTicks, types }: MessageSamples, receivedMs: number): void {
    this.#receivedMs = receivedMs;
    for (let k = 0; k < points.length; k++) {
      this.#points.push(points[k]!);
      this.#values.push(values[k]);
      this.#states.push(states[k]);
      this.#times.push(sourceTimesMs[k]!);
      this.#ticks.push(sourceTicks[k]!);
      this.#types.push(types[k]);
    }
  }

  hold(feed: Feed, delivery: SharedDelivery, outcome: Outcome): void {
    this.#held.push({ feed, delivery, outcome });
  }

  acknowledge(): void {
    for (const { delivery, outcome } of this.#letGo()) delivery.finish(outcome);
  }

  giveBack(): void {
    for (const { feed, delivery } of this.#letGo()) feed.giveBack([delivery]);
  }

  #finishAll(outcome: Outcome): void {
    for (const { delivery } of this.#letGo()) delivery.finish(outcome);
  }

  #letGo(): readonly Held[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }
}
