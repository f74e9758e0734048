import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyExactly, compose, inverse, isIdentity, type Linear, linearMap } from './linear.ts';
import { decimalOf, formatRational, parseDecimal, type Rational, rational, roundedQuotient, toNumber } from './rational.ts';

const linear = (factor: number, offset = 0): Linear => ({ factor: decimalOf(factor), offset: decimalOf(offset) });

test.for([
  { raw: 2304, factor: 0.1, offset: 0, value: 230.4 },
  { raw: 3, factor: 0.1, offset: 0, value: 0.3 },
  { raw: 1.1, factor: 3, offset: 0, value: 3.3 },
  { raw: 0, factor: -1, offset: 0, value: 0 },
  { raw: -0, factor: 1, offset: 0, value: 0 },
  { raw: 4000, factor: 0.01, offset: -273.15, value: -233.15 },
  { raw: 1e-7, factor: 3, offset: 0, value: 3e-7 },
  { raw: 65535, factor: 0.001, offset: 0.0005, value: 65.5355 },
  // The product alone is beyond what doubles count exactly.
  { raw: 5404319552844595, factor: 3, offset: -9007199254740991, value: 7205759403792794 },
  { raw: 1e300, factor: 0.1, offset: 0, value: 1e299 },
  { raw: 0.1234567890123456, factor: 10, offset: 0, value: 1.234567890123456 },
])('$raw × $factor + $offset is $value', ({ raw, factor, offset, value }) => {
  expect(linearMap(linear(factor, offset), undefined).number(raw)).toBe(value);
});

test.for([
  { raw: 9007199254740993n, factor: 0.01, value: '90071992547409.93' },
  { raw: 100n, factor: 0.01, value: 1 },
  { raw: 123456n, factor: 0.001, value: 123.456 },
  { raw: -9223372036854775808n, factor: 0.001, value: '-9223372036854775.808' },
  { raw: 18446744073709551615n, factor: 10, value: '184467440737095516150' },
  { raw: 90071992547409n, factor: 0.1, value: 9007199254740.9 },
])('$raw × $factor is $value', ({ raw, factor, value }) => {
  expect(linearMap(linear(factor), undefined).bigint(raw)).toBe(value);
});

test.for([
  { raw: 1.005, round: 2, value: 1.01 },
  { raw: -1.005, round: 2, value: -1.01 },
  { raw: 2.5, round: 0, value: 3 },
  { raw: -0.4, round: 0, value: 0 },
  { raw: 93.2345678901234, round: 1, value: 93.2 },
])('$raw rounded to $round decimals is $value', ({ raw, round, value }) => {
  expect(linearMap(linear(1), round).number(raw)).toBe(value);
});

/** The plain way, with nothing but fractions. */
function reference({ factor, offset }: Linear, raw: Rational, decimals: number | undefined): Rational {
  const exact = applyExactly({ factor, offset }, raw);
  if (decimals === undefined) return exact;
  const step = 10n ** BigInt(decimals);
  return rational(roundedQuotient(exact.n * step, exact.d), step);
}

const decimal = fc.tuple(fc.integer({ min: -999_999, max: 999_999 }), fc.integer({ min: 0, max: 8 })).map(([m, e]) => Number(`${m}e-${e}`));
const rounding = fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined });
const anyNumber = fc.oneof(
  fc.integer(),
  decimal,
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
);

test('a number is the double nearest to the exact result', () => {
  fc.assert(
    fc.property(anyNumber, decimal, decimal, rounding, (raw, factor, offset, round) => {
      const map = linear(factor, offset);
      expect(linearMap(map, round).number(raw)).toBe(toNumber(reference(map, decimalOf(raw), round)));
    }),
    { numRuns: 5_000 },
  );
});

test('a 64-bit integer keeps every digit, as number or as text', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }), decimal, decimal, rounding, (raw, factor, offset, round) => {
      const map = linear(factor, offset);
      const result = linearMap(map, round).bigint(raw);
      const shown = typeof result === 'string' ? parseDecimal(result) : decimalOf(result);
      expect(shown).toEqual(reference(map, decimalOf(raw), round));
    }),
    { numRuns: 3_000 },
  );
});

test('toNumber rounds like the language does', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(toNumber(decimalOf(value))).toBe(value + 0);
    }),
  );
});

test('the inverse undoes, and composition is doing one after the other', () => {
  fc.assert(
    fc.property(decimal, decimal, decimal, (factor, offset, raw) => {
      fc.pre(factor !== 0);
      const map = linear(factor, offset);
      expect(isIdentity(compose(map, inverse(map)))).toBe(true);
      const twice = compose(map, linear(3, 1));
      expect(applyExactly(twice, decimalOf(raw))).toEqual(applyExactly(linear(3, 1), applyExactly(map, decimalOf(raw))));
    }),
  );
});

test('exact fractions print as people write them', () => {
  expect(formatRational(rational(-5n, 4n))).toBe('-1.25');
  expect(formatRational(rational(1n, 3n))).toBe('0.3333333333333333');
});
