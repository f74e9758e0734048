import { afterAll, expect, test } from 'vitest';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { Limits } from './limits.ts';
import { startSimulator } from './simulator.ts';
import { connectTo, observe } from './testcases/observer.ts';
import { pointsAt, settingsFor } from './testcases/points.ts';

const folder = tempFolder();
afterAll(() => folder[Symbol.dispose]());

const namespace = 'http://candyco/mixer';

test('one bad node among a thousand is one bad sample, on a server with tight limits', async () => {
  const port = await freePort();
  const variables = Array.from({ length: 999 }, (_, i) => ({ id: `Plant.V${i}`, type: 'Double' as const, value: i }));
  await using _server = await startSimulator({
    port,
    folder: folder.path,
    namespace,
    variables,
    secure: false,
    maxNodesPerRead: 100,
    maxMonitoredItemsPerCall: 70,
    maxNodesPerTranslate: 50,
  });
  await using connection = await connectTo(settingsFor(`opc.tcp://127.0.0.1:${port}`), folder.path);
  const at = (i: number): string =>
    i === 500 ? `nsu=${namespace};s=Plant.Gone` : i % 3 === 0 ? `/Plant/V${i % 999}` : `nsu=${namespace};s=Plant.V${i % 999}`;
  const points = pointsAt(Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`p${i}`, at(i)])), 500);

  const read = await connection.read(points, AbortSignal.timeout(10_000));
  expect(read.reduce((sum, batch) => sum + batch.points.length, 0)).toBe(1_000);

  await using picture = observe(connection, points);
  await picture.until('a sample of each', () => picture.points.size === 1_000);
  const bad = [...picture.points].filter(([, { quality }]) => quality !== 'good');
  expect(bad.map(([name]) => name)).toEqual(['p500']);
  expect(bad[0]?.[1].state).toMatchObject({ status: { name: 'BadNodeIdUnknown' }, reason: expect.stringMatching(/node id/) });
  expect(picture.get('p0')?.value).toBe(0);
  expect(picture.get('p998')?.value).toBe(998);
  expect(connection.counters().halvings).toBe(0);
});

test('a server that states no limit and has one is asked for less, half at a time', async () => {
  const limits = new Limits({}, undefined);
  const sizes: number[] = [];
  const answers = await limits.inSlices(
    'read',
    Array.from({ length: 1_000 }, (_, i) => i),
    async (slice) => {
      sizes.push(slice.length);
      if (slice.length > 300) throw new Error('ServiceResult is BadTooManyOperations (0x80100000)');
      return slice.map((each) => each * 2);
    },
  );
  expect(answers).toEqual(Array.from({ length: 1_000 }, (_, i) => i * 2));
  expect(sizes).toEqual([1_000, 500, 250, 250, 250, 250]);
  expect(limits.get('read')).toBe(250);
});

test('another failure is not taken for a limit', async () => {
  const limits = new Limits({ read: 10 }, undefined);
  await expect(limits.inSlices('read', [1, 2], async () => Promise.reject(new Error('BadSessionClosed')))).rejects.toThrow(
    'BadSessionClosed',
  );
});
