import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { opcua } from './adapter.ts';
import { openIdentity, readOrMake } from './identity.ts';
import { securityPolicies } from './settings.ts';
import { type Simulator, startSimulator } from './simulator.ts';
import { connectTo, contextIn } from './testcases/observer.ts';
import { pointsAt, settingsFor, silentLog } from './testcases/points.ts';
import { listServerCertificates, rejectCertificate, removeCertificate, trustCertificate } from './trust.ts';

const servers = tempFolder();
const state = tempFolder();
const namespace = 'http://candyco/mixer';
const variables = [{ id: 'Mixer.Speed', type: 'Double' as const, value: 12.5 }];
const points = pointsAt({ speed: `nsu=${namespace};s=Mixer.Speed` });
let server: Simulator;

beforeAll(async () => {
  const { sha1 } = await openIdentity(state.path, silentLog);
  server = await startSimulator({ port: await freePort(), folder: servers.path, namespace, variables, trustedClients: [sha1] });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  servers[Symbol.dispose]();
  state[Symbol.dispose]();
});

async function readSpeed(
  more: Parameters<typeof settingsFor>[1],
  stateFolder = state.path,
  secret?: string,
  endpoint = server.endpoint,
): Promise<unknown> {
  await using connection = await connectTo(settingsFor(endpoint, more), stateFolder, secret);
  const [batch] = await connection.read(points, AbortSignal.timeout(10_000));
  return batch?.values[0];
}

const fingerprint = (): string => server.identity.sha1;

describe('every policy and mode', () => {
  beforeAll(async () => {
    await expect(readSpeed({ security: { mode: 'Sign' } })).rejects.toThrow();
    await trustCertificate(state.path, fingerprint());
  });

  for (const mode of ['Sign', 'SignAndEncrypt']) {
    for (const policy of securityPolicies) {
      test(`${mode} ${policy}`, async () => {
        expect(await readSpeed({ security: { mode, policy } })).toBe(12.5);
      });
    }
  }

  test('without a policy the strongest offered is taken', async () => {
    expect(await readSpeed({ security: { mode: 'SignAndEncrypt' } })).toBe(12.5);
  });

  test('None', async () => {
    expect(await readSpeed({})).toBe(12.5);
  });
});

describe('trust', () => {
  test('an unknown certificate is refused and pending; accepted, it connects; rejected, it does not', async () => {
    await removeCertificate(state.path, fingerprint());
    const secure = { security: { mode: 'SignAndEncrypt' } };
    await expect(readSpeed(secure)).rejects.toMatchObject({
      code: 'opcua-server-untrusted',
      retry: 'after-fix',
      hint: expect.stringMatching(/dragoman trust/),
    });
    const [pending] = await listServerCertificates(state.path);
    expect(pending).toMatchObject({
      state: 'pending',
      sha1: fingerprint(),
      endpoint: server.endpoint,
      applicationUri: 'urn:dragoman:simulator',
    });
    await trustCertificate(state.path, fingerprint().slice(0, 8).toUpperCase());
    expect(await readSpeed(secure)).toBe(12.5);
    await rejectCertificate(state.path, server.identity.sha256.slice(0, 10));
    await expect(readSpeed(secure)).rejects.toMatchObject({
      code: 'opcua-server-certificate',
      message: expect.stringMatching(/rejected by a person/),
    });
    await trustCertificate(state.path, fingerprint());
  });

  test('a fingerprint in the mapping is trust enough, and another one is refused', async () => {
    using fresh = tempFolder();
    const attempt = (trust: string): Promise<unknown> => readSpeed({ security: { mode: 'Sign' }, trust }, fresh.path);
    // The server does not know this gateway, so getting as far as its refusal shows that we trusted it.
    await expect(attempt(server.identity.sha256)).rejects.toMatchObject({ code: 'opcua-not-trusted' });
    await expect(attempt('ab'.repeat(20))).rejects.toMatchObject({ code: 'opcua-server-certificate' });
  });

  test('a server that does not trust us: the message names our certificate', async () => {
    using fresh = tempFolder();
    const { sha1 } = await openIdentity(fresh.path, silentLog);
    const attempt = readSpeed({ security: { mode: 'SignAndEncrypt' }, trust: server.identity.sha1 }, fresh.path);
    await expect(attempt).rejects.toMatchObject({
      code: 'opcua-not-trusted',
      retry: 'after-fix',
      hint: expect.stringContaining(sha1.toUpperCase().slice(0, 2)),
    });
  });

  test('our certificate is made once and stays the same', async () => {
    const [a, b] = await Promise.all([openIdentity(state.path, silentLog), openIdentity(state.path, silentLog)]);
    expect(a.sha256).toBe(b.sha256);
    expect((await openIdentity(state.path, silentLog)).sha256).toBe(a.sha256);
    expect(a.applicationUri).toMatch(/^urn:.+:dragoman$/);
  });
});

describe('users', () => {
  let locked: Simulator;
  beforeAll(async () => {
    locked = await startSimulator({
      port: await freePort(),
      folder: servers.path,
      namespace,
      variables,
      user: { name: 'operator', password: 'candy' },
    });
  });
  afterAll(() => locked[Symbol.asyncDispose]().then(() => {}));
  const as = (secret: string, more: object = {}): Promise<unknown> =>
    readSpeed({ user: { name: 'operator', password: { env: 'PASSWORD' } }, ...more }, state.path, secret, locked.endpoint);

  test('the right password, its line end ignored', async () => {
    expect(await as('candy\n', { security: { mode: 'SignAndEncrypt' } })).toBe(12.5);
  });
  test('on an open channel the password is encrypted by itself', async () => {
    expect(await as('candy')).toBe(12.5);
  });
  test('a user certificate', async () => {
    const user = join(state.path, 'user');
    await readOrMake(user, { commonName: 'operator', applicationUri: 'urn:operator', dns: ['localhost'], validDays: 2 });
    const files = { certificate: { file: 'own/certs/certificate.pem' }, key: { file: 'own/private/private_key.pem' } };
    const context = {
      ...contextIn(state.path),
      secret: async (reference: object) => readFile(join(user, (reference as { file: string }).file), 'utf8'),
    };
    const settings = settingsFor(locked.endpoint, { user: files, security: { mode: 'SignAndEncrypt' } });
    await using connection = await (await opcua.load()).connect(settings, context, AbortSignal.timeout(10_000));
    expect((await connection.read(points, AbortSignal.timeout(5_000)))[0]?.values[0]).toBe(12.5);
  });
  test('the wrong password says whose', async () => {
    await expect(as('wrong')).rejects.toMatchObject({
      code: 'opcua-user-refused',
      retry: 'after-fix',
      message: expect.stringMatching(/user "operator"/),
    });
  });
  test('anonymous where it is not allowed says what the server takes', async () => {
    const attempt = readSpeed({}, state.path, '', locked.endpoint);
    await expect(attempt).rejects.toMatchObject({ code: 'opcua-user-kind', hint: expect.stringMatching(/UserName/) });
  });
});

describe('what cannot be connected says what to do', () => {
  test('no endpoint with that security', async () => {
    await using open = await startSimulator({ port: await freePort(), folder: servers.path, namespace, variables, secure: false });
    const attempt = readSpeed({ security: { mode: 'Sign', policy: 'Basic256Sha256' } }, state.path, '', open.endpoint);
    await expect(attempt).rejects.toMatchObject({
      code: 'opcua-no-endpoint',
      retry: 'after-fix',
      hint: expect.stringMatching(/It offers: None/),
    });
  });
  test('a host that is not known', async () => {
    const attempt = readSpeed({ connectTimeout: '5s' }, state.path, '', 'opc.tcp://no-such-host.invalid:4840');
    await expect(attempt).rejects.toMatchObject({
      code: expect.stringMatching(/opcua-host-unknown|opcua-timeout/),
      message: expect.stringMatching(/no-such-host/),
    });
  });
  test('something that is no OPC UA server', async () => {
    const { createServer } = await import('node:net');
    const web = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => void web.listen(0, '127.0.0.1', resolve));
    const { port } = web.address() as { port: number };
    const attempt = readSpeed({ connectTimeout: '3s' }, state.path, '', `opc.tcp://127.0.0.1:${port}`);
    await expect(attempt).rejects.toMatchObject({ name: 'NotConnectedError', message: expect.stringContaining(`127.0.0.1:${port}`) });
    web.close();
  });
  test('a host that swallows everything is given up in time', async () => {
    const { createServer } = await import('node:net');
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const begun = performance.now();
    const attempt = readSpeed({ connectTimeout: '1s' }, state.path, '', `opc.tcp://127.0.0.1:${port}`);
    await expect(attempt).rejects.toMatchObject({ code: 'opcua-timeout', hint: expect.stringMatching(/\w/) });
    expect(performance.now() - begun).toBeLessThan(3_500);
    silent.close();
  });
});
