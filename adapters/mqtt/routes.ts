import type { Captures, SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { PayloadAddress } from '../payload/address.ts';
import type { Message, MessageReader } from '../payload/contract.ts';
import { messageReader } from '../payload/reader.ts';
import { UndecodableError } from '../payload/undecodable.ts';
import type { Batches } from './batches.ts';
import type { Packet } from './inbox.ts';
import type { Machines, Target } from './machines.ts';
import { parseFilter } from './topic.ts';
import { TopicTree } from './topic-tree.ts';

/** A point whose value comes in messages of its own topics. */
export interface PayloadPoint {
  /** Place among the observed points. */
  readonly index: number;
  readonly topic: string;
  readonly payload: PayloadAddress;
}

/** Points of one body format that one topic feeds; the reader is shared by all topics that feed the same points. */
interface Reading {
  readonly reader: MessageReader;
  /** By place among the reader's points. */
  readonly targets: readonly Target[];
}

/** Topics whose way is remembered; beyond that, all are worked out anew. */
const maxRoutes = 20_000;

/** From a topic to the points that want it. Works out the way of a topic when it first comes, and remembers it. */
export class Routes {
  readonly #machines: Machines;
  readonly #tree = new TopicTree<readonly PayloadPoint[]>();
  readonly #routes = new Map<string, readonly Reading[]>();
  readonly #readers = new Map<string, MessageReader>();

  constructor(points: readonly PayloadPoint[], machines: Machines) {
    this.#machines = machines;
    for (const [topic, members] of Map.groupBy(points, ({ topic }) => topic)) this.#tree.add(parseFilter(topic), members);
  }

  /** Adds the samples of one message. False: no point wants its topic. */
  take(packet: Packet, batches: Batches): boolean {
    let route = this.#routes.get(packet.topic);
    if (!route) {
      route = this.#work(packet.topic);
      if (this.#routes.size >= maxRoutes) this.#routes.clear();
      this.#routes.set(packet.topic, route);
    }
    if (route.length === 0) return false;
    if (packet.payload.byteLength === 0) {
      for (const reading of route) this.#spoil(reading, deleted(packet.topic), packet, batches);
      return true;
    }
    const message = messageOf(packet);
    for (const reading of route) this.#read(reading, message, packet, batches);
    return true;
  }

  #read(reading: Reading, message: Message, packet: Packet, batches: Batches): void {
    try {
      const { points, values, states, types, sourceTimesMs, sourceTicks } = reading.reader.read(message);
      for (let k = 0; k < points.length; k++) {
        batches.add(reading.targets[points[k]!]!, values[k], states[k], types[k], sourceTimesMs[k]!, sourceTicks[k]);
      }
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error;
      const state = { status: statuses.BadDataEncodingInvalid, reason: `a message on ${packet.topic}: ${error.message}` };
      this.#spoil(reading, state, packet, batches);
    }
  }

  /** Every point of the topic becomes bad. What never had a value does not appear for this. */
  #spoil({ targets }: Reading, state: SampleState, { receivedMs }: Packet, batches: Batches): void {
    for (const target of targets) if (target.index >= 0) batches.add(target, undefined, state, undefined, receivedMs);
    if (targets.every(({ index }) => index < 0) && state.reason !== undefined) batches.lose(state.reason);
  }

  #work(topic: string): readonly Reading[] {
    const wanted: { readonly point: PayloadPoint; readonly captures: Captures }[] = [];
    for (const { entry, captures } of this.#tree.match(topic)) for (const point of entry) wanted.push({ point, captures });
    const byBody = Map.groupBy(wanted, ({ point }) => point.payload.body);
    return [...byBody.values()].flatMap((members): Reading[] => {
      const placed = members.flatMap(({ point, captures }) => {
        const target = this.#machines.target(point.index, captures);
        return target ? [{ point, target }] : [];
      });
      if (placed.length === 0) return [];
      return [{ reader: this.#readerOf(placed.map(({ point }) => point)), targets: placed.map(({ target }) => target) }];
    });
  }

  #readerOf(points: readonly PayloadPoint[]): MessageReader {
    const key = points.map(({ index }) => index).join();
    let reader = this.#readers.get(key);
    if (!reader) {
      reader = messageReader(points.map(({ payload }, place) => ({ index: place, address: payload })));
      this.#readers.set(key, reader);
    }
    return reader;
  }
}

function messageOf({ payload, userProperties, receivedMs }: Packet): Message {
  if (!userProperties) return { body: payload, receivedMs };
  return {
    body: payload,
    receivedMs,
    // The same name may come several times (MQTT 5 §3.3.2.3.7); the first one counts.
    property: (name) => {
      const value = Object.hasOwn(userProperties, name) ? userProperties[name] : undefined;
      return typeof value === 'string' ? value : value?.[0];
    },
  };
}

const deleted = (topic: string): SampleState => ({
  status: statuses.BadNoData,
  reason: `the message on ${topic} is empty: it was deleted`,
});
