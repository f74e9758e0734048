import { type Datatype, datatypes, type MetricValue } from '../../../encodings/sparkplug/payload.ts';
import { shortestFloat32 } from '../../../model/float32.ts';
import type { Scalar, Value, ValueType } from '../../../model/value.ts';

const ofTypes: Readonly<Record<ValueType, Datatype>> = {
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
  // A decimal that a double carries comes as a number; one that does not comes as text, and makes the metric a String.
  decimal: datatypes.Double,
  string: datatypes.String,
  bytes: datatypes.Bytes,
  datetime: datatypes.DateTime,
};

/**
 * Datatype of a metric before any value came. Where the mapping does not know the type it is Double, because most points are numbers;
 * the first value that is none corrects it with a new birth.
 */
export const assumedType = (type: ValueType | undefined): Datatype => (type === undefined ? datatypes.Double : ofTypes[type]);

/** Array datatypes stand in the order of their elements: Int8Array is 22, Boolean 11 becomes 32; StringArray 33, DateTimeArray 34. */
const arrayOffset = datatypes.Int8Array - datatypes.Int8;

/** The narrowest datatype that a value says by itself. JSON numbers are doubles. */
function naturalType(value: Value, type: ValueType | undefined): Datatype {
  if (typeof value === 'object') {
    const first = value[0];
    const element = first === undefined ? assumedType(type) : naturalType(first, type);
    return element <= datatypes.DateTime ? ((element + arrayOffset) as Datatype) : datatypes.String;
  }
  if (typeof value === 'string') return type === undefined || type === 'decimal' ? datatypes.String : ofTypes[type];
  if (typeof value === 'boolean') return datatypes.Boolean;
  if (typeof value === 'bigint') return value > maxInt64 ? datatypes.UInt64 : datatypes.Int64;
  return datatypes.Double;
}

const maxInt64 = 2n ** 63n - 1n;

/** `value` in the form of a datatype; undefined where it does not fit. String takes everything, as text. */
export function metricValue(datatype: Datatype, value: Value, type: ValueType | undefined): MetricValue | undefined {
  if (datatype === datatypes.String) return typeof value === 'object' ? JSON.stringify(value, bigintAsText) : String(value);
  if (datatype >= datatypes.Int8Array) return arrayValue(datatype, value, type);
  if (typeof value === 'object') return undefined;
  return scalarValue(datatype, value, type);
}

function arrayValue(datatype: Datatype, value: Value, type: ValueType | undefined): MetricValue | undefined {
  if (typeof value !== 'object') return undefined;
  const elementType = (datatype - arrayOffset) as Datatype;
  const elements: Scalar[] = [];
  for (const each of value) {
    // A text with a zero byte cannot be told from two in a StringArray.
    const element =
      elementType === datatypes.String
        ? typeof each === 'string' && !each.includes('\0')
          ? each
          : undefined
        : scalarValue(elementType, each, type);
    if (element === undefined || typeof element === 'object') return undefined;
    elements.push(element);
  }
  return elements;
}

function scalarValue(datatype: Datatype, value: Scalar, type: ValueType | undefined): Scalar | Uint8Array | undefined {
  switch (datatype) {
    case datatypes.Int8:
      return whole(value, -0x80, 0x7f);
    case datatypes.Int16:
      return whole(value, -0x8000, 0x7fff);
    case datatypes.Int32:
      return whole(value, -0x8000_0000, 0x7fff_ffff);
    case datatypes.UInt8:
      return whole(value, 0, 0xff);
    case datatypes.UInt16:
      return whole(value, 0, 0xffff);
    case datatypes.UInt32:
      return whole(value, 0, 0xffff_ffff);
    case datatypes.Int64:
      return wide(value, type, -(2n ** 63n), maxInt64);
    case datatypes.UInt64:
      return wide(value, type, 0n, 2n ** 64n - 1n);
    case datatypes.Float:
      return typeof value === 'number' && shortestFloat32(Math.fround(value)) === value ? value : undefined;
    case datatypes.Double:
      return typeof value === 'number' ? value : undefined;
    case datatypes.Boolean:
      return typeof value === 'boolean' ? value : undefined;
    case datatypes.DateTime:
      return type === 'datetime' && typeof value === 'string' ? epochMs(value) : undefined;
    case datatypes.Bytes:
      return type === 'bytes' && typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
    default:
      return undefined;
  }
}

function whole(value: Scalar, min: number, max: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
}

function wide(value: Scalar, type: ValueType | undefined, min: bigint, max: bigint): bigint | undefined {
  const isDigits = typeof value === 'string' && (type === 'int64' || type === 'uint64') && /^-?\d+$/.test(value);
  if (!isDigits && typeof value !== 'bigint' && !Number.isSafeInteger(value)) return undefined;
  const n = BigInt(value);
  return n >= min && n <= max ? n : undefined;
}

/** DateTime counts milliseconds since 1970; what is finer is dropped, what is older does not fit. */
function epochMs(text: string): bigint | undefined {
  const ms = Date.parse(text);
  return ms >= 0 ? BigInt(ms) : undefined;
}

const isNumber = (datatype: Datatype): boolean =>
  datatype !== datatypes.Int64 && datatype !== datatypes.UInt64 && datatype >= datatypes.Int8 && datatype <= datatypes.Double;

/**
 * A datatype for a value that the present one does not take. Types only widen while values come (a number type to Double, everything else
 * to String), so that a point with two kinds of values does not cause births for ever. `evident`: a value has confirmed the present one.
 */
export function widerType(present: Datatype, evident: boolean, value: Value, type: ValueType | undefined): Datatype {
  const natural = naturalType(value, type);
  const takesIt = metricValue(natural, value, type) !== undefined;
  if (!evident && takesIt) return natural;
  if (takesIt && natural === datatypes.Double && isNumber(present)) return natural;
  if (takesIt && natural === datatypes.DoubleArray && isNumber((present - arrayOffset) as Datatype)) return natural;
  return datatypes.String;
}

const bigintAsText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
