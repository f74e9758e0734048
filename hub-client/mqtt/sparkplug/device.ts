import { sourceMs } from '../../../encodings/source-time.ts';
import { datatypeOf, metricOf, metricOfLatest } from '../../../encodings/sparkplug/metric.ts';
import type { Datatype, Metric } from '../../../encodings/sparkplug/payload.ts';
import type { PlantMachine, PlantPoint } from '../../../model/plant.ts';
import type { Reading } from '../../../model/reading.ts';
import type { TelemetryReading } from '../../../model/telemetry.ts';
import type { Value, ValueType } from '../../../model/value.ts';
import { saysLost } from './metric.ts';
import { fits, widerType } from './metric-type.ts';

/** One metric of a device as its last birth declared it. */
interface PointState {
  readonly name: string;
  readonly alias: bigint;
  unit: string | undefined;
  datatype: Datatype;
  /** A value has confirmed the datatype. */
  evident: boolean;
  /** Source time of the value in the last birth, epoch milliseconds. */
  bornMs: number | undefined;
  /** Whether the machine could not be reached for it, as far as is known. */
  lost: boolean | undefined;
}

/** Number of a metric within the edge node; the same name keeps its number for the session. */
export type AliasOf = (device: string, point: string) => bigint;

/** One machine as a Sparkplug device: what its births declare, whether it is born, whether it can be reached. */
export class Device {
  readonly id: string;
  /** Between DBIRTH and DDEATH. */
  alive = false;
  /** History went out since the last look: it is left alive until that is over. */
  busy = false;
  readonly #aliasOf: AliasOf;
  readonly #points = new Map<string, PointState>();
  #inPlant = false;
  #declared = '';

  constructor(id: string, aliasOf: AliasOf) {
    this.id = id;
    this.#aliasOf = aliasOf;
  }

  /** No longer of the plant, or none of its points can be reached: to be buried when nothing more comes. */
  get gone(): boolean {
    if (!this.#inPlant) return true;
    let lost = false;
    for (const point of this.#points.values()) {
      if (point.lost === false) return false;
      lost ||= point.lost === true;
    }
    return lost;
  }

  /** Takes over what the mapping says now; true when the last birth is no longer right. Undefined: the machine left the plant. */
  declare(machine: PlantMachine | undefined): boolean {
    this.#inPlant = machine !== undefined;
    if (!machine) return false;
    const declared = JSON.stringify(machine.points.map(({ name, unit, type }) => [name, unit, type]));
    if (declared === this.#declared) return false;
    this.#declared = declared;
    const before = new Map(this.#points);
    this.#points.clear();
    for (const point of machine.points) this.#points.set(point.name, { ...this.#fresh(point), lost: before.get(point.name)?.lost });
    return true;
  }

  /**
   * Makes the device able to carry these readings: points that are not declared come in, datatypes widen.
   * True when a birth must come first.
   */
  admit(readings: readonly TelemetryReading[]): boolean {
    let changed = false;
    for (const { point: name, value, type, unit } of readings) {
      let point = this.#points.get(name);
      if (!point) {
        point = this.#fresh({ name, unit, type: undefined });
        this.#points.set(name, point);
        changed = true;
      }
      if (value !== undefined) changed = adopt(point, value, type) || changed;
    }
    return changed;
  }

  /** The metrics of a birth, with the latest values. From now on data that is older than them is history. */
  birth(latest: readonly Reading[], nowMs: number): readonly Metric[] {
    this.alive = true;
    const readings = new Map(latest.map((reading) => [reading.point, reading]));
    return [...this.#points.values()].map((point): Metric => {
      const { name, alias, unit } = point;
      const reading = readings.get(name);
      if (reading?.value !== undefined) adopt(point, reading.value, reading.type);
      point.bornMs = reading?.sourceTimeMs;
      if (reading) point.lost = saysLost(reading);
      const plant = { type: undefined, unit };
      const { datatype } = point;
      const metric = metricOfLatest(reading ?? unknown(name, nowMs), plant, { datatype });
      return { ...metric, alias, timestamp: epoch(reading?.sourceTimeMs ?? nowMs) };
    });
  }

  /** Without a birth: who is known to be out of reach. */
  look(latest: readonly Reading[]): void {
    for (const reading of latest) {
      const point = this.#points.get(reading.point);
      if (point) point.lost = saysLost(reading);
    }
  }

  /** The metrics of a data message; the readings must have been admitted. What came before `sessionMs`, or is older than the birth, is history. */
  data(readings: readonly TelemetryReading[], sessionMs: number, aliases: boolean): readonly Metric[] {
    return readings.map((reading): Metric => {
      const point = this.#points.get(reading.point)!;
      const timeMs = sourceMs(reading.time);
      const isHistorical = isBefore(reading, sessionMs) || (point.bornMs !== undefined && timeMs < point.bornMs);
      if (isHistorical) this.busy = true;
      else point.lost = saysLost(reading);
      const { name: _, ...metric } = metricOf(reading, undefined, { datatype: point.datatype, unit: false });
      return {
        ...(aliases ? { alias: point.alias } : { name: point.name }),
        ...metric,
        timestamp: epoch(timeMs),
        ...(isHistorical ? { isHistorical } : {}),
      };
    });
  }

  #fresh({ name, unit, type }: Omit<PlantPoint, 'description'>): PointState {
    const alias = this.#aliasOf(this.id, name);
    return { name, alias, unit, datatype: datatypeOf({ type }), evident: false, bornMs: undefined, lost: undefined };
  }
}

/** Whether a reading reached the gateway before; its source time may be of another clock. */
export function isBefore({ received, time }: Pick<TelemetryReading, 'received' | 'time'>, ms: number): boolean {
  return sourceMs(received ?? time) < ms;
}

/** Widens the datatype where the value needs it; true when it did. */
function adopt(point: PointState, value: Value, type: ValueType | undefined): boolean {
  const isFit = fits(point.datatype, value, type);
  if (!isFit) point.datatype = widerType(point.datatype, point.evident, value, type);
  point.evident = true;
  return !isFit;
}

/** Sparkplug counts from 1970. */
const epoch = (ms: number): bigint => (ms > 0 ? BigInt(Math.trunc(ms)) : 0n);

/** Nothing came of a point yet: null, and not called bad for it. */
const unknown = (point: string, nowMs: number): Reading => ({
  point,
  quality: 'good',
  status: 'Good',
  sourceTimeMs: nowMs,
  receivedMs: nowMs,
});
