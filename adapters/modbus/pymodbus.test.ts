import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RawValue } from '../../model/value.ts';
import { capability, debianPython, titled } from '../../test/support/capabilities.ts';
import { type Child, startChild } from '../../test/support/child.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { observed, registers } from './testcases/points.ts';
import { openSession, type Session } from './testcases/session.ts';

const script = fileURLToPath(new URL('./testcases/pymodbus_server.py', import.meta.url));
const pymodbus = capability('pymodbus');
const socat = capability('socat');

async function startServer(framing: string, where: string): Promise<Child> {
  const child = startChild(debianPython, [script, framing, where]);
  await child.line(/^ready/);
  return child;
}

/** What the script laid out with Python's struct. */
const layout: readonly (readonly [name: string, at: string, own: Record<string, unknown>, value: unknown])[] = [
  ['temperature', 'holding 100', { type: 'float32', byteOrder: 'CDAB' }, 123.456],
  ['broken', 'holding 102', {}, 0xffff],
  ['level', 'holding 103', { type: 'int16' }, -40],
  ['batch', 'holding 110', { type: 'uint64' }, 1_311_768_468_603_649_775n],
  ['balance', 'holding 114', { type: 'int64', byteOrder: 'GHEFCDAB' }, -9_007_199_254_740_993n],
  ['euler', 'holding 120', { type: 'float64' }, Math.E],
  ['deep', 'holding 124', { type: 'int32', byteOrder: 'BADC' }, -123_456_789],
  ['high', 'holding 126', { type: 'uint32', byteOrder: 'DCBA' }, 3_123_456_789],
  ['recipe', 'holding 130', { type: 'string', length: 4 }, 'TOFFEE'],
  ['packed', 'holding 140', { type: 'bcd32' }, 12_345_678],
  ['energy', 'holding 142', { type: 'mod10k', length: 2 }, 1_234_567],
  ['coils', 'coil 0', { length: 10 }, [true, false, false, true, false, false, true, false, false, true]],
  ['contact', 'discrete 39', {}, true],
  ['input', 'input 17', {}, 17],
];
const points = layout.map(([name, at, own]) => observed(name, at, own));

/** What else each point of the layout can hold; writing it once more gives the old value back. */
const others: Readonly<Record<string, RawValue>> = {
  temperature: -40.5,
  level: 120,
  batch: 18_446_744_073_709_551_615n,
  balance: -1n,
  euler: Math.PI,
  deep: 2_147_483_647,
  high: 0,
  recipe: 'FUDGE',
  packed: 87_654_321,
  energy: 7_654_321,
  coils: [false, true, true, false, true, true, false, true, true, false],
};

async function writesAll({ connection }: Session): Promise<void> {
  const { signal } = new AbortController();
  for (const [i, [name, , , value]] of layout.entries()) {
    for (const raw of [others[name], value as RawValue]) {
      if (raw === undefined || others[name] === undefined) continue;
      expect(await connection.write!(points[i]!, raw, signal), name).toEqual({ outcome: 'done' });
      const [batch] = await connection.read([points[i]!], signal);
      expect(batch?.values[0], name).toEqual(raw);
    }
  }
}

async function showsAll(session: Session): Promise<void> {
  await session.until(() => layout.every(([name]) => session.last(name)?.value !== undefined), 8_000);
  for (const [name, , , value] of layout) expect(session.last(name)?.value, name).toEqual(value);
}

describe.skipIf(!pymodbus.ok)(titled('pymodbus over TCP', pymodbus), () => {
  let port: number;
  let server: Child;
  beforeAll(async () => {
    port = await freePort();
    server = await startServer('tcp', String(port));
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  const at = (): object => ({ host: '127.0.0.1', port, timeout: '1s' });

  test('reads every type and byte order as another implementation laid it out', async () => {
    await using session = await openSession(at(), points);
    await showsAll(session);
  });

  test('takes every type and byte order that we write', async () => {
    await using session = await openSession(at(), points);
    await writesAll(session);
    const { signal } = new AbortController();
    expect(await session.connection.write!(observed('hole', 'holding 203'), 1, signal)).toMatchObject({ outcome: 'refused' });
    await using forced = await openSession(at(), points, { functionCodes: { write: 'multiple' } });
    await writesAll(forced);
  });

  test('finds the hole that the server refuses; what stands around it is good', async () => {
    await using session = await openSession(at(), registers(200, 6));
    const good = [200, 201, 202, 204, 205];
    await session.until(() => good.every((each) => session.last(`r${each}_`)?.value === each));
    expect(session.last('r203_')?.value).toBeUndefined();
    expect(session.last('r203_')?.state?.reason).toMatch(/exception 2 \(illegal data address\) for holding 203$/);
  });

  test('reads 300 neighbours by the longest requests that the standard allows', async () => {
    const many = registers(300, 300, {}, 1_000);
    await using session = await openSession(at(), many);
    await session.until(() => many.every(({ name }) => session.last(name)?.value !== undefined));
    expect(many.map(({ name }) => session.last(name)?.value)).toEqual(many.map((_, i) => 300 + i));
    expect(session.connection.counters()).toMatchObject({ bisections: 0, learnedLimits: 0 });
  });

  test('two units on one socket', async () => {
    await using session = await openSession(at(), [observed('one', 'holding 200'), observed('two', 'holding 0', { unitId: 2 })]);
    await session.until(() => session.last('one')?.value === 200 && session.last('two')?.value === 2);
  });
});

describe.skipIf(!pymodbus.ok)(titled('pymodbus, RTU over TCP', pymodbus), () => {
  test('reads every type and byte order', async () => {
    const port = await freePort();
    await using _server = await startServer('rtu-over-tcp', String(port));
    await using session = await openSession({ host: '127.0.0.1', port }, points, { framing: 'rtu-over-tcp', timeout: '1s' });
    await showsAll(session);
    await writesAll(session);
    expect(session.connection.counters()).toMatchObject({ garbageBytes: 0, malformedFrames: 0, timeouts: 0 });
  });
});

describe.skipIf(!pymodbus.ok || !socat.ok)(titled('pymodbus on a serial line (a pty pair)', pymodbus, socat), () => {
  test.for(['rtu', 'ascii'])('%s', async (framing) => {
    using folder = tempFolder();
    const [ours, theirs] = [join(folder.path, 'ours'), join(folder.path, 'theirs')];
    await using line = startChild('socat', ['-d', '-d', `pty,raw,echo=0,link=${ours}`, `pty,raw,echo=0,link=${theirs}`]);
    await line.line(/starting data transfer/);
    await using _server = await startServer(framing, theirs);
    const settings = { serial: { path: ours, baudRate: 19_200, parity: 'none' }, framing, timeout: '1s' };
    await using session = await openSession(settings, points);
    await showsAll(session);
    await writesAll(session);
    expect(session.connection.counters()).toMatchObject({ garbageBytes: 0, malformedFrames: 0, timeouts: 0 });
  });
});
