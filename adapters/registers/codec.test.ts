import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RawValue } from '../../model/value.ts';
import { orderMisfit } from './byte-order.ts';
import { decoderOf } from './codec.ts';
import { encodeRegisters } from './encode.ts';
import { type ByteOrder, byteOrders, type ModbusType, type RegisterForm, typeShape } from './types.ts';

const form = (type: ModbusType, byteOrder: ByteOrder = 'ABCD', count = typeShape(type).registers ?? 2): RegisterForm => ({
  type,
  byteOrder,
  count,
  array: false,
});

const wire = (...words: number[]): Buffer => Buffer.from(words.flatMap((w) => [w >> 8, w & 255]));

/** Vectors from manuals and standards, not from our own encoder. */
test.for<[string, RegisterForm, Buffer, RawValue | undefined]>([
  ['float32 ABCD of 230.4', form('float32'), wire(17254, 26214), 230.4],
  ['float32 CDAB of 230.4', form('float32', 'CDAB'), wire(26214, 17254), 230.4],
  ['float32 BADC of 230.4', form('float32', 'BADC'), wire(26179, 26214), 230.4],
  ['float32 DCBA of 230.4', form('float32', 'DCBA'), wire(26214, 26179), 230.4],
  ['the manual of cooker-1', form('float32', 'CDAB'), wire(0xe979, 0x42f6), 123.456],
  ['uint32 ABCD', form('uint32'), wire(0x1234, 0x5678), 0x12345678],
  ['uint32 CDAB', form('uint32', 'CDAB'), wire(0x5678, 0x1234), 0x12345678],
  ['uint32 above 2^31', form('uint32'), wire(0xffff, 0xffff), 4294967295],
  ['int32', form('int32'), wire(0xffff, 0xfffe), -2],
  ['int16', form('int16'), wire(0x8000), -32768],
  ['uint16', form('uint16'), wire(0x8000), 32768],
  ['uint16 BA', form('uint16', 'BA'), wire(0x0100), 1],
  ['uint16 of a CDAB machine is not swapped', form('uint16', 'CDAB'), wire(0x0102), 0x0102],
  ['uint16 of a BADC machine is swapped', form('uint16', 'BADC'), wire(0x0102), 0x0201],
  ['int8 is the low byte', form('int8'), wire(0x12ff), -1],
  ['uint8 of swapped bytes is the high one', form('uint8', 'BA'), wire(0x12ff), 0x12],
  ['uint64 exact', form('uint64'), wire(0x1234, 0x5678, 0x9abc, 0xdeef), 0x123456789abcdeefn],
  ['uint64 word-swapped', form('uint64', 'CDAB'), wire(0xdeef, 0x9abc, 0x5678, 0x1234), 0x123456789abcdeefn],
  ['uint64 GHEFCDAB is the same', form('uint64', 'GHEFCDAB'), wire(0xdeef, 0x9abc, 0x5678, 0x1234), 0x123456789abcdeefn],
  ['uint64 byte-swapped', form('uint64', 'BADCFEHG'), wire(0x3412, 0x7856, 0xbc9a, 0xefde), 0x123456789abcdeefn],
  ['uint64 little endian', form('uint64', 'DCBA'), wire(0xefde, 0xbc9a, 0x7856, 0x3412), 0x123456789abcdeefn],
  ['uint64 halves swapped', form('uint64', 'EFGHABCD'), wire(0x9abc, 0xdeef, 0x1234, 0x5678), 0x123456789abcdeefn],
  ['int64 beyond 2^53', form('int64'), wire(0xffdf, 0xffff, 0xffff, 0xffff), -9007199254740993n],
  ['float64 of pi', form('float64'), wire(0x4009, 0x21fb, 0x5444, 0x2d18), Math.PI],
  ['NaN of a meter', form('float32'), wire(0x7fc0, 0), Number.NaN],
  ['bcd32', form('bcd32'), wire(0x1234, 0x5678), 12345678],
  ['bcd16', form('bcd16'), wire(0x0042), 42],
  ['a BCD digit above 9', form('bcd16'), wire(0x00a2), undefined],
  ['mod10k high first', form('mod10k'), wire(123, 4567), 1234567],
  ['mod10k low first', form('mod10k', 'CDAB'), wire(4567, 123), 1234567],
  ['mod10k sign in the first register', form('mod10k'), wire(0x10000 - 123, 4567), -1234567],
  ['mod10k every register negative', form('mod10k'), wire(0x10000 - 123, 0x10000 - 4567), -1234567],
  ['mod10k above 9999', form('mod10k'), wire(0, 10000), undefined],
  ['mod10k of four registers', form('mod10k', 'ABCD', 4), wire(9999, 9999, 9999, 9999), 9999999999999999n],
  ['string, NUL padded', form('string', 'ABCD', 3), Buffer.from('AB12\0\0'), 'AB12'],
  ['string, blanks at the end', form('string', 'ABCD', 3), Buffer.from('AB 1  '), 'AB 1'],
  ['string, low byte first', form('string', 'BADC', 2), Buffer.from('BA21'), 'AB12'],
  ['string, registers in reverse', form('string', 'CDAB', 2), Buffer.from('12AB'), 'AB12'],
  ['string, all reversed', form('string', 'DCBA', 2), Buffer.from('21BA'), 'AB12'],
  ['string in Latin-1', form('string', 'ABCD', 1), Buffer.from([0xb0, 0x43]), '°C'],
  ['string in UTF-8', form('string', 'ABCD', 2), Buffer.from('°C\0'), '°C'],
  ['epoch seconds', form('datetime-unix32'), wire(0x6553, 0xf100), '2023-11-14T22:13:20.000Z'],
  ['a clock never set', form('datetime-unix32'), wire(0, 0), undefined],
  ['S7 DATE_AND_TIME', form('datetime-s7'), wire(0x2411, 0x2308, 0x0130, 0x1237), '2024-11-23T08:01:30.123Z'],
  ['S7 with month 13', form('datetime-s7'), wire(0x2413, 0x2308, 0x0130, 0x1237), undefined],
  ['IEC 870', form('datetime-iec870'), wire(0x0018, 0x0bd7, 0x0801, 30_123), '2024-11-23T08:01:30.123Z'],
  ['IEC 870 marked invalid', form('datetime-iec870'), wire(0x0018, 0x0bd7, 0x0881, 30_123), undefined],
  ['six registers', form('datetime-ymdhms'), wire(2024, 11, 23, 8, 1, 30), '2024-11-23T08:01:30.000Z'],
  ['31 April', form('datetime-ymdhms'), wire(2024, 4, 31, 8, 1, 30), undefined],
  ['an array', { ...form('uint16', 'ABCD', 3), array: true }, wire(1, 2, 3), [1, 2, 3]],
  ['an array of floats', { ...form('float32', 'CDAB', 4), array: true }, wire(0xe979, 0x42f6, 26214, 17254), [123.456, 230.4]],
  ['an array with one bad BCD', { ...form('bcd16', 'ABCD', 2), array: true }, wire(1, 0xf), undefined],
])('%s', ([, what, bytes, expected]) => {
  expect(decoderOf(what)(bytes, 0)).toEqual(expected);
  // Anywhere in a larger answer as well.
  const padded = Buffer.concat([Buffer.alloc(9, 0xff), bytes]);
  expect(decoderOf(what)(padded, 9)).toEqual(expected);
});

const bigs = (min: bigint, max: bigint) => fc.bigInt({ min, max });
const instant = fc.date({ min: new Date('2000-01-01T00:00:00Z'), max: new Date('2037-12-31T23:59:59Z'), noInvalidDate: true });
const whole = instant.map((d) => new Date(Math.floor(d.getTime() / 1000) * 1000).toISOString());
const arbitrary: Partial<Record<ModbusType, fc.Arbitrary<RawValue>>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  uint8: fc.integer({ min: 0, max: 255 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  uint16: fc.integer({ min: 0, max: 65535 }),
  int32: fc.integer(),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  int64: bigs(-(2n ** 63n), 2n ** 63n - 1n),
  uint64: bigs(0n, 2n ** 64n - 1n),
  float32: fc.float({ noNaN: true }),
  float64: fc.double({ noNaN: true }),
  bcd16: fc.integer({ min: 0, max: 9999 }),
  bcd32: fc.integer({ min: 0, max: 99_999_999 }),
  mod10k: fc.integer({ min: -99_999_999, max: 99_999_999 }),
  string: fc.stringMatching(/^[a-zA-Z0-9]{0,4}$/),
  bytes: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  'datetime-unix32': whole,
  'datetime-unix64': instant.map((d) => d.toISOString()),
  'datetime-iec870': instant.map((d) => d.toISOString()),
  'datetime-s7': instant.map((d) => d.toISOString()),
  'datetime-ymdhms': whole,
};

describe('what is encoded decodes to the same', () => {
  for (const [type, values] of Object.entries(arbitrary) as [ModbusType, fc.Arbitrary<RawValue>][]) {
    const orders = byteOrders.filter((order) => orderMisfit(order, type) === undefined);
    test(`${type} in ${orders.join(', ')}`, () => {
      fc.assert(
        fc.property(values, fc.constantFrom(...orders), (value, order) => {
          const decoded = decoderOf(form(type, order))(encodeRegisters(form(type, order), value), 0);
          if (type === 'float32') expect(Math.fround(decoded as number)).toBe(value);
          else expect(decoded).toEqual(value);
        }),
        { numRuns: 60 },
      );
    });
  }
});

test('no bytes make a decoder throw', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.constantFrom(...(Object.keys(arbitrary) as ModbusType[])),
      (bytes, type) => {
        decoderOf(form(type))(Buffer.from(bytes), 0);
      },
    ),
    { numRuns: 500 },
  );
});

test('values beyond the type are refused when encoding', () => {
  expect(() => encodeRegisters(form('int16'), 32768)).toThrow(RangeError);
  expect(() => encodeRegisters(form('bcd16'), 10_000)).toThrow(RangeError);
  expect(() => encodeRegisters(form('mod10k'), 100_000_000)).toThrow(RangeError);
  expect(() => encodeRegisters(form('uint16'), 1.5)).toThrow(RangeError);
});
