import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { openBox as openWorkload, type Box as Workload } from '../../../deployments/workload/testing/box.ts';
import { silentLog } from '../../../hub/log.ts';
import { redirectHttps } from '../../../hub/service/testcases/sdk.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { ModuleBroker } from './broker.ts';
import { fakeUpstream, type ModuleClient, routesOf, sdkMessage } from './testing/box.ts';

const require = createRequire(import.meta.url);

afterEach(() => vi.unstubAllEnvs());

/** The unmodified SDK with nothing but what a container is told. */
async function fromEnvironment(workload: Workload, module: string, gateway: string): Promise<ModuleClient & AsyncDisposable> {
  const { ModuleClient } = require('azure-iot-device') as { ModuleClient: { fromEnvironment(transport: unknown): Promise<ModuleClient> } };
  const { Mqtt } = require('azure-iot-device-mqtt') as { Mqtt: unknown };
  await workload.identities.ensure(module);
  const socket = await workload.api.socketFor(module);
  const { env } = workload.api.environmentOf(module);
  const here = { ...env, IOTEDGE_WORKLOADURI: `unix://${socket}`, IOTEDGE_GATEWAYHOSTNAME: gateway };
  for (const [name, value] of Object.entries(here)) vi.stubEnv(name, value);
  const client = await ModuleClient.fromEnvironment(Mqtt);
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close().then(() => {}) });
}

test('with the identities, tokens and certificates of this box, modules reach each other and the hub', async () => {
  using folder = tempFolder();
  const workload = await openWorkload(folder.path);
  await using _api = workload.api;
  const upstream = fakeUpstream();
  await using broker = await ModuleBroker.open({
    folder: join(folder.path, 'broker'),
    deviceId: 'gw-1',
    hubHostNames: ['hub.plant'],
    hostName: 'gw.plant',
    listen: { address: '127.0.0.1', mqttPort: 0, httpsPort: 0 },
    certificate: await workload.certificates.broker(['localhost']),
    identities: workload.identities,
    upstream,
    log: silentLog,
    routes: routesOf(
      'FROM /messages/modules/source/outputs/out INTO BrokeredEndpoint("/modules/sink/inputs/in")',
      'FROM /messages/modules/source/* INTO $upstream',
    ),
  });
  const at = `localhost:${broker.mqttPort}`;
  await using sink = await fromEnvironment(workload, 'sink', at);
  await sink.open();
  const got = new Promise<string>((resolve) =>
    sink.on('inputMessage', (input, message) => {
      sink.complete(message, () => {});
      resolve(`${input} ${message.getData()}`);
    }),
  );
  sink.onMethod('reset', (_request, response) => void response.send(200, 'done'));
  await using source = await fromEnvironment(workload, 'source', at);
  await source.open();
  await source.sendOutputEvent('out', sdkMessage('21.5'));
  expect(await got).toBe('in 21.5');
  await upstream.seen(1);
  using _redirect = redirectHttps(broker.httpsPort as number, '');
  await using caller = await fromEnvironment(workload, 'caller', 'localhost');
  const wanted = { methodName: 'reset', payload: null, responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 10 };
  expect(await caller.invokeMethod('gw-1', 'sink', wanted)).toEqual({ status: 200, payload: 'done' });
});
