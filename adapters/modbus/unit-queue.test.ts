import { describe, expect, test } from 'vitest';
import { statuses } from '../../model/status.ts';
import type { BusRequest } from './bus-request.ts';
import { UnitQueue } from './unit-queue.ts';

const request = (start: number, everyMs: number, dueMs: number): BusRequest => ({
  unitId: 1,
  functionCode: 3,
  byteCount: 2,
  table: 'holding',
  start,
  count: 1,
  timeoutMs: 1_000,
  everyMs,
  dueMs,
  cancelled: false,
  answered() {},
  failed() {},
});
const drain = (queue: UnitQueue): number[] => {
  const order: number[] = [];
  for (let next = queue.take(); next; next = queue.take()) order.push(next.start);
  return order;
};

describe('order', () => {
  test('the earliest deadline first: fast classes pass slow ones, slow ones are not starved', () => {
    const queue = new UnitQueue(1);
    for (const [start, everyMs, dueMs] of [
      [1, 1_000, 0],
      [2, 1_000, 0],
      [3, 100, 500],
      [4, 100, 950],
    ] as const)
      queue.add(request(start, everyMs, dueMs), false);
    expect(drain(queue)).toEqual([3, 1, 2, 4]);
  });

  test('what must be known first goes to the head of its class; what was cancelled is passed over', () => {
    const queue = new UnitQueue(1);
    const requests = [1, 2, 3].map((start) => request(start, 100, 0));
    for (const r of requests) queue.add(r, false);
    queue.add(request(9, 100, 0), true);
    requests[1]!.cancelled = true;
    expect(drain(queue)).toEqual([9, 1, 3]);
    expect(queue.empty).toBe(true);
  });

  test('a lane that never runs empty keeps its order', () => {
    const queue = new UnitQueue(1);
    let next = 0;
    for (; next < 5; next++) queue.add(request(next, 100, 0), false);
    for (let taken = 0; taken < 10_000; taken++) {
      queue.add(request(next++, 100, 0), false);
      expect(queue.take()?.start).toBe(taken);
    }
  });
});

test('a silent unit is parked at the second silence and tried after 5, 10, 20, 40, 60 seconds', () => {
  const unit = new UnitQueue(1);
  const why = { status: statuses.BadTimeout, reason: 'silent' };
  unit.fellSilent(why, 0, false);
  expect(unit.parked).toBeUndefined();
  const waits = Array.from({ length: 6 }, () => {
    unit.fellSilent(why, 100_000, false);
    return unit.probeAtMs - 100_000;
  });
  expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  expect(unit).toMatchObject({ parked: why, alive: false });
  unit.answered(7);
  expect(unit).toMatchObject({ parked: undefined, alive: true, timeouts: 0, judgedUpTo: 7 });
  unit.fellSilent(why, 0, true);
  unit.fellSilent(why, 0, true);
  expect(unit.probeAtMs).toBe(1_000);
});
