import { createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { NotConnectedError } from '../../model/error.ts';
import { statuses } from '../../model/status.ts';
import { connectContext } from '../../test/contract/adapter.ts';
import { freePort } from '../../test/support/ports.ts';
import { modbus } from './adapter.ts';
import { connectModbus } from './connection.ts';
import { type Misbehaviour, type SimulatedRequest, startModbusSimulator } from './simulator.ts';
import { observed, registers } from './testcases/points.ts';
import { openSession } from './testcases/session.ts';

/** Every register holds its own address, so that an answer to another request shows at once. */
async function addressed(units: readonly number[] = [1]) {
  const simulator = await startModbusSimulator({ units });
  for (const id of units)
    simulator.unit(id).set(
      'holding 0',
      Array.from({ length: 2000 }, (_, i) => i),
    );
  return simulator;
}

describe('late answers', () => {
  test.for([1, 16])('never become the value of another request, %d in flight', async (maxInFlight) => {
    await using simulator = await addressed();
    // One in ten comes 30 to 200 ms late: after its time-out, while others are asked.
    simulator.behave = ({ number }) => (number % 10 === 3 ? [{ afterMs: 90 + ((number * 37) % 170) }] : 'answer');
    const points = registers(0, 40, {}, 20).map((p, i) => observed(p.name, `holding ${i * 10}`, {}, 20));
    await using session = await openSession(simulator, points, { timeout: '60ms', maxInFlight });
    await session
      .until(() => simulator.requests > 600 && session.connection.counters().lateFrames! > 10, 9_000)
      .catch((error) => {
        // A run of late answers may look like a dead machine; that is no wrong value.
        if (!(error instanceof NotConnectedError)) throw error;
      });
    let good = 0;
    points.forEach((point, i) => {
      for (const sample of session.of(point.name)) {
        if (sample.value === undefined) continue;
        good++;
        expect(sample.value).toBe(i * 10);
      }
    });
    expect(good).toBeGreaterThan(100);
    expect(session.connection.counters().lateFrames).toBeGreaterThan(0);
  });

  test('on RTU, where nothing but the time tells them apart, the machine is left alone until they have come', async () => {
    const simulator = await startModbusSimulator({ framing: 'rtu-over-tcp' });
    await using _ = simulator;
    simulator.unit().set(
      'holding 0',
      Array.from({ length: 200 }, (_, i) => i),
    );
    simulator.behave = ({ number }) => (number % 7 === 3 ? [{ afterMs: 90 }] : 'answer');
    const points = [0, 10, 20, 30].map((start) => observed(`p${start}`, `holding ${start}`, {}, 20));
    await using session = await openSession(simulator, points, { timeout: '60ms', framing: 'rtu-over-tcp' });
    await session.until(() => points.every((p) => session.of(p.name).length >= 30), 9_000);
    for (const start of [0, 10, 20, 30]) {
      for (const { value } of session.of(`p${start}`)) if (value !== undefined) expect(value).toBe(start);
    }
    expect(session.connection.counters().lateFrames).toBeGreaterThan(0);
  });
});

describe('answers that are not ours', () => {
  const two = [observed('a', 'holding 100'), observed('b', 'holding 500')];
  const good = (session: { last(name: string): { value: unknown } | undefined }) => () =>
    session.last('a')?.value === 100 && session.last('b')?.value === 500;

  test.for<[string, (request: SimulatedRequest) => Misbehaviour, string]>([
    ['each answer twice', () => [{}, {}], 'foreignFrames'],
    [
      'another transaction first',
      ({ transaction }) => [{ transaction: (transaction + 1) & 0xffff, pdu: Buffer.from([3, 2, 0xde, 0xad]) }, {}],
      'foreignFrames',
    ],
    ['another unit first', () => [{ unitId: 9, pdu: Buffer.from([3, 2, 0xde, 0xad]) }, {}], 'foreignFrames'],
    ['another function first', () => [{ pdu: Buffer.from([4, 2, 0xde, 0xad]) }, {}], 'foreignFrames'],
  ])('%s', async ([, behave, counter]) => {
    await using simulator = await addressed();
    simulator.behave = behave;
    await using session = await openSession(simulator, two);
    await session.until(() => good(session)() && session.of('a').length > 5);
    expect([...session.of('a'), ...session.of('b')].every((s) => s.value === 100 || s.value === 500)).toBe(true);
    expect(session.connection.counters()[counter]).toBeGreaterThan(0);
  });

  test.for<[string, Buffer]>([
    ['too few registers', Buffer.from([3, 2, 0xde])],
    ['too many registers', Buffer.from([3, 4, 0xde, 0xad, 0xbe, 0xef])],
    ['a byte count that lies', Buffer.from([3, 200, 0xde, 0xad])],
    ['an exception without code', Buffer.from([0x83, 0])],
  ])('%s: a bad sample, never a value', async ([, pdu]) => {
    await using simulator = await addressed();
    simulator.behave = ({ number }) => (number === 0 ? [{ pdu }] : 'answer');
    await using session = await openSession(simulator, [observed('a', 'holding 100')]);
    await session.until(() => session.of('a').length > 1);
    expect(session.of('a')[0]).toMatchObject({
      value: undefined,
      state: { status: statuses.BadCommunicationError, reason: expect.stringMatching(/malformed.*holding 100/) },
    });
    expect(session.of('a')[1]?.value).toBe(100);
    expect(session.connection.counters().malformedFrames).toBe(1);
  });

  test('a machine that answers with unit 0 is told of, and taken with unitIdCheck: ignore', async () => {
    await using simulator = await addressed();
    simulator.behave = () => [{ unitId: 0 }];
    await using session = await openSession(simulator, two);
    await session.until(() => session.last('a') !== undefined);
    expect(session.last('a')?.state?.reason).toMatch(/unit id 0.*unitIdCheck: ignore/);
    await session[Symbol.asyncDispose]();
    await using lenient = await openSession(simulator, two, { unitIdCheck: 'ignore' });
    await lenient.until(good(lenient));
  });

  test('garbage on RTU over TCP is counted and skipped; the link stays', async () => {
    await using simulator = await startModbusSimulator({ framing: 'rtu-over-tcp' });
    simulator.unit().set('holding 10', 10);
    let garbage = true;
    simulator.behave = ({ number }) => {
      if (number < 2 || !garbage) return 'answer';
      garbage = false;
      return [{ raw: Uint8Array.from({ length: 600 }, (_, i) => i * 89 + 57) }];
    };
    await using session = await openSession(simulator, [observed('a', 'holding 10')], { framing: 'rtu-over-tcp', timeout: '80ms' });
    await session.until(() => session.last('a')?.state !== undefined);
    await session.until(() => session.last('a')?.value === 10);
    expect(session.of('a').every((s) => s.value === undefined || s.value === 10)).toBe(true);
    expect(session.connection.counters().garbageBytes).toBe(600);
    expect(simulator.accepted).toBe(1);
  });

  test.for<[string, Buffer]>([
    ['a bogus length', Buffer.from([0, 1, 0, 0, 0xff, 0xff, 1, 3, 2, 0, 0])],
    ['another protocol', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
  ])('%s closes the link with a reason', async ([, raw]) => {
    await using simulator = await addressed();
    simulator.behave = () => [{ raw }];
    await using session = await openSession(simulator, two);
    await expect(session.ended).rejects.toMatchObject({
      code: 'modbus-link-lost',
      message: expect.stringMatching(/127\.0\.0\.1:\d+ sends something that is not Modbus TCP/),
    });
    // The next connection works: nothing of the old stream is left.
    simulator.behave = undefined;
    await using next = await openSession(simulator, two);
    await next.until(good(next));
  });
});

describe('a link that goes', () => {
  test.for<[string, (s: Awaited<ReturnType<typeof addressed>>) => void]>([
    ['reset', (s) => s.reset()],
    ['closed in order', (s) => s.hangUp()],
  ])('%s: NotConnectedError at once, and the next connection works', async ([, cut]) => {
    await using simulator = await addressed();
    const points = [observed('a', 'holding 100')];
    await using session = await openSession(simulator, points);
    await session.until(() => session.of('a').length > 0);
    cut(simulator);
    await expect(session.ended).rejects.toBeInstanceOf(NotConnectedError);
    await using next = await openSession(simulator, points);
    await next.until(() => next.last('a')?.value === 100);
  });

  test('a reset in the middle of a request as well', async () => {
    await using simulator = await addressed();
    simulator.behave = ({ number }) => (number === 2 ? 'reset' : 'answer');
    await using session = await openSession(simulator, [observed('a', 'holding 100')]);
    await expect(session.ended).rejects.toBeInstanceOf(NotConnectedError);
  });

  test('a machine that accepts and never answers gives bad samples first, then the link is dropped', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    const sockets: Socket[] = [];
    server.on('connection', (socket) => sockets.push(socket.on('error', () => {})));
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const started = performance.now();
    await using session = await openSession({ host: '127.0.0.1', port }, [observed('a', 'holding 1', {}, 100)], { timeout: '100ms' });
    await expect(session.ended).rejects.toMatchObject({
      code: 'modbus-link-lost',
      message: expect.stringMatching(/does not answer any more/),
    });
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(session.of('a')[0]).toMatchObject({
      value: undefined,
      state: { status: statuses.BadTimeout, reason: `no answer from unit 1 at 127.0.0.1:${port} within 100ms` },
    });
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  test.for<[string, object, RegExp, RegExp]>([
    ['nothing listens', { host: '127.0.0.1' }, /127\.0\.0\.1:\d+ refuses connections/, /switched on/],
    [
      'no such host',
      { host: 'no-such-machine.invalid' },
      /no-such-machine\.invalid:\d+ (is not a known host|cannot be looked up)/,
      /spelling|IP address/,
    ],
    [
      'no such serial line',
      { serial: { path: '/dev/does-not-exist' }, port: undefined },
      /\/dev\/does-not-exist does not exist/,
      /plugged in/,
    ],
  ])('%s', async ([, where, message, hint]) => {
    const to = { port: await freePort(), ...where };
    await expect(openSession(to, [])).rejects.toMatchObject({
      name: 'NotConnectedError',
      retry: 'with-backoff',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});

describe('machines that share a wire', () => {
  test('share one connection, and it outlives the first to go', async () => {
    await using simulator = await addressed([1, 2]);
    const first = await openSession(simulator, registers(0, 5, { unitId: 1 }), { unitId: 1 });
    await using second = await openSession(simulator, registers(0, 5, { unitId: 2 }), { unitId: 2 });
    await first.until(() => first.of('r0_1').length > 0);
    expect(simulator.accepted).toBe(1);
    await first[Symbol.asyncDispose]();
    const before = second.of('r0_2').length;
    await second.until(() => second.of('r0_2').length > before + 3);
    expect([simulator.accepted, simulator.open]).toEqual([1, 1]);
  });

  test('a connection given back and taken again is the same one', async () => {
    await using simulator = await addressed();
    for (let i = 0; i < 3; i++) {
      await using session = await openSession(simulator, registers(0, 2));
      await session.until(() => session.of('r0_').length > 0);
    }
    expect(simulator.accepted).toBe(1);
  });

  test('ask a dead gateway once for all of them', async () => {
    const port = await freePort();
    const settings = modbus.connection.parse({ host: '127.0.0.1', port });
    const attempts = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        connectModbus({ ...settings, unitId: i + 1 }, connectContext('/nowhere'), new AbortController().signal),
      ),
    );
    const reasons = new Set(attempts.map((a) => (a.status === 'rejected' ? a.reason : undefined)));
    expect(reasons.size).toBe(1);
    expect([...reasons][0]).toBeInstanceOf(NotConnectedError);
  });

  test('must use it in the same way', async () => {
    await using simulator = await addressed();
    await using _first = await openSession(simulator, []);
    await expect(openSession(simulator, [], { maxInFlight: 4 })).rejects.toMatchObject({
      code: 'modbus-wire-conflict',
      hint: expect.stringMatching(/maxInFlight/),
    });
  });

  test('a silent one is parked, its neighbours keep their rate', async () => {
    await using simulator = await addressed([1, 2, 3]);
    simulator.unit(2).silent = true;
    await using dead = await openSession(simulator, registers(0, 3, { unitId: 2 }), { unitId: 2, timeout: '150ms' });
    await using alive = await openSession(simulator, registers(0, 3, { unitId: 1 }), { unitId: 1, timeout: '150ms' });
    await dead.until(() => dead.connection.counters().parkedUnits === 1);
    const from = performance.now();
    const before = alive.of('r0_1').length;
    await alive.until(() => alive.of('r0_1').length >= before + 40, 4_000);
    const perSecond = (40 * 1000) / (performance.now() - from);
    // Asked every 50 ms: 20 a second.
    expect(perSecond).toBeGreaterThan(16);
    expect(dead.last('r0_2')?.state?.reason).toMatch(/no answer from unit 2 at 127\.0\.0\.1:\d+ within 150ms/);
    // It goes on to say so, not to be taken for stale.
    expect(dead.of('r0_2').length).toBeGreaterThan(20);
    expect(alive.of('r0_1').every((s) => s.value === 0)).toBe(true);
  });

  test('a machine that its gateway cannot reach is parked, the link stays', async () => {
    await using simulator = await addressed([1, 2]);
    simulator.unit(2).exception = 11;
    await using session = await openSession(simulator, [
      observed('a', 'holding 7', { unitId: 1 }),
      observed('b', 'holding 7', { unitId: 2 }),
    ]);
    await session.until(() => session.connection.counters().parkedUnits === 1 && session.of('a').length > 10);
    expect(session.last('b')?.state).toMatchObject({
      status: statuses.BadNoCommunication,
      reason: expect.stringMatching(/exception 11 \(gateway target/),
    });
    expect(session.of('a').every((s) => s.value === 7)).toBe(true);
    expect(simulator.accepted).toBe(1);
  });

  test('a machine alone on its wire is tried again every second and comes back by itself', async () => {
    const simulator = await startModbusSimulator({ framing: 'rtu-over-tcp', units: [1, 2] });
    await using _ = simulator;
    simulator.unit(2).silent = true;
    const points = [observed('a', 'holding 1', { unitId: 1 }), observed('b', 'holding 1', { unitId: 2 })];
    await using session = await openSession(simulator, points, { framing: 'rtu-over-tcp', timeout: '50ms' });
    await session.until(() => session.connection.counters().parkedUnits === 1);
    simulator.unit(2).silent = false;
    await session.until(() => session.last('b')?.value === 0, 8_000);
    expect(session.connection.counters().parkedUnits).toBe(0);
  }, 15_000);
});

describe('pauses', () => {
  test('between requests, and after connecting', async () => {
    await using simulator = await addressed();
    const times: number[] = [];
    simulator.behave = () => {
      times.push(performance.now());
      return 'answer';
    };
    const started = performance.now();
    await using session = await openSession(
      simulator,
      [observed('a', 'holding 0', {}, 500), observed('b', 'holding 10', {}, 500), observed('c', 'holding 20', {}, 500)],
      {
        pauseAfterConnect: '150ms',
        pauseBetweenRequests: '60ms',
      },
    );
    await session.until(() => session.of('c').length > 0);
    expect(times[0]! - started).toBeGreaterThanOrEqual(145);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(55);
    expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(55);
  });
});
