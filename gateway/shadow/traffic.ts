import { z } from 'zod';
import type { CompiledEquipment } from '../../mappings/equipment.ts';
import type { SampleBatch } from '../../model/sample.ts';
import { Pipeline, type ReadingSink } from '../pipeline.ts';
import type { ShadowPlan } from './plan.ts';

const count = z.int().min(0);
const amount = z.strictObject({ readings: count, bytes: count });
/** What would leave, after deadbands and heartbeats, before compression. */
export const Traffic = z.strictObject({ running: amount, candidate: amount });
export type Traffic = z.infer<typeof Traffic>;

export const noTraffic = (): Traffic => ({ running: { readings: 0, bytes: 0 }, candidate: { readings: 0, bytes: 0 } });

/** How much both mappings would send: each has a pipeline of its own, begun at one moment, whose readings are counted and go nowhere. */
export class TrafficComparison {
  readonly traffic: Traffic;
  readonly #running: Pipeline;
  readonly #candidate: Pipeline;
  /** Where the samples of a place go. */
  readonly #runningPlaces: readonly number[][];
  readonly #candidatePlaces: readonly number[][];

  constructor({ running, candidate, pairs, extra }: ShadowPlan, before?: Traffic) {
    this.traffic = before ?? noTraffic();
    this.#running = counting(running, this.traffic.running);
    this.#candidate = counting(candidate, this.traffic.candidate);
    const observed = running.points.length + extra.length;
    this.#runningPlaces = Array.from({ length: observed }, (_, place) => (place < running.points.length ? [place] : []));
    const places: number[][] = Array.from({ length: observed }, () => []);
    const order = new Map(candidate.points.map(({ name }, index) => [name, index]));
    for (const { candidate: point, candidatePlace } of pairs) if (point) places[candidatePlace]!.push(order.get(point.name)!);
    this.#candidatePlaces = places;
  }

  accept(batch: SampleBatch): void {
    this.#running.accept(placed(batch, this.#runningPlaces));
    this.#candidate.accept(placed(batch, this.#candidatePlaces));
  }

  /** Heartbeats, and points that went silent. */
  sweep(): void {
    this.#running.sweep();
    this.#candidate.sweep();
  }
}

function counting(equipment: CompiledEquipment, amount: Traffic['running']): Pipeline {
  const sink: ReadingSink = {
    add(text) {
      amount.readings++;
      amount.bytes += text.length;
    },
    settle() {},
    lost() {},
  };
  return new Pipeline(equipment, sink);
}

/** The batch with the places of one of the mappings; what has no place there is left out, and nobody is told that it was taken. */
function placed(batch: SampleBatch, places: readonly number[][]): SampleBatch {
  const { receivedMs, points, values, states, types, sourceTimesMs, sourceTicks, verified } = batch;
  const [from, to]: [number[], number[]] = [[], []];
  for (let k = 0; k < points.length; k++) {
    for (const place of places[points[k]!] ?? []) {
      from.push(k);
      to.push(place);
    }
  }
  return {
    receivedMs,
    points: to,
    values: from.map((k) => values[k]),
    ...(states && { states: from.map((k) => states[k]) }),
    ...(types && { types: from.map((k) => types[k]) }),
    ...(sourceTimesMs && { sourceTimesMs: from.map((k) => sourceTimesMs[k]!) }),
    ...(sourceTicks && { sourceTicks: from.map((k) => sourceTicks[k]!) }),
    ...(verified && { verified: Array.from(verified).flatMap((place) => places[place] ?? []) }),
  };
}
