import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodePayload } from '../../../encodings/sparkplug/payload.ts';
import { NotConnectedError } from '../../../model/error.ts';
import { hubContext } from '../../../test/contract/hub-client.ts';
import { capability, titled } from '../../../test/support/capabilities.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import type { HubContext, HubSession } from '../../contract.ts';
import { connect } from '../client.ts';
import { mqtt } from '../definition.ts';
import { type PlainMosquitto, startPlainMosquitto, type Watcher, watch } from '../testcases/brokers.ts';
import { event, gap, latest, machine, TestPlant } from '../testcases/plant.ts';
import { Host, type Read, read } from '../testcases/sparkplug-reader.ts';

const mosquitto = capability('mosquitto');

describe.skipIf(!mosquitto.ok)(titled('an edge node at mosquitto', mosquitto), () => {
  let broker: PlainMosquitto;
  let watcher: Watcher;
  let folder: ReturnType<typeof tempFolder>;
  let plant: TestPlant;
  let context: HubContext;
  let stop: AbortController;
  let sessions: HubSession[];
  let logged: { readonly fields: object; readonly message: string }[];

  beforeEach(async () => {
    folder = tempFolder();
    broker = await startPlainMosquitto();
    watcher = await watch(broker.port, 5, 'spBv1.0/#');
    plant = new TestPlant();
    stop = new AbortController();
    sessions = [];
    logged = [];
    const note = (fields: object, message: string): void => void logged.push({ fields, message });
    context = { ...hubContext(folder.path, {}, 'gw-test-1', plant), log: { debug() {}, info: note, warn: note, error: note } };
  });
  afterEach(async () => {
    stop.abort();
    for (const session of sessions) await session[Symbol.asyncDispose]();
    await watcher[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const open = async (sparkplug: object = {}, more: object = {}): Promise<HubSession> => {
    const settings = mqtt.settings.parse({ url: `mqtt://127.0.0.1:${broker.port}`, sparkplug: { group: 'plant', ...sparkplug }, ...more });
    const session = await connect(settings, context, stop.signal);
    sessions.push(session);
    return session;
  };
  const messages = (): readonly Read[] =>
    watcher.seen.filter(({ topic }) => !topic.includes('/STATE/') && !topic.includes('CMD')).map(read);
  const count = (type: string): number => messages().filter((each) => each.type === type).length;
  const seen = (type: string, times = 1): Promise<unknown> => watcher.until(() => count(type) >= times);
  const host = (): Host => {
    const one = new Host();
    for (const message of messages()) one.take(message);
    return one;
  };

  test('birth with everything, data by alias, death on a clean stop', async () => {
    plant.set(
      machine('press-1', { pressure: { type: 'float64', unit: 'bar' }, count: { type: 'uint64' }, running: { type: 'bool' } }),
      machine('oven-1', { state: {} }),
    );
    plant.readings.set('press-1', [latest('pressure', 4.5), latest('count', 18446744073709551615n, { type: 'uint64' })]);
    const session = await open();
    await session.sendEvents?.([event('press-1', { pressure: 4.75, running: true })]);
    await seen('DDATA');
    const [nbirth, press, oven, data] = messages();
    expect([nbirth, press, oven, data].map((each) => [each?.type, each?.device, each?.seq])).toEqual([
      ['NBIRTH', undefined, 0],
      ['DBIRTH', 'press-1', 1],
      ['DBIRTH', 'oven-1', 2],
      ['DDATA', 'press-1', 3],
    ]);
    expect(nbirth?.metrics.slice(0, 3)).toMatchObject([
      { name: 'bdSeq', type: 'Int64', value: 0 },
      { name: 'Node Control/Rebirth', type: 'Boolean', value: false },
      { name: 'Gateway/Id', type: 'String', value: 'gw-test-1' },
    ]);
    expect(press?.metrics).toMatchObject([
      { name: 'pressure', type: 'Double', value: 4.5, properties: { engUnit: { type: 'String', value: 'bar' } } },
      { name: 'count', type: 'UInt64', value: Number(18446744073709551615n) },
      { name: 'running', type: 'Boolean', value: null },
    ]);
    expect(oven?.metrics).toMatchObject([{ name: 'state', value: null }]);
    expect(data?.metrics).toMatchObject([
      { alias: press?.metrics[0]?.alias, type: 'Double', value: 4.75 },
      { alias: press?.metrics[2]?.alias, type: 'Boolean', value: true },
    ]);
    expect(data?.metrics[0]).not.toHaveProperty('name');
    expect(data?.metrics[0]).not.toHaveProperty('isHistorical');
    await session[Symbol.asyncDispose]();
    await seen('NDEATH');
    expect(count('NDEATH')).toBe(1);
    expect(messages().at(-1)?.metrics).toMatchObject([{ name: 'bdSeq', value: 0 }]);
    expect(plant.listeners).toBe(0);
    expect(host().alive.size).toBe(0);
  });

  test('rebirth on request: the same bdSeq and aliases, seq from 0', async () => {
    plant.set(machine('press-1', { pressure: {} }));
    const session = await open();
    await session.sendEvents?.([event('press-1', { pressure: 1 })]);
    const command = encodePayload({ timestamp: 1n, metrics: [{ name: 'Node Control/Rebirth', datatype: 11, value: true }] });
    await watcher.client.publishAsync('spBv1.0/plant/NCMD/gw-test-1', Buffer.from(command));
    await seen('NBIRTH', 2);
    await session.sendEvents?.([event('press-1', { pressure: 2 })]);
    await seen('DDATA', 2);
    const births = messages().filter(({ type }) => type === 'NBIRTH');
    expect(births[1]?.seq).toBe(0);
    expect(births.map(({ metrics }) => metrics[0]?.value)).toEqual([0, 0]);
    expect(host()).toMatchObject({ births: 2, bdSeq: 0 });
    expect(host().values.get('press-1/pressure')?.value).toBe(2);
  });

  test('the same over MQTT 3.1.1', async () => {
    plant.set(machine('press-1', { pressure: {} }));
    const session = await open({}, { version: '3.1.1' });
    await session.sendEvents?.([event('press-1', { pressure: 1 })]);
    await seen('DDATA');
    expect(host().values.get('press-1/pressure')?.value).toBe(1);
    await session[Symbol.asyncDispose]();
    await seen('NDEATH');
    expect(host().alive.size).toBe(0);
  });

  test('commands are refused, said once', async () => {
    plant.set(machine('press-1', { setpoint: {} }));
    await open();
    const command = Buffer.from(encodePayload({ metrics: [{ name: 'setpoint', datatype: 10, value: 5 }] }));
    await watcher.client.publishAsync('spBv1.0/plant/DCMD/gw-test-1/press-1', command);
    await watcher.client.publishAsync('spBv1.0/plant/DCMD/gw-test-1/press-1', command, { qos: 1 });
    await expect.poll(() => logged.length).toBe(1);
    expect(logged[0]).toMatchObject({ fields: { topic: 'spBv1.0/plant/DCMD/gw-test-1/press-1', metrics: ['setpoint'] } });
  });

  test('kill -9 of the broker: rejected, then bdSeq one more, the backlog as history, new values as such', async () => {
    plant.set(machine('press-1', { pressure: {} }));
    const session = await open();
    await session.sendEvents?.([event('press-1', { pressure: 1 })]);
    broker.freeze();
    const lost = session.sendEvents?.([event('press-1', { pressure: 2 })]).catch((error: unknown) => error);
    await broker.kill();
    expect(await lost).toBeInstanceOf(NotConnectedError);
    expect(await session.closed).toBeInstanceOf(NotConnectedError);
    await broker.start();
    await watcher[Symbol.asyncDispose]();
    watcher = await watch(broker.port, 5, 'spBv1.0/#');
    plant.readings.set('press-1', [latest('pressure', 3)]);
    const backlog = event('press-1', { pressure: 2 }, Date.now() - 60_000);
    const again = await open();
    await again.sendEvents?.([backlog, event('press-1', { pressure: 4 }, Date.now() + 5)]);
    await seen('DDATA', 2);
    const known = host();
    expect(known.bdSeq).toBe(1);
    expect(known.history).toMatchObject([{ key: 'press-1/pressure', metric: { value: 2, isHistorical: true } }]);
    expect(known.values.get('press-1/pressure')?.value).toBe(4);
  });

  test('a link that breaks: the broker publishes the death with the bdSeq of the birth', async () => {
    const session = await open();
    // A second client of the same id: mosquitto hangs up on the first without a word.
    await open({ edgeNode: 'other' });
    expect(await session.closed).toMatchObject({ code: 'hub-closed' });
    await seen('NDEATH');
    const death = messages().find(({ type }) => type === 'NDEATH');
    expect(death).toMatchObject({ qos: 1, retain: false, metrics: [{ name: 'bdSeq', value: 0 }] });
  });

  test('seq goes from 255 to 0', async () => {
    plant.set(machine('press-1', { pressure: {} }));
    const session = await open();
    await session.sendEvents?.(Array.from({ length: 300 }, (_, i) => event('press-1', { pressure: i })));
    await seen('DDATA', 300);
    expect(host().values.get('press-1/pressure')?.value).toBe(299);
    expect(
      messages()
        .map(({ seq }) => seq)
        .slice(254, 258),
    ).toEqual([254, 255, 0, 1]);
  });

  test('a value of another type than the birth said: a new birth first; a point or machine that nobody announced too', async () => {
    plant.set(machine('press-1', { mode: { type: 'int16' } }));
    plant.readings.set('press-1', [latest('mode', 8)]);
    const session = await open();
    await session.sendEvents?.([
      event('press-1', { mode: 7 }),
      event('press-1', { mode: 'manual' }),
      event('press-1', { mode: 8 }),
      event('press-1', { extra: [1, 2.5] }),
      event('robot-9', { speed: 3 }),
    ]);
    await seen('DDEATH');
    expect(messages().map(({ type, device }) => `${type} ${device ?? ''}`)).toEqual([
      'NBIRTH ',
      'DBIRTH press-1',
      'DDATA press-1',
      'DBIRTH press-1',
      'DDATA press-1',
      'DDATA press-1',
      'DBIRTH press-1',
      'DDATA press-1',
      'DBIRTH robot-9',
      'DDATA robot-9',
      // It is not of the plant, and nothing more came of it.
      'DDEATH robot-9',
    ]);
    expect(host().values.get('press-1/mode')).toMatchObject({ type: 'String', value: '8' });
    expect(host().values.get('press-1/extra')).toBeDefined();
  });

  test('a machine that cannot be reached: bad values, then its death; births again when it is back', async () => {
    plant.set(machine('press-1', { a: {}, b: {} }), machine('oven-1', { t: {} }));
    const session = await open();
    const lost = { quality: 'bad', status: 'BadNotConnected', reason: 'no route to 10.0.0.7' } as const;
    await session.sendEvents?.([event('press-1', { a: 1, b: 2 }), event('press-1', { a: lost })]);
    await session.sendEvents?.([event('press-1', { b: lost })]);
    await seen('DDEATH');
    expect(messages().findLast(({ type }) => type === 'DDATA')?.metrics).toMatchObject([
      {
        value: null,
        properties: {
          Quality: { type: 'Int32', value: 0 },
          Status: { value: 'BadNotConnected' },
          Reason: { value: 'no route to 10.0.0.7' },
        },
      },
    ]);
    expect(host().alive).toEqual(new Set(['', 'oven-1']));
    await session.sendEvents?.([event('press-1', { a: lost, b: lost })]);
    await session.sendEvents?.([event('press-1', { a: 3 })]);
    await seen('DBIRTH', 3);
    await seen('DDATA', 4);
    expect(count('DDATA')).toBe(4);
    expect(host().alive).toEqual(new Set(['', 'oven-1', 'press-1']));
  });

  test('machines come, change and go', async () => {
    plant.set(machine('press-1', { a: {} }));
    await open();
    plant.set(machine('press-1', { a: { unit: 'bar' } }), machine('oven-1', { t: {} }));
    await seen('DBIRTH', 3);
    plant.set(machine('oven-1', { t: {} }));
    await seen('DDEATH');
    expect(messages().map(({ type, device }) => `${type} ${device ?? ''}`)).toEqual([
      'NBIRTH ',
      'DBIRTH press-1',
      'DBIRTH press-1',
      'DBIRTH oven-1',
      'DDEATH press-1',
    ]);
    expect(host().alive).toEqual(new Set(['', 'oven-1']));
  });

  test('a gap is a value of the node', async () => {
    const session = await open();
    await session.sendEvents?.([gap('press-1')]);
    await seen('NDATA');
    expect(JSON.parse(String(host().values.get('/Gateway/Gap')?.value))).toMatchObject({
      equipment: 'press-1',
      readings: 3,
      reason: 'outbox full',
    });
  });

  describe('with a primary host', () => {
    const state = (online: boolean, timestamp: number): Promise<unknown> =>
      watcher.client.publishAsync('spBv1.0/STATE/scada', JSON.stringify({ online, timestamp }), { qos: 1, retain: true });

    test('births wait for it; when it goes, death and end; a late death of an older session of it does not count', async () => {
      await state(false, 1_000);
      const opening = open({ primaryHost: 'scada' });
      await expect.poll(() => logged.map(({ message }) => message)).toContain('waiting for the primary host');
      expect(messages()).toEqual([]);
      await state(true, 2_000);
      const session = await opening;
      await seen('NBIRTH');
      await state(false, 1_500);
      await session.sendEvents?.([gap('x')]);
      await state(false, 2_000);
      expect(await session.closed).toMatchObject({ code: 'hub-primary-host', retry: 'with-backoff' });
      await seen('NDEATH');
      await expect(session.sendEvents?.([gap('x')])).rejects.toBeInstanceOf(NotConnectedError);
      const again = open({ primaryHost: 'scada' });
      await state(true, 3_000);
      const next = await again;
      await next.sendEvents?.([event('press-1', { a: 1 }, Date.now() - 1_000)]);
      await seen('DDATA');
      expect(host()).toMatchObject({ bdSeq: 1, history: [{ key: 'press-1/a' }] });
    });

    test('the wait ends when the signal aborts', async () => {
      const opening = open({ primaryHost: 'scada' });
      await expect.poll(() => logged.length).toBe(1);
      stop.abort();
      await expect(opening).rejects.toMatchObject({ code: 'hub-connect-stopped' });
      expect(messages()).toEqual([]);
    });
  });

  test('batches sent at once are taken in order, and share their questions', async () => {
    plant.set(machine('press-1', { n: {} }));
    const session = await open();
    const done: number[] = [];
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await session.sendEvents?.([event('press-1', { n: i })]);
        done.push(i);
      }),
    );
    expect(done).toEqual(Array.from({ length: 40 }, (_, i) => i));
    await seen('DDATA', 40);
    expect(host().values.get('press-1/n')?.value).toBe(39);
  });
});
