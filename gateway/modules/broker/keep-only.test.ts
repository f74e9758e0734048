import { expect, test } from 'vitest';
import { NotConnectedError } from '../../../model/error.ts';
import { deviceId, fakeUpstream, identityOf, openBox, routesOf } from './testing/box.ts';

const toSink = 'FROM /messages/modules/source/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
const toOther = 'FROM /messages/modules/source/* INTO BrokeredEndpoint("/modules/other/inputs/in")';
const inputs = (moduleId: string): string => `devices/${deviceId}/modules/${moduleId}/inputs/#`;

function listLog() {
  const warnings: object[] = [];
  return {
    warnings,
    log: { debug() {}, info() {}, error() {}, warn: (fields: object, message: string) => void warnings.push({ ...fields, message }) },
  };
}

test('what waits for a removed module is dropped, counted for ever and said; that of others and what the module said stays', async () => {
  const { warnings, log } = listLog();
  const upstream = fakeUpstream(() => new NotConnectedError('offline', 'no hub', { retry: 'with-backoff' }));
  await using box = await openBox({ upstream, log, routes: routesOf(toSink, toOther, 'FROM /messages/modules/sink/* INTO $upstream') });
  await using source = await box.module('source');
  // More than go at once.
  await Promise.all(Array.from({ length: 1_200 }, (_, n) => box.broker.inject(messageFrom('source', `${n}`))));
  await source.telemetry('last');
  {
    await using sink = await box.module('sink');
    await sink.telemetry('a last word');
  }
  box.broker.setRoutes(routesOf(toOther));
  await box.broker.keepOnly(['source', 'other']);
  const queues = (): unknown =>
    box.broker.counters().queues.map(({ endpoint, waiting, waitingBytes, removed }) => [endpoint, waiting, waitingBytes > 0, removed]);
  const left = [
    ['modules/sink/inputs/in', 0, false, 1_201],
    ['modules/other/inputs/in', 1_201, true, 0],
    ['$upstream/sink', 1, true, 0],
  ];
  expect(queues()).toEqual(left);
  const message = 'messages were dropped: their module is not in the deployment any more';
  expect(warnings).toEqual([{ module: 'sink', endpoint: 'modules/sink/inputs/in', messages: 1_201, message }]);
  const { waitingBytes } = box.broker.counters();
  await box.restart();
  expect(box.broker.counters().waitingBytes).toBe(waitingBytes);
  expect(queues()).toEqual(expect.arrayContaining(left));
  await box.broker.keepOnly(['source', 'other']);
  expect(warnings).toHaveLength(1);
});

test('a module that is in the deployment, or at the end of a route, keeps what waits for it, also when it is stopped', async () => {
  await using box = await openBox({ routes: routesOf(toSink, toOther) });
  await using source = await box.module('source');
  await source.telemetry('1');
  box.broker.setRoutes(routesOf(toSink));
  // Nobody of them is connected; sink comes in a later deployment.
  await box.broker.keepOnly(['source', 'other']);
  for (const module of ['sink', 'other']) {
    await using client = await box.module(module);
    await client.subscribe(inputs(module), 1);
    expect((await client.next('publish')).payload.toString()).toBe('1');
  }
});

test('a removed module leaves no session and no twin, and what upstream had of it is forgotten', async () => {
  const reports: object[] = [];
  await using box = await openBox({ onReported: async (_module, patch) => void reports.push(patch) });
  {
    await using filter = await box.module('filter');
    await filter.subscribe(inputs('filter'), 1);
    filter.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"fw":"1"}');
    await expect.poll(() => reports).toEqual([{ fw: '1' }]);
  }
  box.identities.set('filter', undefined);
  await box.broker.keepOnly([]);
  expect(box.broker.clients()).toEqual([]);
  // The same generation, which no hub gives twice: only what is here could tell it apart.
  box.identities.set('filter', identityOf('filter'));
  await using again = await box.module('filter');
  expect(again.connack.sessionPresent).toBe(false);
  again.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"fw":"1"}');
  await expect.poll(() => reports).toEqual([{ fw: '1' }, { fw: '1' }]);
});

test('routes that lead to the module again while it is dropped end that: what comes then is kept', async () => {
  await using box = await openBox({ routes: routesOf(toSink) });
  await Promise.all(Array.from({ length: 3_000 }, (_, n) => box.broker.inject(messageFrom('source', `${n}`))));
  box.broker.setRoutes(routesOf(toOther));
  const dropping = box.broker.keepOnly(['source']);
  await expect.poll(() => box.broker.counters().queues[0]?.removed, { interval: 1 }).toBeGreaterThan(0);
  box.broker.setRoutes(routesOf(toSink));
  await box.broker.inject(messageFrom('source', 'new'));
  await dropping;
  const { waiting = 0, removed = 0 } = box.broker.counters().queues[0] ?? {};
  expect(waiting + removed).toBe(3_001);
  expect(waiting).toBeGreaterThan(0);
  await using sink = await box.module('sink');
  await sink.subscribe(inputs('sink'), 1);
  for (let last = ''; last !== 'new'; ) {
    const { payload, messageId } = await sink.next('publish');
    last = payload.toString();
    sink.send({ cmd: 'puback', messageId: messageId as number });
  }
});

const messageFrom = (module: string, body: string) => ({
  source: `/messages/modules/${module}/outputs/out`,
  body: Buffer.from(body),
  properties: {},
  system: { connectionModuleId: module },
});
