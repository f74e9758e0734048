import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { statuses, statusOf } from '../../model/status.ts';
import { type RawValue, type Value, type ValueType, valueTypes } from '../../model/value.ts';
import type { Converted } from '../equipment.ts';
import { converterOf } from './converter.ts';
import type { Meaning } from './meaning.ts';
import { decimalOf, rational } from './rational.ts';

const scale = (factor: number, offset = 0): Meaning['linear'] => ({ factor: decimalOf(factor), offset: decimalOf(offset) });
const words = new Map([
  [0n, 'stopped'],
  [1n, 'running'],
]);
const flags = [
  [0, 'a'],
  [3, 'b'],
  [40, 'far'],
] as const;

function convert(meaning: Meaning, raw: RawValue, rawType?: ValueType, code?: number): Converted {
  const state = code === undefined ? undefined : { status: statusOf(code) };
  return converterOf(meaning)(raw, rawType, state, {
    value: 'left over',
    type: 'bytes',
    quality: 'bad',
    state: { status: statuses.BadTimeout },
  });
}

interface Row {
  readonly rule: string;
  readonly meaning?: Meaning;
  readonly raw: RawValue;
  readonly rawType?: ValueType;
  readonly value?: Value;
  readonly type?: ValueType;
  readonly status?: string;
}

test.for<Row>([
  { rule: 'a number as it is', raw: 12.5, value: 12.5 },
  { rule: 'text as it is', raw: 'B-17', value: 'B-17' },
  { rule: 'true as it is', raw: true, value: true },
  { rule: 'a small int64 is a bigint too', raw: 5n, rawType: 'int64', value: 5n, type: 'int64' },
  { rule: 'a large uint64', raw: 2n ** 64n - 1n, rawType: 'uint64', value: 2n ** 64n - 1n, type: 'uint64' },
  { rule: 'a bigint of unknown type', raw: 2n ** 63n, value: 2n ** 63n, type: 'uint64' },
  { rule: 'a date', raw: '2026-11-24T08:00:00Z', rawType: 'datetime', value: '2026-11-24T08:00:00Z', type: 'datetime' },
  { rule: 'bytes as base64', raw: new Uint8Array([1, 2, 255]), value: 'AQL/', type: 'bytes' },
  { rule: 'scaled', meaning: { linear: scale(0.1) }, raw: 2304, rawType: 'uint16', value: 230.4 },
  { rule: 'an offset', meaning: { linear: scale(0.1, -40) }, raw: 655, value: 25.5 },
  {
    rule: 'a scaled int64 keeps all digits',
    meaning: { linear: scale(0.01) },
    raw: 9007199254740993n,
    rawType: 'int64',
    value: '90071992547409.93',
    type: 'decimal',
  },
  { rule: 'a scaled int64 that a double carries', meaning: { linear: scale(0.001) }, raw: 1234567n, rawType: 'int64', value: 1234.567 },
  {
    rule: 'rounding leaves a whole number alone',
    meaning: { round: 2 },
    raw: 2n ** 60n,
    rawType: 'int64',
    value: 2n ** 60n,
    type: 'int64',
  },
  { rule: 'rounded', meaning: { linear: scale(1), round: 1 }, raw: 93.25, value: 93.3 },
  { rule: 'a list, element by element', meaning: { linear: scale(0.1) }, raw: [1, 2, 3], value: [0.1, 0.2, 0.3] },
  { rule: 'a list of int64', raw: [1n, 2n], rawType: 'int64', value: [1n, 2n], type: 'int64' },
  { rule: 'a listed number', meaning: { enum: words }, raw: 1, value: 'running' },
  { rule: 'a listed bigint', meaning: { enum: words }, raw: 1n, value: 'running' },
  { rule: 'words for true and false', meaning: { enum: words }, raw: true, value: 'running' },
  { rule: 'an unlisted number stays', meaning: { enum: words }, raw: 7, value: 7, status: 'Uncertain' },
  { rule: 'a bit', meaning: { field: { first: 3, last: 3, single: true } }, raw: 8, value: true },
  { rule: 'a bit of a negative number', meaning: { field: { first: 15, last: 15, single: true } }, raw: -1, value: true },
  { rule: 'a high bit of uint32', meaning: { field: { first: 31, last: 31, single: true } }, raw: 0x80000000, value: true },
  { rule: 'bit 63', meaning: { field: { first: 63, last: 63, single: true } }, raw: 2n ** 63n, value: true },
  { rule: 'a field of bits', meaning: { field: { first: 4, last: 6, single: false } }, raw: 0b101_0000, value: 5 },
  { rule: 'a field with words', meaning: { field: { first: 4, last: 4, single: false }, enum: words }, raw: 0x10, value: 'running' },
  { rule: 'flags', meaning: { flags }, raw: 9, value: ['a', 'b'] },
  { rule: 'no flag', meaning: { flags }, raw: 2, value: [] },
  { rule: 'a flag beyond 32 bits', meaning: { flags }, raw: 2n ** 40n, value: ['far'] },
  { rule: 'outside the range', meaning: { range: [0, 180] }, raw: 180.1, value: 180.1, status: 'UncertainEngineeringUnitsExceeded' },
  { rule: 'at the beginning of the range', meaning: { range: [0, 180] }, raw: 0, value: 0 },
  { rule: 'at the end of the range', meaning: { range: [0, 180] }, raw: 180, value: 180 },
  { rule: 'the range is of the scaled value', meaning: { linear: scale(0.1), range: [0, 10] }, raw: 100, value: 10 },
  {
    rule: 'an int64 outside the range',
    meaning: { range: [0, 10] },
    raw: 11n,
    rawType: 'int64',
    value: 11n,
    type: 'int64',
    status: 'UncertainEngineeringUnitsExceeded',
  },
  { rule: 'listed in invalid', meaning: { invalid: [0xffff] }, raw: 0xffff, status: 'BadNoData' },
  { rule: 'invalid is about the raw value', meaning: { invalid: [0xffff], linear: scale(0.1) }, raw: 0xffff, status: 'BadNoData' },
  { rule: 'invalid int64', meaning: { invalid: [-(2n ** 63n)] }, raw: -(2n ** 63n), status: 'BadNoData' },
  { rule: 'one invalid in a list', meaning: { invalid: [-1] }, raw: [1, -1], status: 'BadNoData' },
  { rule: 'NaN', raw: Number.NaN, status: 'BadNoData' },
  { rule: 'NaN in a list', raw: [1, Number.NaN], status: 'BadNoData' },
  { rule: 'infinite', raw: Number.NEGATIVE_INFINITY, status: 'BadOutOfRange' },
  { rule: 'scaled beyond all numbers', meaning: { linear: scale(10) }, raw: 1e308, status: 'BadOutOfRange' },
  { rule: 'text where a unit is given', meaning: { measured: true }, raw: '22,5', status: 'BadTypeMismatch' },
  { rule: 'text where a number is scaled', meaning: { linear: scale(10) }, raw: '5', status: 'BadTypeMismatch' },
  { rule: 'a bit of a fraction', meaning: { field: { first: 0, last: 0, single: true } }, raw: 1.5, status: 'BadTypeMismatch' },
  { rule: 'bytes where a number is scaled', meaning: { linear: scale(10) }, raw: new Uint8Array(2), status: 'BadTypeMismatch' },
])('$rule', ({ meaning = {}, raw, rawType, value, type, status }) => {
  const out = convert(meaning, raw, rawType);
  expect(out.value).toEqual(value);
  expect(out.type).toBe(type);
  expect(out.state?.status.name).toBe(status);
  expect(out.quality).toBe(status === undefined ? 'good' : status.startsWith('Bad') ? 'bad' : 'uncertain');
});

describe('what the machine says of its value', () => {
  test('bad: the value is not used, the state stays', () => {
    const out = convert({ linear: scale(0.1) }, 5, undefined, 0x808c0000);
    expect(out).toMatchObject({ value: undefined, quality: 'bad', state: { status: { name: 'BadSensorFailure' } } });
  });

  test("uncertain: the value and the machine's reason stay, also outside the range", () => {
    expect(convert({ range: [0, 1] }, 5, undefined, 0x40930000)).toMatchObject({
      value: 5,
      quality: 'uncertain',
      state: { status: { name: 'UncertainSensorNotAccurate' } },
    });
  });

  test('good with something to say: kept, unless the range has more to say', () => {
    expect(convert({ range: [0, 9] }, 5, undefined, 0x00300000)).toMatchObject({
      value: 5,
      quality: 'good',
      state: { status: { name: 'GoodClamped' } },
    });
    expect(convert({ range: [0, 1] }, 5, undefined, 0x00300000)).toMatchObject({
      quality: 'uncertain',
      state: { status: { name: 'UncertainEngineeringUnitsExceeded' } },
    });
  });

  test('severity is the top two bits: an overflow bit is good', () => {
    expect(convert({}, 5, undefined, 0x00000480)).toMatchObject({ value: 5, quality: 'good' });
  });
});

test('points that mean the same share one converter, equal flags one list', () => {
  expect(converterOf({ linear: scale(0.1), range: [0, 1] })).toBe(converterOf({ linear: scale(0.1), range: [0, 1] }));
  expect(converterOf({ linear: scale(0.1) })).not.toBe(converterOf({ linear: { factor: rational(1n, 10n), offset: rational(1n) } }));
  expect(convert({ flags }, 9).value).toBe(convert({ flags }, 9).value);
});

const scalar = fc.oneof(fc.double(), fc.integer(), fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }), fc.boolean(), fc.string());
const anyRaw = fc.oneof(scalar, fc.uint8Array(), fc.array(scalar)) as fc.Arbitrary<RawValue>;
const small = fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 1_000);
const anyMeaning: fc.Arbitrary<Meaning> = fc.record(
  {
    invalid: fc.array(scalar),
    linear: fc.tuple(small, small).map(([factor, offset]) => ({ factor: decimalOf(factor), offset: decimalOf(offset) })),
    round: fc.integer({ min: 0, max: 15 }),
    range: fc.tuple(small, small),
    enum: fc.constant(words),
    flags: fc.constant(flags),
    field: fc
      .tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 0, max: 63 }))
      .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b), single: a === b })),
  },
  { requiredKeys: [] },
);

function isWellFormed(value: Value | undefined): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value.every((element) => isWellFormed(element));
}

test('no raw value makes a converter throw or a number that is none leave; every field is set', () => {
  fc.assert(
    fc.property(
      anyMeaning,
      anyRaw,
      fc.option(fc.constantFrom(...valueTypes), { nil: undefined }),
      fc.option(fc.nat({ max: 0xffffffff }), { nil: undefined }),
      (meaning, raw, rawType, code) => {
        const out = convert(meaning, raw, rawType, code);
        expect(isWellFormed(out.value)).toBe(true);
        expect(out.value === undefined).toBe(out.quality === 'bad');
        expect(out.value).not.toBe('left over');
        if (out.quality !== 'good') expect(out.state).toBeDefined();
      },
    ),
    { numRuns: 5_000 },
  );
});

test.for([
  ['plain, digits kept', {}, '90071992547409.93', '90071992547409.93'],
  ['scaled exactly', { linear: { factor: rational(1n, 100n), offset: rational(0n) } }, '9007199254740993.5', '90071992547409.935'],
  ['a number where a double carries it', { linear: { factor: rational(1n, 10n), offset: rational(0n) } }, '231.7', 23.17],
  ['rounded', { round: 1 }, '0.25', 0.3],
  ['not a number', { round: 1 }, 'n/a', undefined],
] as const)('a decimal as text: %s', ([, meaning, raw, expected]) => {
  const out = { value: undefined, type: undefined, quality: 'bad', state: undefined } as Converted;
  converterOf(meaning as Meaning)(raw, 'decimal', undefined, out);
  expect(out.value).toBe(expected);
  expect(out.type).toBe(typeof expected === 'string' ? 'decimal' : undefined);
});
