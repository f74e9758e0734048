import { afterAll, beforeAll, expect, test } from 'vitest';
import { silent } from '../../test/contract/hub-client.ts';
import { connectAs } from './client.ts';
import { keyProof } from './credentials.ts';
import { azure } from './definition.ts';
import { benchDevice, startEmbedded } from './testcases/embedded-bench.ts';

let embedded: Awaited<ReturnType<typeof startEmbedded>>;
const moduleId = 'filter';
const name = { deviceId: benchDevice, moduleId };

beforeAll(async () => {
  embedded = await startEmbedded();
  await embedded.hub.core.identities.create(name);
});
afterAll(() => embedded[Symbol.asyncDispose]());

const settings = azure.settings.parse({ connectionString: { env: 'unused' } });

async function connected(key?: string) {
  const { core, mqttPort, caPem } = embedded.hub;
  const { primaryKey } = core.identities.get(name)!.authentication.symmetricKey;
  const identity = { hub: 'localhost', host: 'localhost', port: mqttPort, ...name, proof: keyProof(key ?? primaryKey!), ca: caPem! };
  return connectAs(identity, settings, silent, new AbortController().signal);
}

test('a module sends from its outputs, and the hub knows whose message it is', async () => {
  const { events } = embedded.hub.core;
  await using session = await connected();
  const stored = new Promise<void>((resolve) => {
    const listening = events.onStored(() => {
      listening[Symbol.dispose]();
      resolve();
    });
  });
  await session.sendFrom('alarms', {
    id: 'm-1',
    body: Buffer.from('{"over":12}'),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    createdMs: 1_795_507_200_000,
    properties: { severity: 'high' },
  });
  await stored;
  const [message] = events.partitionIds.flatMap((partition) => events.read(partition, events.locate(partition, 'earliest')));
  expect(message).toMatchObject({
    properties: { severity: 'high' },
    annotations: { 'iothub-connection-device-id': benchDevice, 'iothub-connection-module-id': moduleId },
  });
  expect(Buffer.from(message!.body).toString()).toBe('{"over":12}');
});

test('its twin and its methods are its own', async () => {
  const { core } = embedded.hub;
  await using session = await connected();
  const patches: object[] = [];
  const told = new Promise<void>((resolve) => {
    session.control.onDesired((patch) => {
      patches.push(patch);
      resolve();
    });
  });
  session.control.onMethod(async ({ name: method, payload }) => ({ status: 200, payload: { method, payload } }));
  const { desired } = await session.control.twin();
  await core.twins.patch(name, { properties: { desired: { limit: 90 } } });
  await told;
  expect(patches).toEqual([{ limit: 90, $version: desired.$version + 1 }]);
  await session.control.report({ limit: 90 });
  expect(core.twins.get(name)!.properties.reported).toMatchObject({ limit: 90 });
  expect(core.twins.get({ deviceId: benchDevice })!.properties.reported).not.toHaveProperty('limit');
  const answer = await core.methods.invoke(name, { name: 'limit', payload: 1, responseTimeoutMs: 5_000 });
  expect(answer).toEqual({ status: 200, payload: { method: 'limit', payload: 1 } });
});

test('a key of another one is refused, and the text names the module', async () => {
  const wrong = Buffer.alloc(32, 7).toString('base64');
  await expect(connected(wrong)).rejects.toMatchObject({
    code: 'hub-credentials',
    retry: 'after-fix',
    message: expect.stringContaining(`refused module "${benchDevice}/${moduleId}"`),
  });
});
