import { datatypeOf, metricValue } from '../../../encodings/sparkplug/metric.ts';
import { type Datatype, datatypes } from '../../../encodings/sparkplug/payload.ts';
import { shortestFloat32 } from '../../../model/float32.ts';
import type { Scalar, Value, ValueType } from '../../../model/value.ts';

/** Array datatypes stand in the order of their elements: Int8Array is 22, BooleanArray 32, StringArray 33, DateTimeArray 34. */
const arrayOffset = datatypes.Int8Array - datatypes.Int8;

/**
 * Whether a value can go under a datatype without loss (of decimals, all digits that a double has). Stricter than the codec: no text
 * becomes a number by chance. String takes everything, as text.
 */
export function fits(datatype: Datatype, value: Value, type: ValueType | undefined): boolean {
  if (datatype === datatypes.String) return true;
  if (datatype < datatypes.Int8Array) return typeof value !== 'object' && scalarFits(datatype, value, type);
  const element = (datatype - arrayOffset) as Datatype;
  if (typeof value !== 'object') return false;
  // A text with a zero byte cannot be told from two in a StringArray.
  if (element === datatypes.String) return value.every((each) => typeof each === 'string' && !each.includes('\0'));
  return value.every((each) => scalarFits(element, each, type));
}

function scalarFits(datatype: Datatype, value: Scalar, type: ValueType | undefined): boolean {
  switch (datatype) {
    case datatypes.Boolean:
      return typeof value === 'boolean';
    case datatypes.Float:
      return typeof value === 'number' && shortestFloat32(Math.fround(value)) === value;
    case datatypes.Double:
      return typeof value === 'number' || (type === 'decimal' && isNumeral(value));
    case datatypes.Int64:
    case datatypes.UInt64:
      if (typeof value === 'string' && type !== 'int64' && type !== 'uint64') return false;
      break;
    case datatypes.DateTime:
      if (type !== 'datetime') return false;
      break;
    case datatypes.Bytes:
      return type === 'bytes' && typeof value === 'string';
    default:
      if (typeof value !== 'number') return false;
  }
  return metricValue(datatype, value) !== undefined;
}

const isNumeral = (value: Scalar): boolean => typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value));

const isNumber = (datatype: number): boolean =>
  datatype !== datatypes.Int64 && datatype !== datatypes.UInt64 && datatype >= datatypes.Int8 && datatype <= datatypes.Double;

/**
 * A datatype for a value that does not fit the present one. Types only widen while values come (a number type to Double, everything else
 * to String), so that a point with two kinds of values does not cause births for ever. `evident`: a value has confirmed the present one.
 */
export function widerType(present: Datatype, evident: boolean, value: Value, type: ValueType | undefined): Datatype {
  const natural = datatypeOf(undefined, { value: value as Exclude<Value, bigint>, ...(type ? { type } : {}) });
  if (!fits(natural, value, type)) return datatypes.String;
  if (!evident) return natural;
  const isWider =
    (natural === datatypes.Double && isNumber(present)) || (natural === datatypes.DoubleArray && isNumber(present - arrayOffset));
  return isWider ? natural : datatypes.String;
}
