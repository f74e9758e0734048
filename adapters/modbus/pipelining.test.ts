import { expect, test } from 'vitest';
import { startModbusSimulator } from './simulator.ts';
import { registers } from './testcases/points.ts';
import { openSession } from './testcases/session.ts';

const points = registers(0, 40, {}, 40);
const deep = { maxInFlight: 16, oneRequestPerPoint: true, timeout: '60ms' };

async function start() {
  const simulator = await startModbusSimulator();
  for (let at = 0; at < 40; at++) simulator.unit().set(`holding ${at}`, at);
  return simulator;
}

test('several answers of one round are late while others come in time: the machine is neither parked nor dropped', async () => {
  await using simulator = await start();
  simulator.behave = ({ number }) => (number < 200 && number % 8 === 3 ? [{ afterMs: 90 }] : 'answer');
  await using session = await openSession(simulator, points, deep);
  await session.until(() => simulator.requests > 300 && points.every(({ name }) => session.last(name)?.value !== undefined));
  const { timeouts, lateFrames, parkedUnits, connects } = session.connection.counters();
  expect({ lateFrames, parkedUnits, connects }).toEqual({ lateFrames: timeouts, parkedUnits: 0, connects: 1 });
  expect(timeouts).toBeGreaterThanOrEqual(10);
  for (const [at, { name }] of points.entries()) {
    for (const { value } of session.of(name)) if (value !== undefined) expect(value).toBe(at);
  }
});

test('a machine that falls silent with sixteen requests in flight is parked after two silences, not after two of the sixteen', async () => {
  await using simulator = await start();
  await using session = await openSession(simulator, points, deep);
  await session.until(() => points.every(({ name }) => session.last(name)?.value !== undefined));
  let unanswered = 0;
  simulator.behave = () => (unanswered++ < 16 ? 'silence' : 'answer');
  await session.until(() => unanswered > 60);
  expect(session.connection.counters()).toMatchObject({ timeouts: 16, parkedUnits: 0, connects: 1 });
  const bad = points.flatMap(({ name }) => session.of(name)).filter(({ value }) => value === undefined);
  expect(bad).toHaveLength(16);
});
