import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { capability, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { startMosquitto } from '../../test/support/mosquitto.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { mqtt } from './adapter.ts';
import { type PlainMosquitto, startPlainMosquitto } from './testcases/mosquitto.ts';
import { pointsOf, settingsOf } from './testcases/points.ts';
import { type Watching, type WatchOptions, watch } from './testcases/watching.ts';

const mosquitto = capability('mosquitto');

describe.skipIf(!mosquitto.ok)(titled('with mosquitto', mosquitto), () => {
  let open: AsyncDisposableStack;
  let stateFolder: string;
  let broker: PlainMosquitto;

  beforeEach(async () => {
    open = new AsyncDisposableStack();
    stateFolder = open.use(tempFolder()).path;
    broker = open.use(await startPlainMosquitto());
  });
  afterEach(() => open.disposeAsync());

  async function start(
    points: Parameters<typeof pointsOf>[1],
    connection: object = {},
    options: Partial<WatchOptions> = {},
  ): Promise<Watching> {
    const settings = settingsOf({ url: `mqtt://127.0.0.1:${broker.port}`, ...connection });
    return open.use(await watch(mqtt, settings, pointsOf(settings, points), { stateFolder, ...options }));
  }
  const heard = (watching: Watching): Promise<void> => watching.untilThat(() => watching.seen.length > 0);

  for (const version of ['5', '3.1.1']) {
    test(`${version}: retained first, then what mosquitto_pub says`, async () => {
      await broker.say('plant/l1/temp', '{"v":1}', '-r');
      const watching = await start({ '{metric}': { topic: 'plant/{line}/{metric}', at: '/v' } }, { version });
      await watching.until(({ point, value }) => point === 'temp' && value === 1);
      await broker.say('plant/l1/temp', '{"v":2}');
      await watching.until(({ value }) => value === 2);
    });

    test(`${version}: after kill -9 everything that was not on disk comes again, in order`, async () => {
      const script = join(import.meta.dirname, 'testcases', 'observer.ts');
      const killed = open.use(startChild(process.execPath, [script, String(broker.port), stateFolder, version]));
      await killed.line(/^value undefined/);
      await broker.say('a', '{"v":1}');
      await broker.say('a', '{"v":2}');
      await killed.line(/^value 2/);
      killed.process.kill('SIGKILL');
      await killed.exited;
      await broker.say('a', '{"v":3}');
      const again = await start({ v: { topic: 'a', at: '/v' } }, { version });
      await again.until(({ value }) => value === 3);
      expect(again.seen.flatMap(({ value }) => value ?? [])).toEqual([1, 2, 3]);
      await again[Symbol.asyncDispose]();
      // Acknowledged now: nothing comes a third time.
      await broker.say('a', '{"v":4}');
      const third = await start({ v: { topic: 'a', at: '/v' } }, { version });
      await third.until(({ value }) => value === 4);
      expect(third.seen.flatMap(({ value }) => value ?? [])).toEqual([4]);
    });
  }

  test('user properties of MQTT 5 are properties', async () => {
    const watching = await start({ line: { topic: 'a', at: 'property:line' }, v: { topic: 'a', at: '/v', when: { kind: 'temp' } } });
    await heard(watching);
    await broker.say(
      'a',
      '{"v":1}',
      '-V',
      'mqttv5',
      '-D',
      'publish',
      'user-property',
      'line',
      'l1',
      '-D',
      'publish',
      'user-property',
      'kind',
      'temp',
    );
    await watching.until(({ point, value }) => point === 'v' && value === 1);
    expect(watching.last('line')?.value).toBe('l1');
  });

  test('receive maximum holds the broker back', async () => {
    const held: (() => void)[] = [];
    const watching = await start(
      { v: { topic: 'a', at: '/v' } },
      { maxInFlight: 5, version: '5' },
      { onBatch: (batch) => held.push(() => batch.acknowledge?.()) },
    );
    await heard(watching);
    await using _all = startChild('sh', [
      '-c',
      `seq 0 19 | sed 's/.*/{"v":&}/' | mosquitto_pub -h 127.0.0.1 -p ${broker.port} -t a -q 1 -l`,
    ]);
    await watching.until(({ value }) => value === 4);
    expect(watching.connection.counters().unacknowledged).toBe(5);
    const releasing = setInterval(() => {
      for (const acknowledge of held.splice(0)) acknowledge();
    }, 5);
    await watching.until(({ value }) => value === 19);
    clearInterval(releasing);
    expect(watching.seen.flatMap(({ value }) => value ?? [])).toEqual(Array.from({ length: 20 }, (_, v) => v));
  });

  test('a subscription that the mapping no longer has is taken back, also over a restart', async () => {
    const first = await start({ a: { topic: 'a', at: '/v' }, b: { topic: 'b', at: '/v' } });
    await first.untilThat(() => first.seen.length === 2);
    await first[Symbol.asyncDispose]();
    const second = await start({ a: { topic: 'a', at: '/v' } });
    await heard(second);
    await broker.say('b', '{"v":1}');
    await broker.say('a', '{"v":2}');
    await second.until(({ value }) => value === 2);
    expect(second.connection.counters()).toMatchObject({ messages: 1, unmatched: 0 });
  });

  test('a hung broker is given up after one and a half keep-alives', async () => {
    const watching = await start({ v: { topic: 'a', at: '/v' } }, { keepAlive: '1s' });
    await heard(watching);
    broker.freeze();
    expect(await watching.ended).toMatchObject({ code: 'mqtt-silent', message: expect.stringMatching(/answered no ping/) });
  });

  test('a broker that dies ends the observation', async () => {
    const watching = await start({ v: { topic: 'a', at: '/v' } });
    await heard(watching);
    await broker.kill();
    expect(await watching.ended).toMatchObject({ code: 'mqtt-closed' });
  });

  test('over a WebSocket', async () => {
    const watching = await start({ v: { topic: 'a', at: '/v' } }, { url: `ws://127.0.0.1:${broker.webPort}/mqtt` });
    await heard(watching);
    await broker.say('a', '{"v":1}');
    await watching.until(({ value }) => value === 1);
    const nowhere = start({}, { url: 'ws://127.0.0.1:1/mqtt' });
    await expect(nowhere).rejects.toMatchObject({
      code: 'mqtt-unreachable',
      message: expect.stringMatching(/ws:\/\/127\.0\.0\.1:1\/mqtt/),
    });
  });

  test('over TLS, with the CA that is given and with none', async () => {
    await using secure = await startMosquitto();
    const folder = open.use(tempFolder()).path;
    writeFileSync(join(folder, 'ca.pem'), secure.ca.certificate);
    const settings = settingsOf({ url: `mqtts://localhost:${secure.port}`, ca: { file: 'ca.pem' } });
    const context = {
      stateFolder,
      equipment: 'tls',
      log: { debug() {}, info() {}, warn() {}, error() {} },
      secret: async () => secure.ca.certificate,
    };
    const stop = new AbortController();
    await using connection = await (await mqtt.load()).connect(settings, context, stop.signal);
    expect(connection.counters().messages).toBe(0);
    const untrusting = settingsOf({ url: `mqtts://localhost:${secure.port}` });
    await expect((await mqtt.load()).connect(untrusting, context, stop.signal)).rejects.toMatchObject({
      code: 'mqtt-certificate',
      retry: 'after-fix',
      hint: expect.stringMatching(/ca:/),
    });
    const plain = settingsOf({ url: `mqtt://localhost:${secure.port}` });
    await expect((await mqtt.load()).connect(plain, context, stop.signal)).rejects.toMatchObject({
      code: 'mqtt-closed-unanswered',
      hint: expect.stringMatching(/TLS/),
    });
  });

  test('a topic that the broker lets nobody subscribe to is bad with its reason, the others go on', async () => {
    const acl = { acltype: 'subscribePattern', topic: 'open/#', priority: 0, allow: true };
    const rights = {
      defaultACLAccess: { publishClientSend: true, publishClientReceive: true, subscribe: false, unsubscribe: true },
      clients: [],
      groups: [{ groupname: 'all', roles: [{ rolename: 'reads' }] }],
      roles: [{ rolename: 'reads', acls: [acl] }],
      anonymousGroup: 'all',
    };
    const plugin = ['plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so', 'plugin_opt_config_file FOLDER/rights.json'];
    broker = open.use(await startPlainMosquitto(plugin, { 'rights.json': JSON.stringify(rights) }));
    await broker.say('open/a', '{"v":1}', '-r');
    const watching = await start({ open: { topic: 'open/a', at: '/v' }, closed: { topic: 'closed/a', at: '/v' } });
    await watching.until(({ point, value }) => point === 'open' && value === 1);
    expect(await watching.until(({ point }) => point === 'closed')).toMatchObject({
      status: 'BadUserAccessDenied',
      reason: 'the broker refuses the subscription to closed/a: not authorized',
    });
  });
});
