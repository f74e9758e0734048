import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RawValue } from '../../model/value.ts';
import { asyncuaPython, capability, titled } from '../../test/support/capabilities.ts';
import { type Child, startChild } from '../../test/support/child.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { Connection } from '../contract.ts';
import type { OpcuaAddress } from './address.ts';
import { connectTo, keepObserving, observe, type Picture } from './testcases/observer.ts';
import { pointsAt, settingsFor } from './testcases/points.ts';

const script = fileURLToPath(new URL('./testcases/asyncua_server.py', import.meta.url));
const asyncua = capability('asyncua');

async function startAsyncua(port: number, ...before: readonly string[]): Promise<Child> {
  const child = startChild(asyncuaPython(), [script, String(port), ...before]);
  await child.line(/^ready /, 30_000);
  return child;
}

const mixer = (name: string): string => `nsu=http://candyco/mixer;s=Mixer.${name}`;
const plain = [
  'Double',
  'Float',
  'Int64',
  'UInt64',
  'Int32',
  'Byte',
  'Bool',
  'Text',
  'Localized',
  'Qualified',
  'Guid',
  'Bytes',
  'Date',
  'Node',
  'Array',
  'BigArray',
];
const states = ['Timed', 'Limited', 'Broken', 'Doubtful', 'Counter'];
const points = pointsAt(
  {
    ...Object.fromEntries([...plain, ...states].map((name) => [name, mixer(name)])),
    third: { at: mixer('Array'), index: 2 },
    middle: { at: mixer('Array'), index: '1:2' },
    motorSpeed: { at: mixer('Motor'), field: 'Speed' },
    motorBatch: { at: mixer('Motor'), field: 'Batch' },
    motorCurrent: { at: mixer('Motor'), field: 'Currents[1]' },
    noField: { at: mixer('Motor'), field: 'Nonsense' },
    whole: mixer('Motor'),
    byPath: '/Mixer/Double',
    byFullPath: '/{http://candyco/mixer}Mixer/Float',
    polled: { at: mixer('Int64'), read: 'poll' },
  },
  300,
);

describe.skipIf(!asyncua.ok)(titled('against asyncua, a server that is not node-opcua', asyncua), () => {
  const folder = tempFolder();
  let server: Child;
  let connection: Connection<OpcuaAddress>;
  let picture: Picture & AsyncDisposable;

  beforeAll(async () => {
    const port = await freePort();
    server = await startAsyncua(port);
    connection = await connectTo(settingsFor(`opc.tcp://127.0.0.1:${port}/dragoman/`), folder.path);
    picture = observe(connection, points);
    await picture.until('a sample of each', () => picture.points.size === points.length);
  });
  afterAll(async () => {
    await picture?.[Symbol.asyncDispose]();
    await connection?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  test.for([
    ['Double', 12.5, 'float64'],
    ['Float', 231.7, 'float32'],
    ['Int64', -9_007_199_254_740_993n, 'int64'],
    ['UInt64', 18_446_744_073_709_551_615n, 'uint64'],
    ['Int32', -5, 'int32'],
    ['Byte', 200, 'uint8'],
    ['Bool', true, 'bool'],
    ['Text', 'Grüße', 'string'],
    ['Localized', 'Rührer', 'string'],
    ['Qualified', 'Toffee', 'string'],
    ['Guid', '12345678-1234-5678-1234-567812345678', 'string'],
    ['Bytes', Uint8Array.of(0, 255, 16), 'bytes'],
    ['Date', '2026-11-24T08:00:01.1234567Z', 'datetime'],
    ['Node', 'nsu=http://candyco/mixer;s=Mixer.Double', 'string'],
    ['Array', [1.5, 2.5, 3.5, 4.5], 'float64'],
    ['BigArray', [1n, -2n], 'int64'],
    ['third', 3.5, 'float64'],
    ['middle', [2.5, 3.5], 'float64'],
    ['motorSpeed', 96.5, 'float64'],
    ['motorBatch', 1_311_768_468_603_649_775n, 'uint64'],
    ['motorCurrent', 2.7, 'float32'],
    ['byPath', 12.5, 'float64'],
    ['byFullPath', 231.7, 'float32'],
    ['polled', -9_007_199_254_740_993n, 'int64'],
  ] as const)('%s is exact', ([name, value, type]) => {
    const seen = picture.get(name);
    const got = seen?.value instanceof Uint8Array ? Uint8Array.from(seen.value) : seen?.value;
    expect({ value: got, quality: seen?.quality, type: seen?.type }).toEqual({ value, quality: 'good', type });
  });

  test.for<[string, RawValue]>([
    ['Double', 96.25],
    ['Float', 120.1],
    ['Int64', -9_007_199_254_740_993n],
    ['UInt64', 18_446_744_073_709_551_615n],
    ['Int16', -40],
    ['Byte', 255],
    ['Bool', true],
    ['Text', 'Grüße'],
    ['Localized', 'Rührer'],
    ['Guid', '12345678-1234-5678-1234-567812345678'],
    ['Bytes', Uint8Array.of(0, 255, 16)],
    ['Date', '2026-11-24T08:00:01.250Z'],
    ['Array', [1.5, -2, 0]],
    ['Duration', 1500.5],
    ['Number', 7],
  ])('%s is written as the server wants it', async ([name, raw]) => {
    const [point] = pointsAt({ point: mixer(`W${name}`) });
    const { signal } = new AbortController();
    expect(await connection.write!(point!, raw, signal)).toEqual({ outcome: 'done' });
    const [batch] = await connection.read([point!], signal);
    const value = batch?.values[0];
    expect(value instanceof Uint8Array ? Uint8Array.from(value) : value).toEqual(raw);
  });

  test('a read-only node is refused by the server', async () => {
    const [point] = pointsAt({ point: mixer('Double') });
    expect(await connection.write!(point!, 1, new AbortController().signal)).toEqual({
      outcome: 'refused',
      reason: expect.stringMatching(/answers Bad(UserAccessDenied|NotWritable): /),
    });
  });

  test('the source time is exact to 100 ns', () => {
    expect(picture.get('Timed')).toMatchObject({ value: 42, timeMs: Date.UTC(2026, 10, 24, 8, 0, 1, 123), ticks: 4567 });
  });

  test('a status keeps its info bits', () => {
    expect(picture.get('Limited')).toMatchObject({ value: 7, quality: 'good', state: { status: { code: 0x0000_0500, name: 'Good' } } });
  });

  test('a bad status withholds the value, an uncertain one keeps it', () => {
    expect(picture.get('Broken')).toMatchObject({ value: undefined, state: { status: { name: 'BadSensorFailure', code: 0x808c_0000 } } });
    expect(picture.get('Doubtful')).toMatchObject({ value: 8, quality: 'uncertain', state: { status: { name: 'UncertainSubNormal' } } });
  });

  test('what no reading can carry says so', () => {
    expect(picture.get('whole')).toMatchObject({ value: undefined, state: { status: { name: 'BadDataEncodingInvalid' } } });
    expect(picture.get('noField')).toMatchObject({
      state: { status: { name: 'BadDataEncodingInvalid' }, reason: expect.stringMatching(/Nonsense/) },
    });
  });

  test('changes arrive, and a read gives the same as the subscription', async () => {
    const before = picture.get('Counter')?.value as number;
    await picture.until('the counter moves', () => (picture.get('Counter')?.value as number) > before + 2);
    const [batch] = await connection.read(points.slice(0, 16), AbortSignal.timeout(5_000));
    expect([...Array.from(batch!.values)].slice(0, 4)).toEqual([12.5, 231.7, -9_007_199_254_740_993n, 18_446_744_073_709_551_615n]);
  });
});

test.skipIf(!asyncua.ok)(
  titled('asyncua killed and back with another namespace before ours: bad, then good, by itself', asyncua),
  async () => {
    using folder = tempFolder();
    const port = await freePort();
    const watched = points.filter(({ name }) => ['Double', 'Int64', 'byPath', 'polled'].includes(name));
    const first = await startAsyncua(port);
    await using picture = keepObserving(settingsFor(`opc.tcp://127.0.0.1:${port}/dragoman/`), folder.path, watched);
    await picture.until('all good', () => picture.all('good'));
    first.process.kill('SIGKILL');
    await picture.until('all bad', () => picture.all('bad'), 900);
    await using _second = await startAsyncua(port, 'http://inserted');
    await picture.until('all good again', () => picture.all('good'), 12_000);
    expect(picture.get('Double')?.value).toBe(12.5);
    expect(picture.get('Int64')?.value).toBe(-9_007_199_254_740_993n);
  },
);
