import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Explanation, findHoles, holds, maxRanges, note, type Range } from './sequences.ts';

const noted = (...sequences: readonly number[]): { ranges: Range[]; duplicates: number[] } => {
  const ranges: Range[] = [];
  const duplicates = sequences.filter((sequence) => !note(ranges, sequence, sequence * 10));
  return { ranges, duplicates };
};
const spans = (ranges: readonly Range[]): readonly (readonly number[])[] => ranges.map(({ first, last }) => [first, last]);
const said = (first: number, last: number, reason = 'overflow'): Explanation => ({ first, last, reason, readings: 5, fromMs: 1, toMs: 2 });

test.for([
  { rule: 'in order is one range', arrived: [5, 6, 7], ranges: [[5, 7]], duplicates: [] },
  {
    rule: 'a hole is two ranges',
    arrived: [1, 2, 5],
    ranges: [
      [1, 2],
      [5, 5],
    ],
    duplicates: [],
  },
  { rule: 'a late one closes the hole', arrived: [1, 3, 2], ranges: [[1, 3]], duplicates: [] },
  {
    rule: 'a late one makes a hole smaller from below',
    arrived: [1, 5, 2],
    ranges: [
      [1, 2],
      [5, 5],
    ],
    duplicates: [],
  },
  {
    rule: 'a late one makes a hole smaller from above',
    arrived: [1, 5, 4],
    ranges: [
      [1, 1],
      [4, 5],
    ],
    duplicates: [],
  },
  { rule: 'a resend is a duplicate', arrived: [1, 2, 3, 2, 3, 4], ranges: [[1, 4]], duplicates: [2, 3] },
  { rule: 'one before the first is new', arrived: [5, 3, 4], ranges: [[3, 5]], duplicates: [] },
])('$rule', ({ arrived, ranges, duplicates }) => {
  const result = noted(...arrived);
  expect(spans(result.ranges)).toEqual(ranges);
  expect(result.duplicates).toEqual(duplicates);
});

test('the times at the ends of a hole are those of the events around it', () => {
  expect(findHoles(noted(1, 2, 5, 6).ranges, [])).toEqual([{ first: 3, last: 4, fromMs: 20, toMs: 50 }]);
});

test.for([
  { rule: 'nobody explained', loss: [], holes: [[11, 19, undefined]] },
  { rule: 'explained whole', loss: [said(11, 19)], holes: [[11, 19, 'overflow']] },
  {
    rule: 'explained in the middle',
    loss: [said(13, 14)],
    holes: [
      [11, 12, undefined],
      [13, 14, 'overflow'],
      [15, 19, undefined],
    ],
  },
  {
    rule: 'explained at both ends',
    loss: [said(18, 30, 'b'), said(1, 12, 'a')],
    holes: [
      [11, 12, 'a'],
      [13, 17, undefined],
      [18, 19, 'b'],
    ],
  },
  {
    rule: 'explained twice, overlapping',
    loss: [said(11, 15, 'a'), said(14, 19, 'b')],
    holes: [
      [11, 15, 'a'],
      [16, 19, 'b'],
    ],
  },
  { rule: 'the explanation is elsewhere', loss: [said(1, 10), said(20, 30)], holes: [[11, 19, undefined]] },
])('a hole: $rule', ({ loss, holes }) => {
  expect(findHoles(noted(10, 20).ranges, loss).map(({ first, last, reason }) => [first, last, reason])).toEqual(holes);
});

test('any order of any numbers gives what a set gives', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 120 }), (arrived) => {
      const { ranges, duplicates } = noted(...arrived);
      const all = new Set(arrived);
      expect(duplicates).toHaveLength(arrived.length - all.size);
      for (let sequence = 0; sequence <= 61; sequence++) expect(holds(ranges, sequence)).toBe(all.has(sequence));
      for (let i = 1; i < ranges.length; i++) expect(ranges[i]!.first).toBeGreaterThan(ranges[i - 1]!.last + 1);
      const missing = findHoles(ranges, []).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      expect(missing).toBe(all.size === 0 ? 0 : Math.max(...all) - Math.min(...all) + 1 - all.size);
    }),
  );
});

test('a wild counter cannot fill the memory', () => {
  const ranges: Range[] = [];
  for (let i = 0; i < maxRanges + 50; i++) note(ranges, i * 2, i);
  expect(ranges).toHaveLength(maxRanges);
  expect(ranges[0]).toMatchObject({ first: 0, last: 100 });
});
