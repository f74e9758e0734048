import { createServer } from 'node:net';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { HubContext, HubMessage, HubSession } from '../contract.ts';
import { connect } from './client.ts';
import { mqtt } from './definition.ts';
import { type Peer, type Script, startPeer } from './testcases/peer.ts';

const leftovers: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of leftovers.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function peerOf(script: Partial<Script> = {}): Promise<Peer> {
  const peer = await startPeer(script);
  leftovers.push(peer);
  return peer;
}

const state = tempFolder();
afterAll(() => state[Symbol.dispose]());

async function sessionWith(port: number, more: object = {}, context: HubContext = hubContext(state.path)): Promise<HubSession> {
  const settings = mqtt.settings.parse({ url: `mqtt://127.0.0.1:${port}`, status: false, ...more });
  const session = await connect(settings, context, new AbortController().signal);
  leftovers.push(session);
  return session;
}

const refusalOf = (attempt: Promise<unknown>): Promise<GatewayError> =>
  attempt.then(
    () => {
      throw new Error('it connected');
    },
    (error: unknown) => {
      if (error instanceof GatewayError) return error;
      throw error;
    },
  );

const about = { equipment: 'press/1', path: 'candyco/leeds kitchen', message: 'process', priority: 'telemetry' } as const;

describe('what is sent', () => {
  test('CONNECT: clean, client id, will; credentials from secrets', async () => {
    const peer = await peerOf();
    await sessionWith(
      peer.port,
      { user: { env: 'USER' }, password: { file: 'pw' }, status: undefined, keepAlive: '30s' },
      hubContext('.', { USER: 'gateway', pw: 'secret' }),
    );
    expect(peer.connects[0]).toMatchObject({
      protocolVersion: 5,
      clean: true,
      clientId: 'gw-test-1',
      keepalive: 30,
      username: 'gateway',
      password: Buffer.from('secret'),
      properties: { sessionExpiryInterval: 0 },
      will: { topic: 'candyco/leeds/gw-test-1/status', qos: 1, retain: true },
    });
    expect(JSON.parse(String(peer.connects[0]?.will?.payload))).toMatchObject({
      gateway: 'gw-test-1',
      state: 'offline',
      reason: 'link lost',
    });
  });

  test('PUBLISH with QoS 1 on the topic of the machine, with what MQTT 5 can say of it', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer.port, { messageExpiry: '1h' });
    expect(session.grain).toBe('event');
    await session.send({ ...hubMessage('m-1', 'äöü'), about, properties: { shift: 'early' } });
    expect(peer.published[0]).toMatchObject({
      topic: 'candyco/leeds%20kitchen/press%2F1/process',
      qos: 1,
      retain: false,
      dup: false,
      payload: Buffer.from('äöü'),
      properties: {
        payloadFormatIndicator: true,
        messageExpiryInterval: 3_600,
        contentType: 'application/json',
        userProperties: {
          id: 'm-1',
          source: '/candyco/leeds/gw-test-1',
          subject: 'press/1',
          time: '2026-11-24T08:00:01.250Z',
          shift: 'early',
        },
      },
    });
  });

  const retains: { rule: string; topic?: string; retain?: boolean; message: Partial<HubMessage>; kept: boolean }[] = [
    { rule: 'one topic a machine', message: { about }, kept: false },
    { rule: 'the message says so', message: { about, retain: true }, kept: true },
    { rule: 'one topic a tag', topic: '{equipment}/{point}', message: { about: { ...about, point: 'a' } }, kept: true },
    { rule: 'a gap on the topics of tags', topic: '{equipment}/{point}', message: { about: { ...about, message: 'gap' } }, kept: false },
    { rule: 'settings against it', topic: '{equipment}/{point}', retain: false, message: { about: { ...about, point: 'a' } }, kept: false },
    { rule: 'settings for it', retain: true, message: {}, kept: true },
  ];
  test.for(retains)('retained or not: $rule: $kept', async ({ topic, retain, message, kept }) => {
    const peer = await peerOf();
    const session = await sessionWith(peer.port, { ...(topic ? { topic } : {}), ...(retain === undefined ? {} : { retain }) });
    await session.send({ ...hubMessage('m-1'), ...message });
    expect(peer.published[0]?.retain).toBe(kept);
  });

  test('the status: online first, offline before DISCONNECT', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer.port, { status: 'state/{gateway}' });
    await session.send(hubMessage('m-1'));
    await session[Symbol.asyncDispose]();
    await peer.until(() => peer.events.includes('close'));
    expect(peer.published.map(({ topic, retain }) => [topic, retain])).toEqual([
      ['state/gw-test-1', true],
      ['gw-test-1/telemetry', false],
      ['state/gw-test-1', true],
    ]);
    const [online, , offline] = peer.published.map(({ payload }) => JSON.parse(String(payload)) as Record<string, unknown>);
    expect(online).toMatchObject({ gateway: 'gw-test-1', state: 'online' });
    expect(offline).toMatchObject({ gateway: 'gw-test-1', state: 'offline', reason: 'stopped', boot: online?.boot });
    expect(peer.events.slice(-2)).toEqual(['disconnect', 'close']);
  });

  test.for(['gzip', 'zstd'] as const)('bodies compressed with %s when asked, in order, and said so', async (compression) => {
    const peer = await peerOf();
    const session = await sessionWith(peer.port, { compression });
    const ids = Array.from({ length: 20 }, (_, i) => `m-${i}`);
    await Promise.all(ids.map((id, i) => session.send(hubMessage(id, 'x'.repeat(i % 2 === 0 ? 200_000 : 1)))));
    const unpack = compression === 'gzip' ? gunzipSync : zstdDecompressSync;
    expect(peer.published.map(({ payload }) => unpack(payload as Buffer).length)).toEqual(ids.map((_, i) => (i % 2 === 0 ? 200_000 : 1)));
    expect(peer.published.map(({ properties }) => properties?.userProperties?.['content-encoding'])).toEqual(ids.map(() => compression));
    expect(peer.published[0]?.properties?.payloadFormatIndicator).toBeFalsy();
  });

  test('what comes compressed already goes as it is', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer.port, { compression: 'zstd' });
    await session.send({ ...hubMessage('m', Buffer.from('stored')), contentEncoding: 'zstd' });
    expect(String(peer.published[0]?.payload)).toBe('stored');
    expect(peer.published[0]?.properties?.userProperties).toMatchObject({ 'content-encoding': 'zstd' });
  });

  test('MQTT 3.1.1 carries no properties; compression there only when it is asked for unmarked', async () => {
    const peer = await peerOf({ versions: [4] });
    const session = await sessionWith(peer.port, { compression: 'gzip', unmarkedCompression: true });
    await session.send(hubMessage('m-1', 'body'));
    expect(peer.published[0]?.properties).toBeUndefined();
    expect(String(gunzipSync(peer.published[0]?.payload as Buffer))).toBe('body');
    await expect(sessionWith(peer.port, { compression: 'gzip' })).rejects.toMatchObject({
      code: 'hub-compression',
      retry: 'after-fix',
      message: expect.stringContaining(`127.0.0.1:${peer.port}`),
    });
  });
});

describe('versions', () => {
  test.for(['code 1', 'close', 'reset'] as const)(
    'a broker that answers MQTT 5 with %s is spoken to in 3.1.1, and that is remembered',
    async (otherVersion) => {
      const peer = await peerOf({ versions: [4], otherVersion });
      await sessionWith(peer.port);
      await sessionWith(peer.port);
      expect(peer.connects.map(({ protocolVersion }) => protocolVersion)).toEqual([5, 4, 4]);
    },
  );

  test('a broker in trouble refuses both, and is not remembered as old', async () => {
    const peer = await peerOf({ connack: 'close' });
    expect(await refusalOf(sessionWith(peer.port))).toMatchObject({
      code: 'hub-hung-up',
      retry: 'with-backoff',
      hint: expect.stringContaining('mqtts://'),
    });
    peer.script.connack = {};
    await sessionWith(peer.port);
    expect(peer.connects.map(({ protocolVersion }) => protocolVersion)).toEqual([5, 4, 5]);
  });

  test('a refusal in MQTT 5 is an answer', async () => {
    const peer = await peerOf({ connack: { code: 128 } });
    expect(await refusalOf(sessionWith(peer.port))).toMatchObject({ code: 'hub-refused', retry: 'with-backoff' });
    expect(peer.connects).toHaveLength(1);
  });

  test('version 5 alone does not fall back', async () => {
    const peer = await peerOf({ versions: [4], otherVersion: 'code 1' });
    expect(await refusalOf(sessionWith(peer.port, { version: 5 }))).toMatchObject({ code: 'hub-protocol', retry: 'after-fix' });
    expect(peer.connects).toHaveLength(1);
  });
});

describe('a connect that fails says where, why and what to do', () => {
  test.for([
    { version: '5', code: 134, is: 'hub-credentials', retry: 'after-fix', hint: /user, password/ },
    { version: '5', code: 135, is: 'hub-not-authorized', retry: 'after-fix', hint: /user, password/ },
    { version: '5', code: 133, is: 'hub-client-id', retry: 'after-fix', hint: /clientId/ },
    { version: '5', code: 138, is: 'hub-not-authorized', retry: 'after-fix', hint: /./ },
    { version: '5', code: 137, is: 'hub-throttled', retry: 'with-backoff', hint: undefined },
    { version: '5', code: 159, is: 'hub-throttled', retry: 'with-backoff', hint: undefined },
    { version: '5', code: 154, is: 'hub-retain', retry: 'after-fix', hint: /status: false/ },
    { version: '5', code: 200, is: 'hub-refused', retry: 'with-backoff', hint: undefined },
    { version: '3.1.1', code: 2, is: 'hub-client-id', retry: 'after-fix', hint: /clientId/ },
    { version: '3.1.1', code: 3, is: 'hub-unavailable', retry: 'with-backoff', hint: undefined },
    { version: '3.1.1', code: 4, is: 'hub-credentials', retry: 'after-fix', hint: /user, password/ },
    { version: '3.1.1', code: 5, is: 'hub-not-authorized', retry: 'after-fix', hint: /user, password/ },
  ] as const)('CONNACK $code of $version: $is', async ({ version, code, is, retry, hint }) => {
    const peer = await peerOf({ connack: { code } });
    const error = await refusalOf(sessionWith(peer.port, { version }));
    expect(error).toMatchObject({ code: is, retry });
    expect(error instanceof NotConnectedError).toBe(retry === 'with-backoff');
    expect(error.message).toContain(`127.0.0.1:${peer.port}`);
    if (hint) expect(error.hint).toMatch(hint);
  });

  test('no CONNACK at all', async () => {
    const peer = await peerOf({ connack: 'silent' });
    const error = await refusalOf(sessionWith(peer.port, { connectTimeout: '1s' }));
    expect(error).toMatchObject({ code: 'hub-unreachable', retry: 'with-backoff', message: expect.stringContaining('within 1 s') });
  });

  test('nothing listens; a port that speaks no TLS; a web server without web socket', async () => {
    const port = await freePort();
    for (const protocol of ['mqtt', 'mqtts', 'ws']) {
      const error = await refusalOf(sessionWith(port, { url: `${protocol}://127.0.0.1:${port}/` }));
      expect(error).toMatchObject({ code: 'hub-unreachable', message: `Nothing listens on 127.0.0.1:${port} (ECONNREFUSED).` });
    }
    await using web = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => web.once('listening', resolve));
    const address = web.address();
    const at = typeof address === 'object' && address ? address.port : 0;
    expect(await refusalOf(sessionWith(at, { url: `mqtts://127.0.0.1:${at}` }))).toMatchObject({ code: 'hub-tls', hint: /1883 is plain/ });
    expect(await refusalOf(sessionWith(at, { url: `ws://127.0.0.1:${at}/nope` }))).toMatchObject({
      code: 'hub-web-socket',
      retry: 'after-fix',
      message: expect.stringContaining('404'),
    });
  });
});

describe('what the broker answers to a message', () => {
  test('no matching subscribers is no error', async () => {
    const peer = await peerOf({ puback: 16 });
    const session = await sessionWith(peer.port);
    await session.send(hubMessage('m-1'));
  });

  test.for([
    { code: 144, is: 'message-topic' },
    { code: 153, is: 'message-format' },
  ])('PUBACK $code: never, and the session goes on', async ({ code, is }) => {
    const peer = await peerOf({ puback: code, reasonString: 'not mine' });
    const session = await sessionWith(peer.port);
    const error = await refusalOf(session.send(hubMessage('m-1')));
    expect(error).toMatchObject({ code: is, retry: 'never', message: expect.stringContaining('not mine') });
    expect(error).not.toBeInstanceOf(NotConnectedError);
    peer.script.puback = 0;
    await session.send(hubMessage('m-2'));
  });

  test.for([
    { code: 151, is: 'hub-throttled', retry: 'with-backoff' },
    { code: 135, is: 'hub-not-authorized', retry: 'after-fix' },
  ])('PUBACK $code: $is ends the session; nothing overtakes', async ({ code, is, retry }) => {
    const peer = await peerOf({ puback: 'by-hand' });
    const session = await sessionWith(peer.port);
    const sends = ['m-1', 'm-2', 'm-3'].map((id) => session.send(hubMessage(id)).catch((error: unknown) => error));
    await peer.until(() => peer.published.length === 3);
    peer.ack();
    await sends[0];
    peer.script.puback = code;
    peer.ack();
    expect(await session.closed).toMatchObject({ code: is, retry });
    expect(await sends[0]).toBeUndefined();
    expect(await Promise.all(sends.slice(1))).toMatchObject([{ code: is }, { code: is }]);
    expect(await sends[1]).toBeInstanceOf(NotConnectedError);
  });

  test('an error without a name: again with the next session, given up after five', async () => {
    const peer = await peerOf({ puback: 128 });
    for (let i = 0; i < 4; i++) {
      const session = await sessionWith(peer.port);
      expect(await refusalOf(session.send(hubMessage('m-1')))).toMatchObject({ code: 'hub-refused', retry: 'with-backoff' });
    }
    const session = await sessionWith(peer.port);
    const error = await refusalOf(session.send(hubMessage('m-1')));
    expect(error).toMatchObject({ code: 'message-refused', retry: 'never' });
    expect(error).not.toBeInstanceOf(NotConnectedError);
  });
});

describe('limits of the broker', () => {
  test('receive maximum: never more under way', async () => {
    const peer = await peerOf({ connack: { properties: { receiveMaximum: 3 } }, puback: 'by-hand' });
    const session = await sessionWith(peer.port, { window: 10, status: 'status' });
    expect(session.window).toBe(3);
    const sends = Array.from({ length: 20 }, (_, i) => session.send(hubMessage(`m-${i}`)));
    for (let done = 3; done <= 21; done++) {
      await peer.until(() => peer.published.length >= done);
      peer.ack();
    }
    peer.ack(21);
    await Promise.all(sends);
    expect(peer.mostUnacked()).toBe(3);
  });

  test('maximum packet size: told to the encoder, kept to the byte', async () => {
    const peer = await peerOf({ connack: { properties: { maximumPacketSize: 10_000 } } });
    const session = await sessionWith(peer.port);
    expect(session.maxBodyBytes).toBe(10_000 - 2_048);
    let largest = 0;
    for (let size = 9_000; size < 10_000; size++) {
      const sent = await session.send(hubMessage('m-1', 'x'.repeat(size))).then(
        () => true,
        (error: GatewayError) => {
          expect(error).toMatchObject({ code: 'message-too-large', retry: 'never' });
          return false;
        },
      );
      if (!sent) break;
      largest = size;
    }
    const { generate } = await import('mqtt-packet');
    const packet = peer.published.at(-1)!;
    expect((packet.payload as Buffer).length).toBe(largest);
    expect(generate(packet, { protocolVersion: 5 }).length).toBe(10_000);
  });

  test('no retained messages', async () => {
    const peer = await peerOf({ connack: { properties: { retainAvailable: false } } });
    const session = await sessionWith(peer.port, { retain: true, status: false });
    await session.send(hubMessage('m-1'));
    expect(peer.published[0]?.retain).toBe(false);
  });
});

test('a topic that comes out empty is refused for good', async () => {
  const peer = await peerOf();
  const session = await sessionWith(peer.port, { topic: '{path}' });
  expect(await refusalOf(session.send(hubMessage('m-1')))).toMatchObject({ code: 'message-topic', retry: 'never', hint: /without path/ });
});

describe('a link that goes', () => {
  const cases: { rule: string; act: (peer: Peer) => void; code: string; retry: string; hint?: RegExp }[] = [
    { rule: 'closed by the broker', act: (peer) => peer.close(), code: 'hub-closed', retry: 'with-backoff' },
    { rule: 'no MQTT', act: (peer) => peer.raw([0x40, 3, 0, 1, 0x55]), code: 'hub-link-lost', retry: 'with-backoff' },
    { rule: 'reset', act: (peer) => peer.reset(), code: 'hub-link-lost', retry: 'with-backoff' },
    {
      rule: 'taken over',
      act: (peer) => peer.send({ cmd: 'disconnect', reasonCode: 142 }),
      code: 'hub-taken-over',
      retry: 'after-fix',
      hint: /clientId/,
    },
    { rule: 'shut down', act: (peer) => peer.send({ cmd: 'disconnect', reasonCode: 139 }), code: 'hub-unavailable', retry: 'with-backoff' },
    { rule: 'quota', act: (peer) => peer.send({ cmd: 'disconnect', reasonCode: 151 }), code: 'hub-throttled', retry: 'with-backoff' },
  ];
  test.for(cases)('$rule: $code, and what was under way is rejected', async ({ act, code, retry, hint }) => {
    const peer = await peerOf({ puback: 'by-hand' });
    const session = await sessionWith(peer.port);
    const sends = Promise.allSettled([session.send(hubMessage('m-1')), session.send(hubMessage('m-2'))]);
    await peer.until(() => peer.published.length === 2);
    act(peer);
    if (code !== 'hub-closed' && code !== 'hub-link-lost') peer.close();
    const reason = await session.closed;
    expect(reason).toMatchObject({ code, retry });
    if (hint) expect((reason as GatewayError).hint).toMatch(hint);
    for (const result of await sends) expect(result).toMatchObject({ status: 'rejected', reason: { code } });
    await expect(session.send(hubMessage('m-3'))).rejects.toBeInstanceOf(NotConnectedError);
  });

  test('closed again and again, soon after it was up: another client of the same id; one that lasts is forgiven', async () => {
    const peer = await peerOf();
    const closed = async (): Promise<GatewayError> => {
      const session = await sessionWith(peer.port);
      peer.close();
      return (await session.closed) as GatewayError;
    };
    const seen = [await closed(), await closed(), await closed(), await closed()];
    expect(seen.map(({ code, retry }) => `${code} ${retry}`)).toEqual([
      'hub-closed with-backoff',
      'hub-closed with-backoff',
      'hub-closed after-fix',
      'hub-closed after-fix',
    ]);
    expect(seen[3]).toMatchObject({ message: expect.stringContaining('4 times'), hint: expect.stringContaining('same client id') });
    await (await sessionWith(peer.port))[Symbol.asyncDispose]();
    expect(await closed()).toMatchObject({ retry: 'with-backoff' });
  });

  test('half open, idle: found out by the ping', async () => {
    const peer = await peerOf({ pings: false });
    const session = await sessionWith(peer.port, { keepAlive: '1s' });
    expect(await session.closed).toMatchObject({ code: 'hub-silent' });
  });

  test.for([
    { rule: 'half open, messages under way', pings: false, code: 'hub-silent' },
    { rule: 'throttled: no acknowledgement, but answers to pings', pings: true, code: 'hub-throttled' },
  ])('$rule: $code', async ({ pings, code }) => {
    const peer = await peerOf({ puback: 'by-hand', pings });
    const session = await sessionWith(peer.port, { ackTimeout: '1s' });
    const send = session.send(hubMessage('m-1')).catch((error: unknown) => error);
    expect(await session.closed).toMatchObject({ code, message: expect.stringContaining('none of 1 messages for 1 s') });
    expect(await send).toMatchObject({ code });
  });

  test('half open under Sparkplug: a batch that nobody answers for ends the session', async () => {
    const peer = await peerOf({ pings: false });
    const session = await sessionWith(peer.port, { status: undefined, sparkplug: { group: 'g' }, ackTimeout: '1s' });
    const send = session.sendEvents?.([]).catch((error: unknown) => error);
    expect(await session.closed).toMatchObject({ code: 'hub-silent' });
    expect(await send).toBeInstanceOf(NotConnectedError);
  });
});

test('Sparkplug: batches sent in one turn share one question', async () => {
  const peer = await peerOf();
  const session = await sessionWith(peer.port, { status: undefined, sparkplug: { group: 'g' } });
  await Promise.all(Array.from({ length: 16 }, () => session.sendEvents?.([])));
  expect(peer.events.filter((event) => event === 'pingreq')).toHaveLength(1);
});
