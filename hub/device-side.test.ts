import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issue, makeCa } from '../test/support/certificates.ts';
import { tempFolder } from '../test/support/temp.ts';
import type { IdentityInput } from './core/contract.ts';
import type { Core } from './core/hub-core.ts';
import { silentLog } from './log.ts';
import { addAuthority, openRegistry } from './registry.ts';
import { type Hub, startHub } from './server.ts';
import { connectSimulatedDevice, type SimulatedDevice, type SimulatedDeviceOptions, sasToken } from './simulator.ts';
import { readTelemetry } from './telemetry/reader.ts';

const folder = tempFolder();
let hub: Hub;
let core: Core;
let next = 0;

beforeAll(async () => {
  hub = await startHub({ folder: folder.path, mqttPort: 0, log: silentLog });
  core = hub.core as Core;
});

afterAll(async () => {
  await hub.close();
  folder[Symbol.dispose]();
});

/** An identity of its own for each test, and what it needs to connect. */
async function made(input: Partial<IdentityInput> = {}): Promise<SimulatedDeviceOptions> {
  const { deviceId, moduleId, authentication } = await core.identities.create({ deviceId: `d-${next++}`, ...input });
  const key = authentication.symmetricKey.primaryKey;
  const ends = { port: hub.mqttPort, ca: hub.caPem as string };
  return { ...ends, deviceId, ...(moduleId !== undefined && { moduleId }), ...(key !== null && { key }) };
}

async function nextMessage(client: SimulatedDevice): Promise<{ topic: string; body: string; messageId: number | undefined }> {
  const { topic, payload, messageId } = await client.next('publish');
  return { topic, body: payload.toString(), messageId };
}

const desired = '$iothub/twin/PATCH/properties/desired/#';
const methods = '$iothub/methods/POST/#';

describe('desired properties', () => {
  test('stand in a twin that knows the model of the device and when it was heard of', async () => {
    const device = await made();
    expect(core.twins.get(device)).toMatchObject({ lastActivityTime: '0001-01-01T00:00:00Z', modelId: '' });
    const username = `localhost/${device.deviceId}/?api-version=2021-04-12&model-id=dtmi:com:example:Press;1&DeviceClientType=x`;
    await using client = await connectSimulatedDevice({ ...device, connect: { username } });
    await client.telemetry('{}');
    await expect.poll(() => core.twins.get(device)).toMatchObject({ modelId: 'dtmi:com:example:Press;1', connectionState: 'Connected' });
    await expect.poll(() => core.identities.get(device)?.lastActivityTime).toMatch(/^20/);
  });

  test('a patch arrives as it was sent, nulls included; a replacement as a patch that takes away what is gone', async () => {
    const device = await made();
    await using client = await connectSimulatedDevice(device);
    await client.subscribe(desired);
    await core.twins.patch(device, { properties: { desired: { a: { b: 1 }, gone: null } } });
    expect(await nextMessage(client)).toMatchObject({
      topic: '$iothub/twin/PATCH/properties/desired/?$version=2',
      body: '{"a":{"b":1},"gone":null,"$version":2}',
    });
    const twin = await core.twins.replace(device, { properties: { desired: { a: { c: 2 }, $version: 99, $metadata: {} } } });
    expect(JSON.parse((await nextMessage(client)).body)).toEqual({ a: { b: null, c: 2 }, $version: 3 });
    expect(twin.properties.desired).toMatchObject({ a: { c: 2 }, $version: 3, $metadata: { a: { c: { $lastUpdatedVersion: 3 } } } });
  });

  test('arrive after the hub was started again, though nobody subscribed again', async () => {
    using other = tempFolder();
    const start = (): Promise<Hub> => startHub({ folder: other.path, mqttPort: 0, log: silentLog });
    const first = await start();
    const identity = await first.core.identities.create({ deviceId: 'gw' });
    const key = identity.authentication.symmetricKey.primaryKey as string;
    const device = { ca: first.caPem as string, deviceId: 'gw', key };
    {
      await using client = await connectSimulatedDevice({ ...device, port: first.mqttPort });
      await client.subscribe(desired);
      await client.subscribe('devices/gw/messages/devicebound/#', 1);
    }
    await first.core.messages.enqueue('gw', { body: Buffer.from('while it was away') });
    await first.close();
    await using second = await start();
    await using client = await connectSimulatedDevice({ ...device, port: second.mqttPort });
    expect(client.connack.sessionPresent).toBe(true);
    expect((await nextMessage(client)).body).toBe('while it was away');
    await second.core.twins.patch({ deviceId: 'gw' }, { properties: { desired: { x: 1 } } });
    expect((await nextMessage(client)).body).toBe('{"x":1,"$version":2}');
  });

  test('writes of tags and of what the etag forbids tell a device nothing', async () => {
    const device = await made();
    await using client = await connectSimulatedDevice(device);
    await client.subscribe(desired);
    const { etag } = await core.twins.patch(device, { tags: { site: 'leeds' } });
    await expect(core.twins.patch(device, { properties: { desired: { a: 1 } } }, 'bm90IHRoaXM=')).rejects.toMatchObject({ status: 412 });
    await expect(core.twins.patch(device, { properties: { desired: { 'a.b': 1 } } })).rejects.toMatchObject({ status: 400 });
    await core.twins.patch(device, { properties: { desired: { a: 1 } } }, etag);
    await expect(core.twins.patch(device, { tags: { site: 'york' } }, etag)).rejects.toMatchObject({ status: 412 });
    expect((await nextMessage(client)).body).toBe('{"a":1,"$version":2}');
    const seen = core.twins.get(device);
    expect(seen).toMatchObject({ tags: { site: 'leeds' }, connectionState: 'Connected', properties: { reported: { $version: 1 } } });
    const all = [...core.twins.all('devices')].map(({ deviceId }) => deviceId);
    expect(all).toContain(device.deviceId);
  });

  test('a device reads what it reported just before; listeners hear of it', async () => {
    const device = await made();
    await using client = await connectSimulatedDevice(device);
    const heard: string[] = [];
    using _listening = core.twins.onChange((change) => heard.push(`${change.deviceId} ${change.kind}`));
    client.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"fw":"1.2"}');
    client.publish('$iothub/twin/GET/?$rid=2', ' ');
    expect((await nextMessage(client)).topic).toBe('$iothub/twin/res/204/?$rid=1&$version=2');
    expect((await nextMessage(client)).body).toContain('"reported":{"fw":"1.2","$version":2}');
    expect(heard).toEqual([`${device.deviceId} reported`]);
  });
});

describe('direct methods', () => {
  test('ask with null when there is no payload, and give status and payload of the answer', async () => {
    const device = await made();
    await using client = await connectSimulatedDevice(device);
    await client.subscribe(methods);
    const asked = core.methods.invoke(device, { name: 'reboot' });
    const { topic, body } = await nextMessage(client);
    const [, rid] = /^\$iothub\/methods\/POST\/reboot\/\?\$rid=(.+)$/.exec(topic) ?? [];
    expect(body).toBe('null');
    client.publish(`$iothub/methods/res/207/?$rid=${rid}`, '{"ok":1}');
    expect(await asked).toEqual({ status: 207, payload: { ok: 1 } });
  });

  test('of a device that is away: 404103 at once, or after the time to connect', async () => {
    const device = await made();
    await expect(core.methods.invoke(device, { name: 'm' })).rejects.toMatchObject({ status: 404, errorCode: 404103 });
    await expect(core.methods.invoke(device, { name: 'm', connectTimeoutMs: 50 })).rejects.toMatchObject({
      errorCode: 404103,
      message: 'Timed out waiting for device to connect.',
    });
    // Connected is not enough: it must listen.
    await using client = await connectSimulatedDevice(device);
    await expect(core.methods.invoke(device, { name: 'm' })).rejects.toMatchObject({ errorCode: 404103 });
    const asked = core.methods.invoke(device, { name: 'm', connectTimeoutMs: 5_000, responseTimeoutMs: 50 });
    await client.subscribe(methods);
    expect((await nextMessage(client)).topic).toContain('/POST/m/');
    await expect(asked).rejects.toMatchObject({ status: 504, errorCode: 504101 });
    await expect(core.methods.invoke({ deviceId: 'nobody' }, { name: 'm' })).rejects.toMatchObject({ status: 404, errorCode: 404001 });
  });

  test('may be answered over the next connection, and never by another device', async () => {
    const [device, thief] = [await made(), await made()];
    const rid = await (async () => {
      await using client = await connectSimulatedDevice(device);
      await client.subscribe(methods);
      asked = core.methods.invoke(device, { name: 'm' });
      return (await nextMessage(client)).topic.split('$rid=')[1];
    })();
    await using other = await connectSimulatedDevice(thief);
    other.publish(`$iothub/methods/res/200/?$rid=${rid}`, '"stolen"');
    await other.telemetry('{}');
    await using again = await connectSimulatedDevice(device);
    again.publish(`$iothub/methods/res/200/?$rid=${rid}`, '"mine"');
    expect(await asked).toEqual({ status: 200, payload: 'mine' });
  });
  let asked: Promise<unknown>;

  test.for([
    { rule: 'a name that a topic cannot carry', request: { name: 'a/b' }, status: 400 },
    { rule: 'a payload over 128 KB', request: { name: 'm', payload: 'x'.repeat(140_000) }, status: 413 },
    { rule: 'a payload that is no JSON', request: { name: 'm', payload: 1n }, status: 400 },
    { rule: 'a time that is none', request: { name: 'm', responseTimeoutMs: Number.NaN }, status: 400 },
  ])('refuse $rule', async ({ request, status }) => {
    await expect(core.methods.invoke(await made(), request)).rejects.toMatchObject({ status });
  });

  test('an answer that is no JSON is a 502', async () => {
    const device = await made();
    await using client = await connectSimulatedDevice(device);
    await client.subscribe(methods);
    const asked = core.methods.invoke(device, { name: 'm' });
    client.publish(`$iothub/methods/res/200/?$rid=${(await nextMessage(client)).topic.split('$rid=')[1]}`, '{oops');
    await expect(asked).rejects.toMatchObject({ status: 502 });
  });
});

describe('cloud-to-device messages', () => {
  const bound = (id: string): string => `devices/${id}/messages/devicebound/#`;
  const statuses = (deviceId: string): readonly string[] =>
    core.feedback
      .waiting(1_000)
      .filter((record) => record.deviceId === deviceId)
      .map(({ originalMessageId, statusCode }) => `${originalMessageId} ${statusCode}`);

  test('carry their properties, are taken at the PUBACK, and tell the sender that asked', async () => {
    const device = await made();
    const properties = { 'a/b': 'ü 1', empty: '' };
    await core.messages.enqueue(device.deviceId, {
      body: Buffer.from('hello'),
      messageId: 'm-1',
      properties,
      ack: 'full',
      contentType: 'text/plain',
    });
    expect(core.identities.get(device)?.cloudToDeviceMessageCount).toBe(1);
    await using client = await connectSimulatedDevice(device);
    await client.subscribe(bound(device.deviceId), 1);
    const { topic, body, messageId } = await nextMessage(client);
    expect(topic).toBe(
      `devices/${device.deviceId}/messages/devicebound/%24.mid=m-1&%24.to=%2Fdevices%2F${device.deviceId}%2Fmessages%2Fdevicebound&%24.ct=text%2Fplain&iothub-ack=full&a%2Fb=%C3%BC%201&empty=`,
    );
    expect(body).toBe('hello');
    client.send({ cmd: 'puback', messageId: messageId as number });
    await expect.poll(() => core.identities.get(device)?.cloudToDeviceMessageCount).toBe(0);
    expect(statuses(device.deviceId)).toEqual(['m-1 Success']);
    const [record] = core.feedback.waiting(1_000).filter(({ deviceId }) => deviceId === device.deviceId);
    expect(record?.deviceGenerationId).toBe(core.identities.get(device)?.generationId);
    await core.feedback.settle([record?.id as number]);
    expect(statuses(device.deviceId)).toEqual([]);
  });

  test('come again after a connection that ended before the PUBACK, ten times in all', async () => {
    const device = await made();
    await core.messages.enqueue(device.deviceId, { body: Buffer.from('poison'), messageId: 'm', ack: 'negative' });
    for (let round = 0; round < 10; round++) {
      await using client = await connectSimulatedDevice(device);
      if (round === 0) await client.subscribe(bound(device.deviceId), 1);
      expect((await nextMessage(client)).body).toBe('poison');
    }
    await using client = await connectSimulatedDevice(device);
    await expect.poll(() => statuses(device.deviceId)).toEqual(['m DeliveryCountExceeded']);
    await core.messages.enqueue(device.deviceId, { body: Buffer.from('next') });
    expect((await nextMessage(client)).body).toBe('next');
  });

  test('a full queue of 50 flows in order to a device that acknowledges; the 51st is refused', async () => {
    const device = await made();
    for (let i = 0; i < 50; i++) await core.messages.enqueue(device.deviceId, { body: Buffer.from(String(i)) });
    await expect(core.messages.enqueue(device.deviceId, { body: Buffer.from('x') })).rejects.toMatchObject({
      status: 403,
      errorCode: 403004,
    });
    await using client = await connectSimulatedDevice(device);
    await client.subscribe(bound(device.deviceId), 1);
    const seen: number[] = [];
    while (seen.length < 50) {
      const { body, messageId } = await nextMessage(client);
      seen.push(Number(body));
      client.send({ cmd: 'puback', messageId: messageId as number });
    }
    expect(seen).toEqual(Array.from({ length: 50 }, (_, index) => index));
    await expect.poll(() => core.identities.get(device)?.cloudToDeviceMessageCount).toBe(0);
  });

  test('with QoS 0 are taken when they are sent', async () => {
    const device = await made();
    for (let i = 0; i < 20; i++) await core.messages.enqueue(device.deviceId, { body: Buffer.from(String(i)) });
    await using client = await connectSimulatedDevice(device);
    await client.subscribe(bound(device.deviceId), 0);
    for (let i = 0; i < 20; i++) expect((await nextMessage(client)).body).toBe(String(i));
    await expect.poll(() => core.identities.get(device)?.cloudToDeviceMessageCount).toBe(0);
  });

  test('expire, and can be purged', async () => {
    const device = await made();
    await core.messages.enqueue(device.deviceId, { body: Buffer.from('x'), messageId: 'old', ack: 'full', expiresMs: Date.now() - 1 });
    await expect.poll(() => statuses(device.deviceId), { timeout: 3_000 }).toEqual(['old Expired']);
    await core.messages.enqueue(device.deviceId, { body: Buffer.from('x'), messageId: 'unwanted', ack: 'full' });
    expect(await core.messages.purge(device.deviceId)).toBe(1);
    expect(statuses(device.deviceId)).toEqual(['old Expired', 'unwanted Purged']);
  });

  test.for([
    { rule: 'over 64 KB', message: { body: Buffer.alloc(65_537) }, status: 413 },
    { rule: 'with properties that fit no topic', message: { body: Buffer.alloc(1), properties: { a: 'ü'.repeat(20_000) } }, status: 413 },
    { rule: 'with half a character', message: { body: Buffer.alloc(1), properties: { a: '\ud800' } }, status: 400 },
    { rule: 'for more than two days', message: { body: Buffer.alloc(1), expiresMs: Date.now() + 3 * 86_400_000 }, status: 400 },
  ])('$rule are refused', async ({ message, status }) => {
    await expect(core.messages.enqueue((await made()).deviceId, message)).rejects.toMatchObject({ status });
  });
});

describe('modules', () => {
  test('connect with their own key, send on outputs, hear on inputs, have a twin and methods', async () => {
    const { deviceId } = await made();
    const module = await made({ deviceId, moduleId: 'filter' });
    await using client = await connectSimulatedDevice(module);
    expect(client.connack.returnCode).toBe(0);
    // The SDK ends an output's topic with one slash too many.
    await client.telemetry('{"t":1}', '%24.on=out1&%24.cmid=forged&k=v/');
    await client.telemetry('{"t":2}');
    const stored = [];
    for await (const { properties } of readTelemetry(folder.path, { device: deviceId })) stored.push(properties);
    expect(stored).toEqual([{ '$.on': 'out1', k: 'v', '$.cmid': 'filter' }, { '$.cmid': 'filter' }]);
    await client.subscribe(`devices/${deviceId}/modules/filter/#`, 1);
    await client.subscribe(desired);
    const message = { body: Buffer.from('x'), properties: { p: '1' } };
    const given = core.inputs.send({ deviceId, moduleId: 'filter' }, 'in1', message, { deviceId: 'leaf' });
    const { topic, messageId } = await nextMessage(client);
    expect(topic).toBe(`devices/${deviceId}/modules/filter/inputs/in1/%24.cdid=leaf&p=1`);
    client.send({ cmd: 'puback', messageId: messageId as number });
    expect(await given).toBe(true);
    const lost = core.inputs.send({ deviceId, moduleId: 'filter' }, 'in1', { body: Buffer.from('x') }, { deviceId: 'leaf' });
    await nextMessage(client);
    await core.twins.patch({ deviceId, moduleId: 'filter' }, { properties: { desired: { rate: 5 } } });
    expect((await nextMessage(client)).body).toBe('{"rate":5,"$version":2}');
    expect(core.twins.get({ deviceId })?.properties.desired).not.toHaveProperty('rate');
    client.socket.destroy();
    expect(await lost).toBe(false);
  });

  test('are not what a device says it is', async () => {
    const device = await made();
    await using client = await connectSimulatedDevice(device);
    await client.telemetry('{}', '%24.cmid=forged&%24.cdid=forged&k=v');
    const { value } = await readTelemetry(folder.path, { device: device.deviceId }).next();
    expect(value?.properties).toEqual({ k: 'v' });
  });

  test('are not let in with the key of the device, nor when the device is disabled; their links end with it', async () => {
    const device = await made();
    const module = await made({ deviceId: device.deviceId, moduleId: 'm' });
    {
      await using wrong = await connectSimulatedDevice({ ...module, key: device.key as string });
      expect(wrong.connack.returnCode).toBe(5);
    }
    await using client = await connectSimulatedDevice(module);
    await core.identities.update({ deviceId: device.deviceId, status: 'disabled' });
    await client.closed;
    await using again = await connectSimulatedDevice(module);
    expect(again.connack.returnCode).toBe(5);
  });

  test('of the edge runtime are there with an edge device; a device takes its modules along', async () => {
    const { deviceId } = await made({ capabilities: { iotEdge: true } });
    expect(core.identities.listModules(deviceId)).toMatchObject([
      { moduleId: '$edgeAgent', managedBy: 'IotEdge' },
      { moduleId: '$edgeHub', managedBy: 'IotEdge' },
    ]);
    expect([...core.twins.all('modules')].filter((twin) => twin.deviceId === deviceId)).toHaveLength(2);
    await core.identities.delete({ deviceId });
    expect(core.identities.listModules(deviceId)).toEqual([]);
    await expect(core.identities.create({ deviceId, moduleId: 'm' })).rejects.toMatchObject({ status: 404 });
  });
});

describe('a hostile client', () => {
  test('is answered or hung up on, whatever it publishes; the hub works on', async () => {
    const device = await made();
    const topic = fc.oneof(
      fc.constantFrom('$iothub/twin/PATCH/properties/reported/?$rid=1', '$iothub/twin/GET/?$rid=2', '$iothub/methods/res/200/?$rid=3'),
      fc.string({ minLength: 1 }).map((text) => `$iothub/twin/PATCH/properties/reported/?$rid=${text}`),
      fc.string({ minLength: 1 }).map((text) => `devices/${device.deviceId}/messages/events/${text}`),
      fc.string({ minLength: 1, unit: 'binary' }),
    );
    const payload = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('null', '[]', '{"a":{"b":{}}}', '{"__proto__":{"x":1}}'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ topic, payload }), { minLength: 1, maxLength: 8 }), async (messages) => {
        await using client = await connectSimulatedDevice(device);
        for (const message of messages) client.publish(message.topic, message.payload);
        client.publish('$iothub/twin/GET/?$rid=last', '');
        for (;;) {
          const answer = await client.next('publish').catch(() => undefined);
          if (!answer || answer.topic.endsWith('$rid=last')) return;
          expect(answer.topic).toMatch(/^\$iothub\/twin\/res\/(200|204|400|413)\//);
        }
      }),
      { numRuns: 60 },
    );
    await using client = await connectSimulatedDevice(await made());
    await client.telemetry('{}');
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test('patches of a back end that no twin can hold are refused, and the device hears nothing of them', async () => {
    const device = await made();
    const nested = (levels: number): object => (levels === 0 ? {} : { a: nested(levels - 1) });
    const wide = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`k${index}`, 'x'.repeat(4_000)]));
    const refused: readonly [object, number][] = [
      [{ properties: { desired: nested(11) } }, 400],
      [{ properties: { desired: { list: [null] } } }, 400],
      [{ properties: { desired: [1, 2] } }, 400],
      [{ properties: { desired: wide } }, 413],
      [{ tags: { ...wide, properties: {} } }, 413],
      [{ tags: 'x' }, 400],
    ];
    for (const [patch, status] of refused) {
      await expect(core.twins.patch(device, patch)).rejects.toMatchObject({ status });
      await expect(core.twins.replace(device, patch)).rejects.toMatchObject({ status });
    }
    expect(core.twins.get(device)).toMatchObject({ version: 1, properties: { desired: { $version: 1 } } });
  });

  test('floods of answers to methods that nobody asked are dropped', async () => {
    const device = await made();
    await using client = await connectSimulatedDevice(device);
    for (let i = 0; i < 500; i++) client.publish(`$iothub/methods/res/200/?$rid=${i}`, '{}');
    await client.telemetry('{}');
  });
});

describe('who is let in', () => {
  test('a changed key ends the connection that came in by the old one; etags guard the change', async () => {
    const device = await made();
    await using client = await connectSimulatedDevice(device);
    const { etag } = core.identities.get(device) ?? {};
    await expect(core.identities.update({ deviceId: device.deviceId, status: 'disabled' }, 'other')).rejects.toMatchObject({ status: 412 });
    const fresh = Buffer.alloc(32, 9).toString('base64');
    await core.identities.update({ deviceId: device.deviceId, authentication: { symmetricKey: { primaryKey: fresh } } }, etag);
    await client.closed;
    await using again = await connectSimulatedDevice({ ...device, key: fresh });
    expect(again.connack.returnCode).toBe(0);
  });

  test.for([
    { policy: 'device', resource: (id: string) => `localhost/devices/${id}`, code: 0 },
    { policy: 'device', resource: () => 'localhost', code: 0 },
    { policy: 'iothubowner', resource: () => 'localhost/devices', code: 0 },
    { policy: 'service', resource: () => 'localhost', code: 5 },
    { policy: 'device', resource: () => 'localhost/devices/other', code: 5 },
    { policy: 'nobody', resource: () => 'localhost', code: 5 },
  ])('a token of policy $policy: $code', async ({ policy, resource, code }) => {
    const device = await made();
    const key = core.policies.get(policy)?.primaryKey ?? Buffer.alloc(32).toString('base64');
    const token = `${sasToken(resource(device.deviceId), key, Math.floor(Date.now() / 1000) + 60)}&skn=${policy}`;
    await using client = await connectSimulatedDevice({ ...device, connect: { password: Buffer.from(token) } });
    expect(client.connack.returnCode).toBe(code);
  });

  test('a certificate of an authority that the hub knows, in the name of the device', async () => {
    const [ca, foreign] = [await makeCa('Plant CA'), await makeCa('Plant CA')];
    const { deviceId, ...ends } = await made({ authentication: { type: 'certificateAuthority' } });
    const code = async (certificate: Awaited<ReturnType<typeof issue>>): Promise<number | undefined> => {
      const shown = { cert: certificate.certificate, key: certificate.privateKey };
      await using client = await connectSimulatedDevice({ ...ends, deviceId, certificate: shown });
      return client.connack.returnCode;
    };
    const good = await issue(ca, { commonName: deviceId });
    expect(await code(good)).toBe(5);
    using db = openRegistry(folder.path);
    addAuthority(db, 'plant', ca.certificate);
    expect(await code(good)).toBe(0);
    expect(await code(await issue(ca, { commonName: 'another' }))).toBe(5);
    expect(await code(await issue(foreign, { commonName: deviceId }))).toBe(5);
    const old = { notBefore: new Date(Date.now() - 9e6), notAfter: new Date(Date.now() - 1e6) };
    expect(await code(await issue(ca, { commonName: deviceId, ...old }))).toBe(5);
  });
});
