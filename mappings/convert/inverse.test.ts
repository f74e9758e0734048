import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Converted } from '../../mappings/equipment.ts';
import { shortestFloat32 } from '../../model/float32.ts';
import type { RawValue, Value, ValueType } from '../../model/value.ts';
import { integerLimits, rawKind } from '../compile/kinds.ts';
import { converterOf } from './converter.ts';
import { inverseOf, sameValues } from './inverse.ts';
import type { Meaning } from './meaning.ts';
import { decimalOf, rational, toNumber } from './rational.ts';

const scaled = (factor: number, offset = 0): Meaning => ({ linear: { factor: decimalOf(factor), offset: decimalOf(offset) } });
const shape = (type: ValueType | undefined) => ({ type, kind: rawKind(type), limits: integerLimits(type) });

function back(meaning: Meaning, type: ValueType | undefined, value: Value) {
  return inverseOf(meaning, shape(type), converterOf(meaning)).toRaw(value);
}

function forth(meaning: Meaning, type: ValueType | undefined, raw: RawValue): Value | undefined {
  const out: Converted = { value: undefined, type: undefined, quality: 'bad', state: undefined };
  return converterOf(meaning)(raw, type, undefined, out).value;
}

const enumeration: Meaning = {
  enum: new Map([
    [0n, 'stopped'],
    [1n, 'running'],
    [9n, 'fault'],
    [10n, 'fault'],
  ]),
};
const fahrenheit: Meaning = { linear: { factor: rational(5n, 9n), offset: rational(-160n, 9n) } };

describe('what is written', () => {
  test.for<[string, Meaning, ValueType | undefined, Value, RawValue]>([
    ['a scaled whole number', scaled(0.1), 'int16', 120.1, 1201],
    ['with an offset', scaled(0.01, -273.15), 'uint16', -233.15, 4000],
    ['negative', scaled(0.1), 'int16', -40, -400],
    ['a negative scale', scaled(-1), 'int16', 5, -5],
    ['64 bits, every digit', {}, 'uint64', '18446744073709551615', 18446744073709551615n],
    ['64 bits from a number', {}, 'int64', 5, 5n],
    ['a scaled 64-bit number', scaled(0.01), 'int64', '90071992547409.93', 9007199254740993n],
    ['a float', {}, 'float32', 120.1, 120.1],
    ['a scaled float', scaled(0.1), 'float32', 12.3, 123],
    ['a double', {}, 'float64', 0.1, 0.1],
    ['an enum', enumeration, 'uint16', 'running', 1],
    ['an enum of one bit', { enum: new Map([[0n, 'off'], [1n, 'on']]) }, 'bool', 'on', true], // biome-ignore format: one row
    ['a bit', {}, 'bool', false, false],
    ['a text', {}, 'string', 'TOFFEE', 'TOFFEE'],
    ['a date', {}, 'datetime', '2026-11-24T08:00:00Z', '2026-11-24T08:00:00Z'],
    ['bytes', {}, 'bytes', 'AQI=', new Uint8Array([1, 2])],
    ['a list', scaled(0.1), 'int16', [1.5, 2], [15, 20]],
    ['another unit', fahrenheit, 'int16', 20, 68],
    ['another unit, rounded', { ...fahrenheit, round: 1 }, 'int16', 20.6, 69],
    ['a third, as the double that it reads as', fahrenheit, 'int16', 20.555555555555557, 69],
    ['a machine that tells its types itself', {}, undefined, 12.5, 12.5],
    ['the same, scaled', scaled(0.1), undefined, 12.5, 125],
    ['the same, a text', {}, undefined, 'x', 'x'],
    ['the same, 64 bits', {}, undefined, 2n ** 63n, 2n ** 63n],
    ['a decimal', {}, 'decimal', '12.50', '12.5'],
    ['the largest double, whose nearest would overflow when read', scaled(10733), undefined, Number.MAX_VALUE, 1.674921396498943e304],
  ])('%s', ([, meaning, type, value, raw]) => {
    expect(back(meaning, type, value)).toEqual({ raw });
  });

  test.for<[string, Meaning, ValueType | undefined, Value, string | RegExp]>([
    ['between two steps', scaled(0.1), 'int16', 120.15, '120.15 cannot be held exactly; the nearest are 120.1 and 120.2'],
    ['a fraction of a whole number', {}, 'uint16', 1.5, '1.5 cannot be held exactly; the nearest are 1 and 2'],
    ['beyond the type', scaled(0.1), 'int16', 4000, 'int16 holds -3276.8 to 3276.7 here'],
    ['beyond the type, turned round', scaled(-1), 'uint8', 1, 'uint8 holds -255 to 0 here'],
    ['below an unsigned one', {}, 'uint16', -1, 'uint16 holds 0 to 65535 here'],
    ['more digits than a float', {}, 'float32', 123456.789, '123456.789 cannot be held exactly; the nearest are 123456.78 and 123456.79'],
    ['beyond a float', {}, 'float32', 1e39, /^float32 holds at most/],
    ['decimals that are rounded away', { ...scaled(0.01), round: 1 }, 'int16', 20.15, /^20.15 cannot be held exactly/],
    ['a value that means none', { invalid: [65535] }, 'uint16', 65535, '65535 is the raw value 65535, which means "no value" here'],
    ['NaN', {}, 'float32', Number.NaN, 'NaN is not a number'],
    ['infinity', {}, 'float64', Number.POSITIVE_INFINITY, 'Infinity is not a number'],
    ['a text for a number', {}, 'int16', '12', '"12" is not a number'],
    ['true for a number', {}, 'int16', true, 'true is not a number'],
    ['1 for a bit', {}, 'bool', 1, '1 is not true or false'],
    ['a number for a text', {}, 'string', 1, '1 is not a text'],
    ['a word that is none', enumeration, 'uint16', 'runing', '"runing" is not one of its words; did you mean running?'],
    ['the number of a word', enumeration, 'uint16', 1, /^1 is not one of its words/],
    ['a word of two numbers', enumeration, 'uint16', 'fault', '"fault" stands for 9 and 10; which of them is meant cannot be told'],
    ['a bit of a number', { field: { first: 3, last: 3, single: true } }, 'uint16', true, /^it is a part of a raw number/],
    ['flags', { flags: [[0, 'a']] }, 'uint16', ['a'], /part of a raw number/],
    ['a date that is none', {}, 'datetime', 'yesterday', /^"yesterday" is not a date/],
    ['bytes that are none', {}, 'bytes', 'A', /base64/],
    ['an element of a list', {}, 'uint16', [1, 2.5], 'element 1: 2.5 cannot be held exactly; the nearest are 2 and 3'],
    ['a double too small to carry its digits', scaled(4), 'float64', 1e-323, '1e-323 cannot be held exactly; the nearest are 0 and 2e-323'],
    ['a text for a scaled number of unknown type', scaled(0.1), undefined, 'x', '"x" is not a number'],
  ])('refused: %s', ([, meaning, type, value, refused]) => {
    expect(back(meaning, type, value)).toEqual({ refused: typeof refused === 'string' ? refused : expect.stringMatching(refused) });
  });
});

const decimal = fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: 0, max: 5 })).map(([m, e]) => Number(`${m}e-${e}`));
const meanings = fc.record({
  linear: fc.oneof(
    fc.record({ factor: decimal.filter((f) => f !== 0).map(decimalOf), offset: decimal.map(decimalOf) }),
    fc.constant(fahrenheit.linear!),
  ),
  round: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
});
const integers = fc.constantFrom<ValueType>('int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64');

test('what any raw number shows can be written, and then shows the same', () => {
  fc.assert(
    fc.property(meanings, integers, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), ({ linear, round }, type, seed) => {
      const meaning: Meaning = { linear, ...(round !== undefined && { round }) };
      const [lowest, highest] = integerLimits(type)!;
      const raw = lowest + (seed % (highest - lowest + 1n));
      const value = forth(meaning, type, type.endsWith('64') ? raw : Number(raw))!;
      const written = back(meaning, type, value);
      if ('refused' in written) expect(written.refused).toBe('');
      else expect(sameValues(forth(meaning, type, written.raw)!, value)).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});

test('what is not refused reads back as it was asked for', () => {
  const types = fc.constantFrom<ValueType | undefined>('int16', 'uint32', 'int64', 'float32', 'float64', undefined);
  fc.assert(
    fc.property(
      meanings,
      types,
      fc.oneof(decimal, fc.double({ noNaN: true, noDefaultInfinity: true })),
      ({ linear, round }, type, value) => {
        const meaning: Meaning = { linear, ...(round !== undefined && { round }) };
        const written = back(meaning, type, value);
        if ('refused' in written) return;
        const shows = Number(forth(meaning, type, written.raw));
        if ((type === 'float64' || type === undefined) && round === undefined) {
          expect(Math.abs(shows - value)).toBeLessThanOrEqual(
            (Math.abs(value) + Math.abs(toNumber(linear.offset))) * 1e-12 + Number.MIN_VALUE,
          );
        } else expect(shows).toBe(value + 0);
      },
    ),
    { numRuns: 3_000 },
  );
});

test('floats and doubles as they are', () => {
  fc.assert(
    fc.property(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      (float, double) => {
        const short = shortestFloat32(float);
        expect(back({}, 'float32', short)).toEqual({ raw: short + 0 });
        expect(back({}, 'float64', double)).toEqual({ raw: double + 0 });
      },
    ),
  );
});
