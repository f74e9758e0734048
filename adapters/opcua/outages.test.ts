import { afterAll, expect, test, vi } from 'vitest';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { startSimulator } from './simulator.ts';
import { connectTo, keepObserving, observe } from './testcases/observer.ts';
import { pointsAt, settingsFor } from './testcases/points.ts';
import { startSimulatorProcess } from './testcases/process.ts';

const folder = tempFolder();
afterAll(() => folder[Symbol.dispose]());

const plant = (i: number): string => `nsu=http://candyco/mixer;s=Plant.V${i}`;
const staleMs = 1_500;
/** What two busy cores add to any moment that is measured here. */
const slackMs = 1_000;
const everyMs = 500;
const plantPoints = pointsAt({ v1: plant(1), v2: plant(2), byPath: '/Plant/V3', polled: { at: plant(4), read: 'poll' } }, everyMs, staleMs);

test('a killed server: every reading is bad within the stale time, and good again after the restart', async () => {
  const port = await freePort();
  const first = await startSimulatorProcess(port, folder.path, '--insecure');
  await using picture = keepObserving(settingsFor(`opc.tcp://127.0.0.1:${port}`), folder.path, plantPoints);
  await picture.until('all good', () => picture.all('good'));
  first.process.kill('SIGKILL');
  const took = await picture.until('all bad', () => picture.all('bad'), staleMs + slackMs);
  expect(took).toBeLessThan(staleMs + slackMs);
  expect(picture.get('v1')?.state?.reason).toMatch(new RegExp(`127\\.0\\.0\\.1:${port}`));
  await using _second = await startSimulatorProcess(port, folder.path, '--insecure');
  await picture.until('all good again', () => picture.all('good'), 10_000);
  expect([picture.get('v1')?.value, picture.get('v2')?.value, picture.get('byPath')?.value, picture.get('polled')?.value]).toEqual([
    1, 2, 3, 4,
  ]);
});

test('a server that comes back with shifted namespaces: no reading of another node, not one', async () => {
  const port = await freePort();
  const first = await startSimulatorProcess(port, folder.path, '--insecure');
  await using picture = keepObserving(settingsFor(`opc.tcp://127.0.0.1:${port}`), folder.path, [
    ...plantPoints,
    ...pointsAt({ name: 'nsu=http://candyco/mixer;s=Plant.Name' }, everyMs, staleMs),
  ]);
  await picture.until('all good', () => picture.all('good'));
  first.process.kill('SIGKILL');
  await picture.until('all bad', () => picture.all('bad'), staleMs + slackMs);
  await using _second = await startSimulatorProcess(
    port,
    folder.path,
    '--insecure',
    '--before',
    'http://inserted/a',
    '--before',
    'http://inserted/b',
  );
  await picture.until(
    'the second life',
    () => picture.get('name')?.value === 'http://inserted/a http://inserted/b' && picture.all('good'),
    10_000,
  );
  const values = picture.history.filter(({ seen }) => typeof seen.value === 'number').map(({ point, seen }) => [point, seen.value]);
  const right: Record<string, number> = { v1: 1, v2: 2, byPath: 3, polled: 4 };
  expect(values.filter(([point, value]) => value !== right[point as string])).toEqual([]);
});

test('a frozen server: bad with a reason within the stale time, good again when it thaws, on the same session', async () => {
  const port = await freePort();
  await using server = await startSimulatorProcess(port, folder.path, '--insecure');
  await using connection = await connectTo(settingsFor(`opc.tcp://127.0.0.1:${port}`), folder.path);
  await using picture = observe(connection, plantPoints);
  await picture.until('all good', () => picture.all('good'));
  await picture.until('proof of life', () => picture.verified.has('v1'));
  server.process.kill('SIGSTOP');
  const took = await picture.until('all bad', () => picture.all('bad'), staleMs + slackMs);
  expect(took).toBeLessThan(staleMs + slackMs);
  expect(picture.get('v1')?.state).toMatchObject({
    status: { name: 'BadNoCommunication' },
    reason: expect.stringMatching(/neither data nor keep-alive/),
  });
  expect(picture.get('polled')?.state).toMatchObject({ status: { name: 'BadTimeout' } });
  server.process.kill('SIGCONT');
  await picture.until('all good again', () => picture.all('good'));
  expect(connection.counters()).toMatchObject({ silences: 1, refreshes: 1 });
});

test('a server that stays frozen is given up, so that the loop connects anew', async () => {
  const port = await freePort();
  await using server = await startSimulatorProcess(port, folder.path, '--insecure');
  await using connection = await connectTo(settingsFor(`opc.tcp://127.0.0.1:${port}`, { giveUpAfter: '2s' }), folder.path);
  await using picture = observe(connection, plantPoints.slice(0, 2));
  await picture.until('all good', () => picture.all('good'));
  server.process.kill('SIGSTOP');
  const begun = performance.now();
  await expect(picture.until('never', () => false)).rejects.toMatchObject({
    code: 'opcua-silent',
    message: expect.stringMatching(/silent for/),
  });
  expect(performance.now() - begun).toBeLessThan(4_000);
  server.process.kill('SIGCONT');
});

test('unchanged values stay proven: nothing but keep-alives, and every point is verified', async () => {
  const port = await freePort();
  await using _server = await startSimulatorProcess(port, folder.path, '--insecure');
  await using connection = await connectTo(settingsFor(`opc.tcp://127.0.0.1:${port}`), folder.path);
  await using picture = observe(connection, plantPoints.slice(0, 3));
  await picture.until('all good', () => picture.all('good'));
  picture.verified.clear();
  const first = await picture.until('verified once', () => picture.verified.size === 3, staleMs + slackMs);
  picture.verified.clear();
  const second = await picture.until('verified again', () => picture.verified.size === 3, staleMs + slackMs);
  expect(Math.min(first, second)).toBeLessThanOrEqual(staleMs * 0.75);
});

test('a node that appears later is found by itself', async () => {
  const port = await freePort();
  const options = { port, folder: folder.path, namespace: 'http://candyco/mixer', secure: false };
  await using simulator = await startSimulator({ ...options, variables: [{ id: 'Plant.V1', type: 'Double', value: 1 }] });
  await using connection = await connectTo(settingsFor(`opc.tcp://127.0.0.1:${port}`), folder.path);
  await using picture = observe(connection, plantPoints.slice(0, 2));
  await picture.until('one good, one bad', () => picture.get('v1')?.quality === 'good' && picture.get('v2')?.quality === 'bad');
  simulator.add({ id: 'Plant.V2', type: 'Double', value: 2 });
  await picture.until('both good', () => picture.all('good'), 8_000);
  expect(picture.get('v2')?.value).toBe(2);
});

test('a slow consumer: the server holds the newest, the last value arrives, and what was dropped is said', async () => {
  const port = await freePort();
  await using simulator = await startSimulator({
    port,
    folder: folder.path,
    namespace: 'http://candyco/mixer',
    secure: false,
    variables: Array.from({ length: 500 }, (_, i) => ({ id: `Plant.V${i}`, type: 'Double' as const, value: 0 })),
  });
  await using connection = await connectTo(settingsFor(`opc.tcp://127.0.0.1:${port}`), folder.path);
  const points = pointsAt(Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`p${i}`, plant(i)])), 50, 1_500);
  const stop = new AbortController();
  const last = new Map<number, unknown>();
  let lost = 0;
  let batches = 0;
  const rounds = 160;
  let round = 0;
  const pushing = setInterval(() => {
    if (round++ < rounds) for (let i = 0; i < 500; i++) simulator.set(`Plant.V${i}`, round);
  }, 20);
  for await (const batch of connection.observe(points, AbortSignal.any([stop.signal, AbortSignal.timeout(19_000)]))) {
    for (let i = 0; i < batch.points.length; i++) last.set(batch.points[i]!, batch.values[i]);
    for (const each of batch.lost ?? []) lost += each.count ?? 1;
    // While values pour in the consumer is away, however long a busy machine takes; far more arrives than may wait.
    if (batches++ === 0) await vi.waitFor(() => expect(round).toBeGreaterThanOrEqual(rounds), { timeout: 15_000, interval: 100 });
    if (round >= rounds && last.size === 500 && [...last.values()].every((value) => value === rounds)) stop.abort();
  }
  clearInterval(pushing);
  expect(new Set(last.values())).toEqual(new Set([rounds]));
  expect(lost).toBeGreaterThan(0);
});
