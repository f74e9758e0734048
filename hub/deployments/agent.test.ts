import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { silentLog } from '../log.ts';
import { startHub } from '../server.ts';
import { image, manifest } from './testcases/fleet.ts';

/** As much of `azure-iot-device` as is used here. */
interface Module {
  setOptions(options: object): Promise<unknown>;
  open(): Promise<unknown>;
  close(): Promise<unknown>;
  getTwin(): Promise<AgentTwin>;
}
interface AgentTwin {
  on(event: 'properties.desired', listener: (desired: Desired) => void): void;
  readonly properties: { readonly desired: Desired };
}
interface Desired {
  readonly $version: number;
  readonly modules?: Readonly<Record<string, unknown>>;
}
const require = createRequire(import.meta.url);
const { ModuleClient } = require('azure-iot-device') as {
  ModuleClient: { fromConnectionString(text: string, transport: unknown): Module };
};
const { Mqtt } = require('azure-iot-device-mqtt') as { Mqtt: unknown };

test('an agent with the unmodified SDK hears of a deployment at once, and of the module that the next one no longer has', async () => {
  using folder = tempFolder();
  await using hub = await startHub({ folder: folder.path, mqttPort: 0, log: silentLog });
  await hub.core.identities.create({ deviceId: 'gw-1', capabilities: { iotEdge: true } });
  const key = hub.core.identities.get({ deviceId: 'gw-1', moduleId: '$edgeAgent' })?.authentication.symmetricKey.primaryKey;
  const agent = ModuleClient.fromConnectionString(
    `HostName=localhost:${hub.mqttPort};DeviceId=gw-1;ModuleId=$edgeAgent;SharedAccessKey=${key}`,
    Mqtt,
  );
  await agent.setOptions({ ca: hub.caPem });
  await agent.open();
  const twin = await agent.getTwin();
  const heard = (wanted: number): Promise<Desired> =>
    new Promise((resolve) => twin.on('properties.desired', (desired) => desired.$version === wanted && resolve(desired)));
  const first = heard(2);
  const both = manifest('1', { modules: { extra: image('extra:1') } });
  await hub.core.deployments.create('v1', { content: both, targetCondition: '*', priority: 1 });
  expect(Object.keys((await first).modules ?? {})).toEqual(['filter', 'extra']);
  const second = heard(3);
  await hub.core.deployments.create('v2', { content: manifest('2'), targetCondition: '*', priority: 2 });
  expect((await second).modules).toMatchObject({ filter: { settings: { image: 'candyco/filter:2' } } });
  expect(Object.keys(twin.properties.desired.modules ?? {})).toEqual(['filter']);
  await agent.close();
});
