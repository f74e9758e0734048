import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isoTime, isoTimeTicks } from './iso-time.ts';

test('agrees with Date, in any order of times, also before 1970', () => {
  const anyMs = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 });
  fc.assert(
    fc.property(fc.array(anyMs, { minLength: 1 }), (times) => {
      for (const ms of times) expect(isoTime(ms)).toBe(new Date(ms).toISOString());
    }),
  );
});

test.for([
  { rule: 'drops a part of a millisecond, as Date does', ms: 1_700_000_000_123.9, text: '2023-11-14T22:13:20.123Z' },
  { rule: 'the first millisecond of a second', ms: 1_700_000_001_000, text: '2023-11-14T22:13:21.000Z' },
  { rule: 'the last millisecond before 1970', ms: -1, text: '1969-12-31T23:59:59.999Z' },
])('$rule', ({ ms, text }) => {
  expect(isoTime(ms)).toBe(text);
});

test('a time that no Date has is refused', () => {
  expect(() => isoTime(Number.NaN)).toThrow(RangeError);
  expect(() => isoTime(1e20)).toThrow(RangeError);
});

test.for([
  { ticks: 0, text: '2023-11-14T22:13:20.123Z' },
  { ticks: 5000, text: '2023-11-14T22:13:20.1235Z' },
  { ticks: 120, text: '2023-11-14T22:13:20.123012Z' },
  { ticks: 1, text: '2023-11-14T22:13:20.1230001Z' },
  { ticks: 9999, text: '2023-11-14T22:13:20.1239999Z' },
])('$ticks units of 100 ns', ({ ticks, text }) => {
  expect(isoTimeTicks(1_700_000_000_123, ticks)).toBe(text);
});
