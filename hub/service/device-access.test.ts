import { request } from 'node:https';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Issued, issue, makeCa } from '../../test/support/certificates.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { signSas } from '../sas.ts';
import { type BareHub, startBareHub } from './testcases/bare-hub.ts';

let hub: BareHub;
const stack = new AsyncDisposableStack();
let shown: Issued;
let another: Issued;

beforeAll(async () => {
  const folder = stack.use(tempFolder());
  hub = stack.use(await startBareHub(folder.path));
  for (const deviceId of ['edge', 'other']) await hub.core.identities.create({ deviceId, capabilities: { iotEdge: true } });
  await hub.core.identities.create({ deviceId: 'plain' });
  const ca = await makeCa();
  [shown, another] = await Promise.all([issue(ca, { commonName: 'edge-x' }), issue(ca, { commonName: 'edge-x' })]);
  const x509Thumbprint = { primaryThumbprint: shown.sha1 };
  await hub.core.identities.create({
    deviceId: 'edge-x',
    capabilities: { iotEdge: true },
    authentication: { type: 'selfSigned', x509Thumbprint },
  });
});
afterAll(() => stack.disposeAsync());

interface Call {
  readonly method?: 'GET' | 'PUT' | 'DELETE';
  /** Whose token it carries; absent: none. */
  readonly as?: string;
  readonly certificate?: Issued;
  readonly path: string;
  readonly ifMatch?: string;
}

async function call({ method = 'GET', as, certificate, path, ifMatch }: Call): Promise<{ status: number; body: Record<string, unknown> }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Record<string, unknown> }>();
  const sent = request({
    ...{
      method,
      path: `${path}?api-version=2021-04-12`,
      host: '127.0.0.1',
      port: hub.plane.httpsPort,
      servername: 'localhost',
      ca: hub.ca,
    },
    headers: {
      ...(as !== undefined && { authorization: tokenOf(as) }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
      ...(method === 'PUT' && { 'content-type': 'application/json' }),
    },
    ...(certificate && { cert: certificate.certificate, key: certificate.privateKey }),
    agent: false,
  });
  sent.on('error', reject).on('response', (response) => {
    const status = response.statusCode ?? 0;
    if (status === 204) resolve({ status, body: {} });
    else json(response).then((body) => resolve({ status, body: body as Record<string, unknown> }), reject);
  });
  sent.end(method === 'PUT' ? JSON.stringify({ managedBy: 'IotEdge' }) : undefined);
  return promise;
}

function tokenOf(deviceId: string): string {
  const key = hub.core.identities.get({ deviceId })?.authentication.symmetricKey.primaryKey ?? '';
  const [sr, se] = [encodeURIComponent(`localhost/devices/${deviceId}`), String(Math.floor(Date.now() / 1000) + 60)];
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signSas(key, sr, se))}&se=${se}`;
}

test('an edge device makes, reads, changes and deletes its own modules with its own token', async () => {
  const path = '/devices/edge/modules/filter';
  const made = await call({ method: 'PUT', as: 'edge', path });
  expect(made).toMatchObject({ status: 200, body: { moduleId: 'filter', managedBy: 'IotEdge', authentication: { type: 'sas' } } });
  expect(await call({ as: 'edge', path })).toMatchObject({ status: 200, body: { generationId: made.body.generationId } });
  expect(await call({ as: 'edge', path: '/devices/edge/modules' })).toMatchObject({ status: 200 });
  expect(await call({ method: 'PUT', as: 'edge', path: '/devices/edge/modules/%24edgeAgent', ifMatch: '*' })).toMatchObject({
    status: 200,
  });
  expect(await call({ method: 'DELETE', as: 'edge', path })).toMatchObject({ status: 204 });
});

test('a device whose proof is a certificate comes with that', async () => {
  const path = '/devices/edge-x/modules/filter';
  expect(await call({ method: 'PUT', certificate: shown, path })).toMatchObject({ status: 200, body: { moduleId: 'filter' } });
  expect(await call({ certificate: another, path })).toMatchObject({ status: 401 });
  expect(await call({ certificate: shown, path: '/devices/edge/modules/filter' })).toMatchObject({ status: 401 });
});

interface Said {
  readonly rule: string;
  readonly status: number;
  readonly says: RegExp;
}

test.for<Call & Said>([
  { rule: 'modules of another device', as: 'other', path: '/devices/edge/modules/filter', status: 401, says: /for another resource/ },
  { rule: 'the device itself', as: 'edge', path: '/devices/edge', status: 401, says: /names no policy/ },
  { rule: 'its twin', as: 'edge', path: '/twins/edge', status: 401, says: /names no policy/ },
  {
    rule: 'a device that is not there',
    as: 'edge',
    path: '/devices/nobody/modules/filter',
    status: 401,
    says: /no device nobody that is enabled/,
  },
  { rule: 'a name inside a name', as: 'edge', path: '/devices/edge%2F%24edgeHub/modules/x', status: 401, says: /that is enabled/ },
  {
    ...{ rule: 'modules of a device that is no edge device', as: 'plain', path: '/devices/plain/modules/filter', method: 'PUT' },
    ...{ status: 400, says: /no IoT Edge device.*dragoman hub device edge plain/ },
  },
  {
    ...{ rule: 'the deletion of its runtime', as: 'edge', path: '/devices/edge/modules/%24edgeHub', method: 'DELETE' },
    ...{ status: 400, says: /goes with its device/ },
  },
  {
    ...{ rule: 'a further module of the runtime', as: 'edge', path: '/devices/edge/modules/%24edgeOther', method: 'PUT' },
    ...{ status: 400, says: /cannot be made/ },
  },
])('refused: $rule', async ({ status, says, ...asked }) => {
  const { body, ...answer } = await call(asked);
  expect(answer).toEqual({ status });
  expect(body.Message).toMatch(says);
});
