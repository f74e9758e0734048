import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readManifest } from '../../../deployments/manifest/read-manifest.ts';
import { serviceConnectionString } from '../../../hub/access.ts';
import { Client, Registry, redirectHttps } from '../../../hub/service/testcases/sdk.ts';
import { manifestOf } from './deployment-pair.ts';
import { boxDevice, type EdgeHub, eventsOf, messageOf, openBox, placeAt, startEdgeHub } from './testing/box.ts';

const soon = { interval: 20, timeout: 10_000 };
const runtime = { type: 'docker', settings: { minDockerVersion: 'v1.25' } };
const agentDesired = (modules: object = {}) => ({
  schemaVersion: '1.1',
  runtime,
  systemModules: {
    edgeAgent: { type: 'docker', settings: { image: 'mcr/agent:1.5' } },
    edgeHub: { type: 'docker', status: 'running', restartPolicy: 'always', settings: { image: 'mcr/hub:1.5' } },
  },
  modules,
});
const hubDesired = { schemaVersion: '1.1', routes: {}, storeAndForwardConfiguration: { timeToLiveSecs: 7200 } };

describe('an IoT Edge device at its hub', () => {
  let edge: EdgeHub;
  let box: Awaited<ReturnType<typeof openBox>>;
  const stack = new AsyncDisposableStack();
  beforeAll(async () => {
    edge = stack.use(await startEdgeHub());
    stack.use(redirectHttps(edge.httpsPort, edge.hub.caPem!));
    box = stack.use(await openBox(placeAt(edge)));
  });
  afterAll(() => stack.disposeAsync());

  test('a deployment arrives when both halves are there, together, and again when either changes; it is a manifest', async () => {
    const { twins } = edge.hub.core;
    const [agent, hub] = ['$edgeAgent', '$edgeHub'].map((moduleId) => ({ deviceId: boxDevice, moduleId }));
    await expect.poll(() => box.told.deployments.length, soon).toBe(1);
    expect(box.told.deployments[0]).toEqual({ agent: {}, hub: {}, version: 1, hubVersion: 1 });
    const filter = { type: 'docker', version: '1.0', status: 'running', restartPolicy: 'always', settings: { image: 'filter:1.0' } };
    await twins.replace(agent!, { properties: { desired: agentDesired({ filter }) } });
    await twins.replace(hub!, { properties: { desired: hubDesired } });
    await expect.poll(() => box.told.deployments.length, soon).toBe(2);
    const deployment = box.told.deployments[1]!;
    expect(deployment).toEqual({ agent: agentDesired({ filter }), hub: hubDesired, version: 2, hubVersion: 2 });
    const { manifest, problems } = readManifest(manifestOf(deployment));
    expect(problems).toEqual([]);
    expect(manifest?.modules.get('filter')?.image).toBe('filter:1.0');
    await twins.replace(agent!, { properties: { desired: agentDesired() } });
    await expect.poll(() => box.told.deployments.at(-1)?.agent.modules, soon).toEqual({});
    expect(box.upstream.state()).toMatchObject({ connected: true, deployment: { version: 3, hubVersion: 2 } });
  });

  test('what the agent and the edge hub report is coalesced; what is no longer in it goes at the hub, too', async () => {
    const reported = (moduleId: string) => edge.hub.core.twins.get({ deviceId: boxDevice, moduleId })!.properties.reported;
    const versionBefore = reported('$edgeAgent').$version as number;
    const filter = (restartCount: number) => ({ modules: { filter: { restartCount } }, lastDesiredVersion: restartCount });
    for (let n = 1; n <= 50; n++) box.upstream.reportAgent(filter(n));
    box.upstream.reportHub({ clients: { [`${boxDevice}/filter`]: { status: 'Connected' } } });
    await expect.poll(() => reported('$edgeAgent'), soon).toMatchObject(filter(50));
    expect((reported('$edgeAgent').$version as number) - versionBefore).toBeLessThanOrEqual(2);
    await expect.poll(() => reported('$edgeHub'), soon).toMatchObject({ clients: { [`${boxDevice}/filter`]: { status: 'Connected' } } });
    box.upstream.reportAgent({ modules: {}, lastDesiredVersion: 51 });
    await expect.poll(() => reported('$edgeAgent'), soon).toMatchObject({ lastDesiredVersion: 51 });
    expect(reported('$edgeAgent').modules).toEqual({});
  });

  test('a whole device of fifty modules fits into what the agent reports', async () => {
    const image = 'registry.plant.local:5000/line-1/filter@sha256:0000000000000000000000000000000000000000000000000000000000000000';
    const module = { type: 'docker', status: 'running', runtimeStatus: 'running', settings: { image, createOptions: 'x'.repeat(300) } };
    const modules = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`m-${n}`, module]));
    box.upstream.reportAgent({ modules });
    const { twins } = edge.hub.core;
    await expect.poll(() => twins.get({ deviceId: boxDevice, moduleId: '$edgeAgent' })!.properties.reported.modules, soon).toEqual(modules);
  });

  test('the service SDK sets the twin of a module and calls its methods and those of the agent', async () => {
    const registry = Registry.fromConnectionString(serviceConnectionString(edge.folder, 'iothubowner', 'rest'));
    const client = Client.fromConnectionString(serviceConnectionString(edge.folder, 'service', 'rest'));
    await box.run(['filter']);
    await expect.poll(() => box.told.desired.length, soon).toBe(1);
    await registry.updateModuleTwin(boxDevice, 'filter', { properties: { desired: { limit: 90 } } }, '*');
    await expect.poll(() => box.told.desired.at(-1), soon).toEqual({ module: 'filter', version: 2, properties: { limit: 90 } });
    await box.upstream.reportModule('filter', { limit: 90 });
    expect((await registry.getModuleTwin(boxDevice, 'filter')).responseBody.properties.reported).toMatchObject({ limit: 90 });
    const call = (module: string, methodName: string) =>
      (
        client as unknown as { invokeDeviceMethod(device: string, module: string, method: object): Promise<{ result: object }> }
      ).invokeDeviceMethod(boxDevice, module, { methodName, payload: { id: 'filter' } });
    expect((await call('filter', 'reset')).result).toEqual({
      status: 200,
      payload: { module: 'filter', name: 'reset', payload: { id: 'filter' } },
    });
    expect((await call('$edgeAgent', 'RestartModule')).result).toEqual({
      status: 200,
      payload: { agent: 'RestartModule', payload: { id: 'filter' } },
    });
    expect((await registry.getModule(boxDevice, 'filter')).responseBody).toMatchObject({ managedBy: 'IotEdge' });
  });

  test('a message leaves as its module sent it, from its output, and the hub knows whose it is', async () => {
    await box.run(['filter', 'other']);
    await expect.poll(() => box.told.connected.includes('other'), soon).toBe(true);
    await Promise.all(
      ['filter', 'other'].map((module) => box.upstream.sender.send(messageOf(module, `"from ${module}"`, { correlationId: 'c/1' }))),
    );
    await expect.poll(() => eventsOf(edge).length, soon).toBe(2);
    for (const module of ['filter', 'other']) {
      expect(eventsOf(edge).find(({ body }) => Buffer.from(body).toString() === `"from ${module}"`)).toMatchObject({
        properties: { severity: 'high', 'ünïcode key': 'a&b=c' },
        system: { 'content-type': 'application/json', 'content-encoding': 'utf-8', 'correlation-id': 'c/1' },
        annotations: { 'iothub-connection-device-id': boxDevice, 'iothub-connection-module-id': module },
      });
    }
  });

  test('a module that left is disconnected; what it had said before still arrives, and says whose it was', async () => {
    const connection = (moduleId: string) => edge.hub.core.identities.get({ deviceId: boxDevice, moduleId })?.connectionState;
    await expect.poll(() => connection('other'), soon).toBe('Connected');
    box.upstream.setModules(['filter']);
    await expect.poll(() => connection('other'), soon).toBe('Disconnected');
    await box.upstream.sender.send(messageOf('other', '"late"'));
    await expect
      .poll(() => eventsOf(edge).find(({ body }) => Buffer.from(body).toString() === '"late"'), soon)
      .toMatchObject({
        properties: { severity: 'high', 'dragoman-module': 'other', 'dragoman-output': 'out' },
        annotations: { 'iothub-connection-module-id': '$edgeHub' },
      });
    await expect(box.upstream.reportModule('other', {})).rejects.toMatchObject({ code: 'module-unknown' });
  });

  test('a module that is deleted on this box while it is connected is not made again', async () => {
    await box.run(['filter', 'gone']);
    await expect.poll(() => box.upstream.state().links.gone, soon).toEqual({ connected: true });
    await box.identities.remove('gone');
    await expect.poll(() => box.upstream.state().links.gone?.connected, soon).toBe(false);
    await box.upstream.sender.send(messageOf('gone', '"last"'));
    await expect.poll(() => eventsOf(edge).some(({ properties }) => properties['dragoman-module'] === 'gone'), soon).toBe(true);
    expect(edge.hub.core.identities.get({ deviceId: boxDevice, moduleId: 'gone' })).toBeUndefined();
    box.upstream.setModules(['filter']);
  });

  test('what no hub can take is refused for good, and the connection stays', async () => {
    const big = { ...messageOf('filter', ''), body: Buffer.alloc(box.upstream.sender.maxBodyBytes + 1) };
    await expect(box.upstream.sender.send(big)).rejects.toMatchObject({ code: 'message-too-large', retry: 'never' });
    const long = { ...messageOf('filter', ''), properties: { long: 'x'.repeat(70_000) } };
    await expect(box.upstream.sender.send(long)).rejects.toMatchObject({ code: 'message-too-large', retry: 'never' });
    await box.upstream.sender.send(messageOf('filter', '"small"'));
    await expect(box.upstream.reportModule('filter', { 'bad.key': 1 })).rejects.toMatchObject({ retry: 'never' });
  });

  test('a healthy box is silent', () => {
    expect(box.log.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
  });
});
