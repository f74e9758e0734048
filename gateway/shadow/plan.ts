import { formatDuration } from '../../mappings/duration.ts';
import type { CompiledEquipment, CompiledPoint } from '../../mappings/equipment.ts';
import { MethodRefusal } from '../methods/methods.ts';

/** A point of the candidate and the one it is held against. */
export interface PointPair {
  /** As the candidate calls it; as the running mapping does where the candidate has none. */
  readonly name: string;
  readonly running: CompiledPoint | undefined;
  readonly candidate: CompiledPoint | undefined;
  /** Places of their raw samples among what is observed. Equal: both give meaning to the very same sample. */
  readonly runningPlace: number;
  readonly candidatePlace: number;
  readonly renamedFrom?: string;
  /** What differs in the mapping itself: `byteOrder: CDAB -> ABCD`, `its meaning`. */
  readonly changes: readonly string[];
}

/** How a candidate is compared with the mapping of a machine that runs. */
export interface ShadowPlan {
  readonly running: CompiledEquipment;
  readonly candidate: CompiledEquipment;
  /** Points to observe beside those of the running mapping: same connection, same requests where the protocol joins them. */
  readonly extra: readonly CompiledPoint[];
  readonly pairs: readonly PointPair[];
}

const nowhere = -1;

/**
 * Pairs the points by name, then by address (renamed). A point whose address and type did not change takes the raw sample of its
 * counterpart; any other is observed at its counterpart's interval, so that a polling adapter puts both into one request.
 * Throws a MethodRefusal where the two cannot run side by side.
 */
export function planShadow(
  running: CompiledEquipment,
  candidate: CompiledEquipment,
  takes?: (address: unknown) => string | undefined,
): ShadowPlan {
  refuseUnlike(running, candidate);
  const byName = new Map(candidate.points.map((point) => [point.name, point]));
  const renamed = renamings(running, candidate);
  const places = new Map(running.points.map((point, place) => [sourceOf(point), place]));
  const extra: CompiledPoint[] = [];
  const placeOf = (point: CompiledPoint, counterpart: CompiledPoint | undefined, at: number): number => {
    if (counterpart && sourceOf(counterpart) === sourceOf(point)) return at;
    const known = places.get(sourceOf(point));
    if (known !== undefined && (counterpart === undefined || running.points[known]?.everyMs === counterpart.everyMs)) return known;
    const { everyMs, staleAfterMs } = counterpart ?? point;
    extra.push({ ...point, everyMs, staleAfterMs });
    return running.points.length + extra.length - 1;
  };
  const pairs: PointPair[] = [];
  const paired = new Set<string>();
  for (const [place, point] of running.points.entries()) {
    const other = byName.get(point.name) ?? renamed.get(point.name);
    if (!other) {
      pairs.push({ name: point.name, running: point, candidate: undefined, runningPlace: place, candidatePlace: nowhere, changes: [] });
      continue;
    }
    paired.add(other.name);
    pairs.push({
      name: other.name,
      running: point,
      candidate: other,
      runningPlace: place,
      candidatePlace: placeOf(other, point, place),
      ...(other.name !== point.name && { renamedFrom: point.name }),
      changes: changesOf(point, other),
    });
  }
  for (const point of candidate.points) {
    if (paired.has(point.name)) continue;
    pairs.push({
      name: point.name,
      running: undefined,
      candidate: point,
      runningPlace: nowhere,
      candidatePlace: placeOf(point, undefined, nowhere),
      changes: [],
    });
  }
  if (takes) refuseTaking(running, extra, takes);
  return { running, candidate, extra, pairs };
}

function refuseUnlike(running: CompiledEquipment, candidate: CompiledEquipment): void {
  const { id } = running;
  if (running.adapter !== candidate.adapter || running.connectionHash !== candidate.connectionHash) {
    throw new MethodRefusal(
      409,
      'shadow-connection',
      `${id}: the candidate has another connection: block; both must come over the one that is open`,
      {
        hint: 'give the candidate the connection: block that runs; a changed one is applied with config.apply, and can be rolled back',
      },
    );
  }
  const patterns = [running, candidate].some(({ captures, points }) => captures !== undefined || points.some(({ pattern }) => pattern));
  if (patterns) {
    throw new MethodRefusal(
      409,
      'shadow-pattern',
      `${id}: mappings with {placeholders} in the names of machines or points cannot be run as a shadow`,
      {
        hint: 'name one machine and its points in a mapping of their own for the comparison',
      },
    );
  }
}

/** A new queue would be emptied by looking at it. */
function refuseTaking(running: CompiledEquipment, extra: readonly CompiledPoint[], takes: (address: unknown) => string | undefined): void {
  const taken = new Set(running.points.map(({ address }) => takes(address)));
  for (const { name, address } of extra) {
    const source = takes(address);
    if (source === undefined || taken.has(source)) continue;
    throw new MethodRefusal(
      409,
      'shadow-takes',
      `${running.id}: ${name} comes from ${source}, and to look there takes its messages away from others`,
      {
        hint: 'compare only points of sources that the running mapping has already',
      },
    );
  }
}

/** By running name: the candidate's point that reads the same place under another name. Only where there is no doubt. */
function renamings(running: CompiledEquipment, candidate: CompiledEquipment): Map<string, CompiledPoint> {
  const names = (points: readonly CompiledPoint[]): Set<string> => new Set(points.map(({ name }) => name));
  const alone = (points: readonly CompiledPoint[], others: Set<string>): Map<string, CompiledPoint[]> =>
    Map.groupBy(
      points.filter(({ name }) => !others.has(name)),
      sourceOf,
    );
  const gone = alone(running.points, names(candidate.points));
  const come = alone(candidate.points, names(running.points));
  const result = new Map<string, CompiledPoint>();
  for (const [source, [before, ...more]] of gone) {
    const [after, ...others] = come.get(source) ?? [];
    if (before && after && more.length === 0 && others.length === 0) result.set(before.name, after);
  }
  return result;
}

/** Equal where the adapter would give the same raw value. */
function sourceOf({ address, rawType }: CompiledPoint): string {
  return JSON.stringify([address, rawType], exactly);
}

function exactly(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

function changesOf(a: CompiledPoint, b: CompiledPoint): string[] {
  if (a.hash === b.hash) return [];
  const duration = (ms: number | undefined): string => (ms === undefined ? 'none' : formatDuration(ms));
  const said = [
    ...addressChanges(a.address, b.address),
    ...change('type', a.rawType, b.rawType),
    ...change('unit', a.unit, b.unit),
    ...change('description', a.description, b.description),
    ...change('every', duration(a.everyMs), duration(b.everyMs)),
    ...change('staleAfter', duration(a.staleAfterMs), duration(b.staleAfterMs)),
    ...change('atLeastEvery', duration(a.atLeastEveryMs), duration(b.atLeastEveryMs)),
    ...change('deadband', a.deadband?.width, b.deadband?.width),
    ...change('write', a.write && JSON.stringify(a.write), b.write && JSON.stringify(b.write)),
  ];
  // A name is part of what is told apart: of a renamed point there may be nothing else.
  return said.length > 0 || a.name !== b.name ? said : ['its meaning: scale, enum, range …'];
}

/** Deep enough for every adapter: their addresses are small plain objects. */
function addressChanges(a: unknown, b: unknown): string[] {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return change('at', a, b);
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((key) => change(key, left[key], right[key]));
}

function change(key: string, a: unknown, b: unknown): string[] {
  const [before, after] = [shown(a), shown(b)];
  return before === after ? [] : [`${key}: ${before} -> ${after}`];
}

function shown(value: unknown): string {
  if (value === undefined) return 'none';
  const text = typeof value === 'string' ? value : JSON.stringify(value, exactly);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
