import { unpackArray } from './array.ts';
import { datatypeName, datatypes, smallIntegers } from './datatype.ts';
import type { MetricValue } from './message.ts';

/** A value that does not fit its datatype. */
export class ValueMismatch extends Error {}

/**
 * Gives a value from the wire the form of its datatype: two's complement of negative integers undone, arrays unpacked.
 * A value that has this form already comes back as it is. Lenient where writers differ: UInt32 is taken from int_value and long_value,
 * an Int8 of -1 both as 0xFFFFFFFF and as 0xFF.
 * Throws ValueMismatch when the value is of another kind or beyond the range of its datatype. Unknown datatypes pass.
 */
export function typedValue(datatype: number, value: MetricValue): MetricValue {
  const small = smallIntegers[datatype];
  if (small) return smallInteger(datatype, small.bits, small.signed, value);
  switch (datatype) {
    case datatypes.Int64:
      return BigInt.asIntN(64, whole(datatype, value));
    case datatypes.UInt64:
    case datatypes.DateTime:
      return BigInt.asUintN(64, whole(datatype, value));
    case datatypes.Float:
    case datatypes.Double:
      return typeof value === 'number' ? value : mismatch(datatype, value);
    case datatypes.Boolean:
      if (value === 0 || value === 1) return value === 1;
      return typeof value === 'boolean' ? value : mismatch(datatype, value);
    case datatypes.String:
    case datatypes.Text:
    case datatypes.UUID:
      return typeof value === 'string' ? value : mismatch(datatype, value);
    case datatypes.Bytes:
    case datatypes.File:
      return value instanceof Uint8Array ? value : mismatch(datatype, value);
    case datatypes.DataSet:
      return isObject(value) && 'rows' in value ? value : mismatch(datatype, value);
    case datatypes.Template:
      return isObject(value) && 'metrics' in value ? value : mismatch(datatype, value);
    default:
      if (datatype < datatypes.Int8Array || datatype > datatypes.DateTimeArray || Array.isArray(value)) return value;
      return value instanceof Uint8Array ? unpacked(datatype, value) : mismatch(datatype, value);
  }
}

function smallInteger(datatype: number, bits: 8 | 16 | 32, signed: boolean, value: MetricValue): number {
  let n = typeof value === 'number' ? value : Number(whole(datatype, value));
  if (!Number.isInteger(n)) return mismatch(datatype, value);
  // A long_value of a negative number is its 64-bit complement; the top half says nothing more.
  if (typeof value === 'bigint' && value >= 2n ** 63n) n = Number(BigInt.asIntN(64, value));
  const span = 2 ** bits;
  const [low, high] = signed ? [-span / 2, span / 2 - 1] : [0, span - 1];
  if (n >= low && n <= high) return n;
  if (signed && n >= 2 ** 31 && n < 2 ** 32 && n - 2 ** 32 >= low) return n - 2 ** 32;
  if (signed && n > high && n < span) return n - span;
  throw new ValueMismatch(`${n} is beyond ${datatypeName(datatype)}`);
}

function whole(datatype: number, value: MetricValue): bigint {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : mismatch(datatype, value);
}

function unpacked(datatype: number, bytes: Uint8Array): MetricValue {
  const elements = unpackArray(datatype, bytes);
  if (elements) return elements;
  throw new ValueMismatch(`${bytes.length} bytes are no ${datatypeName(datatype)}`);
}

function isObject(value: MetricValue): value is Exclude<MetricValue, number | bigint | boolean | string> {
  return typeof value === 'object';
}

function mismatch(datatype: number, value: MetricValue): never {
  const kind =
    value instanceof Uint8Array ? 'bytes' : Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'a structure' : typeof value;
  throw new ValueMismatch(`${kind} instead of ${datatypeName(datatype)}`);
}
