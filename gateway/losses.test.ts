import { expect, test } from 'vitest';
import { Losses } from './losses.ts';
import type { GapRecord } from './outbox/contract.ts';

function collector() {
  const told: GapRecord[] = [];
  return { told, losses: new Losses('mixer', (gap) => told.push(gap)) };
}

test('the first loss is told at once, with its point', () => {
  const { told, losses } = collector();
  losses.note('queue overflow at the server', 'speed', 1, 1_000);
  losses.tellIfDue(5);
  expect(told).toEqual([
    { fromMs: 1_000, toMs: 1_000, readings: 1, reason: 'queue overflow at the server', equipment: 'mixer', point: 'speed' },
  ]);
});

test('a storm over many points becomes one record a second that counts them all', () => {
  const { told, losses } = collector();
  losses.note('overflow', 'p0', 1, 1_000);
  losses.tellIfDue(0);
  for (let i = 0; i < 10_000; i++) losses.note('overflow', `p${i}`, 1, 1_000 + (i % 500));
  losses.tellIfDue(500);
  expect(told).toHaveLength(1);
  losses.tellIfDue(1_000);
  expect(told.slice(1)).toEqual([{ fromMs: 1_000, toMs: 1_499, readings: 10_000, reason: 'overflow', equipment: 'mixer' }]);
});

test('reasons stay apart, and a count that nobody knows adds nothing', () => {
  const { told, losses } = collector();
  losses.note('overflow', 'speed', undefined, 1_000);
  losses.note('link lost', undefined, 3, 1_001);
  losses.tell();
  expect(told.map(({ reason, readings }) => [reason, readings])).toEqual([
    ['overflow', 0],
    ['link lost', 3],
  ]);
  losses.tell();
  expect(told).toHaveLength(2);
});
