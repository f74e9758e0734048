import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { mqtt } from './adapter.ts';
import { type MqttBroker, startMqttBroker } from './simulator.ts';
import { startSensor } from './simulators/sensor.ts';
import { pointsOf, settingsOf } from './testcases/points.ts';
import { type Watching, type WatchOptions, watch } from './testcases/watching.ts';

let broker: MqttBroker;
let folder: ReturnType<typeof tempFolder>;
let open: AsyncDisposableStack;

beforeEach(async () => {
  open = new AsyncDisposableStack();
  folder = open.use(tempFolder());
  broker = open.use(await startMqttBroker({ forbidden: ['secret/#'] }));
});
afterEach(() => open.disposeAsync());

async function start(
  points: Parameters<typeof pointsOf>[1],
  connection: object = {},
  options: Partial<WatchOptions> = {},
): Promise<Watching> {
  const settings = settingsOf({ url: `mqtt://127.0.0.1:${broker.port}`, ...connection });
  return open.use(await watch(mqtt, settings, pointsOf(settings, points), { stateFolder: folder.path, ...options }));
}

const subscribed = (): Promise<void> => expect.poll(() => broker.subscriptions.length).toBeGreaterThan(0) as Promise<void>;

describe('what makes itself known', () => {
  test('placeholders of the name make points, the others machines', async () => {
    await broker.publish('plant/l1/press-7/temp', '{"value":21.5}', { retain: true });
    const watching = await start({ '{metric}': { topic: 'plant/{line}/{press}/{metric}', at: '/value' } });
    await watching.until(({ point, value }) => point === 'temp' && value === 21.5);
    await broker.publish('plant/l1/press-7/speed', '{"value":96}');
    await broker.publish('plant/l2/press-8/temp', '{"value":22}');
    await broker.publish('plant/l1/press-7/temp', '{"value":21.6}');
    await watching.until(({ value }) => value === 21.6);
    expect(watching.seen.map(({ machine, point, value }) => [machine, point, value])).toEqual([
      ['{"line":"l1","press":"press-7"}', 'temp', 21.5],
      ['{"line":"l1","press":"press-7"}', 'speed', 96],
      ['{"line":"l2","press":"press-8"}', 'temp', 22],
      ['{"line":"l1","press":"press-7"}', 'temp', 21.6],
    ]);
  });

  test('beyond the bounds it is said once a name, and acknowledged', async () => {
    const watching = await start({ '{metric}': { topic: 'plant/{line}/{metric}', at: '/v' } }, { maxPoints: 2, maxEquipment: 1 });
    await subscribed();
    await broker.publish('plant/l1/a', '{"v":1}', { retain: true });
    await watching.until(({ point }) => point === 'a');
    for (const [topic, v] of [
      ['l1/b', 2],
      ['l1/c', 3],
      ['l1/c', 4],
      ['l2/a', 5],
      ['l2/a', 6],
      ['l1/b', 7],
    ] as const) {
      await broker.publish(`plant/${topic}`, JSON.stringify({ v }), { qos: 1 });
    }
    await watching.until(({ value }) => value === 7);
    expect(watching.seen.map(({ value }) => value)).toEqual([1, 2, 7]);
    expect(watching.lost).toEqual([
      'no room for the point {metric} = "c" of {line} = "l1": maxPoints is 2',
      'no room for the machine {line} = "l2": maxEquipment is 1',
    ]);
    await expect.poll(() => watching.connection.counters().unacknowledged).toBe(0);
  });

  test('a machine that appears tells which of its points have nothing yet', async () => {
    const watching = await start({
      temp: { topic: 'plant/{id}/temp', at: '/v' },
      state: { topic: 'plant/{id}/state', payload: 'text' },
    });
    await subscribed();
    await broker.publish('plant/7/temp', '{"v":1}', { retain: true });
    const state = await watching.until(({ point }) => point === 'state');
    expect(state).toMatchObject({
      machine: '{"id":"7"}',
      status: 'BadWaitingForInitialData',
      reason: 'no message on plant/{id}/state yet',
    });
  });
});

describe('messages', () => {
  test('none of which passes the filter: the point says what it waits for', async () => {
    await broker.publish('a', '{"t":1}', { retain: true });
    const watching = await start({
      temp: { topic: 'a', at: '/t' },
      never: { topic: 'a', at: '/t', when: { '/kind': ['x', 5] } },
      quiet: { topic: 'a', at: '/u', missing: 'keep' },
    });
    const said = [await watching.until(({ point }) => point === 'never'), await watching.until(({ point }) => point === 'quiet')];
    expect(said.map(({ reason }) => reason)).toEqual(['no message on a yet that has /kind = "x" or 5', 'no message on a yet that has /u']);
  });

  test('a body that cannot be read makes its points bad, and the next one good again', async () => {
    const watching = await start({ temp: { topic: 'a', at: '/t' }, text: { topic: 'a', payload: 'text' } });
    await watching.untilThat(() => watching.seen.length === 2);
    await broker.publish('a', '{"t":1', { qos: 1 });
    await watching.until(({ point, status }) => point === 'temp' && status === 'BadDataEncodingInvalid');
    expect(watching.last('temp')?.reason).toMatch(/^a message on a: /);
    expect(watching.last('text')).toMatchObject({ value: '{"t":1', quality: 'good' });
    await broker.publish('a', '{"t":2}', { qos: 1 });
    await watching.until(({ value }) => value === 2);
    await expect.poll(() => watching.connection.counters().unacknowledged).toBe(0);
  });

  test('an empty message is a deletion', async () => {
    await broker.publish('a', '{"t":1}', { retain: true });
    const watching = await start({ temp: { topic: 'a', at: '/t' } });
    await watching.until(({ value }) => value === 1);
    await broker.publish('a', '', { retain: true });
    expect(await watching.until(({ status }) => status === 'BadNoData')).toMatchObject({
      reason: 'the message on a is empty: it was deleted',
    });
  });

  test('what the broker kept can be ignored', async () => {
    await broker.publish('a', '{"t":1}', { retain: true });
    const watching = await start({ temp: { topic: 'a', at: '/t' } }, { ignoreRetained: true });
    expect(await watching.until(({ point }) => point === 'temp')).toMatchObject({ status: 'BadWaitingForInitialData' });
  });

  test('overlapping filters bring a message once', async () => {
    const watching = await start({
      one: { topic: 'p/l1/t', at: '/v' },
      other: { topic: 'p/+/t', at: '/v' },
      all: { topic: 'p/#', at: '/v' },
    });
    await watching.untilThat(() => watching.seen.length === 3);
    await broker.publish('p/l1/t', '{"v":5}', { qos: 1 });
    await broker.publish('p/l2/t', '{"v":6}', { qos: 1 });
    await watching.until(({ point, value }) => point === 'all' && value === 6);
    expect(
      watching.seen
        .filter(({ value }) => value === 5)
        .map(({ point }) => point)
        .toSorted(),
    ).toEqual(['all', 'one', 'other']);
    expect(watching.connection.counters()).toMatchObject({ messages: 2 });
  });

  test('a wide filter that is refused does not take the narrow ones with it', async () => {
    await broker.publish('secret/public', '{"v":1}', { retain: true });
    const watching = await start({ all: { topic: 'secret/#', at: '/v' }, open: { topic: 'secret/public', at: '/v' } });
    expect(await watching.until(({ point, status }) => point === 'all' && status === 'BadUserAccessDenied')).toMatchObject({
      reason: expect.stringMatching(/the broker refuses the subscription to secret\/#/),
    });
    await watching.until(({ point, value }) => point === 'open' && value === 1);
  });
});

describe('acknowledgement', () => {
  test('what is not durable comes again to the next connection, in order, and in front of what is new', async () => {
    const points = { v: { topic: 'a', at: '/v' } };
    const first = await start(points, {}, { onBatch: () => {} });
    await first.untilThat(() => first.seen.length === 1);
    await broker.publish('a', '{"v":1}', { qos: 1 });
    await broker.publish('a', '{"v":2}', { qos: 1 });
    await first.until(({ value }) => value === 2);
    broker.hangUp();
    await first.ended;
    await broker.publish('a', '{"v":3}', { qos: 1 });
    const second = await start(points);
    await second.until(({ value }) => value === 3);
    expect(second.seen.flatMap(({ value }) => value ?? [])).toEqual([1, 2, 3]);
  });

  test('what the disk refuses ends the connection, so that the broker gives it again', async () => {
    const points = { v: { topic: 'a', at: '/v' } };
    const first = await start(points, {}, { onBatch: (batch) => batch.refuse?.('the outbox is full') });
    await first.untilThat(() => first.seen.length === 1);
    await broker.publish('a', '{"v":1}', { qos: 1 });
    expect(await first.ended).toMatchObject({ code: 'mqtt-not-taken', message: expect.stringMatching(/the outbox is full/) });
    const second = await start(points);
    await second.until(({ value }) => value === 1);
  });

  test('messages of QoS 0 that the disk refuses are a loss', async () => {
    const watching = await start({ v: { topic: 'a', at: '/v' } }, {}, { onBatch: (batch) => batch.refuse?.('the outbox is full') });
    await watching.untilThat(() => watching.seen.length === 1);
    await broker.publish('a', '{"v":1}');
    await watching.untilThat(() => watching.lost.length === 1);
    expect(watching.lost[0]).toMatch(/QoS 0 could not be stored \(the outbox is full\)/);
  });

  test('the broker is held back at the bound, and the link lives on', async () => {
    const held: (() => void)[] = [];
    const settings = { maxInFlight: 10, keepAlive: '1s' };
    const watching = await start({ v: { topic: 'a', at: '/v' } }, settings, { onBatch: (batch) => held.push(() => batch.acknowledge?.()) });
    await watching.untilThat(() => watching.seen.length === 1);
    for (let v = 0; v < 30; v++) void broker.publish('a', JSON.stringify({ v }), { qos: 1 });
    await watching.until(({ value }) => value === 9);
    // Longer than the keep-alive and its half again: neither side may give up.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(watching.connection.counters().unacknowledged).toBe(10);
    expect(watching.last('v')?.value).toBe(9);
    const releasing = setInterval(() => {
      for (const acknowledge of held.splice(0)) acknowledge();
    }, 5);
    await watching.until(({ value }) => value === 29);
    clearInterval(releasing);
    expect(watching.seen.flatMap(({ value }) => value ?? [])).toEqual(Array.from({ length: 30 }, (_, v) => v));
  });

  test('a reload takes back what is not wanted any more, and keeps what is known', async () => {
    const settings = settingsOf({ url: `mqtt://127.0.0.1:${broker.port}` });
    const watching = await start({ a: { topic: 'a', at: '/v' }, b: { topic: 'b', at: '/v' } });
    await watching.untilThat(() => watching.seen.length === 2);
    await broker.publish('a', '{"v":1}');
    await watching.until(({ value }) => value === 1);
    await watching.reload(pointsOf(settings, { a: { topic: 'a', at: '/v' }, c: { topic: 'c', at: '/v' } }));
    await watching.until(({ point }) => point === 'c');
    await broker.publish('b', '{"v":2}');
    await broker.publish('a', '{"v":3}');
    await watching.until(({ value }) => value === 3);
    expect(watching.seen.filter(({ value }) => value === 2)).toEqual([]);
    // Nothing says again that nothing came yet.
    expect(watching.seen.filter(({ point, quality }) => point === 'a' && quality === 'bad')).toHaveLength(1);
    expect(watching.connection.counters()).toMatchObject({ unmatched: 0 });
  });

  test('who only looks takes nothing from the session', async () => {
    const points = { v: { topic: 'a', at: '/v' } };
    const running = await start(points, {}, { onBatch: () => {} });
    await running.untilThat(() => running.seen.length === 1);
    const looking = await start(points, {}, { onlyLooks: true });
    await looking.untilThat(() => looking.seen.length === 1);
    await broker.publish('a', '{"v":1}', { qos: 1 });
    await looking.until(({ value }) => value === 1);
    await running.until(({ value }) => value === 1);
    expect(running.connection.counters().unacknowledged).toBe(1);
  });
});

describe('faults', () => {
  test('a wrong password is for a person to change', async () => {
    await using strict = await startMqttBroker({ users: { gateway: 'right' } });
    const settings = settingsOf({ url: `mqtt://127.0.0.1:${strict.port}`, user: 'gateway', password: { env: 'X' } });
    await expect(watch(mqtt, settings, [], { stateFolder: folder.path })).rejects.toMatchObject({
      code: 'mqtt-login',
      retry: 'after-fix',
      message: expect.stringMatching(/refused the connection: user name or password are wrong/),
    });
  });

  test('two clients with one id are told so', async () => {
    const connection = { clientId: 'twin' };
    const reasons: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      const one = await start({}, connection);
      await start({}, connection);
      reasons.push(await one.ended);
    }
    expect(reasons.at(-1)).toMatchObject({ code: 'mqtt-closed', hint: expect.stringMatching(/Another client uses the client id "twin"/) });
  });
});

test('the sensor of the demo measures, fails and comes back', async () => {
  const told: string[] = [];
  await using sensor = await startSensor({ stepMs: 50, faultEveryMs: 400, onFault: (text) => told.push(text) });
  const settings = settingsOf({ url: `mqtt://127.0.0.1:${sensor.port}` });
  const topic = 'candyco/leeds/warehouse/climate-1';
  const points = pointsOf(settings, {
    temperature: { topic: `${topic}/data`, at: '/temperature', time: '/time' },
    humidity: { topic: `${topic}/data`, at: '/humidity', time: '/time' },
    state: { topic: `${topic}/state`, payload: 'text' },
  });
  await using watching = await watch(mqtt, settings, points, { stateFolder: folder.path });
  await watching.until(({ point, quality }) => point === 'humidity' && quality === 'good');
  await watching.until(({ point, value }) => point === 'state' && value === 'online');
  await watching.until(({ point, quality, reason }) => point === 'humidity' && quality === 'bad' && /\/humidity/.test(reason ?? ''));
  await watching.until(({ point, status }) => point === 'temperature' && status === 'BadDataEncodingInvalid');
  await watching.until(({ point, value }) => point === 'state' && value === 'offline');
  await watching.untilThat(() => watching.last('state')?.value === 'online');
  expect(told.length).toBeGreaterThanOrEqual(5);
});
