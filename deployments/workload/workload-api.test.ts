import { createHmac, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { ownFolder } from './own-folder.ts';
import { type Box, openBox } from './testing/box.ts';
import type { WorkloadSettings } from './workload-api.ts';

interface Reply {
  readonly status: number;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: what JSON holds is what a test looks at.
  readonly body: any;
}

function ask(socketPath: string, method: string, path: string, body?: unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers: { 'content-type': 'application/json' } }, async (response) => {
      const text = (await response.toArray()).join('');
      resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body: JSON.parse(text) });
    });
    sent.once('error', reject);
    sent.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });
}

const old = 'api-version=2018-06-28';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Calls of one module over its own socket. */
async function moduleOf(box: Box, name: string) {
  const identity = await box.identities.ensure(name);
  const socket = await box.api.socketFor(name);
  const at = `/modules/${encodeURIComponent(name)}`;
  return {
    identity,
    socket,
    post: (call: string, body: unknown, generation = identity.generationId) =>
      ask(socket, 'POST', `${at}/genid/${generation}/${call}?${old}`, body),
    ask: (method: string, path: string, body?: unknown) => ask(socket, method, path, body),
  };
}

async function opened(settings: Partial<WorkloadSettings> = {}): Promise<Box & { readonly folder: string } & AsyncDisposable> {
  const folder = tempFolder();
  const box = await openBox(folder.path, settings);
  return {
    ...box,
    folder: folder.path,
    async [Symbol.asyncDispose]() {
      await box.api[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

test('signs with the key of the module, for system modules with a percent-encoded name too', async () => {
  await using box = await opened();
  for (const name of ['filter', '$edgeHub']) {
    const { post, identity } = await moduleOf(box, name);
    const { status, body, type } = await post('sign', { keyId: 'primary', algo: 'HMACSHA256', data: base64('hub\n123') });
    expect([status, type]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body.digest).toBe(createHmac('sha256', Buffer.from(identity.primaryKey, 'base64')).update('hub\n123').digest('base64'));
  }
});

test('what a module encrypts, only it reads, in the same generation, with the same vector, unchanged, also after a restart', async () => {
  await using box = await opened();
  const { post } = await moduleOf(box, 'filter');
  const secret = { plaintext: base64('recipe'), initializationVector: base64('iv') };
  const first = (await post('encrypt', secret)).body.ciphertext as string;
  expect((await post('encrypt', secret)).body.ciphertext).not.toBe(first);
  const sealed = { ciphertext: first, initializationVector: base64('iv') };
  expect(await post('decrypt', sealed)).toMatchObject({ status: 200, body: { plaintext: base64('recipe') } });
  const bytes = Buffer.from(first, 'base64');
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  for (const wrong of [{ ciphertext: bytes.toString('base64') }, { initializationVector: base64('vi') }, { ciphertext: base64('x') }]) {
    expect(await post('decrypt', { ...sealed, ...wrong })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('damaged') },
    });
  }
  const other = await moduleOf(box, 'other');
  expect((await other.post('decrypt', sealed)).status).toBe(400);
  await box.api[Symbol.asyncDispose]();
  const again = await openBox(box.folder);
  expect((await (await moduleOf(again, 'filter')).post('decrypt', sealed)).status).toBe(200);
  await again.identities.remove('filter');
  expect((await (await moduleOf(again, 'filter')).post('decrypt', sealed)).status).toBe(400);
  await again.api[Symbol.asyncDispose]();
});

test('gives certificates: for a server by name and module id, for a client; the trust bundle verifies them', async () => {
  await using box = await opened();
  const { post, ask: get } = await moduleOf(box, 'filter');
  const expiration = new Date(Date.now() + 86_400_000).toISOString();
  const server = await post('certificate/server', { commonName: 'filter.plant', expiration });
  expect(server).toMatchObject({ status: 201, body: { privateKey: { type: 'key', bytes: expect.stringContaining('PRIVATE KEY') } } });
  const leaf = new X509Certificate(server.body.certificate);
  expect([leaf.checkHost('filter.plant'), leaf.checkHost('filter')]).toEqual(['filter.plant', 'filter']);
  const client = await get('POST', `/modules/filter/certificate/identity?${old}`, { expiration });
  expect(new X509Certificate(client.body.certificate).subjectAltName).toContain('azureiot://hub.plant/devices/gw-1/modules/filter');
  const { body } = await get('GET', `/trust-bundle?${old}`);
  const edge = new X509Certificate(server.body.certificate.split(/(?<=-----END CERTIFICATE-----)/)[1]);
  expect(edge.verify(new X509Certificate(body.certificate).publicKey)).toBe(true);
  expect((await get('GET', '/manifest-trust-bundle?api-version=2020-07-07')).body).toEqual({ certificate: '' });
});

test.for([
  { rule: 'another module', method: 'POST', path: '/modules/other/genid/1/sign', status: 403, says: 'filter' },
  { rule: 'an unknown generation', method: 'POST', path: '/modules/filter/genid/1/sign', status: 404, says: 'generation' },
  { rule: 'a list of modules', method: 'GET', path: '/modules', status: 403, says: 'list' },
  { rule: 'an unknown call', method: 'POST', path: '/modules/filter/genid/1/steal', status: 404, says: 'no call' },
  { rule: 'a key of the prototype', method: 'POST', path: '/modules/filter/genid/1/constructor', status: 404, says: 'no call' },
  { rule: 'an unknown version', method: 'GET', path: '/trust-bundle', query: 'api-version=1999-01-01', status: 400, says: '2018-06-28' },
  { rule: 'no version', method: 'GET', path: '/trust-bundle', query: '', status: 400, says: 'missing' },
  { rule: 'a broken encoding', method: 'GET', path: '/modules/%zz', status: 400, says: 'percent' },
  { rule: 'a call too new for its version', method: 'GET', path: '/manifest-trust-bundle', status: 404, says: '2018-06-28' },
  { rule: 'POST for GET', method: 'POST', path: '/trust-bundle', status: 405, says: 'GET' },
])('refuses $rule with $status', async ({ method, path, query = old, status, says }) => {
  await using box = await opened();
  const { ask: call } = await moduleOf(box, 'filter');
  const reply = await call(method, `${path}?${query}`);
  expect(reply).toMatchObject({ status, type: 'application/json; charset=utf-8', body: { message: expect.stringContaining(says) } });
});

test.for([
  { rule: 'no JSON', call: 'sign', body: '{', status: 400 },
  { rule: 'another algorithm', call: 'sign', body: { keyId: 'primary', algo: 'MD5', data: '' }, status: 400 },
  { rule: 'no Base64', call: 'sign', body: { keyId: 'primary', algo: 'HMACSHA256', data: '%' }, status: 400 },
  { rule: 'an empty vector', call: 'encrypt', body: { plaintext: 'YQ==', initializationVector: '' }, status: 400 },
  { rule: 'a body without end', call: 'encrypt', body: 'x'.repeat(2_000_000), status: 413 },
  {
    rule: 'the name of the gateway',
    call: 'certificate/server',
    body: { commonName: 'GW.plant', expiration: '2999-01-01T00:00:00Z' },
    status: 403,
  },
  {
    rule: 'the name of another module',
    call: 'certificate/server',
    body: { commonName: 'other', expiration: '2999-01-01T00:00:00Z' },
    status: 403,
  },
  { rule: 'a wildcard', call: 'certificate/server', body: { commonName: '*', expiration: '2999-01-01T00:00:00Z' }, status: 400 },
  { rule: 'a time in the past', call: 'certificate/server', body: { commonName: 'a', expiration: '1999-01-01T00:00:00Z' }, status: 400 },
])('refuses $rule with $status', async ({ call, body, status }) => {
  await using box = await opened();
  await box.identities.ensure('other');
  const { post } = await moduleOf(box, 'filter');
  expect(await post(call, body)).toMatchObject({ status, body: { message: expect.any(String) } });
});

test('a proxy that the settings name may be a server in the name of the gateway', async () => {
  await using box = await opened({ mayServeAsGateway: ['proxy'] });
  const { post } = await moduleOf(box, 'proxy');
  expect((await post('certificate/server', { commonName: 'gw.plant', expiration: '2999-01-01T00:00:00Z' })).status).toBe(201);
});

test('a module that is called like the gateway gets no certificate for that name by its own', async () => {
  await using box = await opened();
  const { post } = await moduleOf(box, 'gw.plant');
  expect((await post('certificate/server', { commonName: 'harmless', expiration: '2999-01-01T00:00:00Z' })).status).toBe(403);
});

test('the eleventh request at once is closed, and those before are answered', async () => {
  await using box = await opened();
  const { socket, post } = await moduleOf(box, 'filter');
  const open = await Promise.all(
    Array.from({ length: 11 }, async () => {
      const client = connect(socket);
      await once(client, 'connect');
      return client;
    }),
  );
  const { identity } = await moduleOf(box, 'filter');
  const target = `/modules/filter/genid/${identity.generationId}/sign?${old}`;
  const closed = Promise.race(open.map((client, index) => once(client, 'close').then(() => index)));
  for (const client of open) client.write(`POST ${target} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n`);
  expect(await closed).toBeTypeOf('number');
  expect(open.filter((client) => !client.destroyed)).toHaveLength(10);
  for (const client of open) client.destroy();
  await expect.poll(async () => (await post('sign', { algo: 'HMACSHA256', data: '' }).catch(() => ({ status: 0 }))).status).toBe(200);
});

test('the socket is in a folder of its own below one that nobody else enters; the environment leads to it', async () => {
  await using box = await opened();
  const { socket, identity } = await moduleOf(box, '$edgeHub');
  expect(statSync(join(dirname(socket), '..')).mode & 0o777).toBe(0o700);
  expect([statSync(dirname(socket)).mode & 0o777, statSync(socket).mode & 0o777]).toEqual([0o755, 0o666]);
  const { env, binds } = box.api.environmentOf('$edgeHub');
  expect(binds).toEqual([`${dirname(socket)}:/run/iotedge:ro`]);
  expect(env).toEqual({
    IOTEDGE_WORKLOADURI: 'unix:///run/iotedge/workload.sock',
    IOTEDGE_APIVERSION: '2018-06-28',
    IOTEDGE_AUTHSCHEME: 'sasToken',
    IOTEDGE_DEVICEID: 'gw-1',
    IOTEDGE_MODULEID: '$edgeHub',
    IOTEDGE_MODULEGENERATIONID: identity.generationId,
    IOTEDGE_IOTHUBHOSTNAME: 'hub.plant',
    IOTEDGE_GATEWAYHOSTNAME: 'gw.plant',
    EdgeDeviceHostName: 'gw.plant',
  });
  expect(() => box.api.environmentOf('nobody')).toThrow(/no identity/);
  await box.api.remove('$edgeHub');
  expect(existsSync(dirname(socket))).toBe(false);
});

/** Runs Node's program text as nobody, below root; gives what it prints. */
async function asNobody(program: string, ...args: readonly string[]): Promise<string> {
  const text = `process.setgid(65534); process.setuid(65534); ${program}`;
  await using child = startChild(process.execPath, ['-e', text, ...args]);
  await child.exited;
  return child.output().trim();
}
const isRoot = process.geteuid?.() === 0;

test.skipIf(!isRoot)('another user of this machine comes to no socket by its path, whatever rights its own have (needs root)', async () => {
  await using box = await opened();
  const { socket } = await moduleOf(box, 'filter');
  // Up to the folder of sockets everybody may pass: only that one keeps others out.
  for (let folder = dirname(dirname(dirname(socket))); folder !== '/'; folder = dirname(folder)) {
    const { mode } = statSync(folder);
    if ((mode & 0o001) === 0 && folder.startsWith(tmpdir())) chmodSync(folder, mode | 0o011);
  }
  const connects = `require('node:net').connect(process.argv[1]).on('connect', () => (console.log('in'), process.exit())).on('error', (e) => console.log(e.code))`;
  expect(await asNobody(connects, socket)).toBe('EACCES');
  expect(await asNobody(`require('node:fs').readdir(process.argv[1], (e) => console.log(e?.code))`, dirname(dirname(socket)))).toBe(
    'EACCES',
  );
});

test.skipIf(!isRoot)('a folder that somebody else made is taken over, or is told of (needs root)', async () => {
  using folder = tempFolder();
  const sockets = join(folder.path, 'sockets');
  mkdirSync(sockets, { mode: 0o777 });
  chownSync(sockets, 65534, 65534);
  await ownFolder(sockets, 0o700);
  expect([statSync(sockets).uid, statSync(sockets).mode & 0o777]).toEqual([0, 0o700]);
  chmodSync(sockets, 0o777);
  chmodSync(folder.path, 0o755);
  const own = new URL('./own-folder.ts', import.meta.url).href;
  const said = await asNobody(
    `import(process.argv[1]).then((m) => m.ownFolder(process.argv[2], 0o700)).catch((e) => console.log(e.code, e.message))`,
    own,
    sockets,
  );
  expect(said).toContain(`workload-socket the folder ${sockets} of workload sockets belongs to another user than the gateway`);
});

test('a socket left by kill -9 is replaced; one that answers is not', async () => {
  await using box = await opened();
  const { socket } = await moduleOf(box, 'filter');
  await expect(openBox(box.folder)).rejects.toMatchObject({ code: 'workload-socket-busy' });
  await box.api[Symbol.asyncDispose]();
  expect(existsSync(socket)).toBe(false);
  const script = `process.getBuiltinModule('node:net').createServer().listen(${JSON.stringify(socket)}, () => console.log('{"ready":true}'))`;
  const dead = startChild(process.execPath, ['-e', script]);
  await dead.line(/ready/);
  dead.process.kill('SIGKILL');
  await dead.exited;
  expect(existsSync(socket)).toBe(true);
  const again = await openBox(box.folder);
  expect((await ask(socket, 'GET', `/trust-bundle?${old}`)).status).toBe(200);
  await again.api[Symbol.asyncDispose]();
});

test('a folder too deep for a socket is told with the number of bytes', async () => {
  using deep = tempFolder();
  await using box = await opened({ folder: join(deep.path, 'x'.repeat(80)) });
  await expect(moduleOf(box, 'filter')).rejects.toMatchObject({ code: 'workload-socket-path', message: expect.stringContaining('107') });
});
