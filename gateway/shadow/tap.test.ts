import { expect, test } from 'vitest';
import { statuses } from '../../model/status.ts';
import { ownPart } from './tap.ts';

const state = { status: statuses.BadTimeout };

test('a batch that is all its own passes as it is', () => {
  const batch = { receivedMs: 1, points: [0, 1], values: [1, 2], verified: [1], lost: [{ reason: 'r', point: 0 }] };
  expect(ownPart(batch, 2)).toBe(batch);
});

test('every column is cut alike, and what must be acknowledged still is', () => {
  const acknowledge = (): void => {};
  const batch = {
    receivedMs: 1,
    points: Uint32Array.from([0, 2, 1, 3]),
    values: ['a', 'x', 'b', 'y'],
    states: [undefined, state, state, undefined],
    sourceTimesMs: [10, 20, 30, 40],
    sourceTicks: [1, 2, 3, 4],
    types: ['int8', 'bool', 'int16', 'bool'] as const,
    verified: [3, 1],
    lost: [{ reason: 'all' }, { reason: 'x', point: 2 }],
    acknowledge,
  };
  expect(ownPart(batch, 2)).toEqual({
    receivedMs: 1,
    points: [0, 1],
    values: ['a', 'b'],
    states: [undefined, state],
    sourceTimesMs: [10, 30],
    sourceTicks: [1, 3],
    types: ['int8', 'int16'],
    verified: [1],
    lost: [{ reason: 'all' }],
    acknowledge,
  });
});
