import { describe, expect, test } from 'vitest';
import type { GapRecord } from './contract.ts';
import { GapBook } from './gaps.ts';
import { stateBytes } from './state-file.ts';

const hub = { name: 'hub', required: true, head: 0, headReadings: 0 };
const book = (): GapBook => new GapBook({ destinations: [hub], gaps: [], lastGapId: 0, told: [] });
const gap = (more: Partial<GapRecord>): GapRecord => ({ fromMs: 10, toMs: 20, readings: 5, reason: 'overflow', ...more });

describe('losses become one record', () => {
  test.for([
    { rule: 'when they touch', a: { firstSequence: 1, lastSequence: 4 }, b: { firstSequence: 5, lastSequence: 9 }, acked: 100, records: 1 },
    {
      rule: 'not over a number that the hub has',
      a: { firstSequence: 1, lastSequence: 4 },
      b: { firstSequence: 7, lastSequence: 9 },
      acked: 5,
      records: 2,
    },
    {
      rule: 'over numbers that are lost, too, or come later',
      a: { firstSequence: 6, lastSequence: 7 },
      b: { firstSequence: 9, lastSequence: 9 },
      acked: 5,
      records: 1,
    },
    { rule: 'when none had a number', a: {}, b: {}, acked: 0, records: 1 },
    { rule: 'not when only one had a number', a: {}, b: { firstSequence: 1, lastSequence: 1 }, acked: 0, records: 2 },
    { rule: 'not with different reasons', a: { reason: 'expired' }, b: {}, acked: 0, records: 2 },
    { rule: 'not of different points', a: { equipment: 'a', point: 'x' }, b: { equipment: 'a', point: 'y' }, acked: 0, records: 2 },
  ])('$rule', ({ a, b, acked, records }) => {
    const gaps = book();
    gaps.acked('hub', acked);
    gaps.note(gap(a));
    gaps.note(gap({ fromMs: 5, toMs: 7, ...b }));
    const told = gaps.take();
    expect(told).toHaveLength(records);
    expect(told.reduce((sum, g) => sum + g.readings, 0)).toBe(10);
    if (records === 1) expect(told[0]).toMatchObject({ fromMs: 5, toMs: 20 });
  });
});

test('however many kinds of loss there are, the sum is exact and the state file has room for them', () => {
  const gaps = book();
  const long = 'x'.repeat(64);
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 1000; n++)
      gaps.note(
        gap({
          reason: `${n} ${'because \n"ß€😀'.repeat(50)}`,
          equipment: long,
          point: long,
          destination: long,
          firstSequence: n * 10,
          lastSequence: n * 10 + 1,
        }),
      );
    if (round < 2) gaps.take();
  }
  for (let n = 0; n < 1000; n++) gaps.tellOnce(2e15 + n * 10, 2e15 + n * 10 + 1);
  const mark = '\u0001'.repeat(64);
  const saved = gaps.saved(Array.from({ length: 16 }, () => ({ name: long, required: false, head: 1e15, headReadings: 1e15, mark })));
  expect(saved.gaps.reduce((sum, g) => sum + g.readings, 0)).toBe(15_000);
  expect(Buffer.byteLength(JSON.stringify(saved))).toBeLessThan(stateBytes / 2 - 1_000);
});

test('too many kinds: no destination loses its range, and no name is given to what is of several', () => {
  const gaps = book();
  for (let n = 0; n < 60; n++) {
    const destination = ['cloud', 'plant', undefined][n % 3];
    const equipment = `machine-${n}`;
    gaps.note(gap({ reason: `reason ${n}`, equipment, firstSequence: n * 10, lastSequence: n * 10, ...(destination && { destination }) }));
  }
  const told = gaps.take();
  expect(told.length).toBeLessThanOrEqual(24);
  for (let n = 0; n < 60; n++) {
    const destination = ['cloud', 'plant', undefined][n % 3];
    const holds = told.filter((one) => one.destination === destination && one.firstSequence! <= n * 10 && one.lastSequence! >= n * 10);
    expect(holds, `${n}`).not.toEqual([]);
  }
  expect(told.filter(({ reason }) => reason === 'several').every(({ equipment }) => equipment === undefined)).toBe(true);
});

test('a record that could not be written waits again, with an id above those that were written meanwhile', () => {
  const gaps = book();
  gaps.note(gap({}));
  const [first] = gaps.take();
  gaps.note(gap({ reason: 'later' }));
  const [second] = gaps.take();
  expect(gaps.waiting).toBe(0);
  gaps.refused([first!]);
  gaps.written([second!]);
  const again = gaps.take();
  expect(again).toEqual([{ ...first, id: expect.any(Number) }]);
  expect(again[0]!.id).toBeGreaterThan(second!.id);
  gaps.written(again);
  expect(gaps.saved([hub]).gaps).toEqual([]);
});

test('a refused record is not taken for a written one after a restart, whatever was written since', () => {
  const gaps = book();
  gaps.park(gap({ destination: 'hub', firstSequence: 1, lastSequence: 4 }));
  gaps.note(gap({ reason: 'later' }));
  gaps.written(gaps.take());
  const saved = gaps.saved([hub]);
  // As the start of an outbox does it: what has an id up to the highest in the log is written.
  const left = saved.gaps.filter(({ id }) => id > saved.lastGapId);
  const [told, ...others] = new GapBook({ ...saved, gaps: left }).take();
  expect(told).toMatchObject({ firstSequence: 1, lastSequence: 4, id: saved.lastGapId + 1 });
  expect(others).toEqual([]);
});
