import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connack } from '../../../hub/mqtt/connect.ts';
import { sasToken } from '../../../hub/simulator.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import { listDeadLetters } from '../../destination/dead-letters.ts';
import { ModuleBroker } from './broker.ts';
import type { UpstreamSender } from './contract.ts';
import { type Box, deviceId, fakeUpstream, hubHost, identityOf, openBox, routesOf } from './testing/box.ts';

const toSink = 'FROM /messages/modules/source/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
const inputs = (moduleId: string, filter = 'inputs/#'): string => `devices/${deviceId}/modules/${moduleId}/${filter}`;

type Client = Awaited<ReturnType<Box['module']>>;

/** The bodies of the next messages, each acknowledged. */
async function receive(client: Client, count: number): Promise<readonly string[]> {
  const bodies: string[] = [];
  while (bodies.length < count) {
    const { payload, messageId } = await client.next('publish');
    bodies.push(payload.toString());
    client.send({ cmd: 'puback', messageId: messageId as number });
  }
  return bodies;
}

describe('who comes in', () => {
  test('a module by its own key, for the hub or for this box', async () => {
    await using box = await openBox();
    for (const host of [hubHost, `localhost:${box.broker.mqttPort}`]) {
      await using client = await box.module('filter', { host });
      expect(client.connack.returnCode).toBe(connack.accepted);
    }
  });

  test('nobody else: another key, another host, a module that is not there, the device, an expired token', async () => {
    await using box = await openBox();
    box.identities.set('stranger', undefined);
    const expired = Buffer.from(sasToken(`${hubHost}/devices/gw-1/modules/filter`, identityOf('filter').primaryKey, 1_000_000));
    for (const wrong of [
      await box.module('filter', { key: identityOf('other').primaryKey }),
      await box.module('filter', { host: 'other.azure-devices.net' }),
      await box.module('stranger'),
      await box.module('filter', { connect: { password: expired } }),
      await box.module('filter', {
        connect: { clientId: 'gw-1', username: `${hubHost}/gw-1/?api-version=2021-04-12` },
      }),
    ]) {
      await using client = wrong;
      expect(client.connack.returnCode).toBe(connack.unauthorized);
    }
    expect(box.broker.counters()).toMatchObject({ accepted: 0, refused: 5 });
  });

  test('a module speaks and listens on its own topics only', async () => {
    await using box = await openBox();
    await using reads = await box.module('filter');
    await expect(reads.subscribe(inputs('sink'), 1)).rejects.toThrow();
    await using writes = await box.module('filter');
    writes.publish(`devices/${deviceId}/modules/sink/messages/events/`, 'x');
    await writes.closed;
    expect(box.broker.counters().violations).toBe(2);
  });

  test('one connection an identity; a token that runs out ends it', async () => {
    await using box = await openBox();
    await using first = await box.module('filter');
    await using second = await box.module('filter', { tokenSeconds: 1 });
    await first.closed;
    await second.closed;
  });

  test('an identity that was taken away, or made anew, goes out; one made anew has nothing of the old', async () => {
    await using box = await openBox();
    await using client = await box.module('filter');
    await client.subscribe(inputs('filter'), 1);
    await box.broker.setDesired('filter', { old: true }, 3);
    box.identities.set('filter', identityOf('filter', 'g2'));
    box.broker.identitiesChanged();
    await client.closed;
    await using again = await box.module('filter');
    expect(again.connack).toMatchObject({ returnCode: connack.accepted, sessionPresent: false });
    again.publish('$iothub/twin/GET/?$rid=1', '');
    expect(JSON.parse((await again.next('publish')).payload.toString())).toMatchObject({ desired: { $version: 1 } });
  });

  test('a second broker on the same folder is refused', async () => {
    await using box = await openBox();
    await expect(box.restart({ deviceId, folder: '/dev/null/x' })).rejects.toMatchObject({ code: 'hub-folder' });
    await box.restart();
    const again = ModuleBroker.open({
      ...{ folder: `${box.folder}/broker`, deviceId, hubHostNames: [], hostName: 'localhost', listen: {} },
      ...{ certificate: { certificate: '', privateKey: '' }, identities: { get: () => undefined }, upstream: fakeUpstream() },
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    await expect(again).rejects.toMatchObject({ code: 'broker-running' });
  });
});

describe('messages', () => {
  test('wait for a module that is away, over a restart, and come in order, also to who subscribed to all of its topics', async () => {
    await using box = await openBox({ routes: routesOf(toSink) });
    await using source = await box.module('source');
    for (const body of ['1', '2', '3']) await source.telemetry(body);
    await box.restart();
    expect(box.broker.counters().waiting).toBe(3);
    await using sink = await box.module('sink');
    await sink.subscribe(inputs('sink', '#'), 1);
    expect(await receive(sink, 3)).toEqual(['1', '2', '3']);
    await expect.poll(() => box.broker.counters()).toMatchObject({ waiting: 0, waitingBytes: 0, queues: [{ delivered: 3 }] });
  });

  test('that were not acknowledged come again, before anything behind them', async () => {
    await using box = await openBox({ routes: routesOf(toSink) });
    await using source = await box.module('source');
    {
      await using sink = await box.module('sink');
      await sink.subscribe(inputs('sink'), 1);
      await source.telemetry('1');
      await source.telemetry('2');
      const { messageId } = await sink.next('publish');
      sink.send({ cmd: 'puback', messageId: messageId as number });
      await sink.next('publish');
      await expect.poll(() => box.broker.counters().waiting).toBe(1);
    }
    await source.telemetry('3');
    await using sink = await box.module('sink');
    expect(sink.connack.sessionPresent).toBe(true);
    expect(await receive(sink, 2)).toEqual(['2', '3']);
  });

  test('of a better priority go first', async () => {
    let away = true;
    const upstream = fakeUpstream(() => (away ? new NotConnectedError('offline', 'no hub', { retry: 'with-backoff' }) : undefined));
    const routes = routesOf(
      { route: 'FROM /messages/* WHERE kind = "alarm" INTO $upstream', priority: 0 },
      { route: 'FROM /messages/* WHERE kind = "log" INTO $upstream', priority: 5 },
    );
    await using box = await openBox({ upstream, routes });
    await using source = await box.module('source');
    for (const [body, kind] of [
      ['1', 'log'],
      ['2', 'alarm'],
      ['3', 'log'],
      ['4', 'alarm'],
    ] as const)
      await source.telemetry(body, `kind=${kind}`);
    away = false;
    box.broker.upstreamConnected();
    await upstream.seen(4);
    expect(upstream.bodies()).toEqual(['2', '4', '1', '3']);
  });

  test('that no route wants are dropped and counted, and acknowledged', async () => {
    await using box = await openBox({ routes: routesOf(toSink) });
    await using other = await box.module('other');
    await other.telemetry('x');
    expect(box.broker.counters()).toMatchObject({ received: 1, unrouted: 1, waiting: 0 });
  });

  test('expire by the time to live of their queueing, and that is said', async () => {
    const warnings: object[] = [];
    const log = {
      debug() {},
      info() {},
      warn: (fields: object, message: string) => void warnings.push({ ...fields, message }),
      error() {},
    };
    await using box = await openBox({ log, routes: routesOf({ route: toSink, timeToLiveSecs: 1 }) });
    await using source = await box.module('source');
    await source.telemetry('old');
    box.broker.setRoutes(routesOf({ route: toSink, timeToLiveSecs: 3600 }));
    await source.telemetry('new');
    await expect.poll(() => box.broker.counters().queues[0], { timeout: 10_000 }).toMatchObject({ waiting: 1, expired: 1 });
    const said = { endpoint: 'modules/sink/inputs/in', messages: 1, message: 'messages expired before their receiver took them' };
    await expect.poll(() => warnings).toEqual([said]);
    await using sink = await box.module('sink');
    await sink.subscribe(inputs('sink'), 1);
    expect(await receive(sink, 1)).toEqual(['new']);
  });

  test('that expired while nobody was here are not delivered, those behind them are', async () => {
    await using box = await openBox({ routes: routesOf({ route: toSink, timeToLiveSecs: 0.001 }) });
    await using source = await box.module('source');
    // More than go out at once.
    for (let n = 0; n < 150; n++) await source.telemetry(`${n}`);
    box.broker.setRoutes(routesOf(toSink));
    await source.telemetry('new');
    await box.restart();
    await using sink = await box.module('sink');
    await sink.subscribe(inputs('sink'), 1);
    expect(await receive(sink, 1)).toEqual(['new']);
    await expect.poll(() => box.broker.counters().queues).toMatchObject([{ expired: 150, waiting: 0, waitingBytes: 0 }]);
  });

  test('are not acknowledged when there is no room, and taken again when there is', async () => {
    await using box = await openBox({ maxBytes: 2_000, routes: routesOf(toSink) });
    await using source = await box.module('source');
    await source.telemetry('x'.repeat(1_500));
    await expect(source.telemetry('y'.repeat(1_500))).rejects.toThrow();
    expect(box.broker.counters()).toMatchObject({ notStored: 1, waiting: 1 });
    await using sink = await box.module('sink');
    await sink.subscribe(inputs('sink'), 1);
    await receive(sink, 1);
    await using again = await box.module('source');
    await again.telemetry('y'.repeat(1_500));
  });
});

describe('upstream', () => {
  test('is tried again in order; what it will never take is a dead letter, counted', async () => {
    let failures = 3;
    const upstream = fakeUpstream(({ body }) => {
      if (Buffer.from(body).toString() === 'poison') return new GatewayError('too-large', 'no', { retry: 'never' });
      return failures-- > 0 ? new NotConnectedError('offline', 'no hub', { retry: 'with-backoff' }) : undefined;
    });
    await using box = await openBox({ upstream, routes: routesOf('FROM /messages/* INTO $upstream') });
    await using source = await box.module('source');
    for (const body of ['1', 'poison', '2', 'x'.repeat(upstream.maxBodyBytes - 100)]) await source.telemetry(body);
    await upstream.seen(3);
    expect(upstream.bodies().map((body) => body.slice(0, 6))).toEqual(['1', '2', 'xxxxxx']);
    await expect.poll(() => box.broker.counters().queues[0]).toMatchObject({ delivered: 3, refused: 1, waiting: 0 });
  });

  test('that takes only some is remembered over a restart: what was lost is counted, and kept as dead letters', async () => {
    const upstream = fakeUpstream(() => new GatewayError('too-large', 'the hub says no', { retry: 'never' }));
    await using box = await openBox({ upstream, routes: routesOf('FROM /messages/* INTO $upstream') });
    await using source = await box.module('source');
    await source.telemetry('poison', '$.mid=m-1');
    const lost = { endpoint: '$upstream/source', refused: 1, waiting: 0 };
    await expect.poll(() => box.broker.counters().queues).toMatchObject([lost]);
    await box.restart();
    expect(box.broker.counters().queues).toMatchObject([lost]);
    const reason = '/messages/modules/source to $upstream/source: the hub says no';
    expect(await listDeadLetters(join(box.folder, 'broker/dead-letters'))).toMatchObject([{ id: 'm-1', body: 'poison', reason }]);
  });

  test('that is away for one module is there for the others; it gets all of that one, in order, when its way is back', async () => {
    const blocked = new Set(['a']);
    const upstream = fakeUpstream(({ system }) =>
      blocked.has(system.connectionModuleId ?? '') ? new NotConnectedError('offline', 'kept out', { retry: 'with-backoff' }) : undefined,
    );
    const routes = routesOf(
      { route: 'FROM /messages/modules/a/* INTO $upstream', priority: 0 },
      'FROM /messages/modules/b/* INTO $upstream',
    );
    await using box = await openBox({ upstream, routes, retryMs: 60_000 });
    await using a = await box.module('a');
    await using b = await box.module('b');
    for (const body of ['a1', 'a2', 'a3']) await a.telemetry(body);
    for (const body of ['b1', 'b2']) await b.telemetry(body);
    await upstream.seen(2);
    expect(upstream.bodies()).toEqual(['b1', 'b2']);
    await expect
      .poll(() => box.broker.counters().queues.map(({ endpoint, waiting }) => [endpoint, waiting]))
      .toEqual([
        ['$upstream/a', 3],
        ['$upstream/b', 0],
      ]);
    blocked.clear();
    // The way of another one says nothing about it.
    box.broker.upstreamConnected('b');
    await b.telemetry('b3');
    await upstream.seen(3);
    box.broker.upstreamConnected('a');
    await upstream.seen(6);
    expect(upstream.bodies()).toEqual(['b1', 'b2', 'b3', 'a1', 'a2', 'a3']);
  });

  test('that comes back gets the better priorities of all modules first', async () => {
    let away = true;
    const upstream = fakeUpstream(() => (away ? new NotConnectedError('offline', 'no hub', { retry: 'with-backoff' }) : undefined));
    const slow: UpstreamSender = {
      maxBodyBytes: upstream.maxBodyBytes,
      // As long as one takes there are always some that wait.
      send: (message, id) => new Promise((resolve, reject) => setTimeout(() => upstream.send(message, id).then(resolve, reject), 5)),
    };
    const routes = routesOf(
      { route: 'FROM /messages/* WHERE kind = "alarm" INTO $upstream', priority: 0 },
      { route: 'FROM /messages/* WHERE kind = "log" INTO $upstream', priority: 5 },
    );
    await using box = await openBox({ upstream: slow, routes });
    await using a = await box.module('a');
    await using b = await box.module('b');
    for (let n = 0; n < 60; n++) await a.telemetry(`log ${n}`, 'kind=log');
    for (let n = 0; n < 60; n++) await b.telemetry(`alarm ${n}`, 'kind=alarm');
    away = false;
    box.broker.upstreamConnected();
    await upstream.seen(120);
    const logsBefore = upstream.bodies().lastIndexOf('alarm 59') - 59;
    // What was under way before the alarms were seen, at the most.
    expect(logsBefore).toBeLessThanOrEqual(16);
  });

  test('that hangs does not hold up the end; its messages go out again in the next life', async () => {
    const hanging: UpstreamSender = { maxBodyBytes: 1000, send: () => new Promise(() => {}) };
    await using box = await openBox({ upstream: hanging, routes: routesOf('FROM /messages/* INTO $upstream') });
    await using source = await box.module('source');
    await source.telemetry('1');
    const beforeMs = performance.now();
    const upstream = fakeUpstream();
    await box.restart({ upstream });
    // It hangs for ever; the end and the next start take a fraction of this on a free machine.
    expect(performance.now() - beforeMs).toBeLessThan(4_000);
    await upstream.seen(1);
  });

  test('gets what modules report as patches, until it has it, also over a restart', async () => {
    let away = true;
    const reports: object[] = [];
    const onReported = async (moduleId: string, patch: object): Promise<void> => {
      if (away) throw new NotConnectedError('offline', 'no hub', { retry: 'with-backoff' });
      reports.push({ moduleId, patch });
    };
    await using box = await openBox({ onReported });
    {
      await using filter = await box.module('filter');
      for (const [rid, patch] of [{ a: 1, b: 1 }, { b: 2 }, { a: null }].entries()) {
        filter.publish(`$iothub/twin/PATCH/properties/reported/?$rid=${rid}`, JSON.stringify(patch));
        expect((await filter.next('publish')).topic).toContain('/res/204/');
      }
    }
    away = false;
    await box.restart({ onReported });
    await expect.poll(() => reports).toEqual([{ moduleId: 'filter', patch: { b: 2 } }]);
    await using filter = await box.module('filter');
    filter.publish('$iothub/twin/PATCH/properties/reported/?$rid=9', JSON.stringify({ b: null, c: 3 }));
    await expect.poll(() => reports.at(-1)).toEqual({ moduleId: 'filter', patch: { b: null, c: 3 } });
  });
});

describe('the twin of a module', () => {
  const get = async (client: Client): Promise<unknown> => {
    client.publish('$iothub/twin/GET/?$rid=1', '');
    return JSON.parse((await client.next('publish')).payload.toString());
  };

  test('is on disk, both halves, with the versions of upstream; a module that is not there has none', async () => {
    await using box = await openBox();
    await box.broker.setDesired('filter', { limit: 5 }, 41);
    {
      await using filter = await box.module('filter');
      filter.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"fw":"1"}');
      await filter.next('publish');
    }
    await box.restart();
    await using filter = await box.module('filter');
    expect(await get(filter)).toEqual({ desired: { limit: 5, $version: 41 }, reported: { fw: '1', $version: 2 } });
    box.identities.set('stranger', undefined);
    await expect(box.broker.setDesired('stranger', {}, 1)).rejects.toMatchObject({ status: 404 });
    await expect(box.broker.invoke('stranger', { name: 'reset' })).rejects.toMatchObject({ status: 404 });
  });

  test('goes upstream at its pace, a burst as one patch', async () => {
    const reports: object[] = [];
    await using box = await openBox({ reportEveryMs: 300, onReported: async (_module, patch) => void reports.push(patch) });
    await using filter = await box.module('filter');
    for (let n = 0; n < 20; n++) {
      filter.publish(`$iothub/twin/PATCH/properties/reported/?$rid=${n}`, `{"n":${n}}`);
      await filter.next('publish');
    }
    await expect.poll(() => reports.at(-1)).toEqual({ n: 19 });
    expect(reports.length).toBeLessThanOrEqual(3);
  });

  test('is reported again with the next change when upstream refuses it', async () => {
    const reports: object[] = [];
    await using box = await openBox({
      async onReported(_module, patch) {
        reports.push(patch);
        if (reports.length === 1) throw new GatewayError('too-large', 'the hub says no', { retry: 'never' });
      },
    });
    await using filter = await box.module('filter');
    filter.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"a":1}');
    await expect.poll(() => reports).toEqual([{ a: 1 }]);
    filter.publish('$iothub/twin/PATCH/properties/reported/?$rid=2', '{"b":2}');
    await expect.poll(() => reports).toEqual([{ a: 1 }, { a: 1, b: 2 }]);
  });

  test('made anew reports from the beginning', async () => {
    const reports: object[] = [];
    await using box = await openBox({ onReported: async (_module, patch) => void reports.push(patch) });
    for (const [count, generation] of ['g1', 'g2'].entries()) {
      box.identities.set('filter', identityOf('filter', generation));
      await using filter = await box.module('filter');
      filter.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"fw":"1"}');
      await expect.poll(() => reports).toEqual(Array.from({ length: count + 1 }, () => ({ fw: '1' })));
    }
  });
});

describe('the built-in module', () => {
  const reading = {
    source: '/messages/modules/dragoman/outputs/mixer',
    body: Buffer.from('{}'),
    properties: { equipment: 'mixer' },
    system: {},
  };

  test('is asked for readings only where a route wants them', async () => {
    await using box = await openBox();
    expect(box.broker.wants(reading.source)).toBe(false);
    box.broker.setRoutes(routesOf('FROM /messages/modules/dragoman/outputs/mixer INTO BrokeredEndpoint("/modules/sink/inputs/in")'));
    expect(box.broker.wants(reading.source)).toBe(true);
    expect(box.broker.wants('/messages/modules/dragoman/outputs/cooker')).toBe(false);
    expect(box.broker.wants(reading.source, 'upstream')).toBe(false);
    await using sink = await box.module('sink');
    await sink.subscribe(inputs('sink'), 1);
    await box.broker.inject(reading);
    expect((await sink.next('publish')).topic).toContain('equipment=mixer');
  });

  test('brings readings to inputs only where it is told so', async () => {
    const upstream = fakeUpstream();
    await using box = await openBox({ upstream, routes: routesOf('FROM /messages/* INTO $upstream') });
    expect([box.broker.wants(reading.source), box.broker.wants(reading.source, 'input')]).toEqual([true, false]);
    await box.broker.inject({ ...reading, body: Buffer.from('by the outbox') }, 'input');
    await box.broker.inject({ ...reading, body: Buffer.from('a report') });
    await upstream.seen(1);
    expect(upstream.bodies()).toEqual(['a report']);
  });

  test('takes writes one at a time; they wait until somebody serves them, and are tried again', async () => {
    await using box = await openBox({ routes: routesOf('FROM /messages/* INTO BrokeredEndpoint("/modules/dragoman/inputs/write")') });
    await using source = await box.module('source');
    for (const body of ['1', '2', 'poison', '3']) await source.telemetry(body);
    const tries: string[] = [];
    const ids: string[] = [];
    box.broker.onInput('write', async ({ body }, id) => {
      const text = Buffer.from(body).toString();
      tries.push(text);
      ids.push(id);
      if (text === 'poison') throw new GatewayError('guard', 'the guard says no', { retry: 'never' });
      if (tries.length === 2) throw new NotConnectedError('offline', 'the machine is away', { retry: 'with-backoff' });
    });
    await expect.poll(() => tries).toEqual(['1', '2', '2', 'poison', '3']);
    expect(ids[1]).toBe(ids[2]);
    expect(new Set(ids).size).toBe(4);
    await expect.poll(() => box.broker.counters().queues[0]).toMatchObject({ delivered: 3, refused: 1, waiting: 0 });
  });
});
