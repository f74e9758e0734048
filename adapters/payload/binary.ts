import type { RawValue } from '../../model/value.ts';
import { bytePlaces } from '../registers/byte-order.ts';
import { arrayOf, type Decode, decoderOf, text } from '../registers/codec.ts';
import { type ByteOrder, type ModbusType, typeShape } from '../registers/types.ts';

/** A value of a binary body: how many bytes it takes, and how they are read. */
export interface BinaryForm {
  readonly bytes: number;
  readonly decode: Decode;
}

/**
 * The register types by byte offset. They differ from registers in what is no multiple of 16 bits: `bool`, `int8` and `uint8` take one
 * byte, `length` counts bytes of a text and elements of an array (registers of mod10k).
 */
export function binaryForm(type: ModbusType, byteOrder: ByteOrder = 'ABCD', length?: number): BinaryForm {
  const { registers, width } = typeShape(type);
  const single = oneByte[type];
  if (single)
    return length === undefined || length === 1 ? { bytes: 1, decode: single } : { bytes: length, decode: arrayOf(single, length, 1) };
  if (type === 'string' || type === 'bytes') return stretch(type, byteOrder, length ?? 1);
  if (type === 'mod10k') {
    const count = length ?? 2;
    return { bytes: count * 2, decode: decoderOf({ type, byteOrder, count, array: false }) };
  }
  const count = registers ?? width / 2;
  const array = length !== undefined && length > 1;
  const total = array ? count * length : count;
  return { bytes: total * 2, decode: decoderOf({ type, byteOrder, count: total, array }) };
}

const oneByte: Partial<Record<ModbusType, Decode>> = {
  bool: (bytes, at) => bytes[at] !== 0,
  int8: (bytes, at) => (bytes[at]! << 24) >> 24,
  uint8: (bytes, at) => bytes[at]!,
};

function stretch(type: 'string' | 'bytes', byteOrder: ByteOrder, length: number): BinaryForm {
  const places = byteOrder === 'ABCD' ? undefined : bytePlaces(byteOrder, length);
  const take = (bytes: Uint8Array, at: number): Uint8Array =>
    places ? Uint8Array.from(places, (place) => bytes[at + place]!) : new Uint8Array(bytes.subarray(at, at + length));
  const decode: Decode = type === 'bytes' ? take : (bytes, at): RawValue => text(take(bytes, at));
  return { bytes: length, decode };
}
