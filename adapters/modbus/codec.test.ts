import { expect, test } from 'vitest';
import type { RawValue } from '../../model/value.ts';
import { decoderOf, type ValueForm } from './codec.ts';

const coils = (count: number, array = true): ValueForm => ({ table: 'coil', type: 'bool', byteOrder: 'ABCD', count, array });

/** Registers are the business of adapters/registers; the bit tables exist in Modbus alone. */
test.for<[string, ValueForm, Buffer, RawValue]>([
  ['a coil', coils(1, false), Buffer.of(1), true],
  ['coils', coils(3), Buffer.of(5), [true, false, true]],
  ['coils over a byte', coils(9), Buffer.of(0x80, 1), [false, false, false, false, false, false, false, true, true]],
  ['a bool in a register', { ...coils(1, false), table: 'holding' }, Buffer.of(0x80, 0), true],
])('%s', ([, what, bytes, expected]) => {
  expect(decoderOf(what)(bytes, 0)).toEqual(expected);
  // Anywhere in a larger answer as well.
  const padded = Buffer.concat([Buffer.alloc(9, 0xff), bytes]);
  expect(decoderOf(what)(padded, what.table === 'coil' ? 72 : 9)).toEqual(expected);
});
