import type { CompiledEquipment } from '../../mappings/equipment.ts';
import { anyGlob } from '../../model/glob.ts';
import type { Plant, PlantMachine, PlantPoint } from '../../model/plant.ts';
import type { Quality } from '../../model/quality.ts';
import type { Reading } from '../../model/reading.ts';
import type { Scalar, Value } from '../../model/value.ts';
import { isoTime } from '../iso-time.ts';

/** What the mapping says of a point beyond what the plant knows. */
export interface ConfiguredPoint {
  /** Where the value is, as the adapter has it. */
  readonly at?: string;
  readonly everyMs?: number;
  /** It may be written, within its guards. */
  readonly write?: boolean;
}

/** One point as configured and as it is now. JSON as it stands: 64-bit integers are texts, times ISO 8601. */
export interface PointView {
  readonly point: string;
  readonly configured: ConfiguredPoint & { readonly unit?: string; readonly type?: string };
  readonly value?: string | number | boolean | readonly (string | number | boolean)[];
  readonly quality: Quality;
  readonly status: string;
  readonly reason?: string;
  /** Since the last sample arrived; absent when there was none. */
  readonly ageMs?: number;
  readonly time?: string;
  /** Time of the last good value, where this one is not good. */
  readonly lastGood?: string;
}

export interface MachineView {
  readonly equipment: string;
  readonly path: string;
  readonly description?: string;
  readonly points: readonly PointView[];
}

export interface ViewRequest {
  /** Globs over equipment ids; absent: all. */
  readonly equipment?: readonly string[];
  /** Globs over point names; absent: all. */
  readonly points?: readonly string[];
  /** Go on after this one: the `next` of the view before. */
  readonly after?: string;
}

export interface TwinView {
  readonly machines: readonly MachineView[];
  /** There is more: ask again with this as `after`. */
  readonly next?: string;
}

export interface ViewSources {
  readonly plant: Plant;
  readonly nowMs: number;
  readonly configured?: (equipment: string, point: string) => ConfiguredPoint | undefined;
}

/** An answer to a direct method has 128 KiB; this leaves room for what stands around the view. */
export const methodViewBytes = 120 * 1024;

/**
 * The points that the request names, in the order of the plant, up to `maxBytes` of JSON text (one point at least). A `next` that stands for
 * a point which is gone begins with its machine, or with the first one when that is gone, too.
 */
export function twinView(sources: ViewSources, request: ViewRequest = {}, maxBytes = Number.POSITIVE_INFINITY): TwinView {
  const wantsMachine = anyGlob(request.equipment ?? ['**']);
  const wantsPoint = anyGlob(request.points ?? ['**']);
  const machines = sources.plant.machines().filter(({ id }) => wantsMachine(id));
  const [firstMachine, firstPoint] = placeAfter(machines, request.after);
  const views: MachineView[] = [];
  let bytes = 0;
  let last: string | undefined;
  for (const machine of machines.slice(firstMachine)) {
    const points: PointView[] = [];
    const { id, path, description } = machine;
    const view: MachineView = { equipment: id, path, ...(description !== undefined && { description }), points };
    const latest = new Map(sources.plant.latest(id).map((reading) => [reading.point, reading]));
    bytes += bytesOf(view);
    for (const point of machine.points.slice(machine === machines[firstMachine] ? firstPoint : 0)) {
      if (!wantsPoint(point.name)) continue;
      const one = pointView(point, latest.get(point.name), sources.configured?.(id, point.name), sources.nowMs);
      bytes += bytesOf(one) + 1;
      if (bytes > maxBytes && last !== undefined) {
        if (points.length > 0) views.push(view);
        return { machines: views, next: last };
      }
      points.push(one);
      last = `${id}/${point.name}`;
    }
    if (points.length > 0) views.push(view);
  }
  return { machines: views };
}

export function pointView(
  point: PlantPoint,
  reading: Reading | undefined,
  configured: ConfiguredPoint | undefined,
  nowMs: number,
): PointView {
  const { name, unit, type } = point;
  const said = { ...configured, ...(unit !== undefined && { unit }), ...(type !== undefined && { type }) };
  if (!reading) return { point: name, configured: said, quality: 'bad', status: 'BadWaitingForInitialData' };
  const { value, quality, status, reason, receivedMs, sourceTimeMs, lastGoodMs } = reading;
  return {
    point: name,
    configured: said,
    ...(value !== undefined && { value: jsonValue(value) }),
    quality,
    status,
    ...(reason !== undefined && { reason }),
    // The wall clock may have been set back meanwhile.
    ageMs: Math.max(0, Math.round(nowMs - receivedMs)),
    time: isoTime(sourceTimeMs),
    ...(lastGoodMs !== undefined && { lastGood: isoTime(lastGoodMs) }),
  };
}

/** Of the mappings that run, for `ViewSources.configured`; machines of a pattern are given as the machines that they are. */
export function configuredPoints(equipment: Iterable<CompiledEquipment>): NonNullable<ViewSources['configured']> {
  const byMachine = new Map<string, CompiledEquipment>();
  for (const one of equipment) byMachine.set(one.id, one);
  const byPoint = new Map<CompiledEquipment, Map<string, ConfiguredPoint>>();
  return (id, name) => {
    const machine = byMachine.get(id);
    if (!machine) return undefined;
    let points = byPoint.get(machine);
    if (!points) {
      points = new Map(machine.points.map((point) => [point.name, configuredPoint(point)]));
      byPoint.set(machine, points);
    }
    return points.get(name);
  };
}

function configuredPoint({ address, everyMs, write }: CompiledEquipment['points'][number]): ConfiguredPoint {
  const at = addressText(address);
  return { ...(at !== undefined && { at }), everyMs, ...(write && { write: true }) };
}

const longestAddress = 200;

/** Adapters keep what they compiled, not what was written; their own words for it are the next best thing. */
function addressText(address: unknown): string | undefined {
  const text =
    typeof address === 'string' ? address : JSON.stringify(address, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  return text === undefined || text === '{}' || text.length > longestAddress ? undefined : text;
}

function placeAfter(machines: readonly PlantMachine[], after: string | undefined): readonly [machine: number, point: number] {
  if (after === undefined) return [0, 0];
  // A point's name has no slash, an id may have.
  const slash = after.lastIndexOf('/');
  const [id, name] = [after.slice(0, slash), after.slice(slash + 1)];
  const machine = machines.findIndex((one) => one.id === id);
  if (machine < 0) return [0, 0];
  return [machine, machines[machine]!.points.findIndex((point) => point.name === name) + 1];
}

function jsonValue(value: Value): NonNullable<PointView['value']> {
  return Array.isArray(value) ? value.map(jsonScalar) : jsonScalar(value as Scalar);
}

const jsonScalar = (value: Scalar): string | number | boolean => (typeof value === 'bigint' ? String(value) : value);
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
