import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Refreshed } from '../../../deployments/identities/module-identities.ts';
import { createDevice } from '../../../hub/access.ts';
import { boxDevice, type EdgeHub, eventsOf, messageOf, openBox, placeAt, startEdgeHub } from './testing/box.ts';

const soon = { interval: 20, timeout: 15_000 };
let stack: AsyncDisposableStack;
let edge: EdgeHub;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  edge = stack.use(await startEdgeHub());
});
afterEach(() => stack.disposeAsync());

const name = (moduleId: string) => ({ deviceId: boxDevice, moduleId });
const isConnected = (moduleId: string): boolean => edge.hub.core.identities.get(name(moduleId))?.connectionState === 'Connected';
const linksUp = (box: Awaited<ReturnType<typeof openBox>>): number =>
  Object.values(box.upstream.state().links).filter(({ connected }) => connected).length;

test('a key that was rolled and a module that was made anew at the hub come into use by themselves, and are told', async () => {
  const refreshed: Refreshed[] = [];
  const box = stack.use(await openBox(placeAt(edge), { onIdentities: (result) => void refreshed.push(result) }));
  await box.run(['filter', 'other']);
  await expect.poll(() => linksUp(box), soon).toBe(4);
  const other = box.identities.get('other');
  const primaryKey = Buffer.alloc(32, 3).toString('base64');
  const authentication = { symmetricKey: { primaryKey, secondaryKey: primaryKey } };
  await Promise.all([
    edge.hub.core.identities.update({ ...name('filter'), authentication }),
    edge.hub.core.identities.delete(name('other')),
  ]);
  await expect.poll(() => box.identities.get('filter')?.primaryKey, soon).toBe(primaryKey);
  await expect.poll(() => isConnected('filter'), soon).toBe(true);
  await expect.poll(() => isConnected('other'), soon).toBe(true);
  expect(box.identities.get('other')?.generationId).toBe(edge.hub.core.identities.get(name('other'))?.generationId);
  expect(box.identities.get('other')?.generationId).not.toBe(other?.generationId);
  expect(refreshed.flatMap(({ changed }) => changed)).toEqual(['filter', 'other']);
}, 30_000);

test('a module that the hub will not have holds up nobody: $edgeHub bears its messages, and they say whose they are', async () => {
  const box = stack.use(await openBox(placeAt(edge)));
  await box.run(['filter', 'other']);
  await expect.poll(() => linksUp(box), soon).toBe(4);
  const x509Thumbprint = { primaryThumbprint: 'a'.repeat(40) };
  await edge.hub.core.identities.update({ ...name('filter'), authentication: { type: 'selfSigned', x509Thumbprint } });
  await expect.poll(() => box.upstream.state().links.filter, soon).toMatchObject({ connected: false, code: 'hub-credentials' });
  await box.upstream.sender.send(messageOf('filter', '"1"'));
  await box.upstream.sender.send(messageOf('other', '"2"'));
  await expect.poll(() => eventsOf(edge).length, soon).toBe(2);
  const sent = Object.fromEntries(eventsOf(edge).map((event) => [Buffer.from(event.body).toString(), event]));
  expect(sent['"1"']).toMatchObject({
    properties: { 'dragoman-module': 'filter', 'dragoman-output': 'out' },
    annotations: { 'iothub-connection-module-id': '$edgeHub' },
  });
  expect(sent['"2"']).toMatchObject({ annotations: { 'iothub-connection-module-id': 'other' } });
  expect(box.log.lines.filter(({ level }) => level === 'warn').map(({ module, code }) => ({ module, code }))).toEqual([
    { module: 'filter', code: 'hub-credentials' },
    { module: 'filter', code: undefined },
  ]);
}, 30_000);

test("a module that does not listen is away to the hub's callers, as long as they wait for it; it is there as soon as it listens", async () => {
  const listening = new Set<string>();
  const own = stack.use(await openBox(placeAt(edge), { takesMethods: (module) => listening.has(module) }));
  await own.run(['filter']);
  await expect.poll(() => own.told.connected, soon).toContain('filter');
  const invoke = (connectTimeoutMs: number) =>
    edge.hub.core.methods.invoke(
      { deviceId: boxDevice, moduleId: 'filter' },
      { name: 'reset', connectTimeoutMs, responseTimeoutMs: 5_000 },
    );
  await expect(invoke(0)).rejects.toMatchObject({ errorCode: 404103 });
  await expect(invoke(50)).rejects.toMatchObject({ errorCode: 404103 });
  const patient = invoke(60_000);
  listening.add('filter');
  own.upstream.methodsChanged('filter');
  expect(await patient).toMatchObject({ status: 200, payload: { module: 'filter', name: 'reset' } });
  listening.clear();
  own.upstream.methodsChanged('filter');
  await expect.poll(() => invoke(0).catch(({ errorCode }) => errorCode), soon).toBe(404103);
  // A hub that remembers what was subscribed is told again.
  listening.add('filter');
  own.upstream.methodsChanged('filter');
  expect(await invoke(5_000)).toMatchObject({ status: 200 });
  await edge.stop();
  listening.clear();
  own.upstream.methodsChanged('filter');
  await edge.startAgain();
  own.upstream.hubIsBack();
  await expect.poll(() => own.upstream.state().links.filter, soon).toEqual({ connected: true });
  await expect.poll(() => invoke(0).catch(({ errorCode }) => errorCode), soon).toBe(404103);
}, 30_000);

test('a device that is no IoT Edge device says so, and works as soon as it is one', async () => {
  const plain = stack.use(await startEdgeHub({ edge: false }));
  const box = stack.use(await openBox(placeAt(plain)));
  await expect.poll(() => box.upstream.state().links.$edgeAgent, soon).toMatchObject({ connected: false, code: 'hub-not-edge' });
  expect(box.log.lines.find(({ module }) => module === '$edgeAgent')).toMatchObject({
    level: 'warn',
    hint: expect.stringContaining(`dragoman hub device edge ${boxDevice}`),
  });
  createDevice(plain.folder, boxDevice, { edge: true });
  box.upstream.identitiesChanged(['$edgeAgent', '$edgeHub']);
  await expect.poll(() => box.told.deployments.length, soon).toBe(1);
}, 30_000);

test('as many modules as a device may have, and a hub that goes and comes: no storm, everybody is back, what changed meanwhile arrives whole', async () => {
  const modules = Array.from({ length: 48 }, (_, n) => `m-${n}`);
  const box = stack.use(await openBox(placeAt(edge)));
  await box.run(modules);
  await expect.poll(() => linksUp(box), soon).toBe(modules.length + 2);
  await expect.poll(() => box.told.deployments.length, soon).toBe(1);
  await expect.poll(() => box.told.desired.length, soon).toBe(modules.length);
  await edge.stop();
  await expect.poll(() => linksUp(box), soon).toBe(0);

  let [attempts, open, most] = [0, 0, 0];
  const nobody = createServer((socket: Socket) => {
    attempts++;
    most = Math.max(most, ++open);
    socket.on('error', () => {}).on('close', () => open--);
    // Long enough for others to come, if they would.
    setTimeout(() => socket.destroy(), 30);
  });
  await new Promise<void>((resolve) => nobody.listen(edge.mqttPort, '127.0.0.1', resolve));
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await new Promise((resolve) => nobody.close(resolve));
  expect(most).toBe(1);
  expect(attempts).toBeGreaterThan(1);
  expect(attempts).toBeLessThan(15);

  await edge.startAgain();
  for (const moduleId of ['$edgeHub', '$edgeAgent'])
    await edge.hub.core.twins.patch(name(moduleId), { properties: { desired: { at: 'return' } } });
  await edge.hub.core.twins.patch(name('m-7'), { properties: { desired: { limit: 7 } } });
  box.upstream.hubIsBack();
  await expect.poll(() => linksUp(box), soon).toBe(modules.length + 2);
  await expect
    .poll(() => box.told.deployments.slice(1), soon)
    .toEqual([{ agent: { at: 'return' }, hub: { at: 'return' }, version: 2, hubVersion: 2 }]);
  await expect.poll(() => box.told.desired.slice(modules.length), soon).toEqual([{ module: 'm-7', version: 2, properties: { limit: 7 } }]);
  expect(box.log.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
}, 60_000);
