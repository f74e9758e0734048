import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { type BareHub, startBareHub } from '../service/testcases/bare-hub.ts';
import { Registry, redirectHttps } from '../service/testcases/sdk.ts';
import { addEdge, image, imageOf, layer, manifest, report, statusesOf } from './testcases/fleet.ts';

let hub: BareHub;
let registry: Registry;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  hub = stack.use(await startBareHub(stack.use(tempFolder()).path));
  stack.use(redirectHttps(hub.plane.httpsPort as number, hub.ca));
  registry = Registry.fromConnectionString(hub.connectionString('iothubowner'));
});
afterAll(() => stack.disposeAsync());

const settled = () => hub.core.deployments.settled();
const versionOf = (id: string) => hub.core.twinStore.load(id).desired.version;

describe('azure-iothub, unmodified', () => {
  test('adds, reads, lists, updates and removes a configuration', async () => {
    const given = {
      id: 'sdk-1',
      labels: { team: 'kitchen' },
      content: manifest('1'),
      targetCondition: "tags.site = 'nowhere'",
      priority: 7,
      metrics: { queries: { leeds: "SELECT deviceId FROM devices WHERE tags.site = 'leeds'" } },
    };
    const { responseBody: made } = await registry.addConfiguration(given);
    expect(made).toMatchObject({
      ...{ id: 'sdk-1', schemaVersion: '1.0', labels: { team: 'kitchen' }, priority: 7, content: given.content },
      ...{ targetCondition: given.targetCondition, createdTimeUtc: expect.any(String), lastUpdatedTimeUtc: expect.any(String) },
      systemMetrics: { results: { targetedCount: 0, appliedCount: 0, reportedSuccessfulCount: 0, reportedFailedCount: 0 } },
      metrics: { results: { leeds: 0 }, queries: given.metrics.queries },
      etag: expect.any(String),
    });
    await expect(registry.addConfiguration(given)).rejects.toMatchObject({
      responseBody: expect.stringContaining('ConfigurationAlreadyExists'),
    });
    expect((await registry.getConfiguration('sdk-1')).responseBody).toEqual(made);
    const { responseBody: changed } = await registry.updateConfiguration({ ...made, priority: 9, labels: {} });
    expect(changed).toMatchObject({
      priority: 9,
      labels: {},
      createdTimeUtc: (made as unknown as { createdTimeUtc: string }).createdTimeUtc,
    });
    expect(changed.etag).not.toBe(made.etag);
    await expect(registry.updateConfiguration({ ...made, priority: 10 })).rejects.toMatchObject({ name: 'InvalidEtagError' });
    await expect(registry.updateConfiguration({ ...changed, content: manifest('2') })).rejects.toMatchObject({
      name: 'ArgumentError',
      responseBody: expect.stringContaining('ErrorCode:CannotModifyImmutableConfigurationContent'),
    });
    expect((await registry.getConfigurations()).responseBody.map(({ id }) => id)).toEqual(['sdk-1']);
    await registry.removeConfiguration('sdk-1');
    await expect(registry.getConfiguration('sdk-1')).rejects.toMatchObject({
      responseBody: expect.stringContaining('ErrorCode:ConfigurationNotFound;there is no configuration sdk-1'),
    });
  });

  test('is told everything that is wrong, and nothing is taken', async () => {
    const given = {
      id: 'wrong',
      content: manifest('1', { modules: { shim: { type: 'docker' } } }),
      targetCondition: 'tags.site = "leeds"',
      metrics: { queries: { bad: 'SELECT' } },
      labels: { rolloutPhases: '150%' },
    };
    const error = await registry.addConfiguration(given).catch((refused) => refused as Error & { responseBody: string });
    const { Message } = JSON.parse((error as { responseBody: string }).responseBody) as { Message: string };
    expect(Message).toMatch(/^ErrorCode:InvalidConfigurationContent;configuration wrong is not taken/);
    for (const place of ['modules.shim.settings', 'targetCondition: ', 'metrics.queries.bad: ', 'labels.rolloutPhases: '])
      expect(Message).toContain(`\n  ${place.startsWith('modules') ? '' : place}`);
    expect(Message).toContain('modules.shim.settings');
    await expect(registry.addConfiguration({ ...given, id: 'Wrong Id' })).rejects.toThrow();
    expect((await registry.getConfigurations()).responseBody).toEqual([]);
  });

  test('applies a content to one device, unless an automatic deployment has it', async () => {
    await addEdge(hub.core, 'one-1', { site: 'one' });
    await registry.applyConfigurationContentOnDevice('one-1', manifest('1', { twins: { filter: { 'properties.desired': { limit: 7 } } } }));
    expect(imageOf(hub.core, 'one-1')).toBe('candyco/filter:1');
    const { responseBody: twin } = await registry.getModuleTwin('one-1', 'filter');
    expect(twin.properties.desired).toMatchObject({ limit: 7 });
    expect((await registry.getModule('one-1', 'filter')).responseBody).toMatchObject({ managedBy: 'IotEdge' });
    await expect(registry.applyConfigurationContentOnDevice('one-1', layer({}))).rejects.toThrow(/only a whole manifest/);
    await expect(registry.applyConfigurationContentOnDevice('nobody', manifest('1'))).rejects.toMatchObject({
      name: 'DeviceNotFoundError',
    });
    await registry.create({ deviceId: 'no-edge' });
    await expect(registry.applyConfigurationContentOnDevice('no-edge', manifest('1'))).rejects.toThrow(/no edge device/);
    await registry.addConfiguration({ id: 'one', content: manifest('2'), targetCondition: "tags.site = 'one'", priority: 1 });
    await settled();
    await expect(registry.applyConfigurationContentOnDevice('one-1', manifest('3'))).rejects.toMatchObject({
      responseBody: expect.stringMatching(/targeted by the automatic deployment one/),
    });
    expect(imageOf(hub.core, 'one-1')).toBe('candyco/filter:2');
    await registry.removeConfiguration('one');
  });

  test('tests queries as the service does', async () => {
    const answer = await hub.core.deployments.testQueries({
      targetCondition: "tags.site = 'a' AND",
      customMetricQueries: { good: 'SELECT deviceId FROM devices', bad: 'SELECT' },
    });
    expect(answer).toEqual({
      targetConditionError: expect.stringContaining('the query ends'),
      customMetricQueryErrors: { good: '', bad: expect.stringContaining('character') },
    });
  });
});

describe('twins as the configurations want them', () => {
  test('one line changes, 1 to 2: every targeted gateway is told, nobody else', async () => {
    for (const n of [1, 2, 3]) await addEdge(hub.core, `line-${n}`, { site: n === 3 ? 'york' : 'line' });
    await registry.addConfiguration({ id: 'line-v1', content: manifest('1'), targetCondition: "tags.site = 'line'", priority: 10 });
    await settled();
    expect(['line-1', 'line-2', 'line-3'].map((id) => imageOf(hub.core, id))).toEqual(['candyco/filter:1', 'candyco/filter:1', undefined]);
    await registry.addConfiguration({ id: 'line-v2', content: manifest('2'), targetCondition: "tags.site = 'line'", priority: 11 });
    await settled();
    expect(['line-1', 'line-2', 'line-3'].map((id) => imageOf(hub.core, id))).toEqual(['candyco/filter:2', 'candyco/filter:2', undefined]);
    expect((await registry.getModuleTwin('line-1', '$edgeAgent')).responseBody).toMatchObject({
      configurations: { 'line-v1': { status: 'Targeted' }, 'line-v2': { status: 'Applied' } },
    });
    await registry.removeConfiguration('line-v2');
    await settled();
    expect(imageOf(hub.core, 'line-1')).toBe('candyco/filter:1');
    await registry.removeConfiguration('line-v1');
    await settled();
    expect(imageOf(hub.core, 'line-1')).toBe('candyco/filter:1');
    expect(statusesOf(hub.core, 'line-1/$edgeAgent')).toEqual({});
  });

  test('tags decide at once: another deployment, or none, and then it keeps what it has', async () => {
    await addEdge(hub.core, 'tag-1', { recipe: 'a' });
    await registry.addConfiguration({ id: 'recipe-a', content: manifest('a'), targetCondition: "tags.recipe = 'a'", priority: 1 });
    await registry.addConfiguration({ id: 'recipe-b', content: manifest('b'), targetCondition: "tags.recipe = 'b'", priority: 1 });
    await settled();
    expect(imageOf(hub.core, 'tag-1')).toBe('candyco/filter:a');
    await registry.updateTwin('tag-1', { tags: { recipe: 'b' } }, '*');
    await settled();
    expect(imageOf(hub.core, 'tag-1')).toBe('candyco/filter:b');
    await registry.updateTwin('tag-1', { tags: { recipe: null } }, '*');
    await settled();
    expect([imageOf(hub.core, 'tag-1'), statusesOf(hub.core, 'tag-1/$edgeAgent')]).toEqual(['candyco/filter:b', {}]);
  });

  test('what a device reports decides, too, and a device that comes later is found', async () => {
    await registry.addConfiguration({
      id: 'gpu',
      content: manifest('gpu'),
      targetCondition: "properties.reported.gpu = 'yes'",
      priority: 1,
    });
    await addEdge(hub.core, 'gpu-1');
    await settled();
    expect(imageOf(hub.core, 'gpu-1')).toBeUndefined();
    await hub.core.patchReported('gpu-1', '{"gpu":"yes"}', undefined);
    await settled();
    expect(imageOf(hub.core, 'gpu-1')).toBe('candyco/filter:gpu');
  });

  test('layers come and go; modules keep what is theirs', async () => {
    await addEdge(hub.core, 'layer-1', { site: 'layer' });
    const targetCondition = "tags.site = 'layer'";
    await registry.addConfiguration({ id: 'base', content: manifest('1'), targetCondition, priority: 1 });
    const shim = layer(
      { 'properties.desired.modules.shim': image('shim:1') },
      {
        shim: { 'properties.desired.layered': { limit: 7 } },
        $edgeHub: { 'properties.desired.routes.shim': 'FROM /messages/* INTO BrokeredEndpoint("/modules/shim/inputs/in")' },
      },
    );
    await registry.addConfiguration({ id: 'shim', content: shim, targetCondition, priority: 2 });
    await settled();
    expect([imageOf(hub.core, 'layer-1'), imageOf(hub.core, 'layer-1', 'shim')]).toEqual(['candyco/filter:1', 'shim:1']);
    expect(hub.core.twinStore.load('layer-1/shim').desired.properties).toEqual({ layered: { limit: 7 } });
    expect(statusesOf(hub.core, 'layer-1/$edgeAgent')).toEqual({ base: 'Applied', shim: 'Applied' });
    await registry.removeConfiguration('shim');
    await settled();
    expect(imageOf(hub.core, 'layer-1', 'shim')).toBeUndefined();
    expect(hub.core.twinStore.load('layer-1/$edgeHub').desired.properties.routes).toEqual({ up: 'FROM /messages/* INTO $upstream' });
    await registry.removeConfiguration('base');
  });

  test('nothing is rewritten when nothing changed; what a person writes over it is put right', async () => {
    await addEdge(hub.core, 'same-1', { site: 'same' });
    await registry.addConfiguration({ id: 'same', content: manifest('1'), targetCondition: "tags.site = 'same'", priority: 1 });
    await settled();
    const before = ['$edgeAgent', '$edgeHub'].map((module) => versionOf(`same-1/${module}`));
    await registry.updateTwin('same-1', { tags: { note: 'hello' } }, '*');
    await registry.updateConfiguration({ ...(await registry.getConfiguration('same')).responseBody, priority: 5 });
    await settled();
    expect(['$edgeAgent', '$edgeHub'].map((module) => versionOf(`same-1/${module}`))).toEqual(before);
    await registry.updateModuleTwin('same-1', '$edgeAgent', { properties: { desired: { modules: null } } }, '*');
    await settled();
    expect(imageOf(hub.core, 'same-1')).toBe('candyco/filter:1');
  });

  test('a new deployment is a new version for the agent, also where only routes differ; it hears of that last', async () => {
    await addEdge(hub.core, 'order-1', { site: 'order' });
    const targetCondition = "tags.site = 'order'";
    const twins = (limit: number) => ({ filter: { 'properties.desired': { limit } } });
    await registry.addConfiguration({ id: 'order-1', content: manifest('1', { twins: twins(1) }), targetCondition, priority: 1 });
    await settled();
    const told: string[] = [];
    using _listening = hub.core.twins.onChange(({ moduleId }) => told.push(String(moduleId)));
    const routes = { more: 'FROM /messages/modules/filter/* INTO $upstream' };
    await registry.addConfiguration({ id: 'order-2', content: manifest('1', { routes, twins: twins(2) }), targetCondition, priority: 2 });
    await settled();
    expect(told).toEqual(['filter', '$edgeHub', '$edgeAgent']);
    expect(versionOf('order-1/$edgeAgent')).toBe(3);
  });

  test('a device for which it does not fit keeps what it has, and the log says so; others get it', async () => {
    for (const n of [1, 2]) await addEdge(hub.core, `full-${n}`, { site: 'full' });
    for (let n = 0; n < 48; n++) await hub.core.identities.create({ deviceId: 'full-1', moduleId: `own-${n}` });
    const content = manifest('1', { twins: { filter: { 'properties.desired': { limit: 1 } } } });
    await registry.addConfiguration({ id: 'full', content, targetCondition: "tags.site = 'full'", priority: 1 });
    await settled();
    expect(['full-1', 'full-2'].map((id) => imageOf(hub.core, id))).toEqual([undefined, 'candyco/filter:1']);
    expect(hub.log.some((line) => line.includes('could not be written into twins') && line.includes('full-1'))).toBe(true);
    await registry.removeModule('full-1', 'own-7');
    await settled();
    expect(imageOf(hub.core, 'full-1')).toBe('candyco/filter:1');
  });

  test('parts of device twins: the stronger wins where they conflict, and the rest of the twin stays', async () => {
    await registry.create({ deviceId: 'chiller' });
    await registry.updateTwin('chiller', { tags: { kind: 'chiller' }, properties: { desired: { mine: 1 } } }, '*');
    const targetCondition = "tags.kind = 'chiller'";
    const water = (t: number, p: number) => ({ deviceContent: { 'properties.desired.water': { t, p } } });
    await registry.addConfiguration({ id: 'water-1', content: water(60, 3), targetCondition, priority: 1 });
    await registry.addConfiguration({ id: 'water-2', content: water(70, 4), targetCondition, priority: 2 });
    await registry.addConfiguration({
      id: 'rate',
      content: { deviceContent: { 'properties.desired.sending.rate': 5 } },
      targetCondition,
      priority: 1,
    });
    await settled();
    expect(hub.core.twinStore.load('chiller').desired.properties).toEqual({ mine: 1, water: { t: 70, p: 4 }, sending: { rate: 5 } });
    expect(statusesOf(hub.core, 'chiller')).toEqual({ 'water-1': 'Targeted', 'water-2': 'Applied', rate: 'Applied' });
    const version = versionOf('chiller');
    await registry.updateTwin('chiller', { tags: { note: 'x' } }, '*');
    await settled();
    expect(versionOf('chiller')).toBe(version);
    expect((await registry.getConfiguration('water-2')).responseBody.systemMetrics.results).toEqual({ targetedCount: 1, appliedCount: 1 });
  });

  test('parts of module twins lie over what a manifest wants of them', async () => {
    await addEdge(hub.core, 'part-1', { site: 'part' });
    const twins = { filter: { 'properties.desired': { limit: 7 } } };
    await registry.addConfiguration({ id: 'part', content: manifest('1', { twins }), targetCondition: "tags.site = 'part'", priority: 1 });
    const targetCondition = "FROM devices.modules WHERE moduleId = 'filter' AND deviceId = 'part-1'";
    await registry.addConfiguration({
      id: 'level',
      content: { moduleContent: { 'properties.desired.level': 'debug' } },
      targetCondition,
      priority: 1,
    });
    await settled();
    expect(hub.core.twinStore.load('part-1/filter').desired.properties).toEqual({ limit: 7, level: 'debug' });
    expect(statusesOf(hub.core, 'part-1/filter')).toEqual({ level: 'Applied' });
    const version = versionOf('part-1/filter');
    await registry.updateTwin('part-1', { tags: { note: 'x' } }, '*');
    await settled();
    expect(versionOf('part-1/filter')).toBe(version);
    await registry.removeConfiguration('part');
  });
});

test('a disk that is full: nothing is half there, and it is done when there is room again', async () => {
  const ids = Array.from({ length: 20 }, (_, n) => `disk-${n}`);
  for (const id of ids) await addEdge(hub.core, id, { site: 'disk' });
  const content = manifest('1', { twins: { filter: { 'properties.desired': { text: 'x'.repeat(4_000) } } } });
  await registry.addConfiguration({ id: 'disk', content, targetCondition: '', priority: 1 });
  await settled();
  const pages = Number(hub.core.db.prepare('PRAGMA page_count').get()?.page_count);
  hub.core.db.exec(`PRAGMA max_page_count=${pages + 5}`);
  await hub.core.deployments.update('disk', { targetCondition: "tags.site = 'disk'" }, '*');
  await settled();
  const versions = ids.map((id) => ['$edgeAgent', '$edgeHub'].map((module) => versionOf(`${id}/${module}`)));
  hub.core.db.exec('PRAGMA max_page_count=1000000');
  expect(versions.filter(([agent]) => agent === 1).length).toBeGreaterThan(0);
  for (const [agent, routes] of versions) expect(agent).toBe(routes);
  expect(hub.log.some((line) => line.includes('could not be written into twins') && line.includes('disk-'))).toBe(true);
  await expect.poll(() => ids.filter((id) => imageOf(hub.core, id) === 'candyco/filter:1'), { timeout: 10_000 }).toEqual(ids);
});

describe('what is counted', () => {
  test('targeted, applied, successful, failed, and custom metrics', async () => {
    for (const n of [1, 2, 3, 4]) await addEdge(hub.core, `count-${n}`, { site: 'count' });
    await registry.create({ deviceId: 'count-5' });
    await registry.updateTwin('count-5', { tags: { site: 'count' } }, '*');
    const metrics = {
      queries: {
        all: "SELECT deviceId FROM devices WHERE tags.site = 'count'",
        groups: 'SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site',
      },
    };
    await registry.addConfiguration({ id: 'count', content: manifest('1'), targetCondition: "tags.site = 'count'", priority: 1, metrics });
    await settled();
    await report(hub.core, 'count-1', 200);
    await report(hub.core, 'count-2', 200);
    await report(hub.core, 'count-3', 500);
    const { responseBody } = await registry.getConfiguration('count');
    expect(responseBody.systemMetrics.results).toEqual({
      targetedCount: 4,
      appliedCount: 4,
      reportedSuccessfulCount: 2,
      reportedFailedCount: 1,
    });
    expect(responseBody.metrics.results.all).toBe(5);
    for (const [name, query] of Object.entries(responseBody.systemMetrics.queries)) {
      const rows = (await registry.createQuery(query).next()).result;
      expect([name, rows.length]).toEqual([name, responseBody.systemMetrics.results[name]]);
    }
  });
});

test('A/B by tag is two configurations; one gateway per factory is a condition', async () => {
  for (const [id, tags] of [
    ['leeds-1', { site: 'ab-leeds', arm: 'a', role: 'gateway' }],
    ['leeds-2', { site: 'ab-leeds', arm: 'b' }],
    ['york-1', { site: 'ab-york', arm: 'a', role: 'gateway' }],
  ] as const)
    await addEdge(hub.core, id, tags);
  await registry.addConfiguration({ id: 'arm-a', content: manifest('a'), targetCondition: "tags.arm = 'a'", priority: 1 });
  await registry.addConfiguration({ id: 'arm-b', content: manifest('b'), targetCondition: "tags.arm = 'b'", priority: 1 });
  await registry.addConfiguration({
    id: 'one-per-factory',
    content: layer({ 'properties.desired.modules.uplink': image('uplink:1') }),
    targetCondition: "tags.role = 'gateway'",
    priority: 2,
  });
  await settled();
  const seen = ['leeds-1', 'leeds-2', 'york-1'].map((id) => [imageOf(hub.core, id), imageOf(hub.core, id, 'uplink')]);
  expect(seen).toEqual([
    ['candyco/filter:a', 'uplink:1'],
    ['candyco/filter:b', undefined],
    ['candyco/filter:a', 'uplink:1'],
  ]);
});

test('two changes at once: one of them is told that it comes too late', async () => {
  const { etag } = await hub.core.deployments.create('race', { content: manifest('1'), targetCondition: '', priority: 1 });
  const changes = [2, 3].map((priority) => hub.core.deployments.update('race', { priority }, etag));
  const outcomes = await Promise.allSettled(changes);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(outcomes[1]).toMatchObject({ reason: { status: 412 } });
  expect(hub.core.deployments.get('race')?.priority).toBe(2);
});
