import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { type BareHub, startBareHub } from './testcases/bare-hub.ts';
import { Registry, redirectHttps, type Twin } from './testcases/sdk.ts';

let hub: BareHub;
let registry: Registry;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const folder = stack.use(tempFolder());
  hub = stack.use(await startBareHub(folder.path));
  stack.use(redirectHttps(hub.plane.httpsPort as number, hub.ca));
  registry = Registry.fromConnectionString(hub.connectionString('iothubowner'));
});
afterAll(() => stack.disposeAsync());

describe('azure-iothub Registry', () => {
  test('creates, reads, updates, lists and deletes a device', async () => {
    const { responseBody: made, httpResponse } = await registry.create({ deviceId: 'gw-1' });
    expect(made).toMatchObject({ deviceId: 'gw-1', status: 'enabled', connectionState: 'Disconnected', authentication: { type: 'sas' } });
    expect(httpResponse.statusCode).toBe(200);
    expect(httpResponse.headers.etag).toBe(`"${made.etag}"`);
    await expect(registry.create({ deviceId: 'gw-1' })).rejects.toMatchObject({ name: 'DeviceAlreadyExistsError' });
    const { responseBody: changed } = await registry.update({ deviceId: 'gw-1', status: 'disabled', statusReason: 'in repair' });
    expect(changed).toMatchObject({ status: 'disabled', statusReason: 'in repair', authentication: made.authentication });
    expect(changed.etag).not.toBe(made.etag);
    expect((await registry.get('gw-1')).responseBody).toMatchObject({ generationId: made.generationId, status: 'disabled' });
    expect((await registry.list()).responseBody.map(({ deviceId }) => deviceId)).toContain('gw-1');
    await registry.delete('gw-1');
    await expect(registry.get('gw-1')).rejects.toMatchObject({ name: 'DeviceNotFoundError', message: 'there is no device gw-1' });
  });

  test('takes ids that need encoding', async () => {
    await registry.create({ deviceId: "a+b%2F#x:@$'" });
    expect((await registry.get("a+b%2F#x:@$'")).responseBody.deviceId).toBe("a+b%2F#x:@$'");
    await registry.delete("a+b%2F#x:@$'");
    await expect(registry.create({ deviceId: 'a/b' })).rejects.toMatchObject({ name: 'ArgumentError' });
  });

  test('keeps the keys and thumbprints it is given', async () => {
    const keys = { primaryKey: Buffer.alloc(32, 1).toString('base64'), secondaryKey: Buffer.alloc(32, 2).toString('base64') };
    const { responseBody } = await registry.create({ deviceId: 'keyed', authentication: { symmetricKey: keys } });
    expect(responseBody.authentication).toMatchObject({ type: 'sas', symmetricKey: keys });
    const x509Thumbprint = { primaryThumbprint: 'A'.repeat(40), secondaryThumbprint: 'b'.repeat(40) };
    const made = await registry.create({ deviceId: 'certified', authentication: { x509Thumbprint } });
    expect(made.responseBody.authentication).toMatchObject({ type: 'selfSigned' });
  });

  test('makes, changes and removes devices by the hundred, and says which failed', async () => {
    const devices = Array.from({ length: 100 }, (_, index) => ({ deviceId: `bulk-${index}` }));
    expect((await registry.addDevices(devices)).responseBody).toEqual({ isSuccessful: true, errors: [], warnings: [] });
    const again = await registry.addDevices([{ deviceId: 'bulk-1' }, { deviceId: 'bulk-new' }]);
    expect(again.responseBody).toMatchObject({ isSuccessful: false, errors: [{ deviceId: 'bulk-1', errorCode: 'DeviceAlreadyExists' }] });
    const { responseBody: current } = await registry.get('bulk-2');
    const updates = [
      { ...current, status: 'disabled' },
      { deviceId: 'bulk-3', etag: 'c3RhbGU=', status: 'disabled' },
    ];
    const updated = await registry.updateDevices(updates, false);
    expect(updated.responseBody.errors).toMatchObject([{ deviceId: 'bulk-3', errorCode: 'PreconditionFailed' }]);
    expect((await registry.get('bulk-2')).responseBody.status).toBe('disabled');
    expect((await registry.removeDevices(devices, true)).responseBody).toMatchObject({ isSuccessful: true });
  });

  test('modules', async () => {
    await registry.create({ deviceId: 'edge', capabilities: { iotEdge: true } });
    const { responseBody: made } = await registry.addModule({ deviceId: 'edge', moduleId: 'filter' });
    expect(made).toMatchObject({ deviceId: 'edge', moduleId: 'filter' });
    await registry.updateModule({ deviceId: 'edge', moduleId: 'filter', managedBy: 'me' }, true);
    expect((await registry.getModule('edge', 'filter')).responseBody.managedBy).toBe('me');
    const ids = (await registry.getModulesOnDevice('edge')).responseBody.map(({ moduleId }) => moduleId);
    expect(ids.toSorted()).toEqual(['$edgeAgent', '$edgeHub', 'filter']);
    const { responseBody: twin } = await registry.updateModuleTwin('edge', 'filter', { properties: { desired: { limit: 7 } } }, '*');
    expect(twin.properties.desired).toMatchObject({ limit: 7 });
    expect((await registry.getModuleTwin('edge', '$edgeAgent')).responseBody).toMatchObject({ moduleId: '$edgeAgent' });
    await registry.removeModule('edge', 'filter');
    await expect(registry.getModule('edge', 'filter')).rejects.toMatchObject({
      responseBody: expect.stringContaining('ErrorCode:ModuleNotFound'),
    });
  });

  test('twins: patched, guarded by etag, refused when too large', async () => {
    await registry.create({ deviceId: 'twin-1' });
    const { responseBody: first } = await registry.getTwin('twin-1');
    expect(first).toMatchObject({ deviceId: 'twin-1', status: 'enabled', tags: {}, properties: { desired: { $version: 1 } } });
    const { responseBody: second } = await registry.updateTwin(
      'twin-1',
      { tags: { site: 'leeds' }, properties: { desired: { rate: 5, old: 1 } } },
      first.etag,
    );
    expect(second.tags).toEqual({ site: 'leeds' });
    expect(second.properties.desired).toMatchObject({ rate: 5, $version: 2, $metadata: { rate: { $lastUpdated: expect.any(String) } } });
    await expect(registry.updateTwin('twin-1', { tags: { site: 'york' } }, first.etag)).rejects.toMatchObject({ name: 'InvalidEtagError' });
    await second.update({ properties: { desired: { old: null } } });
    expect(second.properties.desired).toMatchObject({ rate: 5, $version: 3 });
    expect(second.properties.desired).not.toHaveProperty('old');
    await expect(registry.updateTwin('twin-1', { tags: { big: Array(100).fill('x'.repeat(100)) } }, '*')).rejects.toThrow();
    await expect(registry.updateTwin('nobody', { tags: {} }, '*')).rejects.toMatchObject({ name: 'DeviceNotFoundError' });
  });

  test('queries in pages, as twins and as rows', async () => {
    await registry.addDevices(Array.from({ length: 7 }, (_, index) => ({ deviceId: `q-${index}` })));
    for (const index of [0, 1, 2, 3, 4]) {
      await registry.updateTwin(`q-${index}`, { tags: { site: index < 3 ? 'leeds' : 'york' } }, '*');
    }
    const query = registry.createQuery("SELECT * FROM devices WHERE STARTS_WITH(deviceId, 'q-')", 3);
    const pages: (readonly Twin[])[] = [];
    while (query.hasMoreResults) pages.push((await query.nextAsTwin()).result);
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat().map(({ deviceId }) => deviceId)).toEqual(['q-0', 'q-1', 'q-2', 'q-3', 'q-4', 'q-5', 'q-6']);
    const counted = await registry
      .createQuery(
        "SELECT tags.site AS site, COUNT() AS n FROM devices WHERE IS_DEFINED(tags.site) AND STARTS_WITH(deviceId, 'q-') GROUP BY tags.site",
      )
      .next();
    expect(counted.result).toEqual([
      { site: 'leeds', n: 3 },
      { site: 'york', n: 2 },
    ]);
    const modules = await registry.createQuery("SELECT deviceId, moduleId FROM devices.modules WHERE deviceId = 'edge'", 1).next();
    expect(modules.result).toEqual([{ deviceId: 'edge', moduleId: '$edgeAgent' }]);
    await expect(registry.createQuery('SELECT * FORM devices').next()).rejects.toMatchObject({
      name: 'ArgumentError',
      message: expect.stringContaining('"FORM" stands where FROM should be (character 10)'),
    });
  });

  test('statistics; what is not built says so', async () => {
    const { responseBody } = await registry.getRegistryStatistics();
    expect(responseBody).toMatchObject({ totalDeviceCount: expect.any(Number), enabledDeviceCount: expect.any(Number) });
    await expect(registry.getConfigurations()).rejects.toThrow('this embedded hub has no configurations');
  });
});

describe('rights', () => {
  test.for([
    ['service', 'reads a registry', (found: Registry) => found.get('twin-1'), false],
    ['service', 'reads a twin', (found: Registry) => found.getTwin('twin-1'), true],
    ['registryRead', 'reads a registry', (found: Registry) => found.get('twin-1'), true],
    ['registryRead', 'changes it', (found: Registry) => found.update({ deviceId: 'twin-1' }), false],
    ['registryRead', 'asks', (found: Registry) => found.createQuery('SELECT * FROM devices').next(), false],
    ['registryReadWrite', 'changes it', (found: Registry) => found.update({ deviceId: 'twin-1' }), true],
    ['registryReadWrite', 'reads a twin', (found: Registry) => found.getTwin('twin-1'), false],
    ['device', 'reads a registry', (found: Registry) => found.get('twin-1'), false],
  ] as const)('policy %s %s', async ([policy, , call, may]) => {
    const answer = call(Registry.fromConnectionString(hub.connectionString(policy)));
    if (may) await answer;
    else await expect(answer).rejects.toMatchObject({ name: 'UnauthorizedError' });
  });

  test('a wrong key is refused, and the log says why', async () => {
    const wrong = Registry.fromConnectionString(
      hub.connectionString('service').replace(/SharedAccessKey=.*/, `SharedAccessKey=${Buffer.alloc(32).toString('base64')}`),
    );
    await expect(wrong.getTwin('twin-1')).rejects.toMatchObject({ name: 'UnauthorizedError' });
    expect(hub.log.some((line) => line.includes('REST call refused'))).toBe(true);
  });
});

describe('what no SDK sends', () => {
  const call = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`https://localhost:${hub.plane.httpsPort}${path}?api-version=2021-04-12`, init);

  test.for([
    ['no token', '/devices/x', {}, 401, /^ErrorCode:IotHubUnauthorizedAccess;/],
    ['an unknown address', '/nothing/here', {}, 404, /^ErrorCode:ResourceNotFound;this hub has no GET \/nothing\/here/],
  ] as const)('%s', async ([, path, init, status, says]) => {
    const response = await call(path, init);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(((await response.json()) as { Message: string }).Message).toMatch(says);
  });
});
