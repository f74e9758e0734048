import { createServer, type Server } from 'node:https';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ModuleIdentity } from '../../../deployments/contract.ts';
import { openRegistry } from '../../../hub/registry.ts';
import { certificateProof } from '../../../hub-client/azure/credentials.ts';
import { hubContext } from '../../../test/contract/hub-client.ts';
import { issue, makeCa } from '../../../test/support/certificates.ts';
import { freePort } from '../../../test/support/ports.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { listLog } from '../../twin/testing/support.ts';
import { ModuleRegistry } from './module-registry.ts';
import type { EdgePlace } from './place.ts';
import { boxDevice, type EdgeHub, placeAt, startEdgeHub } from './testing/box.ts';

let edge: EdgeHub;
let stack: AsyncDisposableStack;
let log: ReturnType<typeof listLog>;
let known: Map<string, ModuleIdentity>;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  edge = stack.use(await startEdgeHub());
  log = listLog();
  known = new Map();
});
afterEach(() => stack.disposeAsync());

const registryAt = (place: Partial<EdgePlace> = {}): ModuleRegistry =>
  stack.use(new ModuleRegistry({ place: { ...placeAt(edge), ...place }, known: (moduleId) => known.get(moduleId), log }));
const name = (moduleId: string) => ({ deviceId: boxDevice, moduleId });
const atHub = (moduleId: string) => edge.hub.core.identities.get(name(moduleId));

test('a module is made once, then the same is given; it is managed by IoT Edge', async () => {
  const registry = registryAt();
  const made = await registry.create('filter');
  expect(made).toMatchObject({ deviceId: boxDevice, moduleId: 'filter', generationId: atHub('filter')!.generationId });
  expect(atHub('filter')).toMatchObject({ managedBy: 'IotEdge', authentication: { symmetricKey: { primaryKey: made.primaryKey } } });
  expect(await registry.create('filter')).toEqual(made);
  await edge.hub.core.identities.update({
    ...name('filter'),
    authentication: { symmetricKey: { primaryKey: Buffer.alloc(32, 1).toString('base64') } },
  });
  expect(await registry.create('filter')).toMatchObject({
    primaryKey: Buffer.alloc(32, 1).toString('base64'),
    generationId: made.generationId,
  });
});

test('two that make it at once get the same one', async () => {
  const [one, other] = await Promise.all([registryAt().create('filter'), registryAt().create('filter')]);
  expect(one).toEqual(other);
});

test('a module is deleted, also when it is gone; the runtime stays', async () => {
  const registry = registryAt();
  const first = await registry.create('filter');
  for (const moduleId of ['filter', 'filter', '$edgeAgent']) await registry.delete(moduleId);
  expect([atHub('filter'), atHub('$edgeAgent')?.moduleId]).toEqual([undefined, '$edgeAgent']);
  expect((await registry.create('filter')).generationId).not.toBe(first.generationId);
});

test('the runtime of a new device of Azure has no keys: it gets some, those of this box where it has them', async () => {
  const keys = { primaryKey: Buffer.alloc(32, 1).toString('base64'), secondaryKey: Buffer.alloc(32, 2).toString('base64') };
  known.set('$edgeHub', { ...name('$edgeHub'), generationId: 'of long ago', ...keys });
  for (const moduleId of ['$edgeAgent', '$edgeHub'])
    await edge.hub.core.identities.update({ ...name(moduleId), authentication: { type: 'none' } });
  const registry = registryAt();
  const agent = await registry.create('$edgeAgent');
  expect(atHub('$edgeAgent')!.authentication).toMatchObject({ type: 'sas', symmetricKey: { primaryKey: agent.primaryKey } });
  expect(await registry.create('$edgeAgent')).toEqual(agent);
  const { generationId } = atHub('$edgeHub')!;
  expect(await registry.create('$edgeHub')).toEqual({ ...name('$edgeHub'), generationId, ...keys });
});

test('a module that an operator gave certificates is left as it is', async () => {
  const x509Thumbprint = { primaryThumbprint: 'a'.repeat(40) };
  await edge.hub.core.identities.create({ ...name('filter'), authentication: { type: 'selfSigned', x509Thumbprint } });
  await expect(registryAt().create('filter')).rejects.toMatchObject({ code: 'hub-module-certificate', retry: 'after-fix' });
  expect(atHub('filter')!.authentication).toMatchObject({ type: 'selfSigned', x509Thumbprint });
});

test('a device with a certificate makes its modules by that; they have keys', async () => {
  using folder = tempFolder();
  const own = await issue(await makeCa(), { commonName: boxDevice });
  await edge.hub.core.identities.update({
    deviceId: boxDevice,
    authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: own.sha1 } },
  });
  const context = hubContext(folder.path, { 'own.pem': own.certificate, 'own.key': own.privateKey });
  const proof = await certificateProof('own.pem', { file: 'own.key' }, context);
  const place = placeAt(edge);
  const device = async (): ReturnType<EdgePlace['device']> => ({
    hub: 'localhost',
    host: 'localhost',
    port: edge.mqttPort,
    deviceId: boxDevice,
    proof,
    ca: edge.hub.caPem!,
  });
  const made = await registryAt({ ...place, device }).create('filter');
  expect(made.primaryKey).toBe(atHub('filter')!.authentication.symmetricKey.primaryKey);
});

test('a device that is no IoT Edge device is told how to become one', async () => {
  using db = openRegistry(edge.folder);
  db.prepare('UPDATE identities SET edge = 0 WHERE id = ?').run(boxDevice);
  const refusal = { code: 'hub-not-edge', retry: 'after-fix', hint: expect.stringContaining(`dragoman hub device edge ${boxDevice}`) };
  await expect(registryAt().create('filter')).rejects.toMatchObject(refusal);
  await expect(registryAt().create('$edgeAgent')).rejects.toMatchObject(refusal);
});

test('a key that the hub does not know is said, without the key', async () => {
  const place = placeAt(edge);
  const key = new Uint8Array(32).fill(7);
  const device: EdgePlace['device'] = async (signal) => ({ ...(await place.device(signal)), proof: { kind: 'sas', key } });
  const error = await registryAt({ device })
    .create('filter')
    .catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: 'hub-rest-refused',
    retry: 'after-fix',
    message: expect.stringContaining('not signed with a key of this identity'),
  });
  expect(JSON.stringify([error, (error as Error).message, log.lines])).not.toContain(Buffer.from(key).toString('base64'));
});

test('a hub that cannot be asked is said once, and once more when it answers again', async () => {
  const port = await freePort();
  let where: number | undefined;
  const registry = registryAt({ httpsPort: () => where });
  await expect(registry.create('filter')).rejects.toMatchObject({ code: 'hub-no-rest', hint: expect.stringContaining('hub.https') });
  where = port;
  for (let n = 0; n < 3; n++)
    await expect(registry.create('filter')).rejects.toMatchObject({ code: 'hub-unreachable', retry: 'with-backoff' });
  where = edge.httpsPort;
  await registry.create('filter');
  await registry.create('filter');
  expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
    'warn the hub cannot be asked about identities of modules; modules go on with those that are on disk, new ones have to wait',
    'info the hub can be asked about identities of modules again',
  ]);
});

test.for([
  { rule: 'no JSON', status: 200, body: '<html>', code: 'hub-rest', retry: 'with-backoff' },
  { rule: 'other JSON', status: 200, body: '{"moduleId":"filter"}', code: 'hub-rest', retry: 'with-backoff' },
  {
    rule: 'throttling',
    status: 429,
    body: '{"Message":"ErrorCode:ThrottlingException;slow down"}',
    code: 'hub-rest-busy',
    retry: 'with-backoff',
  },
  { rule: 'its own failure', status: 503, body: '', code: 'hub-rest-busy', retry: 'with-backoff' },
  {
    rule: 'a device that is gone',
    status: 404,
    body: '{"Message":"ErrorCode:DeviceNotFound;gone"}',
    code: 'hub-device',
    retry: 'after-fix',
  },
  {
    rule: 'too many modules',
    status: 403,
    body: '{"Message":"ErrorCode:TooManyModulesOnDevice;50"}',
    code: 'hub-module',
    retry: 'after-fix',
  },
])('another hub says $rule: $code', async ({ status, body, code, retry }) => {
  const { ca, issued, server } = await httpsServer();
  server.on('request', (_request, response) => response.writeHead(status, { 'content-type': 'application/json' }).end(body));
  const place = placeAt(edge);
  const device: EdgePlace['device'] = async (signal) => ({ ...(await place.device(signal)), ca });
  const registry = registryAt({ device, httpsPort: () => issued });
  await expect(registry.create('filter')).rejects.toMatchObject({ code, retry });
});

test('a kept connection that the hub closed meanwhile is opened again', async () => {
  const { ca, issued, server } = await httpsServer();
  const sockets: { destroy(): void }[] = [];
  server.on('request', (_request, response) => {
    sockets.push(response.socket!);
    // As a hub that was killed between two calls: the second finds a dead socket.
    if (sockets.length === 2) response.socket!.destroy();
    else response.end(JSON.stringify({ generationId: '1', authentication: { symmetricKey: { primaryKey: 'AAAA' } } }));
  });
  const place = placeAt(edge);
  const device: EdgePlace['device'] = async (signal) => ({ ...(await place.device(signal)), ca });
  const registry = registryAt({ device, httpsPort: () => issued });
  await registry.create('filter');
  expect(await registry.create('filter')).toMatchObject({ primaryKey: 'AAAA' });
  expect(new Set(sockets).size).toBe(2);
});

async function httpsServer(): Promise<{ server: Server; ca: string; issued: number }> {
  const ca = await makeCa();
  const own = await issue(ca, { commonName: 'localhost', dns: ['localhost'] });
  const server = createServer({ cert: own.certificate, key: own.privateKey });
  stack.defer(() => void server.closeAllConnections());
  stack.defer(() => void server.close());
  const issued = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  return { server, ca: ca.certificate, issued };
}
