import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { type MqttPeer, type PeerOptions, startMqttPeer } from '../../test/support/mqtt-peer.ts';
import { freePort } from '../../test/support/ports.ts';
import type { HubSession } from '../contract.ts';
import { connect } from './client.ts';
import { type AzureSettings, azure } from './definition.ts';

const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
const leftovers: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of leftovers.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function peerOf(options: PeerOptions = {}): Promise<MqttPeer> {
  const peer = await startMqttPeer(options);
  leftovers.push(peer);
  return peer;
}

const settingsOf = (more: Partial<AzureSettings> = {}): AzureSettings => ({
  ...azure.settings.parse({ connectionString: { file: 'hub' }, ca: 'ca' }),
  ...more,
});

async function sessionWith(
  peer: Pick<MqttPeer, 'port' | 'ca'>,
  more: Partial<AzureSettings> = {},
  files: Readonly<Record<string, string>> = {},
): Promise<HubSession> {
  const hub = `HostName=localhost:${peer.port};DeviceId=gw-1;SharedAccessKey=${key}`;
  const context = hubContext('.', { hub, ca: peer.ca.certificate, ...files });
  const session = await connect(settingsOf(more), context, new AbortController().signal);
  leftovers.push(session);
  return session;
}

/** What a connect was refused with. */
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

describe('what is sent', () => {
  test('CONNECT as IoT Hub wants it, with SNI', async () => {
    const peer = await peerOf();
    await sessionWith(peer);
    const [packet] = peer.connects;
    expect(packet).toMatchObject({ protocolId: 'MQTT', protocolVersion: 4, clean: false, clientId: 'gw-1', keepalive: 60 });
    expect(packet?.will).toBeUndefined();
    expect(packet?.username).toMatch(
      /^localhost\/gw-1\/\?api-version=2021-04-12&DeviceClientType=dragoman%20%28node%20[\d.]+%3B%20\w+%20\w+%29$/,
    );
    const password = String(packet?.password);
    expect(password).toMatch(/^SharedAccessSignature sr=localhost%2Fdevices%2Fgw-1&sig=[^&]+&se=\d+$/);
    const lifetimeS = Number(/se=(\d+)/.exec(password)?.[1]) - Date.now() / 1000;
    expect(lifetimeS).toBeGreaterThan(3_590);
    expect(lifetimeS).toBeLessThanOrEqual(3_600);
    expect(peer.servernames).toEqual(['localhost']);
  });

  test('PUBLISH with QoS 1, not retained, byte for byte', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer);
    await session.send({ ...hubMessage('gw-1-7-9', Buffer.from([0, 255, 10])), properties: { line: 'a/b' } });
    expect(peer.published[0]).toMatchObject({ qos: 1, retain: false, dup: false, payload: Buffer.from([0, 255, 10]) });
    expect(peer.published[0]?.topic).toBe(
      'devices/gw-1/messages/events/%24.mid=gw-1-7-9&%24.ct=application%2Fjson&%24.ce=utf-8&iothub-creation-time-utc=2026-11-24T08%3A00%3A01.250Z&line=a%2Fb',
    );
  });

  test('DISCONNECT at the end', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer);
    await session[Symbol.asyncDispose]();
    await peer.until(() => peer.events.includes('close'));
    expect(peer.events).toEqual(['connect', 'disconnect', 'close']);
  });

  test.for(['gzip', 'zstd'] as const)('bodies compressed with %s when asked, in order, and said so', async (compression) => {
    const { gunzipSync, zstdDecompressSync } = await import('node:zlib');
    const peer = await peerOf();
    const session = await sessionWith(peer, { compression });
    const ids = Array.from({ length: 20 }, (_, i) => `m-${i}`);
    await Promise.all(ids.map((id, i) => session.send(hubMessage(id, 'x'.repeat(i % 2 === 0 ? 200_000 : 1)))));
    const unpack = compression === 'gzip' ? gunzipSync : zstdDecompressSync;
    expect(peer.published.map(({ payload }) => unpack(payload as Buffer).length)).toEqual(ids.map((_, i) => (i % 2 === 0 ? 200_000 : 1)));
    expect(peer.published.every(({ topic }) => topic.includes(`%24.ce=${compression}&`))).toBe(true);
  });

  test('what comes compressed already goes as it is', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer, { compression: 'zstd' });
    await session.send({ ...hubMessage('m', Buffer.from('stored')), contentEncoding: 'zstd' });
    expect(String(peer.published[0]?.payload)).toBe('stored');
  });
});

describe('X.509', () => {
  test('shows the certificate, sends no password', async () => {
    const peer = await peerOf({ requestCert: true });
    const device = await issue(peer.ca, { commonName: 'gw-1', dns: [] });
    const settings = azure.settings.parse({
      host: `localhost:${peer.port}`,
      certificate: 'crt',
      privateKey: 'key',
      ca: 'ca',
      deviceId: 'gw-1',
    });
    const context = hubContext('.', { crt: device.certificate, key: device.privateKey, ca: peer.ca.certificate });
    leftovers.push(await connect(settings, context, new AbortController().signal));
    expect(peer.clients).toEqual(['gw-1']);
    expect(peer.connects[0]?.password).toBeUndefined();
    peer.script.connack = 5;
    const error = await refusalOf(connect(settings, context, new AbortController().signal));
    expect(error.hint?.toLowerCase()).toContain(device.sha1);
  });

  test.for([
    { rule: 'a key of another certificate', swap: 'key', says: /does not belong to the certificate crt/ },
    { rule: 'a certificate that is none', swap: 'crt', says: /crt holds no certificate in PEM form/ },
  ])('refuses $rule before it connects', async ({ swap, says }) => {
    const ca = await makeCa();
    const [device, other] = [await issue(ca, { commonName: 'a' }), await issue(ca, { commonName: 'b' })];
    const files = { crt: swap === 'crt' ? 'nonsense' : device.certificate, key: other.privateKey };
    const settings = azure.settings.parse({ host: 'localhost:1', certificate: 'crt', privateKey: 'key' });
    const error = await refusalOf(connect(settings, hubContext('.', files), new AbortController().signal));
    expect(error).toMatchObject({ code: 'hub-certificate', retry: 'after-fix' });
    expect(error.message).toMatch(says);
  });
});

describe('a connect that fails says where, why and what to do', () => {
  test.for([
    { connack: 1, code: 'hub-protocol', retry: 'after-fix', transient: false, hint: /IoT Hub\?/ },
    { connack: 2, code: 'hub-device', retry: 'after-fix', transient: false, hint: /upper and lower case/ },
    { connack: 3, code: 'hub-unavailable', retry: 'with-backoff', transient: true, hint: undefined },
    { connack: 4, code: 'hub-credentials', retry: 'after-fix', transient: false, hint: /enabled.*key.*clock.*\d{4}-\d\d-\d\dT/ },
    { connack: 5, code: 'hub-credentials', retry: 'after-fix', transient: false, hint: /enabled.*key.*clock.*\d{4}-\d\d-\d\dT/ },
    { connack: 'close', code: 'hub-refused', retry: 'with-backoff', transient: true, hint: /IP filter/ },
  ] as const)('CONNACK $connack: $code', async ({ connack, code, retry, transient, hint }) => {
    const peer = await peerOf();
    peer.script.connack = connack;
    const error = await refusalOf(sessionWith(peer));
    expect(error).toMatchObject({ code, retry });
    expect(error instanceof NotConnectedError).toBe(transient);
    expect(error.message).toContain(`localhost:${peer.port}`);
    if (hint) expect(error.hint).toMatch(hint);
  });

  test('no CONNACK at all', async () => {
    const peer = await peerOf();
    peer.script.connack = 'silent';
    const error = await refusalOf(sessionWith(peer, { connectTimeout: 200 }));
    expect(error).toMatchObject({ code: 'hub-unreachable', retry: 'with-backoff' });
    expect(error.message).toMatch(/did not answer CONNECT within 0.2 s/);
  });

  test('nothing listens', async () => {
    const peer = { port: await freePort(), ca: await makeCa() };
    const error = await refusalOf(sessionWith(peer));
    expect(error).toBeInstanceOf(NotConnectedError);
    expect(error.message).toBe(`Nothing listens on localhost:${peer.port} (ECONNREFUSED).`);
  });

  test('a port that accepts and stays silent, one that hangs up, one that speaks something else', async () => {
    const ca = await makeCa();
    for (const { answer, code, says } of [
      { answer: 'silence', code: 'hub-unreachable', says: /did not answer in time/ },
      { answer: 'end', code: 'hub-unreachable', says: /cut the connection before it was up/ },
      { answer: 'plain', code: 'hub-tls', says: /does not speak TLS/ },
    ]) {
      await using listener = createServer((socket) => {
        socket.on('error', () => {});
        socket.on('data', () => {});
        if (answer === 'end') socket.end();
        if (answer === 'plain') socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
        leftovers.push({ [Symbol.asyncDispose]: async () => void socket.destroy() });
      }).listen(0, '127.0.0.1');
      const { promise, resolve } = Promise.withResolvers<void>();
      listener.once('listening', resolve);
      await promise;
      const address = listener.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      const error = await refusalOf(sessionWith({ port, ca }, { connectTimeout: 300 }));
      expect(error.code, answer).toBe(code);
      expect(error.message).toMatch(says);
      await Promise.all(leftovers.splice(0).map((one) => one[Symbol.asyncDispose]()));
    }
  });

  test('a name that does not exist', async () => {
    const ca = await makeCa();
    const context = hubContext('.', { hub: `HostName=no-such-hub.invalid;DeviceId=d;SharedAccessKey=${key}`, ca: ca.certificate });
    const error = await refusalOf(connect(settingsOf(), context, new AbortController().signal));
    expect(error).toBeInstanceOf(NotConnectedError);
    expect(error.message).toMatch(/no-such-hub\.invalid:8883 \((ENOTFOUND|EAI_AGAIN)\)/);
  });

  const hourMs = 3_600_000;
  test.for([
    { rule: 'a root that is not ours', server: {}, foreign: true, code: 'hub-tls-untrusted', hint: /ca:/ },
    { rule: 'another name', server: { dns: ['other.example'] }, code: 'hub-tls-name', hint: /Write one of these names/ },
    { rule: 'expired', server: { notAfter: new Date(Date.now() - hourMs) }, code: 'hub-tls-expired', hint: /clock of this gateway says/ },
    {
      rule: 'not yet valid',
      server: { notBefore: new Date(Date.now() + hourMs) },
      code: 'hub-tls-not-yet-valid',
      hint: /clock of this gateway says/,
    },
  ])('a certificate of $rule: $code', async ({ server, foreign, code, hint }) => {
    const ca = await makeCa();
    const peer = await peerOf({ ca, server: await issue(ca, { commonName: 'localhost', ...server }) });
    const error = await refusalOf(sessionWith({ port: peer.port, ca: foreign ? await makeCa() : ca }));
    expect(error).toMatchObject({ code, retry: 'after-fix' });
    expect(error).not.toBeInstanceOf(NotConnectedError);
    expect(error.message).toContain(`localhost:${peer.port}`);
    expect(error.hint).toMatch(hint);
    expect(peer.connects).toEqual([]);
  });
});

describe('a link that goes', () => {
  const cases: { rule: string; act: (peer: MqttPeer) => void; code: string }[] = [
    { rule: 'closed by the hub', act: (peer) => peer.close(), code: 'hub-closed' },
    { rule: 'reset', act: (peer) => peer.reset(), code: 'hub-link-lost' },
    { rule: 'a second CONNACK', act: (peer) => peer.send({ cmd: 'connack', returnCode: 0, sessionPresent: false }), code: 'hub-link-lost' },
  ];
  test.for(cases)('$rule: $code, and what was under way is rejected', async ({ act, code }) => {
    const peer = await peerOf();
    const session = await sessionWith(peer);
    peer.script.puback = 'by-hand';
    const sends = Promise.allSettled([session.send(hubMessage('m-1')), session.send(hubMessage('m-2'))]);
    await peer.until(() => peer.published.length === 2);
    act(peer);
    expect(await session.closed).toMatchObject({ code, retry: 'with-backoff' });
    for (const result of await sends) expect(result).toMatchObject({ status: 'rejected', reason: { code } });
    await expect(session.send(hubMessage('m-3'))).rejects.toBeInstanceOf(NotConnectedError);
  });

  test('half open, idle: found out by the ping', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer, { keepAlive: 1_000 });
    peer.script.pings = false;
    expect(await session.closed).toMatchObject({ code: 'hub-silent' });
    expect(peer.events).toContain('pingreq');
  });

  test.for([
    { rule: 'half open, messages under way: no acknowledgement, no answer to the ping', pings: false, code: 'hub-silent' },
    { rule: 'throttled: no acknowledgement, but answers to the ping', pings: true, code: 'hub-throttled' },
  ])('$rule: $code; an acknowledgement gives new time', async ({ pings, code }) => {
    const peer = await peerOf();
    const session = await sessionWith(peer, { ackTimeout: 400 });
    Object.assign(peer.script, { puback: 'by-hand', pings });
    const startMs = performance.now();
    const first = session.send(hubMessage('m-1'));
    const second = session.send(hubMessage('m-2')).catch((error: unknown) => error);
    await peer.until(() => peer.published.length === 2);
    setTimeout(() => peer.ackNext(), 250);
    await first;
    expect(await session.closed).toMatchObject({ code, message: expect.stringContaining('none of 1 messages for 0.4 s') });
    expect(performance.now() - startMs).toBeGreaterThan(600);
    expect(await second).toMatchObject({ code });
  });

  test('acknowledgements of nothing do no harm', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer);
    peer.send({ cmd: 'puback', messageId: 4_711 });
    await session.send(hubMessage('m-1'));
    expect(peer.published).toHaveLength(1);
  });
});

test('never more under way than the window', async () => {
  const peer = await peerOf();
  const session = await sessionWith(peer, { window: 3 });
  peer.script.puback = 'by-hand';
  const sends = Array.from({ length: 20 }, (_, i) => session.send(hubMessage(`m-${i}`)));
  for (let done = 3; done <= 20; done++) {
    await peer.until(() => peer.published.length >= done);
    peer.ackNext();
  }
  peer.ackNext(20);
  await Promise.all(sends);
  expect(peer.mostUnacked()).toBe(3);
});

describe('renewal', () => {
  test('waits for what is under way, says DISCONNECT, comes with a fresh token, then sends what waited', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer, { tokenLifetime: 1_000 });
    peer.script.puback = 'by-hand';
    const first = session.send(hubMessage('m-1'));
    await peer.until(() => peer.published.length === 1);
    // Well inside the renewal, which stands still until m-1 is acknowledged.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const second = session.send(hubMessage('m-2'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(peer.published).toHaveLength(1);
    peer.script.puback = 'at-once';
    peer.ackNext();
    await Promise.all([first, second]);
    expect(peer.events.slice(0, 6)).toEqual(['connect', 'publish', 'disconnect', 'close', 'connect', 'publish']);
    const [before, after] = peer.connects.map(({ password }) => Number(/se=(\d+)/.exec(String(password))?.[1]));
    expect(after).toBeGreaterThan(before!);
  });

  test('that is refused ends the session with the reason; what waited is rejected as not connected', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer, { tokenLifetime: 1_000 });
    peer.script.connack = 5;
    await peer.until(() => peer.events.includes('disconnect'));
    const waited = session.send(hubMessage('m-1')).catch((error: unknown) => error);
    expect(await session.closed).toMatchObject({ code: 'hub-credentials', retry: 'after-fix' });
    expect(await waited).toBeInstanceOf(NotConnectedError);
    await expect(session.send(hubMessage('m-2'))).rejects.toBeInstanceOf(NotConnectedError);
  });

  test('uses a key that was rotated meanwhile', async () => {
    const peer = await peerOf();
    const files: Record<string, string> = {
      hub: `HostName=localhost:${peer.port};DeviceId=gw-1;SharedAccessKey=${key}`,
      ca: peer.ca.certificate,
    };
    leftovers.push(await connect(settingsOf({ tokenLifetime: 1_000 }), hubContext('.', files), new AbortController().signal));
    files.hub = files.hub!.replace(key, Buffer.from('another key').toString('base64'));
    await peer.until(() => peer.connects.length >= 2);
    const signatureOf = (text: string): string => /sig=([^&]+)/.exec(text)?.[1] ?? '';
    const { sasToken } = await import('./sas.ts');
    const second = String(peer.connects[1]?.password);
    const expiresAtS = Number(/se=(\d+)/.exec(second)?.[1]);
    const expected = sasToken({ resource: 'localhost/devices/gw-1', key: Buffer.from('another key'), expiresAtS });
    expect(signatureOf(second)).toBe(signatureOf(expected));
  });

  test('in the middle of which the session is disposed', async () => {
    const peer = await peerOf();
    const session = await sessionWith(peer, { tokenLifetime: 1_000 });
    peer.script.connack = 'silent';
    await peer.until(() => peer.connects.length === 2);
    const startMs = performance.now();
    await session[Symbol.asyncDispose]();
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(await session.closed).toBeUndefined();
    await peer.until(() => peer.events.filter((event) => event === 'close').length === 2);
  });
});
