import type { CompiledEquipment, CompiledPoint } from '../mappings/equipment.ts';
import type { Quality } from '../model/quality.ts';
import type { Reading } from '../model/reading.ts';
import type { SampleState } from '../model/sample.ts';
import { statuses } from '../model/status.ts';
import type { Value, ValueType } from '../model/value.ts';

/** In place of a time of patience: a pattern is no point itself. */
export const patternsNeverSpeak = Number.POSITIVE_INFINITY;

const patience = ({ pattern, staleAfterMs }: CompiledPoint): number => (pattern ? patternsNeverSpeak : staleAfterMs);

/** The latest of every point of one machine, column by column. Monotonic times are of performance.now(). */
export class PointStates {
  readonly equipment: CompiledEquipment;
  /** Those of the mapping, then those that made themselves known. */
  readonly points: CompiledPoint[];
  readonly values: (Value | undefined)[];
  readonly types: (ValueType | undefined)[];
  readonly qualities: (Quality | undefined)[];
  readonly states: (SampleState | undefined)[];
  sourceMs: Float64Array;
  sourceTicks: Uint16Array;
  receivedMs: Float64Array;
  lastGoodMs: Float64Array;
  /** Last sample or proof of life. */
  seenMono: Float64Array;
  /** Of each point, so that a sweep over all of them touches nothing else. */
  staleAfterMs: Float64Array;
  /** What left last; `undefined` quality: nothing left yet. */
  readonly reportedValues: (Value | undefined)[];
  readonly reportedQualities: (Quality | undefined)[];
  reportedStatus: Float64Array;
  reportedMono: Float64Array;

  constructor(equipment: CompiledEquipment, nowMono: number) {
    const n = equipment.points.length;
    this.equipment = equipment;
    this.points = [...equipment.points];
    this.values = new Array(n).fill(undefined);
    this.types = new Array(n).fill(undefined);
    this.qualities = new Array(n).fill(undefined);
    this.states = new Array(n).fill(undefined);
    this.sourceMs = new Float64Array(n);
    this.sourceTicks = new Uint16Array(n);
    this.receivedMs = new Float64Array(n);
    this.lastGoodMs = new Float64Array(n).fill(Number.NaN);
    this.seenMono = new Float64Array(n).fill(nowMono);
    this.staleAfterMs = Float64Array.from(equipment.points, patience);
    this.reportedValues = new Array(n).fill(undefined);
    this.reportedQualities = new Array(n).fill(undefined);
    this.reportedStatus = new Float64Array(n);
    this.reportedMono = new Float64Array(n).fill(Number.NEGATIVE_INFINITY);
  }

  /** One more point; gives its place. */
  add(point: CompiledPoint, nowMono: number): number {
    const index = this.points.length;
    this.points.push(point);
    if (index >= this.sourceMs.length) this.#grow(Math.max(16, index * 2));
    this.values[index] = undefined;
    this.types[index] = undefined;
    this.qualities[index] = undefined;
    this.states[index] = undefined;
    this.reportedValues[index] = undefined;
    this.reportedQualities[index] = undefined;
    this.seenMono[index] = nowMono;
    this.staleAfterMs[index] = patience(point);
    return index;
  }

  #grow(capacity: number): void {
    const larger = (old: Float64Array, fill = 0): Float64Array => {
      const grown = new Float64Array(capacity).fill(fill);
      grown.set(old);
      return grown;
    };
    this.sourceMs = larger(this.sourceMs);
    this.receivedMs = larger(this.receivedMs);
    this.lastGoodMs = larger(this.lastGoodMs, Number.NaN);
    this.seenMono = larger(this.seenMono);
    this.staleAfterMs = larger(this.staleAfterMs);
    this.reportedStatus = larger(this.reportedStatus);
    this.reportedMono = larger(this.reportedMono, Number.NEGATIVE_INFINITY);
    const ticks = new Uint16Array(capacity);
    ticks.set(this.sourceTicks);
    this.sourceTicks = ticks;
  }

  /** Takes over what `before` knew of points that did not change, so that a reload neither repeats nor forgets. */
  carryOver(before: PointStates): void {
    const places = new Map(before.points.map((point, index) => [point.name, index]));
    for (const [index, point] of this.points.entries()) this.#take(index, before, places.get(point.name));
  }

  /** The same for one point that came later. */
  carryOverOne(index: number, before: PointStates): void {
    const { name } = this.points[index]!;
    this.#take(
      index,
      before,
      before.points.findIndex((point) => point.name === name),
    );
  }

  #take(index: number, before: PointStates, old: number | undefined): void {
    if (old === undefined || before.points[old]?.hash !== this.points[index]!.hash) return;
    this.values[index] = before.values[old];
    this.types[index] = before.types[old];
    this.qualities[index] = before.qualities[old];
    this.states[index] = before.states[old];
    this.sourceMs[index] = before.sourceMs[old]!;
    this.sourceTicks[index] = before.sourceTicks[old]!;
    this.receivedMs[index] = before.receivedMs[old]!;
    this.lastGoodMs[index] = before.lastGoodMs[old]!;
    this.seenMono[index] = before.seenMono[old]!;
    this.reportedValues[index] = before.reportedValues[old];
    this.reportedQualities[index] = before.reportedQualities[old];
    this.reportedStatus[index] = before.reportedStatus[old]!;
    this.reportedMono[index] = before.reportedMono[old]!;
  }

  /** How many points have which quality; one without any reading counts as bad. */
  count(): { points: number; good: number; uncertain: number; bad: number } {
    const counts = { points: 0, good: 0, uncertain: 0, bad: 0 };
    for (let index = 0; index < this.qualities.length; index++) {
      // Patterns are no points.
      if (this.staleAfterMs[index] === patternsNeverSpeak) continue;
      counts.points++;
      counts[this.qualities[index] ?? 'bad']++;
    }
    return counts;
  }

  /** The latest reading of each point that has one, as objects for people. */
  readings(): Reading[] {
    return this.points.flatMap((_, index) => this.reading(index) ?? []);
  }

  reading(index: number): Reading | undefined {
    const point = this.points[index];
    const quality = this.qualities[index];
    if (point === undefined || quality === undefined) return undefined;
    const status = this.states[index]?.status ?? statuses.Good;
    const value = this.values[index];
    const type = this.types[index];
    const reason = this.states[index]?.reason;
    const lastGoodMs = this.lastGoodMs[index]!;
    const sourceTicks = this.sourceTicks[index]!;
    return {
      point: point.name,
      quality,
      status: status.name,
      sourceTimeMs: this.sourceMs[index]!,
      receivedMs: this.receivedMs[index]!,
      ...(value === undefined ? {} : { value }),
      ...(type === undefined ? {} : { type }),
      ...(point.unit === undefined ? {} : { unit: point.unit }),
      ...((status.code & 0xffff) === 0 ? {} : { statusCode: status.code }),
      ...(reason === undefined ? {} : { reason }),
      ...(sourceTicks === 0 ? {} : { sourceTicks }),
      ...(quality === 'bad' && !Number.isNaN(lastGoodMs) ? { lastGoodMs } : {}),
    };
  }
}
