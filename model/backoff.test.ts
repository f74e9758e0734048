import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoff } from './backoff.ts';
import { GatewayError, NotConnectedError } from './error.ts';

const lost = new NotConnectedError('link-lost', 'link lost', { retry: 'with-backoff' });
const refused = new GatewayError('hub-credentials', 'refused', { retry: 'after-fix' });
const throttled = new NotConnectedError('hub-throttled', 'slow down', { retry: 'with-backoff' });
const middle = (): number => 0.5;

function waits(errors: readonly unknown[], random = middle): number[] {
  const policy = backoff({ random });
  return errors.map((error) => policy.next(error));
}

test.for([
  { rule: 'tries at once, then grows', errors: Array(6).fill(lost), waits: [50, 100, 163, 288, 538, 1038] },
  { rule: 'an unknown error is a lost link', errors: [new Error('?'), undefined], waits: [50, 100] },
  { rule: 'is slow from the start when a person must act', errors: Array(4).fill(refused), waits: [10_000, 13_125, 19_375, 31_875] },
  { rule: 'is slow when throttled', errors: [throttled, throttled], waits: [10_000, 13_125] },
  { rule: 'each kind counts for itself', errors: [lost, lost, lost, refused, lost], waits: [50, 100, 163, 10_000, 288] },
])('$rule', ({ errors, waits: expected }) => {
  expect(waits(errors)).toEqual(expected);
});

test('starts anew after reset', () => {
  const policy = backoff({ random: middle });
  for (let i = 0; i < 20; i++) policy.next(lost);
  policy.reset();
  expect(policy.next(lost)).toBe(50);
});

test('two gateways that lost the hub together do not come back together, even at the cap', () => {
  const a = waits(Array(20).fill(lost), () => 0.1);
  const b = waits(Array(20).fill(lost), () => 0.9);
  expect(a.every((wait, i) => wait !== b[i] || wait === 100)).toBe(true);
});

describe('bounds', () => {
  test('never negative, never above the cap, also after years of attempts', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    fc.assert(
      fc.property(fc.array(unit, { minLength: 1, maxLength: 20 }), fc.constantFrom(lost, refused), (randoms, error) => {
        let i = 0;
        const all = waits(Array(2_000).fill(error), () => randoms[i++ % randoms.length] ?? 0);
        return all.every((wait) => Number.isInteger(wait) && wait >= 0 && wait <= (error === lost ? 30_000 : 60_000));
      }),
      { numRuns: 30 },
    );
  });
});
