import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { signSas } from '../sas.ts';
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
    await expect(registry.listJobs()).rejects.toThrow('this embedded hub has no import and export jobs');
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
  const call = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`https://localhost:${hub.plane.httpsPort}${path}`, init);
  const owner = (): Record<string, string> => ({ authorization: token('iothubowner'), 'content-type': 'application/json' });
  const message = async (response: Response): Promise<string> => ((await response.json()) as { Message: string }).Message;

  function token(policy: string, sr = 'localhost', seconds = 60): string {
    const expiry = String(Math.floor(Date.now() / 1000) + seconds);
    const signature = signSas(hub.core.policies.get(policy)?.primaryKey as string, sr, expiry);
    return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${policy}`;
  }

  test.for([
    ['no token', {}, /no Authorization header/],
    ['a bearer token', { authorization: 'Bearer x' }, /not a SharedAccessSignature/],
    ['an expired token', (): object => ({ authorization: token('iothubowner', 'localhost', -1) }), /the token expired .*check the clock/],
    [
      'a token for another hub',
      (): object => ({ authorization: token('iothubowner', 'elsewhere') }),
      /elsewhere, which is no name of this hub/,
    ],
    [
      'a token for another device',
      (): object => ({ authorization: token('iothubowner', 'localhost%2Fdevices%2Fother') }),
      /for devices\/other, not for devices\/x/,
    ],
  ] as const)('%s', async ([, headers, says]) => {
    const response = await call('/devices/x', { headers: (typeof headers === 'function' ? headers() : headers) as Record<string, string> });
    expect(response.status).toBe(401);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await message(response)).toMatch(says);
  });

  test('a token for one device opens its twin, too', async () => {
    const response = await call('/twins/twin-1', { headers: { authorization: token('service', 'localhost%2Fdevices%2Ftwin-1') } });
    expect(response.status).toBe(200);
    expect(response.headers.get('etag')).toMatch(/^".+"$/);
  });

  test.for([
    ['an unknown address', 'GET', '/nothing/here', undefined, 404, /^ErrorCode:ResourceNotFound;this hub has no GET/],
    ['no JSON', 'PUT', '/devices/x', '{', 400, /^ErrorCode:ArgumentInvalid;/],
    ['no body', 'PUT', '/devices/x', undefined, 400, /the request has no JSON body|ArgumentInvalid/],
    ['a poisoned body', 'PATCH', '/twins/twin-1', '{"__proto__":{"a":1}}', 400, /ArgumentInvalid/],
    ['another id than in the address', 'PUT', '/devices/x', '{"deviceId":"y"}', 400, /deviceId of the body is "y", of the address "x"/],
    ['tags that are a list', 'PATCH', '/twins/twin-1', '{"tags":[1]}', 400, /tags: .*expected record/],
    ['two wrong things', 'POST', '/devices', '[{"id":1,"importMode":"make"}]', 400, /0.id: .*, 0.importMode: /],
    ['a broken address', 'GET', '/devices/%ff', undefined, 400, /ArgumentInvalid/],
    ['a page size that is none', 'GET', '/devices?top=many', undefined, 400, /top is "many"/],
    ['too much', 'PUT', '/devices/x', `"${'x'.repeat(1_100_000)}"`, 413, /at most 1024 KB/],
    ['a message to nowhere', 'POST', '/messages/devicebound', 'x', 400, /no address of a device/],
  ] as const)('%s', async ([, method, path, body, status, says]) => {
    const response = await call(path, { method, headers: owner(), ...(body !== undefined && { body }) });
    expect(response.status).toBe(status);
    expect(await message(response)).toMatch(says);
  });

  test('any JSON at all is taken, or refused with a text; the hub never fails', async () => {
    await registry.create({ deviceId: 'fuzz' });
    const routes = [
      ['PUT', '/devices/fuzz', { 'if-match': '*' }],
      ['POST', '/devices', {}],
      ['PUT', '/devices/fuzz/modules/m', {}],
      ['PATCH', '/twins/fuzz', {}],
      ['PUT', '/twins/fuzz', {}],
      ['POST', '/twins/fuzz/methods', {}],
      ['POST', '/devices/query', {}],
    ] as const;
    const known = fc.constantFrom(
      'tags',
      'properties',
      'desired',
      'id',
      'importMode',
      'authentication',
      'symmetricKey',
      'x509Thumbprint',
      'status',
      'methodName',
      'payload',
      'query',
      'type',
      'primaryKey',
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('create', 'sas', 'selfSigned', 'enabled', 'SELECT * FROM devices', '', null, true, 0, 1e308),
        fc.string(),
        fc.dictionary(fc.oneof(known, fc.string()), tie('tree'), { maxKeys: 4 }),
        fc.array(tie('tree'), { maxLength: 3 }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), tree, async ([method, path, headers], body) => {
        const response = await call(path, { method, headers: { ...owner(), ...headers }, body: JSON.stringify(body) });
        expect(response.status).toBeLessThan(500);
        if (response.status >= 300) expect(await message(response)).toMatch(/./);
        else await response.arrayBuffer();
      }),
      { numRuns: 300 },
    );
  });
});
