import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PlanLimits, planReads, type Wanted } from './planner.ts';
import { isBitTable, type Table, tables } from './types.ts';

const hr = (start: number, count = 1, unitId = 1): Wanted => ({ unitId, table: 'holding', start, count });
const coil = (start: number): Wanted => ({ unitId: 1, table: 'coil', start, count: 1 });
const limits = (over: Partial<PlanLimits> = {}): PlanLimits => ({
  max: (_, table) => (isBitTable(table) ? 2000 : 125),
  maxGap: 0,
  ...over,
});
const spans = (wanted: readonly Wanted[], over: Partial<PlanLimits> = {}): string[] =>
  planReads(wanted, limits(over)).map((r) => `${r.unitId}/${r.table} ${r.start}+${r.count}`);

test.for<{ rule: string; wanted: Wanted[]; reads: string[]; over?: Partial<PlanLimits> }>([
  { rule: 'joins neighbours', wanted: [hr(2, 2), hr(0, 2)], reads: ['1/holding 0+4'] },
  { rule: 'stops at 125 registers', wanted: [hr(0, 100), hr(100, 26)], reads: ['1/holding 0+100', '1/holding 100+26'] },
  {
    rule: 'does not tear a value at the limit',
    wanted: [...Array(124).keys()].map((i) => hr(i)).concat(hr(124, 4)),
    reads: ['1/holding 0+124', '1/holding 124+4'],
  },
  { rule: 'does not read over a gap unasked', wanted: [hr(0), hr(2)], reads: ['1/holding 0+1', '1/holding 2+1'] },
  { rule: 'reads over a gap that is allowed', wanted: [hr(0), hr(2)], reads: ['1/holding 0+3'], over: { maxGap: 1 } },
  {
    rule: 'reads over no forbidden gap',
    wanted: [hr(0), hr(2)],
    reads: ['1/holding 0+1', '1/holding 2+1'],
    over: { maxGap: 1, forbidden: () => true },
  },
  { rule: 'keeps units and tables apart', wanted: [hr(0), hr(1, 1, 2), coil(1)], reads: ['1/coil 1+1', '1/holding 0+1', '2/holding 1+1'] },
  { rule: 'reads equal addresses once', wanted: [hr(5), hr(5), hr(5)], reads: ['1/holding 5+1'] },
  { rule: 'joins values inside a longer one', wanted: [hr(0, 10), hr(3, 2), hr(10)], reads: ['1/holding 0+11'] },
  {
    rule: 'asks for each alone where the machine wants it',
    wanted: [hr(0), hr(1), hr(1)],
    reads: ['1/holding 0+1', '1/holding 1+1'],
    over: { oneRequestPerPoint: true },
  },
  {
    rule: 'honours a shorter limit',
    wanted: [hr(0, 2), hr(2, 2), hr(4, 2)],
    reads: ['1/holding 0+4', '1/holding 4+2'],
    over: { max: () => 5 },
  },
  {
    rule: 'leaves a value beyond the limit whole',
    wanted: [hr(0, 20), hr(20)],
    reads: ['1/holding 0+20', '1/holding 20+1'],
    over: { max: () => 10 },
  },
  { rule: 'packs 2000 bits', wanted: [...Array(2001).keys()].map((i) => coil(i)), reads: ['1/coil 0+2000', '1/coil 2000+1'] },
  { rule: 'of nothing makes nothing', wanted: [], reads: [] },
])('$rule', ({ wanted, reads, over }) => {
  expect(spans(wanted, over)).toEqual(reads);
});

const point = fc.record({
  unitId: fc.integer({ min: 1, max: 3 }),
  table: fc.constantFrom<Table>(...tables),
  start: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 65_400 })),
  count: fc.oneof(fc.constantFrom(1, 2, 4), fc.integer({ min: 1, max: 125 })),
});

describe('for any points and limits', () => {
  test('every point is covered once, whole, within the limits and gaps, the same each time', () => {
    fc.assert(
      fc.property(
        fc.array(point, { maxLength: 200 }),
        fc.integer({ min: 4, max: 125 }),
        fc.integer({ min: 0, max: 20 }),
        (wanted, max, maxGap) => {
          const own = { max: () => max, maxGap };
          const reads = planReads(wanted, own);
          expect(reads).toEqual(planReads(wanted, own));
          expect(reads.flatMap((r) => r.members).toSorted((a, b) => a - b)).toEqual(wanted.map((_, i) => i));
          for (const read of reads) {
            const touched = new Set<number>();
            for (const i of read.members) {
              const p = wanted[i]!;
              expect([p.unitId, p.table]).toEqual([read.unitId, read.table]);
              expect(p.start).toBeGreaterThanOrEqual(read.start);
              expect(p.start + p.count).toBeLessThanOrEqual(read.start + read.count);
              for (let at = p.start; at < p.start + p.count; at++) touched.add(at);
            }
            const longest = Math.max(...read.members.map((i) => wanted[i]!.count));
            expect(read.count).toBeLessThanOrEqual(Math.max(max, longest));
            let gap = 0;
            for (let at = read.start; at < read.start + read.count; at++) {
              gap = touched.has(at) ? 0 : gap + 1;
              expect(gap).toBeLessThanOrEqual(isBitTable(read.table) ? maxGap * 16 : maxGap);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a hundred thousand points are planned in well under a second', () => {
    const many = [...Array(100_000).keys()].map((i) => hr((i * 7919) % 65_000, 1, 1 + (i % 16)));
    const started = performance.now();
    const reads = planReads(many, limits());
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(reads.length).toBeGreaterThan(500);
  });
});
