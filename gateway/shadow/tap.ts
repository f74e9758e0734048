import type { CompiledPoint } from '../../mappings/equipment.ts';
import type { SampleBatch, SampleState } from '../../model/sample.ts';

/** A look at the raw samples of one machine. Nothing that it sees or does reaches the readings of the machine. */
export interface ShadowTap {
  /** Observed beside the points of the mapping, over the same connection; their places follow after those. */
  readonly points: readonly CompiledPoint[];
  /** Each batch as the adapter gave it. Never throws. */
  accept(batch: SampleBatch): void;
  /** There will be no more: the mapping was changed, or the machine is gone. */
  ended(reason: string): void;
}

/** What of a batch belongs to the first `count` points; the batch itself where all of it does. */
export function ownPart(batch: SampleBatch, count: number): SampleBatch {
  const kept = placesBelow(batch.points, count);
  const verified = batch.verified && placesBelow(batch.verified, count);
  const lost = batch.lost?.filter(({ point }) => point === undefined || point < count);
  if (!kept && !verified && lost?.length === batch.lost?.length) return batch;
  const pick = <T>(column: ArrayLike<T>): T[] => (kept ? kept.map((k) => column[k]!) : Array.from(column));
  const { points, values, states, sourceTimesMs, sourceTicks, types, ...rest } = batch;
  return {
    ...rest,
    points: pick(points),
    values: pick(values),
    ...(states && { states: pick(states as ArrayLike<SampleState | undefined>) }),
    ...(sourceTimesMs && { sourceTimesMs: pick(sourceTimesMs) }),
    ...(sourceTicks && { sourceTicks: pick(sourceTicks) }),
    ...(types && { types: pick(types) }),
    ...(verified && { verified: verified.map((k) => batch.verified![k]!) }),
    ...(lost && { lost }),
  };
}

/** Where in the list the places below `count` stand; undefined when that is everywhere. */
function placesBelow(places: ArrayLike<number>, count: number): number[] | undefined {
  let all = true;
  for (let k = 0; k < places.length && all; k++) all = places[k]! < count;
  if (all) return undefined;
  const kept: number[] = [];
  for (let k = 0; k < places.length; k++) if (places[k]! < count) kept.push(k);
  return kept;
}
