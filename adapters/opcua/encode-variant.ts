import { shortestFloat32 } from '../../model/float32.ts';
import type { RawValue, Scalar } from '../../model/value.ts';
import { type BuiltInType, builtInTypes } from './built-in-types.ts';

/** The built-in type of a node, and whether it holds one value or a list. */
export interface NodeShape {
  /** Number of the built-in type. */
  readonly dataType: number;
  readonly isArray: boolean;
}

/** What the library puts into a Variant of that type. */
export type Encoded = { readonly value: unknown } | { readonly misfit: string };

const integers: Partial<Record<BuiltInType, readonly [bigint, bigint]>> = {
  SByte: [-128n, 127n],
  Byte: [0n, 255n],
  Int16: [-32_768n, 32_767n],
  UInt16: [0n, 65_535n],
  Int32: [-(2n ** 31n), 2n ** 31n - 1n],
  UInt32: [0n, 2n ** 32n - 1n],
  Int64: [-(2n ** 63n), 2n ** 63n - 1n],
  UInt64: [0n, 2n ** 64n - 1n],
};

const misfit = (text: string): Encoded => ({ misfit: text });
const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value));

/** The value in the node's own type, exactly; servers answer BadTypeMismatch to any other. */
export function encodeVariant({ dataType, isArray }: NodeShape, raw: RawValue): Encoded {
  if (!isArray)
    return Array.isArray(raw) ? misfit('the node holds one value, not a list') : encodeScalar(dataType, raw as Scalar | Uint8Array);
  if (!Array.isArray(raw)) return misfit('the node holds a list, not one value');
  const values: unknown[] = [];
  for (const element of raw as readonly Scalar[]) {
    const encoded = encodeScalar(dataType, element);
    if ('misfit' in encoded) return encoded;
    values.push(encoded.value);
  }
  return { value: values };
}

function encodeScalar(dataType: number, raw: Scalar | Uint8Array): Encoded {
  const type = builtInTypes[dataType] ?? 'Null';
  const limits = integers[type];
  if (limits) return encodeInteger(type, limits, raw);
  const wrong = misfit(`${shown(raw)} is not what the node holds, ${type}`);
  switch (type) {
    case 'Boolean':
      return typeof raw === 'boolean' ? { value: raw } : wrong;
    case 'Float':
      return encodeFloat(raw, wrong);
    case 'Double':
      return isNumber(raw) ? { value: Number(raw) } : wrong;
    case 'String':
    case 'XmlElement':
    case 'LocalizedText':
      return typeof raw === 'string' ? { value: raw } : wrong;
    case 'Guid':
      return typeof raw === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(raw) ? { value: raw } : wrong;
    case 'DateTime':
      return encodeDate(raw, wrong);
    case 'ByteString':
      return encodeBytes(raw, wrong);
    default:
      return misfit(`a ${type} cannot be written`);
  }
}

const isNumber = (raw: unknown): raw is number | bigint => typeof raw === 'bigint' || (typeof raw === 'number' && Number.isFinite(raw));

function encodeInteger(type: BuiltInType, [lowest, highest]: readonly [bigint, bigint], raw: Scalar | Uint8Array): Encoded {
  // 64 bits travel as digits through JSON.
  const digits = typeof raw === 'string' && /^-?\d{1,20}$/.test(raw) && type.endsWith('64');
  if (!isNumber(raw) && !digits) return misfit(`${shown(raw)} is not a whole number; the node holds ${type}`);
  if (typeof raw === 'number' && !Number.isInteger(raw))
    return misfit(`the node holds ${type}; the nearest are ${Math.floor(raw)} and ${Math.ceil(raw)}`);
  const whole = BigInt(raw as number | bigint | string);
  if (whole < lowest || whole > highest) return misfit(`the node holds ${type}, ${lowest} to ${highest}`);
  if (!type.endsWith('64')) return { value: Number(whole) };
  const bits = BigInt.asUintN(64, whole);
  return { value: [Number(bits >> 32n), Number(bits & 0xffff_ffffn)] };
}

function encodeFloat(raw: Scalar | Uint8Array, wrong: Encoded): Encoded {
  if (!isNumber(raw)) return wrong;
  const float = Math.fround(Number(raw));
  if (!Number.isFinite(float)) return misfit(`the node holds Float, at most ±3.4028235e38`);
  const holds = shortestFloat32(float);
  return holds === Number(raw) ? { value: float } : misfit(`the node holds Float, and the nearest to ${raw} is ${holds}`);
}

function encodeDate(raw: Scalar | Uint8Array, wrong: Encoded): Encoded {
  const match = typeof raw === 'string' ? /^(.+\.\d{3})(\d{1,4})(Z|[+-]\d\d:\d\d)$/.exec(raw) : null;
  const date = new Date(match ? `${match[1]}${match[3]}` : String(raw));
  if (typeof raw !== 'string' || Number.isNaN(date.getTime())) return wrong;
  // 100 ns units beyond the millisecond hang on the date, in picoseconds, as the library wants them.
  return { value: match ? Object.assign(date, { picoseconds: Number(match[2]!.padEnd(4, '0')) * 100_000 }) : date };
}

function encodeBytes(raw: Scalar | Uint8Array, wrong: Encoded): Encoded {
  if (raw instanceof Uint8Array) return { value: Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength) };
  if (typeof raw !== 'string' || raw.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(raw)) return wrong;
  return { value: Buffer.from(raw, 'base64') };
}
