import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RawValue } from '../../model/value.ts';
import { planShadow } from './plan.ts';
import { PointComparison } from './point-comparison.ts';
import { type PairFacts, reportOf } from './report.ts';
import { unmet } from './rule.ts';
import { compiled, modbusMapping } from './testing/mapping.ts';

const clock = { observedMs: 0 };

function comparison(
  running: string,
  candidate: string,
  tolerance: { value: number | undefined; named: boolean } = { value: undefined, named: false },
) {
  const { pairs } = planShadow(compiled(modbusMapping({ p: running })), compiled(modbusMapping({ p: candidate })));
  return new PointComparison(pairs[0]!, tolerance, clock);
}

const sample = (raw: RawValue | undefined, receivedMs = 0, batch = 0) => ({ raw, type: undefined, state: undefined, receivedMs, batch });

describe('on one sample', () => {
  test.for([
    { rule: 'equal', now: 'scale: 0.1', next: 'scale: 0.10', raws: [1, 2, 3], said: { pairs: 3, good: 3, different: 0, maxAbsolute: 0 } },
    {
      rule: 'a factor',
      now: 'scale: 0.1',
      next: 'scale: 1',
      raws: [10, 20, 30],
      said: { different: 3, maxAbsolute: 27, sumAbsolute: 54, ratio: [10, 10] },
    },
    {
      rule: 'an offset',
      now: 'scale: 1',
      next: 'scale: 1, offset: -273',
      raws: [300, 310],
      said: { difference: [-273, -273], maxAbsolute: 273 },
    },
    {
      rule: 'a quality',
      now: 'range: [0, 100]',
      next: 'range: [0, 50]',
      raws: [10, 60],
      said: { different: 1, value: 0, quality: 1, status: 1 },
    },
    {
      rule: 'an invalid value',
      now: 'scale: 1',
      next: 'invalid: [0xFFFF]',
      raws: [1, 0xffff],
      said: { different: 1, value: 1, quality: 1, good: 1 },
    },
    {
      rule: 'words',
      now: 'enum: { 0: off, 1: on }',
      next: 'enum: { 0: off, 1: running }',
      raws: [0, 1],
      said: { different: 1, value: 1, numbers: 0 },
    },
    {
      rule: 'a word in place of a number',
      now: 'scale: 1',
      next: 'enum: { 0: off, 1: on }',
      raws: [0, 1],
      said: { different: 2, value: 2, numbers: 0 },
    },
    { rule: 'nothing came', now: 'scale: 1', next: 'scale: 2', raws: [undefined], said: { pairs: 1, good: 0, different: 0 } },
  ])('$rule', ({ now, next, raws, said }) => {
    const point = comparison(`at: holding 1, type: uint16, ${now}`, `at: holding 1, type: uint16, ${next}`);
    for (const raw of raws) point.both(sample(raw));
    expect(point.statistics).toMatchObject(said);
  });

  test('64 bit are compared exactly', () => {
    const point = comparison('at: holding 1, type: uint64', 'at: holding 1, type: uint64, offset: 1');
    point.both(sample(9007199254740993n));
    expect(point.statistics).toMatchObject({ different: 1, maxAbsolute: 1 });
  });

  test('a double, 64 bits and a decimal are one value, where they are; a hair in a double is no excess', () => {
    const same = comparison('at: holding 1, type: uint64', 'at: holding 1, type: uint64, scale: 1.0');
    same.both(sample(5n));
    expect(same.statistics.different).toBe(0);
    const hair = comparison('at: holding 1, type: uint16, scale: 0.1', 'at: holding 1, type: uint16, scale: 0.1, offset: 0.1', {
      value: 0.1,
      named: false,
    });
    for (let raw = 0; raw < 1_000; raw++) hair.both(sample(raw));
    expect(hair.statistics).toMatchObject({ different: 1_000, excess: 0 });
  });

  test('what is allowed is different all the same, but no excess; the worst pair is kept', () => {
    const point = comparison('at: holding 1, type: uint16', 'at: holding 1, type: uint16, scale: 1.01', { value: 0.5, named: false });
    for (const raw of [10, 100, 20, 40]) point.both({ ...sample(raw), receivedMs: raw });
    expect(point.statistics).toMatchObject({
      different: 4,
      excess: 1,
      goodSinceExcess: 2,
      worst: { atMs: 100, running: { value: '100' }, candidate: { value: '101' } },
    });
  });

  test('another unit is beyond every figure, unless the point is named', () => {
    const [now, next] = ['at: holding 1, type: uint16, unit: bar', 'at: holding 1, type: uint16, unit: kPa'];
    const [all, named] = [comparison(now, next, { value: 1e9, named: false }), comparison(now, next, { value: 1e9, named: true })];
    for (const point of [all, named]) point.both(sample(1));
    expect([all.statistics.excess, named.statistics.excess]).toEqual([1, 0]);
  });
});

describe('on samples of their own', () => {
  const apart = () => comparison('at: holding 1, type: uint16, every: 1s', 'at: holding 5, type: uint16, every: 1s');

  test('of one answer: in whatever order they stand', () => {
    const point = apart();
    point.running(sample(1, 0, 1));
    point.candidate(sample(1, 0, 1));
    point.candidate(sample(2, 1_000, 2));
    point.running(sample(3, 1_000, 2));
    expect(point.statistics).toMatchObject({ pairs: 2, apart: 0, different: 1, maxAbsolute: 1 });
  });

  test('of two answers of one round: nearest in time, and counted as such', () => {
    const point = apart();
    for (let n = 0; n < 5; n++) {
      point.running(sample(n, n * 1_000, 2 * n));
      point.candidate(sample(n, n * 1_000 + 30, 2 * n + 1));
    }
    expect(point.statistics).toMatchObject({ pairs: 5, apart: 5, different: 0 });
  });

  test('a burst in one message is paired in its order', () => {
    const point = apart();
    for (const raw of [1, 2, 3]) point.running(sample(raw, 0, 1));
    for (const raw of [1, 2, 4]) point.candidate(sample(raw, 0, 1));
    expect(point.statistics).toMatchObject({ pairs: 3, different: 1, maxAbsolute: 1 });
  });

  test('one side that never says more is held against what it said: a wrong node that stands still is found', () => {
    const point = apart();
    point.running(sample(7, 0, 1));
    point.candidate(sample(7, 0, 1));
    for (let n = 1; n <= 10; n++) point.running(sample(7 + n, n * 1_000, n + 1));
    point.settle(60_000);
    expect(point.statistics).toMatchObject({ pairs: 11, different: 10, maxAbsolute: 10, onlyRunning: 0 });
  });

  test('one side that never said anything is alone', () => {
    const point = apart();
    for (let n = 0; n < 200; n++) point.running(sample(n, n, n));
    point.settle(60_000);
    expect(point.statistics).toMatchObject({ pairs: 0, onlyRunning: 200 });
  });
});

test('whatever comes: the sums agree, and fit into JSON', () => {
  const raw = fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), raw, fc.nat(3))), (events) => {
      const point = comparison('at: holding 1, type: uint16, invalid: [7]', 'at: holding 2, type: uint16, scale: 0.5, range: [0, 9000]');
      let atMs = 0;
      for (const [isRunning, value, step] of events) {
        atMs += step * 20;
        if (isRunning) point.running(sample(value, atMs, step));
        else point.candidate(sample(value, atMs, step));
      }
      point.settle(atMs + 10_000);
      const s = point.statistics;
      const compared = 2 * s.pairs + s.onlyRunning + s.onlyCandidate;
      // A held value is used again, so a pair may stand for one sample or for two.
      return (
        s.different <= s.pairs &&
        s.good <= s.pairs &&
        compared >= events.length &&
        JSON.stringify(JSON.parse(JSON.stringify(s))) === JSON.stringify(s)
      );
    }),
    { numRuns: 200 },
  );
});

describe('the rule', () => {
  const rule = { forMs: 7_200_000, promoteAfterMs: 3_600_000, maxDifference: 0.5 };
  const [now, next] = ['at: holding 1, type: uint16', 'at: holding 1, type: uint16, scale: 1.01'];

  function watched(raws: readonly [atMs: number, raw: number | undefined][]): PointComparison {
    const point = comparison(now, next, { value: 0.5, named: false });
    for (const [atMs, raw] of raws) {
      clock.observedMs = atMs;
      point.both(sample(raw));
    }
    return point;
  }

  test.for([
    { what: 'holds after an hour', raws: [[0, 10]], atMs: 3_600_000, why: [] },
    { what: 'not before', raws: [[0, 10]], atMs: 3_599_000, why: ['observed for 60m of 1h'] },
    {
      what: 'a difference begins the hour anew',
      raws: [
        [0, 10],
        [60_000, 100],
        [61_000, 10],
      ],
      atMs: 3_600_000,
      why: ['p: differed 59m ago by more than allowed'],
    },
    {
      what: '… which ends in time',
      raws: [
        [0, 10],
        [60_000, 100],
        [61_000, 10],
      ],
      atMs: 3_660_000,
      why: [],
    },
    {
      what: 'nothing good came since',
      raws: [
        [0, 10],
        [60_000, 100],
      ],
      atMs: 3_660_000,
      why: ['p: was never good under both mappings at once, so nothing is known of it'],
    },
    {
      what: 'nothing good came at all',
      raws: [[0, undefined]],
      atMs: 3_600_000,
      why: ['p: was never good under both mappings at once, so nothing is known of it'],
    },
  ] satisfies { what: string; raws: [number, number | undefined][]; atMs: number; why: string[] }[])('$what', ({ raws, atMs, why }) => {
    expect(unmet(rule, atMs, [watched(raws)])).toEqual(why);
  });

  test('a point that did not change needs no evidence', () => {
    const { pairs } = planShadow(
      compiled(modbusMapping({ p: now, alarm: 'at: coil 3' })),
      compiled(modbusMapping({ p: next, alarm: 'at: coil 3' })),
    );
    const all = pairs.map((pair) => new PointComparison(pair, { value: undefined, named: false }, clock));
    expect(unmet(rule, 3_600_000, all)).toEqual(['p: was never good under both mappings at once, so nothing is known of it']);
  });

  test('a share that may differ', () => {
    const point = watched([...Array.from({ length: 9 }, (_, n): [number, number] => [n, 10]), [9, 100]]);
    expect(unmet({ ...rule, maxDifferentShare: 0.1 }, 3_600_000, [point])).toEqual([]);
    expect(unmet({ ...rule, maxDifferentShare: 0.05 }, 3_600_000, [point])).toEqual([
      'p: 10.0 % of its samples differ by more than allowed, and 5.0 % may',
    ]);
  });
});

test('the report names the factor, and none where the value never moved', () => {
  const facts: PairFacts = { name: 'p', changes: [], running: {}, candidate: {} };
  const report = (raws: readonly number[], candidate = 'scale: 10') => {
    const point = comparison('at: holding 1, type: uint16', `at: holding 1, type: uint16, ${candidate}`);
    for (const raw of raws) point.both(sample(raw));
    const record = {
      id: 1,
      file: 'a.yaml',
      text: '',
      who: 'anna',
      from: 'command',
      startedMs: 0,
      state: 'running',
      observedMs: 0,
      elapsedMs: 0,
      interruptions: 0,
      rule: { forMs: 1_000 },
      machines: {},
    } as const;
    return reportOf(record, [{ equipment: 'm', pairs: [{ facts, statistics: point.statistics }] }], undefined, 9).machines[0]!
      .differences[0]!;
  };
  expect(report([1, 2, 3])).toMatchObject({ compared: 3, different: 3, share: 1, factor: 10, max: 27, mean: 18, maxRelative: 9 });
  expect(report([5, 5, 5])).not.toHaveProperty('factor');
  expect(report([1, 2, 3], 'offset: 5')).toMatchObject({ offset: 5 });
});
