import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../hub/log.ts';
import { connectionString, createDevice, type Hub, startHub } from '../../hub/server.ts';
import { connect } from '../../hub-client/azure/client.ts';
import { azure } from '../../hub-client/azure/definition.ts';
import type { HubSession, TwinObject } from '../../hub-client/contract.ts';
import { hubContext } from '../../test/contract/hub-client.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { TwinAgent } from './agent.ts';
import { hastyAgent, recorder } from './testing/support.ts';

/** Over the wire: the hub that comes with the gateway, and the client for Azure's. */
const device = { deviceId: 'gw-test-1' };
let folders: { readonly hub: ReturnType<typeof tempFolder>; readonly gateway: ReturnType<typeof tempFolder> };
let port: number;
let hub: Hub;
let session: HubSession | undefined;
let agent: TwinAgent;

const startIt = async (): Promise<void> => {
  hub = await startHub({ folder: folders.hub.path, mqttPort: port, log: silentLog });
};
const attach = async (): Promise<void> => {
  const files = { hub: connectionString(folders.hub.path, device.deviceId), ca: hub.caPem! };
  const settings = azure.settings.parse({ connectionString: { file: 'hub' }, ca: 'ca' });
  session = await connect(settings, hubContext(folders.gateway.path, files), new AbortController().signal);
  const over = new AbortController();
  void session.closed.then(() => over.abort());
  await agent.attach(session.control!, over.signal);
};
const reported = (): unknown => hub.core.twins.get(device)!.properties.reported;
const desire = (desired: TwinObject): unknown => hub.core.twins.patch(device, { properties: { desired } });
const soon = { interval: 20, timeout: 5_000 };

beforeEach(async () => {
  folders = { hub: tempFolder(), gateway: tempFolder() };
  port = await freePort();
  await startIt();
  createDevice(folders.hub.path, device.deviceId);
  agent = hastyAgent(folders.gateway.path);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await session?.[Symbol.asyncDispose]();
  await hub.close();
  folders.hub[Symbol.dispose]();
  folders.gateway[Symbol.dispose]();
});

test('desired properties arrive and are answered; what is reported while the hub is away arrives when it is back', async () => {
  const settings = recorder();
  agent.section('settings', settings);
  agent.report('gateway', { version: '1.2.0' });
  await attach();
  desire({ settings: { batchFor: '1s' } });
  await expect
    .poll(reported, soon)
    .toMatchObject({ gateway: { version: '1.2.0' }, desired: { settings: { version: 2, status: 'applied' } } });

  await hub.close();
  await session!.closed;
  agent.report('gateway.version', '1.3.0');
  agent.report('lost', 'never');
  await agent[Symbol.asyncDispose]();
  await startIt();
  desire({ settings: { batchFor: '2s' } });
  agent = hastyAgent(folders.gateway.path);
  agent.section('settings', settings);
  await attach();
  await expect
    .poll(reported, soon)
    .toMatchObject({ gateway: { version: '1.3.0' }, lost: 'never', desired: { settings: { version: 3, status: 'applied' } } });
  expect(settings.calls).toEqual([
    { value: { batchFor: '1s' }, previous: undefined, version: 2 },
    { value: { batchFor: '2s' }, previous: { batchFor: '1s' }, version: 3 },
  ]);
});

test('a full replace at the hub takes away what is gone', async () => {
  const modules = recorder();
  agent.section('modules', modules);
  desire({ modules: { a: { image: 'x' }, b: { image: 'y' } } });
  await attach();
  await expect.poll(() => modules.calls.length, soon).toBe(1);
  hub.core.twins.replace(device, { properties: { desired: { modules: { b: { image: 'y' } } } } });
  await expect.poll(() => modules.calls.at(-1)?.value, soon).toEqual({ b: { image: 'y' } });
});

test('as much as the gateway lets through, the hub keeps', async () => {
  const bulk = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`k${n}`, Array.from({ length: 60 }, (_v, i) => n / (i + 3))]));
  agent.report('bulk', bulk);
  await attach();
  await expect.poll(() => (reported() as { bulk?: object }).bulk, soon).toEqual(bulk);
});
