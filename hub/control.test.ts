import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type Child, startChild } from '../test/support/child.ts';
import { tempFolder } from '../test/support/temp.ts';
import { connectionString, createDevice } from './access.ts';
import { callHub } from './commands/rest-call.ts';
import { hubFiles } from './folder.ts';
import { silentLog } from './log.ts';
import { startHub } from './server.ts';
import { readTelemetry } from './telemetry/reader.ts';

/** As much of the CommonJS packages as is used here. */
interface MethodRequest {
  readonly methodName: string;
  readonly payload: unknown;
}
interface Received {
  readonly messageId: string;
  getData(): Buffer;
  readonly properties: { getValue(key: string): string };
}
interface Twin {
  readonly properties: {
    readonly desired: Readonly<Record<string, unknown>>;
    readonly reported: { update(patch: object, done: (error?: Error) => void): void };
  };
  on(event: string, listener: (delta: Readonly<Record<string, unknown>>) => void): void;
}
interface Client {
  setOptions(options: object): Promise<unknown>;
  open(): Promise<unknown>;
  close(): Promise<unknown>;
  sendEvent(message: unknown): Promise<unknown>;
  getTwin(): Promise<Twin>;
  on(event: 'message', listener: (message: Received) => void): void;
  on(event: 'inputMessage', listener: (input: string, message: Received) => void): void;
  complete(message: Received): Promise<unknown>;
  onDeviceMethod(name: string, callback: MethodCallback): void;
}
interface ModuleClient extends Client {
  sendOutputEvent(output: string, message: unknown): Promise<unknown>;
  onMethod(name: string, callback: MethodCallback): void;
}
type MethodCallback = (request: MethodRequest, response: { send(status: number, payload: unknown): Promise<unknown> }) => void;

const require = createRequire(import.meta.url);
const { Client, ModuleClient, Message } = require('azure-iot-device') as {
  Client: { fromConnectionString(text: string, transport: unknown): Client };
  ModuleClient: { fromConnectionString(text: string, transport: unknown): ModuleClient };
  Message: new (body: string) => { properties: { add(key: string, value: string): void } };
};
const { Mqtt } = require('azure-iot-device-mqtt') as { Mqtt: unknown };

async function opened<C extends Client>(client: C, ca: string): Promise<C & AsyncDisposable> {
  await client.setOptions({ ca });
  await client.open();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close().then(() => {}) });
}

const reported = (twin: Twin, patch: object): Promise<void> =>
  new Promise((resolve, reject) => twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve())));

describe('the unmodified Azure device SDK', () => {
  test('has a twin: hears of changes, keeps what was reported, is told of a refusal', async () => {
    using folder = tempFolder();
    await using hub = await startHub({ folder: folder.path, mqttPort: 0, log: silentLog });
    await hub.core.identities.create({ deviceId: 'gw' }, { properties: { desired: { rate: 1, modules: { a: {}, b: {} } } } });
    await using client = await opened(Client.fromConnectionString(connectionString(folder.path, 'gw'), Mqtt), hub.caFile as string);
    const twin = await client.getTwin();
    expect(twin.properties.desired).toMatchObject({ rate: 1, $version: 2 });
    const heard: Readonly<Record<string, unknown>>[] = [];
    twin.on('properties.desired', (delta) => heard.push(delta));
    // The first is the whole section, at once; the subscription is on its way then.
    await reported(twin, { fw: '1.0' });
    await hub.core.twins.patch({ deviceId: 'gw' }, { properties: { desired: { rate: 2 } } });
    await hub.core.twins.replace({ deviceId: 'gw' }, { properties: { desired: { modules: { b: {} } } } });
    await expect
      .poll(() => heard.slice(1))
      .toEqual([
        { rate: 2, $version: 3 },
        { rate: null, modules: { a: null, b: {} }, $version: 4 },
      ]);
    expect(twin.properties.desired).toMatchObject({ modules: { b: {} } });
    expect(twin.properties.desired).not.toHaveProperty('modules.a');
    await expect(reported(twin, { 'a.b': 1 })).rejects.toThrow(/a key holds no/);
    expect(hub.core.twins.get({ deviceId: 'gw' })?.properties.reported).toMatchObject({ fw: '1.0', $version: 2 });
  });

  test('answers methods and takes messages; a method that it does not know gets no answer', async () => {
    using folder = tempFolder();
    await using hub = await startHub({ folder: folder.path, mqttPort: 0, log: silentLog });
    createDevice(folder.path, 'gw');
    await using client = await opened(Client.fromConnectionString(connectionString(folder.path, 'gw'), Mqtt), hub.caFile as string);
    client.onDeviceMethod('reboot', (request, response) => void response.send(201, { got: request.payload }));
    const received: string[] = [];
    client.on('message', (message) => {
      received.push(`${message.messageId} ${message.getData()} ${message.properties.getValue('k')}`);
      void client.complete(message);
    });
    const invoke = (request: object) =>
      hub.core.methods.invoke({ deviceId: 'gw' }, { name: 'reboot', connectTimeoutMs: 5_000, ...request });
    expect(await invoke({ payload: { delay: 5 } })).toEqual({ status: 201, payload: { got: { delay: 5 } } });
    expect(await invoke({})).toEqual({ status: 201, payload: { got: null } });
    await expect(invoke({ name: 'unknown', responseTimeoutMs: 200 })).rejects.toMatchObject({ errorCode: 504101 });
    await hub.core.messages.enqueue('gw', { body: Buffer.from('hi'), messageId: 'm1', properties: { k: 'a/b=c' } });
    await expect.poll(() => received).toEqual(['m1 hi a/b=c']);
    await expect.poll(() => hub.core.identities.get({ deviceId: 'gw' })?.cloudToDeviceMessageCount).toBe(0);
  });

  test('goes on over renewed tokens, without subscribing again', async () => {
    using folder = tempFolder();
    await using hub = await startHub({ folder: folder.path, mqttPort: 0, log: silentLog });
    createDevice(folder.path, 'gw');
    const client = Client.fromConnectionString(connectionString(folder.path, 'gw'), Mqtt);
    await client.setOptions({ tokenRenewal: { tokenValidTimeInSeconds: 3, tokenRenewalMarginInSeconds: 2 } });
    await using _closing = await opened(client, hub.caFile as string);
    client.onDeviceMethod('ping', (_request, response) => void response.send(200, 'pong'));
    const rates: unknown[] = [];
    (await client.getTwin()).on('properties.desired', ({ rate }) => rates.push(rate));
    let rate = 0;
    // A call between DISCONNECT and CONNECT waits for the device; one that is under way at the DISCONNECT is lost, as methods may be.
    const ask = () => hub.core.methods.invoke({ deviceId: 'gw' }, { name: 'ping', connectTimeoutMs: 5_000, responseTimeoutMs: 500 });
    for (const endMs = Date.now() + 3_500; Date.now() < endMs; ) {
      const answer = await ask().catch((error) => error);
      expect([200, 504]).toContain(answer.status);
      if (hub.core.identities.get({ deviceId: 'gw' })?.connectionState === 'Connected') {
        await hub.core.twins.patch({ deviceId: 'gw' }, { properties: { desired: { rate: ++rate } } });
      }
    }
    expect(hub.counters().accepted).toBeGreaterThan(2);
    await expect.poll(() => ask().catch(() => undefined)).toEqual({ status: 200, payload: 'pong' });
    await hub.core.twins.patch({ deviceId: 'gw' }, { properties: { desired: { rate: 'last' } } });
    await expect.poll(() => rates.at(-1)).toBe('last');
    expect(rates.length).toBeGreaterThan(rate / 2);
  });

  test('as a module: outputs, twin, methods', async () => {
    using folder = tempFolder();
    await using hub = await startHub({ folder: folder.path, mqttPort: 0, log: silentLog });
    await hub.core.identities.create({ deviceId: 'edge', capabilities: { iotEdge: true } });
    const { authentication } = await hub.core.identities.create({ deviceId: 'edge', moduleId: 'filter' });
    const text = `HostName=localhost:${hub.mqttPort};DeviceId=edge;ModuleId=filter;SharedAccessKey=${authentication.symmetricKey.primaryKey}`;
    await using module = await opened(ModuleClient.fromConnectionString(text, Mqtt), hub.caFile as string);
    const message = new Message('{"t":1}');
    message.properties.add('p', 'v/1 x');
    await module.sendOutputEvent('out1', message);
    module.onMethod('status', (_request, response) => void response.send(200, 'fine'));
    const name = { deviceId: 'edge', moduleId: 'filter' };
    expect(await hub.core.methods.invoke(name, { name: 'status', connectTimeoutMs: 5_000 })).toEqual({ status: 200, payload: 'fine' });
    await reported(await module.getTwin(), { up: true });
    expect(hub.core.twins.get(name)?.properties.reported).toMatchObject({ up: true });
    const { value } = await readTelemetry(folder.path).next();
    expect(value).toMatchObject({ device: 'edge', properties: { '$.on': 'out1', '$.cmid': 'filter', p: 'v/1 x' } });
  });

  test('goes on after kill -9 of the hub: desired properties, methods and messages arrive, the queue is there', async () => {
    using folder = tempFolder();
    const first = await startHubProcess(folder.path);
    createDevice(folder.path, 'gw');
    await using client = await opened(
      Client.fromConnectionString(connectionString(folder.path, 'gw'), Mqtt),
      hubFiles(folder.path).caCertificate,
    );
    const received: string[] = [];
    client.onDeviceMethod('ping', (_request, response) => void response.send(200, 'pong'));
    client.on('message', (message) => received.push(message.getData().toString()));
    const twin = await client.getTwin();
    const rates: unknown[] = [];
    twin.on('properties.desired', ({ rate }) => rates.push(rate));
    await reported(twin, { fw: '1.0' });
    const ask = () =>
      callHub(folder.path, { method: 'POST', path: '/twins/gw/methods', body: { methodName: 'ping', connectTimeoutInSeconds: 10 } });
    const desire = (rate: number) =>
      callHub(folder.path, {
        method: 'PATCH',
        path: '/twins/gw',
        headers: { 'if-match': '"*"' },
        body: { properties: { desired: { rate } } },
      });
    const message = (text: string) =>
      callHub(folder.path, {
        method: 'POST',
        path: '/messages/devicebound',
        headers: { 'iothub-to': '/devices/gw/messages/devicebound' },
        text,
      });
    expect(await ask()).toEqual({ status: 200, payload: 'pong' });
    await desire(1);
    await message('one');
    await expect.poll(() => [received, rates]).toEqual([['one'], [undefined, 1]]);

    // Acknowledged: what is not would come again, as it may.
    const waiting = async () =>
      ((await callHub(folder.path, { method: 'GET', path: '/devices/gw' })) as { cloudToDeviceMessageCount: number })
        .cloudToDeviceMessageCount;
    await expect.poll(waiting).toBe(0);

    first.process.kill('SIGKILL');
    await first.exited;
    await using _second = await startHubProcess(folder.path, first.port);
    await message('two');
    await client.sendEvent(new Message('{}'));
    expect(await ask()).toEqual({ status: 200, payload: 'pong' });
    await desire(2);
    await expect
      .poll(() => [received, rates])
      .toEqual([
        ['one', 'two'],
        [undefined, 1, 2],
      ]);
    const document = (await callHub(folder.path, { method: 'GET', path: '/twins/gw' })) as { properties: { reported: object } };
    expect(document.properties.reported).toMatchObject({ fw: '1.0', $version: 2 });
  });
});

async function startHubProcess(folder: string, port = 0): Promise<Child & { port: number }> {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = startChild(process.execPath, [main, '--data', folder, '--mqtt', String(port), '--https', '0']);
  const { mqtt } = JSON.parse(await child.line(/"ready":true/)) as { mqtt: number };
  return { ...child, port: mqtt };
}
