import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Link, Login } from './link.ts';
import { openNegotiated } from './negotiate.ts';

/** What a broker that no package offers answers to CONNECT; undefined: closes. */
type Answer = (connect: IConnectPacket) => readonly Packet[] | undefined;

let open: AsyncDisposableStack;
beforeEach(() => {
  open = new AsyncDisposableStack();
});
afterEach(() => open.disposeAsync());

async function broker(answer: Answer): Promise<{ readonly login: Login; readonly versions: number[] }> {
  const versions: number[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const packets = parser();
    packets.on('error', () => socket.destroy());
    packets.on('packet', (packet) => {
      if (packet.cmd !== 'connect') return;
      const protocolVersion = packet.protocolVersion ?? 4;
      versions.push(protocolVersion);
      const answers = answer(packet);
      for (const each of answers ?? []) socket.write(generate(each, { protocolVersion }));
      if (!answers || answers.some(({ cmd }) => cmd === 'disconnect')) socket.end();
    });
    socket.on('data', (bytes) => packets.parse(bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const login: Login = {
    endpoint: { transport: 'tcp', host: '127.0.0.1', port, path: '' },
    tls: { ca: undefined, certificate: undefined, key: undefined },
    clientId: 'gw',
    user: undefined,
    password: undefined,
    keepAliveMs: 30_000,
    connectTimeoutMs: 300,
    sessionExpiryMs: 60_000,
    maxInFlight: 10,
    will: undefined,
  };
  return { login, versions };
}

const connack = (reasonCode: number): Packet => ({ cmd: 'connack', sessionPresent: false, reasonCode, returnCode: reasonCode }) as Packet;
const { signal } = new AbortController();
const opened = async (login: Login, version: 'auto' | '5' | '3.1.1' = 'auto'): Promise<Link> => {
  const link = await openNegotiated(login, version, signal);
  open.defer(() => link.close());
  return link;
};

test('a broker that knows MQTT 5 is spoken to in it', async () => {
  const { login, versions } = await broker(() => [connack(0)]);
  expect((await opened(login)).version).toBe(5);
  expect(versions).toEqual([5]);
});

test.for([
  ['says so', (version: number) => (version === 5 ? [connack(0x84)] : [connack(0)])],
  ['closes without an answer', (version: number) => (version === 5 ? undefined : [connack(0)])],
] as const)('one that only knows 3.1.1 and %s is asked for it, and remembered', async ([, answer]) => {
  const { login, versions } = await broker(({ protocolVersion }) => answer(protocolVersion ?? 4));
  expect((await opened(login)).version).toBe(4);
  expect((await opened(login)).version).toBe(4);
  expect(versions).toEqual([5, 4, 4]);
});

test('what was learned is unlearned when the broker was updated', async () => {
  let old = true;
  const { login, versions } = await broker(({ protocolVersion }) => ((protocolVersion === 5) === old ? undefined : [connack(0)]));
  await opened(login);
  old = false;
  expect((await opened(login)).version).toBe(5);
  expect(versions).toEqual([5, 4, 4, 5]);
});

test('a version that is asked for is not exchanged for another', async () => {
  const { login, versions } = await broker(() => undefined);
  await expect(opened(login, '5')).rejects.toMatchObject({ code: 'mqtt-closed-unanswered', retry: 'with-backoff' });
  expect(versions).toEqual([5]);
});

test('a session that another client took is told as that', async () => {
  const { login } = await broker(() => [connack(0), { cmd: 'disconnect', reasonCode: 0x8e } as Packet]);
  const link = await opened(login);
  expect(await link.lost).toMatchObject({ code: 'mqtt-taken-over', hint: expect.stringMatching(/"gw"/) });
});

test('a broker that never answers is given up', async () => {
  const { login } = await broker(() => []);
  await expect(opened(login)).rejects.toMatchObject({ code: 'mqtt-no-answer', message: expect.stringMatching(/within 0\.3 s/) });
});

test('connecting stops when it is told to', async () => {
  const { login } = await broker(() => []);
  const stop = new AbortController();
  const attempt = openNegotiated(login, 'auto', stop.signal);
  stop.abort();
  await expect(attempt).rejects.toMatchObject({ code: 'mqtt-link-over' });
});

test.for([
  [0x85, 'mqtt-client-id', 'after-fix'],
  [0x86, 'mqtt-login', 'after-fix'],
  [0x87, 'mqtt-login', 'after-fix'],
  [0x88, 'mqtt-refused', 'with-backoff'],
  [0x9f, 'mqtt-refused', 'with-backoff'],
] as const)('CONNACK %i is %s, %s', async ([code, name, retry]) => {
  const { login } = await broker(() => [connack(code)]);
  await expect(opened(login)).rejects.toMatchObject({ code: name, retry });
});
