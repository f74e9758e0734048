import type { PlantPoint } from '../../model/plant.ts';
import type { Quality } from '../../model/quality.ts';
import type { Reading } from '../../model/reading.ts';
import type { TelemetryReading } from '../../model/telemetry.ts';
import type { Scalar, Value, ValueType } from '../../model/value.ts';
import { sourceMs } from '../source-time.ts';
import { type Datatype, datatypes, smallIntegers } from './datatype.ts';
import type { ArrayElement, Metric, MetricValue, PropertySet } from './message.ts';

const scalars: Readonly<Record<ValueType, Datatype>> = {
  bool: datatypes.Boolean,
  int8: datatypes.Int8,
  uint8: datatypes.UInt8,
  int16: datatypes.Int16,
  uint16: datatypes.UInt16,
  int32: datatypes.Int32,
  uint32: datatypes.UInt32,
  int64: datatypes.Int64,
  uint64: datatypes.UInt64,
  float32: datatypes.Float,
  float64: datatypes.Double,
  // Sparkplug has no decimals; a text could not be drawn as a curve.
  decimal: datatypes.Double,
  string: datatypes.String,
  bytes: datatypes.Bytes,
  datetime: datatypes.DateTime,
};

/** Int8 to DateTime and the arrays of them. */
const arrayOf = new Map<Datatype, Datatype>(
  ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13] as const).map((scalar) => [scalar, (scalar + datatypes.Int8Array - 1) as Datatype]),
);

export interface MetricOptions {
  /** Default: the name of the point. */
  readonly name?: string;
  /** What the birth said; default: {@link datatypeOf}. */
  readonly datatype?: number;
  /** `false` leaves out the property engUnit, which a birth needs and data does not. Default true. */
  readonly unit?: boolean;
}

/**
 * The datatype of a metric: what the mapping knows of the point, else what the reading declares, else the kind of its value.
 * Double where nothing is known yet; then a later value may not fit, and a new birth must say another.
 */
export function datatypeOf(
  point: Pick<PlantPoint, 'type'> | undefined,
  reading?: Pick<TelemetryReading | Reading, 'type' | 'value'>,
): Datatype {
  const value = reading?.value;
  const scalar = scalarOf(point?.type ?? reading?.type, Array.isArray(value) ? value[0] : (value as Scalar | undefined));
  return Array.isArray(value) ? (arrayOf.get(scalar) ?? datatypes.StringArray) : scalar;
}

function scalarOf(type: ValueType | undefined, value: Scalar | undefined): Datatype {
  if (type !== undefined) return scalars[type];
  if (typeof value === 'boolean') return datatypes.Boolean;
  if (typeof value === 'string') return datatypes.String;
  return typeof value === 'bigint' ? datatypes.Int64 : datatypes.Double;
}

/** A reading of a message as a metric, with its source time; `point` is what the plant says of it. */
export function metricOf(reading: TelemetryReading, point?: Pick<PlantPoint, 'type' | 'unit'>, options: MetricOptions = {}): Metric {
  return metric(reading, sourceMs(reading.time), reading.quality ?? 'good', point, options);
}

/** A latest reading of the plant as a metric, for births. */
export function metricOfLatest(reading: Reading, point?: Pick<PlantPoint, 'type' | 'unit'>, options: MetricOptions = {}): Metric {
  return metric(reading, reading.sourceTimeMs, reading.quality, point, options);
}

/** Sparkplug 3.0 §6.4.11 knows these three; what is uncertain is the last usable value at best. */
const qualityCodes: Readonly<Record<Quality, number>> = { good: 192, uncertain: 500, bad: 0 };

type Said = Pick<TelemetryReading & Reading, 'point'> &
  Partial<Pick<TelemetryReading, 'unit' | 'type' | 'status' | 'reason'>> & { readonly value?: Value };

function metric(
  said: Said,
  timeMs: number,
  quality: Quality,
  point: Pick<PlantPoint, 'type' | 'unit'> | undefined,
  options: MetricOptions,
): Metric {
  const datatype = options.datatype ?? datatypeOf(point, said);
  const value = said.value === undefined ? undefined : metricValue(datatype, said.value);
  const misfit = said.value !== undefined && value === undefined;
  const properties: Record<string, PropertySet[string]> = {};
  if (misfit) {
    properties.Quality = { type: datatypes.Int32, value: qualityCodes.bad };
    properties.Status = { type: datatypes.String, value: 'BadTypeMismatch' };
    properties.Reason = { type: datatypes.String, value: 'the value does not fit the datatype of the birth' };
  } else if (quality !== 'good') {
    properties.Quality = { type: datatypes.Int32, value: qualityCodes[quality] };
    if (said.status !== undefined) properties.Status = { type: datatypes.String, value: said.status };
    if (said.reason !== undefined) properties.Reason = { type: datatypes.String, value: said.reason };
  }
  const unit = said.unit ?? point?.unit;
  if (unit !== undefined && options.unit !== false) properties.engUnit = { type: datatypes.String, value: unit };
  return {
    name: options.name ?? said.point,
    ...(timeMs >= 0 && { timestamp: BigInt(Math.trunc(timeMs)) }),
    datatype,
    ...(value === undefined ? { isNull: true } : { value }),
    ...(Object.keys(properties).length > 0 && { properties }),
  };
}

/** A value in the form of a datatype; undefined when it does not fit. 64-bit integers and bytes may come as text. */
export function metricValue(datatype: number, value: Value): MetricValue | undefined {
  if (Array.isArray(value)) return arrayValue(datatype, value);
  return scalarValue(datatype, value as Scalar);
}

function arrayValue(datatype: number, values: readonly Scalar[]): MetricValue | undefined {
  const element = datatype - datatypes.Int8Array + 1;
  if (element < datatypes.Int8 || element > datatypes.DateTime)
    return datatype === datatypes.String ? JSON.stringify(values.map(String)) : undefined;
  const elements = values.map((each) => scalarValue(element, each));
  return elements.includes(undefined) ? undefined : (elements as ArrayElement[]);
}

function scalarValue(datatype: number, value: Scalar): ArrayElement | Uint8Array | undefined {
  const small = smallIntegers[datatype];
  if (small) {
    const span = 2 ** small.bits;
    const fits = small.signed ? (n: number) => n >= -span / 2 && n < span / 2 : (n: number) => n >= 0 && n < span;
    const n = numberOf(value);
    return Number.isInteger(n) && fits(n) ? n : undefined;
  }
  switch (datatype) {
    case datatypes.Int64:
      return integer(value, -(2n ** 63n), 2n ** 63n - 1n);
    case datatypes.UInt64:
      return integer(value, 0n, 2n ** 64n - 1n);
    case datatypes.Float:
    case datatypes.Double: {
      const n = numberOf(value);
      return Number.isFinite(datatype === datatypes.Float ? Math.fround(n) : n) ? n : undefined;
    }
    case datatypes.Boolean:
      return typeof value === 'boolean' ? value : undefined;
    case datatypes.String:
    case datatypes.Text:
    case datatypes.UUID:
      return String(value);
    case datatypes.DateTime: {
      const ms = typeof value === 'string' ? Math.floor(Date.parse(value)) : Number.NaN;
      return ms >= 0 ? BigInt(ms) : undefined;
    }
    case datatypes.Bytes:
    case datatypes.File:
      return typeof value === 'string' ? Uint8Array.from(Buffer.from(value, 'base64')) : undefined;
    default:
      return undefined;
  }
}

function integer(value: Scalar, low: bigint, high: bigint): bigint | undefined {
  if (typeof value === 'boolean' || (typeof value === 'number' && !Number.isInteger(value))) return undefined;
  if (typeof value === 'string' && !/^-?\d+$/.test(value)) return undefined;
  const whole = BigInt(value);
  return whole >= low && whole <= high ? whole : undefined;
}

function numberOf(value: Scalar): number {
  return typeof value === 'boolean' || (typeof value === 'string' && value.trim() === '') ? Number.NaN : Number(value);
}
