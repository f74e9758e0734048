import { expect, test } from 'vitest';
import { Pace } from './pace.ts';

test('over a second it lets through what it should, however large the batches are', () => {
  let nowMs = 0;
  const pace = new Pace(1_000, () => nowMs);
  let sent = 0;
  for (; nowMs < 10_000; nowMs++) {
    while (pace.waitMs === 0) {
      pace.took(250);
      sent += 250;
    }
  }
  // One second's worth that was not used before the start.
  expect(sent).toBeGreaterThanOrEqual(10_000);
  expect(sent).toBeLessThanOrEqual(11_500);
});

test('a batch larger than a second is let through and then waited for', () => {
  let nowMs = 0;
  const pace = new Pace(100, () => nowMs);
  pace.took(1_000);
  expect(pace.waitMs).toBe(9_000);
  nowMs = 9_000;
  expect(pace.waitMs).toBe(0);
});

test('waiting ends when the signal aborts', async () => {
  const pace = new Pace(1);
  pace.took(1_000_000);
  await pace.room(AbortSignal.timeout(20));
});
