import { shortestFloat32 } from '../../model/float32.ts';
import type { RawValue, Scalar } from '../../model/value.ts';
import { bytePlaces } from './byte-order.ts';
import { iec870, s7, unix32, unix64, ymdhms } from './datetime.ts';
import { type ModbusType, type RegisterForm, typeShape } from './types.ts';

/**
 * Reads one value out of an answer. `at` is the byte offset of its first register (for the bit tables of Modbus the number of its bit).
 * Undefined when the bytes spell no value (a BCD digit above 9). The caller has checked that the bytes are there.
 */
export type Decode = (bytes: Uint8Array, at: number) => RawValue | undefined;

const cache = new Map<string, Decode>();

/** The decoder of a form; equal forms share one, so a hundred thousand points cost a handful of closures. */
export function decoderOf(form: RegisterForm): Decode {
  const key = `${form.type} ${form.byteOrder} ${form.count} ${form.array}`;
  const known = cache.get(key);
  if (known) return known;
  const made = form.array ? registerArray(form) : registers(form);
  cache.set(key, made);
  return made;
}

function registerArray(form: RegisterForm): Decode {
  const per = typeShape(form.type).registers!;
  return arrayOf(decoderOf({ ...form, count: per, array: false }), form.count / per, per * 2);
}

/** `size` values of one kind, `step` places apart; undefined when one of them spells no value. */
export function arrayOf(one: Decode, size: number, step: number): Decode {
  return (bytes, at) => {
    const values: Scalar[] = [];
    for (let i = 0; i < size; i++) {
      const value = one(bytes, at + i * step);
      if (value === undefined) return undefined;
      values.push(value as Scalar);
    }
    return values;
  };
}

const scratch = new DataView(new ArrayBuffer(8));

/** Decoders of single values that lie in registers. */
function registers(form: RegisterForm): Decode {
  const { type, byteOrder, count } = form;
  const { width } = typeShape(type);
  if (width === 2) return word(type, bytePlaces(byteOrder, 2)[0] === 0);
  if (width === 4) return double(type, bytePlaces(byteOrder, 4));
  if (width === 8) return quad(type, bytePlaces(byteOrder, 8));
  const places = bytePlaces(byteOrder, count * 2);
  const gather = (bytes: Uint8Array, at: number): Uint8Array =>
    places.length === 0 ? new Uint8Array() : Uint8Array.from(places, (p) => bytes[at + p]!);
  switch (type) {
    case 'string':
      return (bytes, at) => text(gather(bytes, at));
    case 'bytes':
      return gather;
    case 'mod10k':
      return (bytes, at) => mod10k(gather(bytes, at));
    case 'datetime-iec870':
      return (bytes, at) => iec870(gather(bytes, at));
    case 'datetime-s7':
      return (bytes, at) => s7(gather(bytes, at));
    case 'datetime-ymdhms':
      return (bytes, at) => ymdhms(gather(bytes, at));
    default:
      throw new TypeError(`no decoder for ${type}`);
  }
}

/** One register. The 8-bit types are its low byte: the second on the wire, the first when bytes are swapped. */
function word(type: ModbusType, highFirst: boolean): Decode {
  const h = highFirst ? 0 : 1;
  const l = 1 - h;
  switch (type) {
    case 'uint16':
      return (b, at) => (b[at + h]! << 8) | b[at + l]!;
    case 'int16':
      return (b, at) => (((b[at + h]! << 8) | b[at + l]!) << 16) >> 16;
    case 'uint8':
      return (b, at) => b[at + l]!;
    case 'int8':
      return (b, at) => (b[at + l]! << 24) >> 24;
    case 'bool':
      return (b, at) => (b[at]! | b[at + 1]!) !== 0;
    default:
      return (b, at) => bcd((b[at + h]! << 8) | b[at + l]!, 4);
  }
}

function double(type: ModbusType, places: Uint16Array): Decode {
  const [p, q, r, s] = places as unknown as [number, number, number, number];
  const int = (b: Uint8Array, at: number): number => (b[at + p]! << 24) | (b[at + q]! << 16) | (b[at + r]! << 8) | b[at + s]!;
  switch (type) {
    case 'int32':
      return int;
    case 'uint32':
      return (b, at) => int(b, at) >>> 0;
    case 'float32':
      return (b, at) => {
        scratch.setInt32(0, int(b, at));
        return shortestFloat32(scratch.getFloat32(0));
      };
    case 'bcd32':
      return (b, at) => bcd(int(b, at) >>> 0, 8);
    default:
      return (b, at) => unix32(int(b, at) >>> 0);
  }
}

function quad(type: ModbusType, places: Uint16Array): Decode {
  const load = (b: Uint8Array, at: number): void => {
    for (let i = 0; i < 8; i++) scratch.setUint8(i, b[at + places[i]!]!);
  };
  switch (type) {
    case 'int64':
      return (b, at) => {
        load(b, at);
        return scratch.getBigInt64(0);
      };
    case 'uint64':
      return (b, at) => {
        load(b, at);
        return scratch.getBigUint64(0);
      };
    case 'float64':
      return (b, at) => {
        load(b, at);
        return scratch.getFloat64(0);
      };
    default:
      return (b, at) => {
        load(b, at);
        return unix64(scratch.getBigUint64(0));
      };
  }
}

/** Packed decimal digits, the most significant first. */
function bcd(packed: number, digits: number): number | undefined {
  let value = 0;
  for (let shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    const digit = (packed >>> shift) & 15;
    if (digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * Registers of four decimal digits each, the most significant first, as power meters count energy.
 * Negative when the first register that is not zero is; some devices negate every register.
 */
function mod10k(bytes: Uint8Array): number | bigint | undefined {
  let value = 0n;
  let sign = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    const part = (((bytes[i]! << 8) | bytes[i + 1]!) << 16) >> 16;
    if (part > 9999 || part < -9999 || (part < 0 && sign > 0)) return undefined;
    if (sign === 0) sign = Math.sign(part);
    value = value * 10_000n + BigInt(Math.abs(part));
  }
  if (sign < 0) value = -value;
  return bytes.length > 4 ? value : Number(value);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const latin1 = new TextDecoder('latin1');

/** A text as machines keep it: cut at the first NUL, padding blanks at the end removed; Latin-1 where it is not valid UTF-8. */
export function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const used = end < 0 ? bytes : bytes.subarray(0, end);
  let decoded: string;
  try {
    decoded = utf8.decode(used);
  } catch {
    decoded = latin1.decode(used);
  }
  return decoded.trimEnd();
}
