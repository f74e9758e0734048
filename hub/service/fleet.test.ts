import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { EventHubConsumerClient, earliestEventPosition } from '@azure/event-hubs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Child, startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { connectionString, createDevice, serviceConnectionString } from '../access.ts';
import { lastEndpoint } from '../endpoint.ts';
import { hubFiles } from '../folder.ts';
import { silentLog } from '../log.ts';
import { type Hub, startHub } from '../server.ts';
import { Client, Message, Registry, redirectHttps } from './testcases/sdk.ts';

/** As much of the device SDK as is used here. */
interface Device {
  setOptions(options: object): Promise<unknown>;
  open(): Promise<unknown>;
  close(): Promise<unknown>;
  sendEvent(message: object): Promise<unknown>;
  getTwin(): Promise<DeviceTwin>;
  on(
    event: 'message',
    listener: (message: { data: Buffer; messageId: string; properties: { getValue(key: string): string } }) => void,
  ): void;
  complete(message: object): Promise<unknown>;
  onDeviceMethod(
    name: string,
    act: (request: { payload: unknown }, response: { send(status: number, payload: unknown): Promise<void> }) => void,
  ): void;
}
interface DeviceTwin {
  on(event: string, listener: (desired: Readonly<Record<string, unknown>>) => void): void;
  readonly properties: { readonly reported: { update(patch: object, done: (error?: Error) => void): void } };
}
const require = createRequire(import.meta.url);
const { Client: DeviceClient } = require('azure-iot-device') as {
  Client: { fromConnectionString(text: string, transport: unknown): Device };
};
const { Mqtt } = require('azure-iot-device-mqtt') as { Mqtt: unknown };

let folder: string;
let hub: Hub;
let registry: Registry;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  folder = stack.use(tempFolder()).path;
  hub = stack.use(await startHub({ folder, mqttPort: 0, httpsPort: 0, amqpPort: 0, log: silentLog }));
  stack.use(redirectHttps(hub.httpsPort as number, hub.caPem as string));
  registry = Registry.fromConnectionString(serviceConnectionString(folder, 'iothubowner', 'rest', 'localhost'));
});
afterAll(() => stack.disposeAsync());

async function connectDevice(deviceId: string): Promise<Device & AsyncDisposable> {
  await registry.create({ deviceId });
  const device = DeviceClient.fromConnectionString(connectionString(folder, deviceId, 'localhost'), Mqtt);
  await device.setOptions({ ca: hub.caPem });
  await device.open();
  return Object.assign(device, { [Symbol.asyncDispose]: () => device.close().then(() => {}) });
}

test('a device and a service, both with the SDKs of Azure: twin both ways', async () => {
  await using device = await connectDevice('gw-twin');
  const twin = await device.getTwin();
  const desired = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  twin.on('properties.desired', (patch) => patch.rate !== undefined && desired.resolve(patch));
  await registry.updateTwin('gw-twin', { tags: { site: 'leeds' }, properties: { desired: { rate: 7 } } }, '*');
  expect(await desired.promise).toMatchObject({ rate: 7, $version: 2 });
  await new Promise<void>((resolve, reject) =>
    twin.properties.reported.update({ rate: 7 }, (error) => (error ? reject(error) : resolve())),
  );
  const query = registry.createQuery(
    "SELECT deviceId, connectionState FROM devices WHERE tags.site = 'leeds' AND properties.reported.rate = properties.desired.rate",
  );
  expect((await query.next()).result).toEqual([{ deviceId: 'gw-twin', connectionState: 'Connected' }]);
});

test('direct methods: answered, refused by the device, unheard, to nobody', async () => {
  const service = Client.fromConnectionString(serviceConnectionString(folder, 'service', 'rest', 'localhost'));
  {
    await using device = await connectDevice('gw-method');
    device.onDeviceMethod('echo', (request, response) => void response.send(201, { got: request.payload }));
    device.onDeviceMethod('deaf', () => {});
    const call = (methodName: string, payload?: unknown) =>
      service.invokeDeviceMethod('gw-method', { methodName, payload, responseTimeoutInSeconds: 1 });
    expect((await call('echo', { a: [1] })).result).toEqual({ status: 201, payload: { got: { a: [1] } } });
    expect((await call('echo')).result).toEqual({ status: 201, payload: { got: null } });
    await expect(call('deaf')).rejects.toMatchObject({ responseBody: expect.stringContaining('504101') });
  }
  await expect(service.invokeDeviceMethod('gw-method', { methodName: 'echo' })).rejects.toMatchObject({
    responseBody: expect.stringContaining('404103'),
  });
  await expect(service.invokeDeviceMethod('nobody', { methodName: 'echo' })).rejects.toMatchObject({ name: 'DeviceNotFoundError' });
});

test('a message reaches the device with its properties, and its sender hears of it', async () => {
  await using device = await connectDevice('gw-message');
  const arrived = Promise.withResolvers<{ data: Buffer; messageId: string; properties: { getValue(key: string): string } }>();
  device.on('message', (message) => void device.complete(message).then(() => arrived.resolve(message)));
  const service = Client.fromConnectionString(serviceConnectionString(folder, 'service', 'amqp', 'localhost'));
  await service.open();
  const { result: feedback } = await service.getFeedbackReceiver();
  const heard = Promise.withResolvers<unknown>();
  feedback.on('message', (message) => {
    const records = JSON.parse(message.data.toString()) as { originalMessageId: string }[];
    const own = records.find(({ originalMessageId }) => originalMessageId === 'm-7');
    void feedback.complete(message).then(() => own && heard.resolve(own));
  });
  const message = Object.assign(new Message('{"open":true}'), { messageId: 'm-7', ack: 'full' });
  message.properties.add('line', '7');
  await service.send('gw-message', message);
  const received = await arrived.promise;
  expect(received).toMatchObject({ messageId: 'm-7' });
  expect(received.data.toString()).toBe('{"open":true}');
  expect(received.properties.getValue('line')).toBe('7');
  expect(await heard.promise).toMatchObject({ deviceId: 'gw-message', statusCode: 'Success' });
  await service.close();
});

test('telemetry of the device SDK comes out of the events endpoint', async () => {
  await using device = await connectDevice('gw-events');
  const message = Object.assign(new Message('{"t":20.5}'), { messageId: 'e-1', contentType: 'application/json', contentEncoding: 'utf-8' });
  message.properties.add('alarm', '1');
  await device.sendEvent(message);
  const reader = new EventHubConsumerClient('$Default', serviceConnectionString(folder, 'service', 'events', 'localhost'));
  const event = Promise.withResolvers<unknown>();
  const subscription = reader.subscribe(
    { processEvents: async ([first]) => first && event.resolve(first), processError: async (error) => event.reject(error) },
    { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1 },
  );
  expect(await event.promise).toMatchObject({
    body: { t: 20.5 },
    messageId: 'e-1',
    properties: { alarm: '1' },
    systemProperties: { 'iothub-connection-device-id': 'gw-events' },
  });
  await subscription.close();
  await reader.close();
});

test('a device that is disabled by REST loses its connection', async () => {
  await using device = await connectDevice('gw-out');
  await registry.update({ deviceId: 'gw-out', status: 'disabled' });
  const state = async (): Promise<unknown> => (await registry.get('gw-out')).responseBody.connectionState;
  await expect.poll(state, { timeout: 3_000 }).toBe('Disconnected');
  await expect(device.sendEvent(new Message('x'))).rejects.toThrow();
});

test('what a service was told is taken survives kill -9: a message for a device, and the news of it', async () => {
  using other = tempFolder();
  const start = async (...ports: readonly string[]): Promise<Child> => {
    const main = fileURLToPath(new URL('../main.ts', import.meta.url));
    const child = startChild(process.execPath, [main, '--data', other.path, ...ports]);
    await child.line(/"ready":true/);
    return child;
  };
  const first = await start('--mqtt', '0', '--amqp', '0');
  const { mqttPort, amqpPort } = lastEndpoint(other.path) as { mqttPort: number; amqpPort: number };
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(hubFiles(other.path).caCertificate, 'utf8')]);
  createDevice(other.path, 'gw-1');
  const send = async (text: string): Promise<void> => {
    const service = Client.fromConnectionString(serviceConnectionString(other.path, 'service', 'amqp', 'localhost'));
    await service.open();
    await service.send('gw-1', Object.assign(new Message(text), { messageId: text, ack: 'full' }));
    await service.close();
  };
  await send('before');
  first.process.kill('SIGKILL');
  await first.exited;
  await using _second = await start('--mqtt', String(mqttPort), '--amqp', String(amqpPort));
  const device = DeviceClient.fromConnectionString(connectionString(other.path, 'gw-1', 'localhost'), Mqtt);
  await device.setOptions({ ca: readFileSync(hubFiles(other.path).caCertificate, 'utf8') });
  const arrived = new Promise<string>((resolve) =>
    device.on('message', (message) => void device.complete(message).then(() => resolve(message.data.toString()))),
  );
  await device.open();
  expect(await arrived).toBe('before');
  await device.close();
  const service = Client.fromConnectionString(serviceConnectionString(other.path, 'service', 'amqp', 'localhost'));
  await service.open();
  const { result: feedback } = await service.getFeedbackReceiver();
  const record = new Promise<unknown>((resolve) => feedback.on('message', ({ data }) => resolve(JSON.parse(data.toString()))));
  expect(await record).toMatchObject([{ originalMessageId: 'before', statusCode: 'Success' }]);
  await service.close();
});
