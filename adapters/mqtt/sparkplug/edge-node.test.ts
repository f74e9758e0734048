import { connect } from 'node:net';
import { MqttClient } from 'mqtt';
import * as tahu from 'sparkplug-payload';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { datatypes, type Metric } from '../../../encodings/sparkplug/payload.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { mqtt } from '../adapter.ts';
import { type MqttBroker, startMqttBroker } from '../simulator.ts';
import { startEdgeNode } from '../simulators/edge-node.ts';
import { pointsOf, settingsOf } from '../testcases/points.ts';
import { type Watching, watch } from '../testcases/watching.ts';

let broker: MqttBroker;
let open: AsyncDisposableStack;
let stateFolder: string;

beforeEach(async () => {
  open = new AsyncDisposableStack();
  stateFolder = open.use(tempFolder()).path;
  broker = open.use(await startMqttBroker());
});
afterEach(() => open.disposeAsync());

const metrics: Metric[] = [
  { name: 'Speed', alias: 1n, datatype: datatypes.Int32, value: 96 },
  { name: 'State', alias: 2n, datatype: datatypes.String, value: 'running' },
];

const speed = (value: number): Metric => ({ ...metrics[0]!, value });

async function start(points: Parameters<typeof pointsOf>[1], sparkplug: object = {}): Promise<Watching> {
  const settings = settingsOf({ url: `mqtt://127.0.0.1:${broker.port}`, sparkplug: { group: 'leeds', edgeNode: 'press-7', ...sparkplug } });
  return open.use(await watch(mqtt, settings, pointsOf(settings, points), { stateFolder }));
}

test('a node that was born before us is asked once, and everything is there', async () => {
  await using node = await startEdgeNode({
    port: broker.port,
    metrics,
    devices: { drive: [{ ...metrics[0]!, name: 'Torque', alias: 3n }] },
  });
  const watching = await start({
    speed: { at: 'Speed' },
    torque: { at: 'Torque', topic: 'spBv1.0/leeds/+/press-7/drive', payload: 'sparkplug' },
  });
  await watching.until(({ point, value }) => point === 'torque' && value === 96);
  expect(watching.last('speed')).toMatchObject({ value: 96, type: 'int32' });
  node.data([speed(97)]);
  node.data([{ ...speed(98), alias: 3n }], 'drive');
  await watching.until(({ point, value }) => point === 'torque' && value === 98);
  expect(watching.last('speed')).toMatchObject({ value: 97 });
  expect(node.requests).toBe(1);
  expect(watching.lost).toEqual([]);
});

test('messages that got lost are a gap, and the node is not asked in a storm', async () => {
  await using node = await startEdgeNode({ port: broker.port, group: 'leeds', metrics });
  const watching = await start({ speed: { at: 'Speed' } });
  await watching.until(({ value }) => value === 96);
  for (let n = 0; n < 5; n++) {
    node.lose(1);
    node.data([speed(n)]);
  }
  await watching.until(({ value }) => value === 4);
  expect(watching.lost).toEqual(Array.from({ length: 5 }, () => 'messages of the Sparkplug node leeds/press-7 are missing'));
  expect(watching.connection.counters().rebirths).toBeLessThanOrEqual(1);
});

test('a node that vanishes takes its points down, and brings them back with its next birth', async () => {
  const node = await startEdgeNode({ port: broker.port, metrics, bdSeq: 1 });
  const watching = await start({ speed: { at: 'Speed' } });
  await watching.until(({ value }) => value === 96);
  node.vanish();
  expect(await watching.until(({ status }) => status === 'BadNoCommunication')).toMatchObject({
    reason: expect.stringMatching(/^the Sparkplug node leeds\/press-7 is gone \(NDEATH at 20/),
  });
  await using again = await startEdgeNode({ port: broker.port, metrics, bdSeq: 2 });
  await watching.untilThat(() => watching.last('speed')?.value === 96);
  // The will of the first connection, late.
  again.death(1);
  again.data([speed(5)]);
  await watching.until(({ value }) => value === 5);
});

test('a reload knows what was born before', async () => {
  await using node = await startEdgeNode({ port: broker.port, metrics });
  const watching = await start({ speed: { at: 'Speed' } });
  await watching.until(({ value }) => value === 96);
  const settings = settingsOf({ url: `mqtt://127.0.0.1:${broker.port}`, sparkplug: { group: 'leeds', edgeNode: 'press-7' } });
  await watching.reload(pointsOf(settings, { state: { at: 'State' }, '{metric}': {}, wrong: { at: 'Spede' } }));
  await watching.until(({ point }) => point === 'Speed');
  expect(watching.last('state')).toMatchObject({ value: 'running' });
  expect(watching.last('wrong')).toMatchObject({ status: 'BadNotFound', reason: expect.stringMatching(/did you mean "Speed"/) });
  node.data([speed(5)]);
  await watching.until(({ point, value }) => point === 'Speed' && value === 5);
  expect(node.requests).toBe(1);
});

test('as a host application it is online while it is there', async () => {
  const states: string[] = [];
  const socket = connect({ host: '127.0.0.1', port: broker.port });
  const listener = new MqttClient((() => socket) as never, { protocolVersion: 4, clientId: 'listener', reconnectPeriod: 0, log: () => {} });
  open.defer(() => void listener.stream.destroy());
  const news = Promise.withResolvers<void>();
  listener.on('message', (_topic, payload) => {
    states.push(payload.toString());
    if (states.length === 2) news.resolve();
  });
  await listener.subscribeAsync('spBv1.0/STATE/gw-leeds-1', { qos: 1 });
  const watching = await start({ speed: { at: 'Speed' } }, { hostId: 'gw-leeds-1' });
  await watching[Symbol.asyncDispose]();
  await news.promise;
  const [online, offline] = states.map((text) => JSON.parse(text));
  expect(online).toEqual({ online: true, timestamp: expect.any(Number) });
  expect(offline).toEqual({ online: false, timestamp: online.timestamp });
});

test('what another implementation encodes is read', async () => {
  const peer = tahu.get('spBv1.0')!;
  const watching = await start({ '{metric}': {} });
  await expect.poll(() => broker.subscriptions).toContain('spBv1.0/leeds/+/press-7/#');
  const now = Date.now();
  const birth = peer.encodePayload({
    timestamp: now,
    seq: 0,
    metrics: [
      { name: 'bdSeq', type: 'Int64', value: 0 },
      { name: 'Int8', alias: 1, type: 'Int8', value: -5 },
      { name: 'Big', alias: 2, type: 'UInt64', value: '18446744073709551615' as never },
      { name: 'When', alias: 3, type: 'DateTime', value: now },
      { name: 'Text', alias: 4, type: 'String', value: 'Käse' },
      { name: 'Flag', alias: 5, type: 'Boolean', value: true },
      { name: 'Float', alias: 6, type: 'Float', value: 231.7 },
    ],
  });
  await broker.publish('spBv1.0/leeds/NBIRTH/press-7', birth);
  await watching.until(({ point }) => point === 'Float');
  expect(Object.fromEntries(watching.seen.map(({ point, value, type }) => [point, [value, type]]))).toEqual({
    Int8: [-5, 'int8'],
    Big: [18_446_744_073_709_551_615n, 'uint64'],
    When: [new Date(now).toISOString(), 'datetime'],
    Text: ['Käse', 'string'],
    Flag: [true, 'bool'],
    Float: [231.7, 'float32'],
  });
});
