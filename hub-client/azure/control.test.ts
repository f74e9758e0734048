import { afterEach, describe, expect, test } from 'vitest';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import type { CloudMessage, HubControl, HubSession, MethodCall, TwinObject } from '../contract.ts';
import { connect } from './client.ts';
import { type AzureSettings, azure } from './definition.ts';
import { type StrictPeer, startStrictPeer } from './testcases/strict-peer.ts';
import { ridOf, serveTwin } from './testcases/twin-script.ts';

const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
const leftovers: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of leftovers.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function startPeer(): Promise<StrictPeer> {
  const peer = await startStrictPeer();
  leftovers.push(peer);
  return peer;
}

async function sessionWith(peer: StrictPeer, more: Partial<AzureSettings> = {}): Promise<HubSession & { control: HubControl }> {
  const hub = `HostName=localhost:${peer.port};DeviceId=gw-1;SharedAccessKey=${key}`;
  const settings = { ...azure.settings.parse({ connectionString: { file: 'hub' }, ca: 'ca' }), ...more };
  const session = await connect(settings, hubContext('.', { hub, ca: peer.ca.certificate }), new AbortController().signal);
  leftovers.push(session);
  return session as HubSession & { control: HubControl };
}

/** Lets everything that is on its way arrive. */
const settled = (ms = 60): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const notice = (peer: StrictPeer, patch: TwinObject & { $version: number }): void =>
  peer.client.publish(`$iothub/twin/PATCH/properties/desired/?$version=${patch.$version}`, JSON.stringify(patch));
const method = (peer: StrictPeer, name: string, rid: string, body = 'null'): void =>
  peer.client.publish(`$iothub/methods/POST/${name}/?$rid=${rid}`, body);
const command = (peer: StrictPeer, id: string, packetId: number): void =>
  peer.client.publish(`devices/gw-1/messages/devicebound/%24.mid=${id}&%24.to=%2Fdevices%2Fgw-1&line=a%2Fb`, id, packetId);
const answers = (peer: StrictPeer): string[] =>
  peer.published.filter(({ topic }) => topic.startsWith('$iothub/methods/res/')).map(({ topic, text }) => `${topic} ${text}`);
const done = (event: string, peer: StrictPeer): number => peer.events.filter((one) => one === event).length;

test('subscribes to nothing while nobody uses the way back', async () => {
  const peer = await startPeer();
  const session = await sessionWith(peer);
  await session.send(hubMessage('m-1'));
  expect(peer.events).toEqual(['connect', expect.stringMatching(/^publish devices/)]);
});

describe('twin', () => {
  test('is fetched with one space, after the subscriptions, each asked for once', async () => {
    const peer = await startPeer();
    const state = serveTwin(peer);
    state.desired = { rate: 5, $version: 7 };
    const { control } = await sessionWith(peer);
    control.onDesired(() => {});
    const [first, second] = await Promise.all([control.twin(), control.twin()]);
    expect(first).toEqual({ desired: { rate: 5, $version: 7 }, reported: { $version: 1 } });
    expect(second).toEqual(first);
    expect(peer.published.map(({ text }) => text)).toEqual([' ', ' ']);
    expect(peer.events.slice(0, 3)).toEqual([
      'connect',
      'subscribe $iothub/twin/PATCH/properties/desired/# 0',
      'subscribe $iothub/twin/res/# 0',
    ]);
    expect(peer.events.slice(3).every((event) => /^publish \$iothub\/twin\/GET\/\?\$rid=[\w-]+ 0$/.test(event))).toBe(true);
  });

  test('reported patches go in the order of the calls and give the new version', async () => {
    const peer = await startPeer();
    serveTwin(peer);
    const { control } = await sessionWith(peer);
    expect(await Promise.all([control.report({ a: 1 }), control.report({ a: null, b: { c: 2 } }), control.report({})])).toEqual([2, 3, 4]);
    expect(peer.published.map(({ text }) => text)).toEqual(['{"a":1}', '{"a":null,"b":{"c":2}}', '{}']);
  });

  test.for([
    { status: 429, code: 'hub-throttled', again: true },
    { status: 500, code: 'hub-unavailable', again: true },
    { status: 413, code: 'hub-twin-refused', again: false },
    { status: 400, code: 'hub-twin-refused', again: false },
  ])('$status is $code', async ({ status, code, again }) => {
    const peer = await startPeer();
    serveTwin(peer).status = status;
    const { control } = await sessionWith(peer);
    for (const asked of [control.report({ a: 1 }), control.twin()]) {
      const error = await asked.then(
        () => undefined,
        (one: unknown) => one as GatewayError,
      );
      expect(error).toMatchObject({ code, message: expect.stringContaining('slow down') });
      expect(error instanceof NotConnectedError).toBe(again);
      expect(error?.retry).toBe(again ? 'with-backoff' : 'never');
    }
  });

  test('no answer, an answer that belongs to nobody, one that comes too late, garbage', async () => {
    const peer = await startPeer();
    const state = serveTwin(peer);
    state.silent = true;
    const { control } = await sessionWith(peer, { answerTimeout: 250 });
    const lost = control.twin();
    await peer.until(() => peer.published.length === 1);
    const rid = ridOf(peer.published[0]!.topic);
    peer.client.publish('$iothub/twin/res/200/?$rid=stranger', '{"desired":{"$version":9},"reported":{"$version":9}}');
    peer.client.publish('$iothub/twin/res/200/', 'no rid');
    peer.client.publish(`$iothub/twin/res/abc/?$rid=${rid}`, 'no status');
    await expect(lost).rejects.toMatchObject({ code: 'hub-no-answer', message: expect.stringContaining('within 0.25 s') });
    peer.client.publish(`$iothub/twin/res/200/?$rid=${rid}`, '{"desired":{"$version":9},"reported":{"$version":9}}');
    for (const body of [
      '',
      '[]',
      '{"desired":{}}',
      `{"desired":{"$version":1,"a":${'['.repeat(5_000)}${']'.repeat(5_000)}},"reported":{"$version":1}}`,
    ]) {
      const asked = control.twin();
      const before = peer.published.length;
      await peer.until(() => peer.published.length > before);
      peer.client.publish(`$iothub/twin/res/200/?$rid=${ridOf(peer.published.at(-1)!.topic)}`, body);
      await expect(asked).rejects.toMatchObject({ code: 'hub-twin', retry: 'with-backoff' });
    }
    state.silent = false;
    expect((await control.twin()).desired.$version).toBe(1);
  });

  test('a link that is cut in the middle of a request', async () => {
    const peer = await startPeer();
    serveTwin(peer).silent = true;
    const session = await sessionWith(peer);
    const asked = Promise.allSettled([session.control.twin(), session.control.report({ a: 1 })]);
    await peer.until(() => peer.published.length === 2);
    peer.reset();
    for (const result of await asked) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'hub-link-lost' } });
    await expect(session.control.twin()).rejects.toBeInstanceOf(NotConnectedError);
    await expect(session.control.report({})).rejects.toBeInstanceOf(NotConnectedError);
  });

  test('a half-open link in the middle of a request and of a method: pings tell, and nothing hangs', async () => {
    const peer = await startPeer();
    serveTwin(peer);
    const session = await sessionWith(peer, { keepAlive: 1_000 });
    const finish = Promise.withResolvers<void>();
    session.control.onMethod(async () => {
      await finish.promise;
      return { status: 200 };
    });
    await session.control.twin();
    method(peer, 'slow', '1');
    peer.script.published = () => {};
    peer.script.pings = false;
    await expect(session.control.report({ a: 1 })).rejects.toMatchObject({ code: 'hub-silent' });
    expect(await session.closed).toMatchObject({ code: 'hub-silent' });
    finish.resolve();
    await settled();
    expect(answers(peer)).toEqual([]);
  });

  test('a subscription that is refused', async () => {
    const peer = await startPeer();
    peer.script.suback = () => 0x80;
    const { control } = await sessionWith(peer);
    await expect(control.twin()).rejects.toMatchObject({ code: 'hub-subscription' });
    await expect(control.report({})).rejects.toMatchObject({ code: 'hub-subscription' });
  });

  test('a subscription to something else that is refused holds up nothing', async () => {
    const peer = await startPeer();
    serveTwin(peer);
    peer.script.suback = (filter, qos) => (filter.includes('methods') ? 0x80 : qos);
    const { control } = await sessionWith(peer);
    control.onMethod(async () => ({ status: 200 }));
    expect((await control.twin()).desired.$version).toBe(1);
  });

  test('a half-open link in the middle of a subscription: the time-out counts', async () => {
    const peer = await startPeer();
    peer.script.suback = () => 'silent';
    const { control } = await sessionWith(peer, { answerTimeout: 200 });
    await expect(control.twin()).rejects.toMatchObject({ code: 'hub-no-answer' });
    expect(peer.published).toEqual([]);
  });
});

describe('desired properties', () => {
  async function listening(peer: StrictPeer, more: Partial<AzureSettings> = {}) {
    const session = await sessionWith(peer, more);
    const seen: TwinObject[] = [];
    session.control.onDesired((patch) => void seen.push(patch));
    return { session, control: session.control, seen };
  }

  test('come in order, each once, only what is newer than the document that was fetched', async () => {
    const peer = await startPeer();
    const state = serveTwin(peer);
    state.desired = { a: 1, $version: 5 };
    const { control, seen } = await listening(peer);
    await peer.until(() => peer.client.filters.size === 1);
    notice(peer, { a: 1, $version: 5 });
    notice(peer, { b: 2, $version: 6 });
    await settled();
    expect(seen).toEqual([]);
    expect((await control.twin()).desired).toEqual({ a: 1, $version: 5 });
    expect(seen).toEqual([]);
    for (const $version of [4, 7, 6, 8, 8, 9]) notice(peer, { n: $version, $version });
    await settled();
    expect(seen).toEqual([
      { b: 2, $version: 6 },
      { n: 7, $version: 7 },
      { n: 8, $version: 8 },
      { n: 9, $version: 9 },
    ]);
  });

  test('are given after the one who fetched has had his turn', async () => {
    const peer = await startPeer();
    const state = serveTwin(peer);
    const { control } = await sessionWith(peer);
    const story: string[] = [];
    control.onDesired(({ $version }) => void story.push(`patch ${$version}`));
    peer.script.published = (packet, client) => {
      const body = JSON.stringify({ desired: state.desired, reported: state.reported });
      // Both in one piece of TCP.
      client.publish(`$iothub/twin/res/200/?$rid=${ridOf(packet.topic)}`, body);
      client.publish('$iothub/twin/PATCH/properties/desired/?$version=2', '{"$version":2}');
    };
    await control.twin().then(({ desired }) => story.push(`whole ${desired.$version}`));
    await settled();
    expect(story).toEqual(['whole 1', 'patch 2']);
  });

  test('that went missing are fetched, and told as one patch with what was removed', async () => {
    const peer = await startPeer();
    const state = serveTwin(peer);
    state.desired = { keep: 1, gone: 2, deep: { x: 1, y: 2 }, $version: 1 };
    const { control, seen } = await listening(peer);
    await control.twin();
    state.desired = { keep: 1, deep: { x: 1, z: 3 }, list: [1], $version: 4 };
    notice(peer, { list: [1], $version: 4 });
    await peer.until(() => peer.published.length === 2);
    await settled();
    expect(seen).toEqual([{ gone: null, deep: { y: null, z: 3 }, list: [1], $version: 4 }]);
    notice(peer, { keep: 9, $version: 5 });
    await settled();
    expect(seen.at(-1)).toEqual({ keep: 9, $version: 5 });
  });

  test('that are garbage are fetched instead; the session goes on', async () => {
    const peer = await startPeer();
    const state = serveTwin(peer);
    const { control, seen, session } = await listening(peer);
    await control.twin();
    let version = 1;
    for (const body of [
      '',
      'null',
      '[1]',
      '{"a":',
      '\u0000\ufffd',
      `{"$version":${'9'.repeat(30)}}`,
      `{"a":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}}`,
    ]) {
      version++;
      state.desired = { version, $version: version };
      peer.client.publish('$iothub/twin/PATCH/properties/desired/', body);
      await peer.until(() => peer.published.length === version);
    }
    await settled();
    expect(seen.at(-1)).toEqual({ version, $version: version });
    await session.send(hubMessage('m-1'));
  });

  test('a handler that throws does not end the session', async () => {
    const peer = await startPeer();
    serveTwin(peer);
    const { control } = await sessionWith(peer);
    let calls = 0;
    control.onDesired(() => {
      calls++;
      throw new Error('broken');
    });
    await control.twin();
    notice(peer, { $version: 2 });
    notice(peer, { $version: 3 });
    await settled();
    expect(calls).toBe(2);
  });
});

describe('methods', () => {
  test('are answered with what the handler gives; the request id comes back as it was', async () => {
    const peer = await startPeer();
    const { control } = await sessionWith(peer);
    const calls: MethodCall[] = [];
    control.onMethod(async (call) => {
      calls.push(call);
      return { status: 201, payload: { got: call.payload ?? 'nothing' } };
    });
    await peer.until(() => peer.client.filters.size === 1);
    method(peer, 'ping', '1');
    method(peer, 'write', 'a%2Fb', '{"point":"p"}');
    method(peer, 'garbage', '3', '{"point":');
    method(peer, 'empty', '4', '');
    await peer.until(() => answers(peer).length === 4);
    expect(answers(peer)).toEqual([
      '$iothub/methods/res/201/?$rid=1 {"got":"nothing"}',
      '$iothub/methods/res/201/?$rid=a%2Fb {"got":{"point":"p"}}',
      '$iothub/methods/res/201/?$rid=3 {"got":"nothing"}',
      '$iothub/methods/res/201/?$rid=4 {"got":"nothing"}',
    ]);
    expect(calls.map(({ name, payload, raw }) => [name, payload, raw])).toEqual([
      ['ping', null, 'null'],
      ['write', { point: 'p' }, '{"point":"p"}'],
      ['garbage', undefined, '{"point":'],
      ['empty', undefined, ''],
    ]);
    expect(done('subscribe $iothub/methods/POST/# 0', peer)).toBe(1);
  });

  test.for<{ rule: string; handler: () => Promise<never>; says: string }>([
    {
      rule: 'throws',
      handler: async () => {
        throw new GatewayError('no', 'it does not move', { retry: 'never' });
      },
      says: '{"message":"it does not move","code":"no"}',
    },
    {
      rule: 'throws before it is a promise',
      handler: () => {
        throw new Error('at once');
      },
      says: '{"message":"at once"}',
    },
    { rule: 'gives no status', handler: async () => ({ payload: 1 }) as never, says: 'gave no status' },
    { rule: 'gives nothing', handler: async () => undefined as never, says: '{"message"' },
    { rule: 'gives what is no JSON', handler: async () => ({ status: 200, payload: 1n }) as never, says: '{"message"' },
    { rule: 'gives too much', handler: async () => ({ status: 200, payload: 'x'.repeat(140_000) }) as never, says: 'takes 131072' },
  ])('a handler that $rule is a 500', async ({ handler, says }) => {
    const peer = await startPeer();
    const { control } = await sessionWith(peer);
    control.onMethod(handler);
    await peer.until(() => peer.client.filters.size === 1);
    method(peer, 'm', '1');
    await peer.until(() => answers(peer).length === 1);
    expect(answers(peer)[0]).toContain('$iothub/methods/res/500/?$rid=1 ');
    expect(answers(peer)[0]).toContain(says);
  });

  test('that come before the handler wait for it', async () => {
    const peer = await startPeer();
    const { control } = await sessionWith(peer);
    method(peer, 'early', '1');
    await settled();
    control.onMethod(async ({ name }) => ({ status: 200, payload: name }));
    await peer.until(() => answers(peer).length === 1);
    expect(answers(peer)).toEqual(['$iothub/methods/res/200/?$rid=1 "early"']);
  });

  test('a link that is cut while one is at work: its answer meets nobody, the next session is not disturbed', async () => {
    const peer = await startPeer();
    const first = await sessionWith(peer);
    const finish = Promise.withResolvers<void>();
    first.control.onMethod(async () => {
      await finish.promise;
      return { status: 200 };
    });
    await peer.until(() => peer.client.filters.size === 1);
    method(peer, 'slow', '1');
    await settled();
    peer.reset();
    expect(await first.closed).toMatchObject({ code: 'hub-link-lost' });
    const second = await sessionWith(peer);
    finish.resolve();
    second.control.onMethod(async () => ({ status: 202 }));
    await peer.until(() => peer.client.filters.size === 1);
    method(peer, 'next', '2');
    await peer.until(() => answers(peer).length === 1);
    expect(answers(peer)).toEqual(['$iothub/methods/res/202/?$rid=2 null']);
  });

  test('more than 64 at once are told to come again', async () => {
    const peer = await startPeer();
    const { control } = await sessionWith(peer);
    const finish = Promise.withResolvers<void>();
    control.onMethod(async () => {
      await finish.promise;
      return { status: 200 };
    });
    await peer.until(() => peer.client.filters.size === 1);
    for (let i = 0; i < 70; i++) method(peer, 'm', String(i));
    await peer.until(() => answers(peer).length === 6);
    expect(answers(peer).every((one) => one.includes('/res/429/'))).toBe(true);
    finish.resolve();
    await peer.until(() => answers(peer).length === 70);
  });
});

describe('cloud-to-device messages', () => {
  test('are acknowledged when the handler is through, one after another', async () => {
    const peer = await startPeer();
    const { control } = await sessionWith(peer);
    const seen: CloudMessage[] = [];
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    control.onMessage(async (message) => {
      seen.push(message);
      await gates[seen.length - 1]!.promise;
    });
    await peer.until(() => peer.client.filters.size === 1);
    command(peer, 'c-1', 11);
    command(peer, 'c-2', 12);
    await settled();
    expect(seen.map(({ id }) => id)).toEqual(['c-1']);
    expect(seen[0]).toEqual({ id: 'c-1', body: Buffer.from('c-1'), properties: { '$.to': '/devices/gw-1', line: 'a/b' } });
    expect(done('puback 11', peer)).toBe(0);
    gates[0]!.resolve();
    await peer.until(() => done('puback 11', peer) === 1);
    expect(done('puback 12', peer)).toBe(0);
    gates[1]!.resolve();
    await peer.until(() => done('puback 12', peer) === 1);
    expect(done('subscribe devices/gw-1/messages/devicebound/# 1', peer)).toBe(1);
  });

  test('stay with the hub when the handler refuses, and when there is none', async () => {
    const peer = await startPeer();
    const { control } = await sessionWith(peer);
    command(peer, 'c-0', 10);
    await settled();
    control.onMessage(async ({ id }) => {
      if (id === 'c-1') throw new Error('not now');
    });
    command(peer, 'c-1', 11);
    command(peer, 'c-2', 12);
    await peer.until(() => done('puback 12', peer) === 1);
    expect(peer.events.filter((event) => event.startsWith('puback'))).toEqual(['puback 10', 'puback 12']);
  });

  test('that come in one piece with the CONNACK, because the hub kept the session', async () => {
    const peer = await startPeer();
    const topic = 'devices/gw-1/messages/devicebound/%24.mid=c-1';
    peer.script.withConnack = [{ cmd: 'publish', topic, payload: 'x', qos: 1, dup: true, retain: false, messageId: 3 }];
    const { control } = await sessionWith(peer);
    const seen: (string | undefined)[] = [];
    control.onMessage(async ({ id }) => void seen.push(id));
    await peer.until(() => done('puback 3', peer) === 1);
    expect(seen).toEqual(['c-1']);
  });

  test('with odd topics', async () => {
    const peer = await startPeer();
    const { control } = await sessionWith(peer);
    const seen: CloudMessage[] = [];
    control.onMessage(async (message) => void seen.push(message));
    await peer.until(() => peer.client.filters.size === 1);
    const at = 'devices/gw-1/messages/devicebound';
    for (const [index, topic] of [at, `${at}/`, `${at}/a&b=&c=%zz&__proto__=p`, 'devices/other/messages/devicebound/'].entries())
      peer.client.publish(topic, 'x', index + 1);
    await peer.until(() => done('puback 4', peer) === 1);
    expect(seen.map(({ properties }) => Object.entries(properties))).toEqual([
      [],
      [],
      [
        ['a', ''],
        ['b', ''],
        ['c', '%zz'],
        ['__proto__', 'p'],
      ],
    ]);
  });
});

describe('a renewal of the token', () => {
  test('subscribes again, fetches what was not told, and asks again what was not answered, in order', async () => {
    const peer = await startPeer();
    const state = serveTwin(peer);
    state.desired = { a: 1, gone: 1, $version: 1 };
    const { control } = await sessionWith(peer, { tokenLifetime: 2_500 });
    const seen: TwinObject[] = [];
    control.onDesired((patch) => void seen.push(patch));
    control.onMethod(async () => ({ status: 200 }));
    control.onMessage(async () => {});
    await control.twin();
    await peer.until(() => peer.connects.length === 1 && peer.events.includes('disconnect'), 4_000);
    // Nobody hears of this while no link is up.
    state.desired = { a: 2, $version: 3 };
    const reports = Promise.all([control.report({ n: 1 }), control.report({ n: 2 })]);
    await peer.until(() => peer.connects.length === 2 && peer.client.filters.size === 4);
    expect(await reports).toEqual([2, 3]);
    await settled();
    expect(seen).toEqual([{ a: 2, gone: null, $version: 3 }]);
    expect(peer.published.filter(({ topic }) => topic.includes('reported')).map(({ text }) => text)).toEqual(['{"n":1}', '{"n":2}']);
    expect(peer.events.filter((event) => event.startsWith('violation'))).toEqual([]);
    notice(peer, { b: 1, $version: 4 });
    await settled();
    expect(seen.at(-1)).toEqual({ b: 1, $version: 4 });
  });

  test('waits for a method and a message at work', async () => {
    const peer = await startPeer();
    const { control } = await sessionWith(peer, { tokenLifetime: 2_500 });
    const finish = Promise.withResolvers<void>();
    const seen: (string | undefined)[] = [];
    control.onMethod(async () => {
      await finish.promise;
      return { status: 200 };
    });
    control.onMessage(async ({ id }) => {
      seen.push(id);
      await finish.promise;
    });
    await peer.until(() => peer.client.filters.size === 2);
    method(peer, 'slow', '1');
    command(peer, 'c-1', 11);
    command(peer, 'c-2', 12);
    await settled(2_400);
    expect(peer.events).not.toContain('disconnect');
    finish.resolve();
    await peer.until(() => peer.events.includes('disconnect'));
    expect(answers(peer)).toEqual(['$iothub/methods/res/200/?$rid=1 null']);
    expect(peer.events.filter((event) => event.startsWith('puback'))).toEqual(['puback 11']);
    expect(seen).toEqual(['c-1']);
    // As a hub does that kept the session: the same message again.
    await peer.until(() => peer.connects.length === 2 && peer.client.filters.size === 2);
    command(peer, 'c-2', 1);
    await peer.until(() => done('puback 1', peer) === 1);
    expect(seen).toEqual(['c-1', 'c-2']);
  });

  test('a twin that was made anew ends the session: the next one begins from scratch', async () => {
    const peer = await startPeer();
    const state = serveTwin(peer);
    state.desired = { a: 1, $version: 8 };
    const session = await sessionWith(peer, { tokenLifetime: 2_500 });
    session.control.onDesired(() => {});
    await session.control.twin();
    state.desired = { $version: 1 };
    expect(await session.closed).toMatchObject({ code: 'hub-twin-anew', retry: 'with-backoff' });
  });
});
