import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import rhea, { type Container } from 'rhea';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NotConnectedError } from '../../model/error.ts';
import { hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { connect } from './client.ts';
import { amqp } from './definition.ts';
import { startProtonPeer } from './testcases/proton-peer.ts';

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

const attempt = async (settings: object, files: Record<string, string> = {}, signal = new AbortController().signal) =>
  stack.use(await connect(amqp.settings.parse({ address: 'q', ...settings }), hubContext('.', files), signal));

/** A broker made with the library; it echoes the target, as brokers do. */
async function listen(container: Container, options: object): Promise<number> {
  container.on('disconnected', () => {});
  container.on('receiver_open', ({ receiver }) => receiver?.set_target({ address: receiver.target.address }));
  const listener = container.listen({ port: 0, host: '127.0.0.1', ...options });
  await once(listener, 'listening');
  stack.defer(() => void listener.close());
  return (listener.address() as AddressInfo).port;
}

/** A server that does with each socket what it is told. */
async function serve(act: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    act(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

describe('what answers is no broker of AMQP 1.0', () => {
  // A broker that is frozen: the kernel still takes connections.
  test('nothing: it says that nothing came, also when the idle time is the shorter one', async () => {
    const port = await serve(() => {});
    const failed = attempt({ url: `amqp://localhost:${port}`, sasl: 'anonymous', idleTimeout: '2s', connectTimeout: '5s' });
    await expect(failed).rejects.toMatchObject({
      code: 'hub-unreachable',
      message: `localhost:${port} accepted the connection but did not open AMQP within 2 s.`,
    });
  });

  test.for([
    { what: 'AMQP 0-9-1', answer: Buffer.from('AMQP\0\0\x09\x01'), code: 'hub-protocol', retry: 'after-fix', hint: 'rabbitmq_amqp1_0' },
    { what: 'HTTP', answer: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), code: 'hub-protocol', retry: 'after-fix', hint: '5672' },
  ])('$what', async ({ answer, code, retry, hint }) => {
    const port = await serve((socket) => socket.once('data', () => socket.end(answer)));
    const failed = attempt({ url: `amqp://localhost:${port}`, sasl: 'anonymous' });
    await expect(failed).rejects.toMatchObject({
      code,
      retry,
      hint: expect.stringContaining(hint),
      message: expect.stringContaining(`localhost:${port}`),
    });
  });

  test('it hangs up', async () => {
    const port = await serve((socket) => socket.destroy());
    await expect(attempt({ url: `amqp://localhost:${port}`, sasl: 'anonymous' })).rejects.toMatchObject({
      code: 'hub-refused',
      retry: 'with-backoff',
      hint: expect.stringContaining('amqps://'),
    });
  });

  test('it says nothing', async () => {
    const port = await serve((socket) => socket.resume());
    const startMs = performance.now();
    await expect(attempt({ url: `amqp://localhost:${port}`, sasl: 'anonymous', connectTimeout: '1s' })).rejects.toMatchObject({
      code: 'hub-unreachable',
      message: expect.stringContaining('within 1 s'),
    });
    expect(performance.now() - startMs).toBeLessThan(2_500);
  });

  test('it says nothing, and nobody wants to wait', async () => {
    const port = await serve((socket) => socket.resume());
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await expect(attempt({ url: `amqp://localhost:${port}`, sasl: 'anonymous' }, {}, stop.signal)).rejects.toMatchObject({
      code: 'hub-connect-stopped',
    });
  });

  test('garbage in the middle of a session ends it, and nothing else', async () => {
    let client: Socket | undefined;
    const behind = await listen(rhea.create_container(), {});
    const port = await serve((socket) => {
      client = socket;
      const broker = connectTcp(behind, '127.0.0.1');
      broker.on('error', () => {});
      socket.pipe(broker);
      broker.pipe(socket);
    });
    const session = await attempt({ url: `amqp://localhost:${port}`, sasl: 'anonymous' });
    client?.write(Buffer.from('\0\0\0\x09\x02\0\0\0\xff\xff\xff\xff', 'latin1'));
    const reason = await session.closed;
    expect(reason).toBeInstanceOf(NotConnectedError);
    expect(reason?.message).toContain(`localhost:${port}`);
  });
});

test('a server that names no target refuses, also when it says nothing more', async () => {
  const container = rhea.create_container();
  const listener = container.listen({ port: 0, host: '127.0.0.1' });
  await once(listener, 'listening');
  stack.defer(() => void listener.close());
  container.on('disconnected', () => {});
  await expect(attempt({ url: `amqp://localhost:${(listener.address() as AddressInfo).port}`, sasl: 'anonymous' })).rejects.toMatchObject({
    code: 'hub-address',
    retry: 'after-fix',
    message: expect.stringContaining('without a target'),
  });
});

describe('logging in', () => {
  const proton = capability('proton');
  test.skipIf(!proton.ok)(titled('a mechanism that the broker does not take is named, with those it takes', proton), async () => {
    const peer = stack.use(await startProtonPeer());
    const failed = attempt({ url: `amqp://localhost:${peer.port}`, user: 'gw', password: { file: 'pw' } }, { pw: 'x' });
    await expect(failed).rejects.toMatchObject({
      code: 'hub-sasl',
      retry: 'after-fix',
      message: expect.stringMatching(/does not take PLAIN.*ANONYMOUS/),
    });
  });

  test('PLAIN carries name and password as UTF-8, without the line break of the file', async () => {
    const seen: string[][] = [];
    const container = rhea.create_container();
    (
      container.sasl_server_mechanisms as unknown as { enable_plain(check: (user: string, password: string) => boolean): void }
    ).enable_plain((user, password) => {
      seen.push([user, password]);
      return user === 'gärtner';
    });
    const url = `amqp://localhost:${await listen(container, {})}`;
    await attempt({ url, user: { env: 'USER' }, password: { file: 'pw' } }, { USER: 'gärtner', pw: 'pässwörd-ß\n' });
    await expect(attempt({ url, user: 'other', password: { file: 'pw' } }, { pw: 'x' })).rejects.toMatchObject({ code: 'hub-credentials' });
    expect(seen).toEqual([
      ['gärtner', 'pässwörd-ß'],
      ['other', 'x'],
    ]);
  });
});

describe('TLS', () => {
  /** A broker behind TLS that asks for a certificate and takes EXTERNAL. */
  async function startTlsBroker() {
    const [ca, makers] = [await makeCa('plant'), await makeCa('makers')];
    const [own, client, foreign] = [
      await issue(ca, { commonName: 'localhost', dns: ['localhost'] }),
      await issue(makers, { commonName: 'gw-1' }),
      await issue(await makeCa('others'), { commonName: 'gw-1' }),
    ];
    const container = rhea.create_container();
    const ids: unknown[] = [];
    container.on('message', ({ message }) => ids.push(message?.message_id));
    const port = await listen(container, {
      transport: 'tls',
      key: own.privateKey,
      cert: own.certificate,
      ca: [makers.certificate],
      requestCert: true,
      rejectUnauthorized: true,
      enable_sasl_external: true,
      require_sasl: true,
    });
    return { url: `amqps://localhost:${port}`, ca, client, foreign, ids };
  }

  test('EXTERNAL by a certificate, against a root of our own', async () => {
    const broker = await startTlsBroker();
    const files = { ca: broker.ca.certificate, crt: broker.client.certificate, key: broker.client.privateKey };
    const session = await attempt({ url: broker.url, ca: 'ca', certificate: 'crt', privateKey: 'key' }, files);
    await session.send(hubMessage('m-1'));
    expect(broker.ids).toEqual(['m-1']);
  });

  test('a certificate of somebody else, a root that is not theirs', async () => {
    const broker = await startTlsBroker();
    const files = { ca: broker.ca.certificate, crt: broker.foreign.certificate, key: broker.foreign.privateKey, wrong: 'x' };
    const external = { url: broker.url, certificate: 'crt', privateKey: 'key' };
    await expect(attempt({ ...external, ca: 'ca' }, files)).rejects.toMatchObject({ message: expect.stringContaining('localhost:') });
    await expect(attempt(external, files)).rejects.toMatchObject({
      code: 'hub-tls-untrusted',
      retry: 'after-fix',
      hint: expect.stringContaining('ca:'),
    });
    await expect(attempt({ ...external, ca: 'wrong' }, files)).rejects.toMatchObject({
      code: 'hub-certificate',
      message: expect.stringContaining('wrong'),
    });
  });

  test('a port without TLS', async () => {
    const port = await serve((socket) => socket.end('AMQP\0\x01\0\0'));
    const failed = attempt({ url: `amqps://localhost:${port}`, user: 'gw', password: { file: 'pw' } }, { pw: 'x' });
    await expect(failed).rejects.toMatchObject({ code: 'hub-tls', hint: expect.stringContaining('5671') });
  });

  const proton = capability('proton');
  test.skipIf(!proton.ok)(titled('Service Bus by its connection string, with TLS', proton), async () => {
    const peer = stack.use(await startProtonPeer({ cbsName: 'n', cbsKey: 'k' }));
    const ca = await makeCa('plant');
    const own = await issue(ca, { commonName: 'localhost', dns: ['localhost'] });
    const server = createTlsServer({ key: own.privateKey, cert: own.certificate }, (socket) => {
      const broker = connectTcp(peer.port, '127.0.0.1');
      for (const each of [socket, broker]) each.on('error', () => {});
      socket.pipe(broker);
      broker.pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stack.defer(() => void server.close());
    const hub = `Endpoint=sb://localhost:${(server.address() as AddressInfo).port}/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=plant`;
    const session = await attempt({ address: undefined, connectionString: { file: 'hub' }, ca: 'ca' }, { hub, ca: ca.certificate });
    await session.send(hubMessage('m-1'));
    expect(await peer.took(1)).toEqual(['m-1']);
  });
});
