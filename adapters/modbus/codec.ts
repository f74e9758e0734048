import { arrayOf, type Decode, decoderOf as registerDecoderOf } from '../registers/codec.ts';
import { isBitTable, type ModbusAddress } from './types.ts';

/** What decides how a value is read; where it lies does not. */
export type ValueForm = Pick<ModbusAddress, 'table' | 'type' | 'byteOrder' | 'count' | 'array'>;

/**
 * The decoder of a form. `at` is the byte offset of its first register, or for the bit tables the number of its bit
 * (eight times the byte offset of the table's first byte, plus the place).
 */
export function decoderOf(form: ValueForm): Decode {
  if (!isBitTable(form.table)) return registerDecoderOf(form);
  return form.array ? bitsOf(form.count) : bit;
}

const bit = (bytes: Uint8Array, at: number): boolean => ((bytes[at >> 3]! >> (at & 7)) & 1) === 1;

const arrays = new Map<number, Decode>();

function bitsOf(count: number): Decode {
  const known = arrays.get(count) ?? arrayOf(bit, count, 1);
  arrays.set(count, known);
  return known;
}
