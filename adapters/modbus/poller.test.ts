import { describe, expect, test } from 'vitest';
import { statuses } from '../../model/status.ts';
import { BatchQueue } from './batch-queue.ts';
import { startModbusSimulator } from './simulator.ts';
import { observed, registers } from './testcases/points.ts';
import { openSession } from './testcases/session.ts';

async function addressed() {
  const simulator = await startModbusSimulator();
  simulator.unit().set(
    'holding 0',
    Array.from({ length: 1000 }, (_, i) => i),
  );
  return simulator;
}

describe('a request that is refused', () => {
  test('is split until the culprit stands alone; the rest keeps its rate in one piece each side', async () => {
    await using simulator = await addressed();
    const points = registers(0, 100);
    const open = simulator.unit().refuse('holding 37');
    await using session = await openSession(simulator, points);
    await session.until(() => points.every((p) => session.of(p.name).length > 0));
    expect(session.last('r37_')).toMatchObject({
      value: undefined,
      state: {
        status: statuses.BadNodeIdUnknown,
        reason: expect.stringMatching(/unit 1 at 127\.0\.0\.1:\d+ answers exception 2 \(illegal data address\) for holding 37$/),
      },
    });
    for (const point of points) if (point.name !== 'r37_') expect(session.of(point.name).every((s) => s.value !== undefined)).toBe(true);
    // From then on two requests a tick: 0-36 and 38-99.
    await session.until(() => session.of('r0_').length > 4);
    const [asked, seen] = [simulator.requests, session.of('r0_').length];
    await session.until(() => session.of('r0_').length >= seen + 10);
    expect((simulator.requests - asked) / 10).toBeLessThan(3.5);
    expect(session.connection.counters()).toMatchObject({ quarantined: 1 });
    // Once it answers, it is back, and so is the single request.
    open();
    await session.until(() => session.last('r37_')?.value === 37 && session.connection.counters().quarantined === 0);
    await session.until(() => session.of('r37_').length > 5);
  });

  test('several culprits, and none of them hides another', async () => {
    await using simulator = await addressed();
    for (const at of [0, 1, 50, 99]) simulator.unit().refuse(`holding ${at}`);
    const points = registers(0, 100);
    await using session = await openSession(simulator, points);
    await session.until(() => points.every((p) => session.of(p.name).length > 1 || session.last(p.name)?.state));
    const bad = points.filter((p) => session.last(p.name)?.state).map((p) => p.name);
    expect(bad).toEqual(['r0_', 'r1_', 'r50_', 'r99_']);
  });

  test('a long value that is refused is one culprit, and never read in parts', async () => {
    await using simulator = await addressed();
    simulator.unit().refuse('holding 12');
    const points = [observed('a', 'holding 9'), observed('text', 'holding 10', { type: 'string', length: 4 }), observed('b', 'holding 14')];
    const asked: string[] = [];
    simulator.behave = ({ pdu }) => {
      asked.push(`${(pdu[1]! << 8) | pdu[2]!}+${pdu[4]}`);
      return 'answer';
    };
    await using session = await openSession(simulator, points);
    await session.until(() => session.of('a').length > 2 && session.of('b').length > 2 && session.of('text').length > 0);
    expect(session.last('text')?.state?.reason).toMatch(/holding 10-13/);
    for (const request of new Set(asked)) {
      const [start, count] = request.split('+').map(Number) as [number, number];
      const cuts = start > 10 && start < 14 ? true : start + count > 10 && start + count < 14;
      expect(cuts, request).toBe(false);
    }
  });

  test('a gap that may not be read over is learned', async () => {
    await using simulator = await addressed();
    simulator.unit().refuse('holding 5');
    await using session = await openSession(
      simulator,
      [observed('a', 'holding 4'), observed('b', 'holding 6'), observed('c', 'holding 9')],
      { maxGap: 10 },
    );
    await session.until(() => ['a', 'b', 'c'].every((n) => session.of(n).length > 5));
    for (const n of ['a', 'b', 'c']) expect(session.of(n).every((s) => s.value !== undefined)).toBe(true);
    expect(session.connection.counters()).toMatchObject({ quarantined: 0, bisections: 1 });
  });

  test.for([3, 2, 4])('a machine that answers exception %d to long requests gets shorter ones', async (code) => {
    await using simulator = await addressed();
    simulator.unit().maxRegisters = 50;
    simulator.unit().tooLongCode = code;
    const points = registers(0, 500);
    await using session = await openSession(simulator, points);
    await session.until(() => points.every((p) => session.of(p.name).length > 5));
    for (const p of points)
      expect(
        session.of(p.name).every((s) => s.value !== undefined),
        p.name,
      ).toBe(true);
    expect(session.connection.counters().learnedLimits).toBeGreaterThan(0);
    const before = session.connection.counters();
    await session.until(() => points.every((p) => session.of(p.name).length > 12));
    const after = session.connection.counters();
    expect(after.exceptions).toBe(before.exceptions);
  });

  test('a busy machine is asked again soon; if it stays busy its points say so', async () => {
    await using simulator = await addressed();
    let busy = 2;
    simulator.behave = ({ pdu }) => (busy-- > 0 ? [{ pdu: Uint8Array.of(pdu[0]! | 0x80, 6) }] : 'answer');
    await using session = await openSession(simulator, [observed('a', 'holding 4', {}, 200)]);
    await session.until(() => session.of('a').length > 0);
    expect(session.of('a')[0]?.value).toBe(4);
    busy = 1_000;
    await session.until(() => session.last('a')?.state !== undefined);
    expect(session.last('a')?.state).toMatchObject({ status: statuses.BadOutOfService, reason: expect.stringMatching(/busy/) });
    busy = 0;
    await session.until(() => session.last('a')?.value === 4);
  });

  test('a table that the machine does not have costs one request, not one for each point', async () => {
    await using simulator = await addressed();
    const points = [...registers(0, 10), ...Array.from({ length: 50 }, (_, i) => observed(`i${i}`, `input ${i}`))];
    simulator.behave = ({ pdu }) => (pdu[0] === 4 ? [{ pdu: Uint8Array.of(0x84, 1) }] : 'answer');
    await using session = await openSession(simulator, points);
    await session.until(() => points.every((p) => session.of(p.name).length > 0));
    expect(session.last('i7')?.state).toMatchObject({ status: statuses.BadNotSupported });
    expect(session.connection.counters().bisections).toBe(0);
  });

  test('a machine that fails as a whole comes back as a whole', async () => {
    await using simulator = await addressed();
    const points = registers(0, 60);
    await using session = await openSession(simulator, points);
    await session.until(() => session.of('r59_').length > 2);
    simulator.unit().exception = 4;
    await session.until(() => points.every((p) => session.last(p.name)?.state?.status === statuses.BadDeviceFailure));
    simulator.unit().exception = undefined;
    await session.until(() => points.every((p) => session.last(p.name)?.value !== undefined));
    const [asked, seen] = [simulator.requests, session.of('r0_').length];
    await session.until(() => session.of('r0_').length >= seen + 10);
    expect((simulator.requests - asked) / 10).toBeLessThan(2);
  });
});

test.for([
  [6, /exception 6 \(device busy\)/],
  [1, /exception 1 \(illegal function\)/],
  [4, /exception 4 \(device failure\)/],
  [10, /exception 10 \(gateway path unavailable\)/],
  [99, /exception 99 \(not in the standard\)/],
] as const)(
  'a machine that always answers exception %i is bad with that reason, and good when it has recovered',
  async ([code, reason]) => {
    await using simulator = await addressed();
    simulator.unit().exception = code;
    const points = registers(0, 4);
    await using session = await openSession(simulator, points);
    await session.until(() => session.last('r3_') !== undefined);
    expect(session.last('r3_')).toMatchObject({ value: undefined, state: { reason: expect.stringMatching(reason) } });
    simulator.unit().exception = undefined;
    await session.until(() => points.every((p) => session.last(p.name)?.state === undefined));
  },
);

describe('values', () => {
  test('of all types and tables arrive as they are, and an impossible one is a bad sample', async () => {
    await using simulator = await startModbusSimulator();
    const unit = simulator.unit();
    unit.set('holding 0', -(2n ** 63n), { type: 'int64', byteOrder: 'CDAB' });
    unit.set('holding 4', 231.7, { type: 'float32' });
    unit.set('holding 6', 0x12ab);
    unit.set('holding 7', 'Kettle 7', { type: 'string', length: 5 });
    unit.set('input 0', [1, 2, 3]);
    unit.set('coil 15', [true, false, true]);
    unit.set('discrete 3', true);
    const points = [
      observed('i64', 'holding 0', { type: 'int64', byteOrder: 'CDAB' }),
      observed('f32', 'holding 4', { type: 'float32' }),
      observed('bcd', 'holding 6', { type: 'bcd16' }),
      observed('text', 'holding 7', { type: 'string', length: 5 }),
      observed('array', 'input 0', { length: 3 }),
      observed('c15', 'coil 15'),
      observed('c16', 'coil 16'),
      observed('c17', 'coil 17'),
      observed('coils', 'coil 14', { length: 5 }),
      observed('d', 'discrete 3'),
    ];
    await using session = await openSession(simulator, points);
    await session.until(() => points.every((p) => session.of(p.name).length > 0));
    expect(Object.fromEntries(points.map((p) => [p.name, session.last(p.name)?.value]))).toEqual({
      i64: -(2n ** 63n),
      f32: 231.7,
      bcd: undefined,
      text: 'Kettle 7',
      array: [1, 2, 3],
      c15: true,
      c16: false,
      c17: true,
      coils: [false, true, false, true, false],
      d: true,
    });
    expect(session.last('bcd')?.state).toMatchObject({ status: statuses.BadDataEncodingInvalid, reason: expect.stringMatching(/bcd16/) });
  });

  test('come through the function codes that the machine wants', async () => {
    await using simulator = await startModbusSimulator();
    simulator.unit().set('input 5', 77);
    await using session = await openSession(simulator, [observed('a', 'holding 5')], { functionCodes: { holding: 4 } });
    await session.until(() => session.last('a')?.value === 77);
  });
});

describe('time', () => {
  test('each class keeps its own interval, and what cannot be kept is counted', async () => {
    await using simulator = await addressed();
    await using session = await openSession(simulator, [observed('fast', 'holding 0', {}, 50), observed('slow', 'holding 100', {}, 250)]);
    await session.until(() => session.of('slow').length >= 4);
    const ratio = session.of('fast').length / session.of('slow').length;
    expect(ratio).toBeGreaterThan(3);
    expect(ratio).toBeLessThan(7);
    simulator.unit().delayMs = 130;
    await session.until(() => (session.connection.counters().latePolls ?? 0) > 3);
  });

  test('the grid does not drift', async () => {
    await using simulator = await addressed();
    await using session = await openSession(simulator, [observed('a', 'holding 0', {}, 40)]);
    await session.until(() => session.of('a').length >= 32);
    const times = session.of('a').map((s) => s.atMs);
    // From the second on they lie on the grid.
    const drift = times[31]! - times[1]! - 30 * 40;
    expect(Math.abs(drift)).toBeLessThan(35);
  });
});

test('a consumer that falls behind loses the oldest, and is told how many', () => {
  const queue = new BatchQueue(2);
  const batch = (receivedMs: number) => ({ receivedMs, points: [0, 1, 2], values: [1, 2, 3] });
  for (let i = 0; i < 5; i++) queue.push(batch(i));
  const taken = queue.drain();
  expect(taken.map((b) => b.receivedMs)).toEqual([3, 4]);
  expect(taken[0]?.lost).toMatchObject([{ count: 9 }]);
  expect(queue.drain()).toEqual([]);
  expect(queue.lostSamples).toBe(9);
});
