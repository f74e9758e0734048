import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type HealthPlan, PodmanHealth } from './podman-health.ts';

const began = Date.parse('2026-03-01T12:00:00Z');

beforeEach(() => {
  vi.useFakeTimers({ now: began });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A container that was just started, with a check each 10 s. `leavesTrace`: a check that is run is seen in the next plan. */
function container({ leavesTrace = true } = {}) {
  const state: { plan: HealthPlan | undefined } = {
    plan: { everyMs: 10_000, timeoutMs: 5_000, checkedMs: undefined, startedMs: began },
  };
  const checks: number[] = [];
  const health = new PodmanHealth({
    planOf: async () => state.plan,
    check: async () => {
      checks.push(Date.now() - began);
      if (leavesTrace) state.plan = state.plan && { ...state.plan, checkedMs: Date.now() };
    },
  });
  return { health, checks, state };
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);

test('where nobody runs the checks they are run, at their pace', async () => {
  const { health, checks } = container();
  health.watch('a');
  health.watch('a');
  await pass(35);
  expect(checks).toEqual([10_000, 20_000, 30_000]);
  health[Symbol.dispose]();
  await pass(60);
  expect(checks).toHaveLength(3);
});

test('one that a timer of systemd runs is left to it, and taken over when the timer is gone', async () => {
  const { health, checks, state } = container();
  health.watch('a');
  for (let second = 0; second < 60; second += 10) {
    state.plan = { ...state.plan!, checkedMs: Date.now() };
    await pass(10);
  }
  expect(checks).toEqual([]);
  await pass(20);
  // The last one was at 50 s; the next may have taken until 65 s.
  expect(checks).toEqual([66_000, 76_000]);
  health[Symbol.dispose]();
});

test('a check that leaves no trace is not run without a pause', async () => {
  const { health, checks } = container({ leavesTrace: false });
  health.watch('a');
  await pass(35);
  expect(checks).toEqual([10_000, 20_000, 30_000]);
  health[Symbol.dispose]();
});

test('what was checked before it was started again does not count', async () => {
  const { health, checks, state } = container();
  state.plan = { ...state.plan!, checkedMs: began - 60_000 };
  health.watch('a');
  await pass(12);
  expect(checks).toEqual([10_000]);
  health[Symbol.dispose]();
});

test('a container that ended is not checked; started again it is', async () => {
  const { health, checks, state } = container();
  const { plan } = state;
  health.watch('a');
  state.plan = undefined;
  await pass(30);
  expect(checks).toEqual([]);
  state.plan = { ...plan!, startedMs: Date.now() };
  health.watch('a');
  await pass(12);
  expect(checks).toEqual([40_000]);
  health[Symbol.dispose]();
});
