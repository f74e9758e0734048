import type { CompiledEquipment } from '../mappings/equipment.ts';
import type { Quality } from '../model/quality.ts';
import type { Reading } from '../model/reading.ts';
import type { SampleState } from '../model/sample.ts';
import { statuses } from '../model/status.ts';
import type { Value, ValueType } from '../model/value.ts';

/** The latest of every point of one machine, column by column. Monotonic times are of performance.now(). */
export class PointStates {
  readonly equipment: CompiledEquipment;
  readonly values: (Value | undefined)[];
  readonly types: (ValueType | undefined)[];
  readonly qualities: (Quality | undefined)[];
  readonly states: (SampleState | undefined)[];
  readonly sourceMs: Float64Array;
  readonly sourceTicks: Uint16Array;
  readonly receivedMs: Float64Array;
  readonly lastGoodMs: Float64Array;
  /** Last sample or proof of life. */
  readonly seenMono: Float64Array;
  /** What left last; `undefined` quality: nothing left yet. */
  readonly reportedValues: (Value | undefined)[];
  readonly reportedQualities: (Quality | undefined)[];
  readonly reportedStatus: Float64Array;
  readonly reportedMono: Float64Array;

  constructor(equipment: CompiledEquipment, nowMono: number) {
    const n = equipment.points.length;
    this.equipment = equipment;
    this.values = new Array(n).fill(undefined);
    this.types = new Array(n).fill(undefined);
    this.qualities = new Array(n).fill(undefined);
    this.states = new Array(n).fill(undefined);
    this.sourceMs = new Float64Array(n);
    this.sourceTicks = new Uint16Array(n);
    this.receivedMs = new Float64Array(n);
    this.lastGoodMs = new Float64Array(n).fill(Number.NaN);
    this.seenMono = new Float64Array(n).fill(nowMono);
    this.reportedValues = new Array(n).fill(undefined);
    this.reportedQualities = new Array(n).fill(undefined);
    this.reportedStatus = new Float64Array(n);
    this.reportedMono = new Float64Array(n).fill(Number.NEGATIVE_INFINITY);
  }

  /** Takes over what `before` knew of points that did not change, so that a reload neither repeats nor forgets. */
  carryOver(before: PointStates): void {
    const places = new Map(before.equipment.points.map((point, index) => [point.name, index]));
    for (const [index, point] of this.equipment.points.entries()) {
      const old = places.get(point.name);
      if (old === undefined || before.equipment.points[old]?.hash !== point.hash) continue;
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
  }

  /** The latest reading of each point that has one, as objects for people. */
  readings(): Reading[] {
    return this.equipment.points.flatMap((_, index) => this.reading(index) ?? []);
  }

  reading(index: number): Reading | undefined {
    const point = this.equipment.points[index];
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
