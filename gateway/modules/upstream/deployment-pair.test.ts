import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DeploymentPair, type UpstreamDeployment } from './deployment-pair.ts';

let given: UpstreamDeployment[];
let pair: DeploymentPair;

beforeEach(() => {
  vi.useFakeTimers();
  given = [];
  pair = new DeploymentPair((deployment) => void given.push(deployment));
});
afterEach(() => {
  pair[Symbol.dispose]();
  vi.useRealTimers();
});

const both = (version: number): UpstreamDeployment => ({ agent: { v: version }, hub: { v: version }, version, hubVersion: version });
const change = (half: 'agent' | 'hub', version: number): void => pair.changed(half, { properties: { v: version }, version });

function meet(version: number): void {
  for (const half of ['agent', 'hub'] as const) {
    change(half, version);
    pair.setCurrent(half, true);
  }
  vi.advanceTimersByTime(300);
}

test('nothing is given before both are known, however long that takes', () => {
  change('agent', 1);
  pair.setCurrent('agent', true);
  vi.advanceTimersByTime(3_600_000);
  expect(given).toEqual([]);
  change('hub', 1);
  pair.setCurrent('hub', true);
  vi.advanceTimersByTime(300);
  expect(given).toEqual([both(1)]);
});

test('both halves of one deployment, moments apart, are one', () => {
  meet(1);
  change('agent', 2);
  vi.advanceTimersByTime(100);
  change('hub', 2);
  vi.advanceTimersByTime(300);
  expect(given).toEqual([both(1), both(2)]);
});

test('after an outage the half that is back first waits for the other', () => {
  meet(1);
  for (const half of ['agent', 'hub'] as const) pair.setCurrent(half, false);
  change('agent', 2);
  pair.setCurrent('agent', true);
  vi.advanceTimersByTime(5_000);
  expect(given).toHaveLength(1);
  change('hub', 2);
  pair.setCurrent('hub', true);
  vi.advanceTimersByTime(300);
  expect(given).toEqual([both(1), both(2)]);
});

test('but not for ever', () => {
  meet(1);
  pair.setCurrent('hub', false);
  change('agent', 2);
  vi.advanceTimersByTime(10_300);
  expect(given.at(-1)).toEqual({ ...both(1), agent: { v: 2 }, version: 2 });
});
