import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { ISubscribePacket } from 'mqtt-packet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issue, makeCa } from '../test/support/certificates.ts';
import { tempFolder } from '../test/support/temp.ts';
import { connectionString, createDevice } from './access.ts';
import { takeLock } from './database.ts';
import { hubFiles } from './folder.ts';
import type { HubLog } from './log.ts';
import { addDevice, getDevice, openRegistry, removeDevice, setStatus } from './registry.ts';
import { type Hub, startHub } from './server.ts';
import { connectSimulatedDevice, openSocket, type SimulatedDeviceOptions, sasToken } from './simulator.ts';
import { readAccounts } from './telemetry/gaps.ts';
import { readTelemetry } from './telemetry/reader.ts';

const folder = tempFolder();
const logged: { message: string; fields: Record<string, unknown> }[] = [];
const keep = (fields: object, message: string): void => {
  logged.push({ message, fields: fields as Record<string, unknown> });
};
const log: HubLog = { debug() {}, info: keep, warn: keep, error: keep };
let hub: Hub;
let next = 0;

beforeAll(async () => {
  hub = await startHub({ folder: folder.path, mqttPort: 0, host: ['localhost', 'hub.plant'], listen: '127.0.0.1', log });
});

afterAll(async () => {
  await hub.close();
  folder[Symbol.dispose]();
});

/** A device of its own for each test, and what it needs to connect. */
function device(): SimulatedDeviceOptions & { key: string } {
  const made = createDevice(folder.path, `d-${next++}`);
  if (made.authentication.type !== 'sas') throw new TypeError('keys expected');
  return { port: hub.mqttPort, ca: hub.caPem as string, deviceId: made.deviceId, key: made.authentication.primaryKey };
}

const inAnHour = Math.floor(Date.now() / 1000) + 3600;
const event = (sequence: number, more: object = {}): object => ({
  specversion: '1.0',
  id: `gw/1/${sequence}`,
  source: '/gw',
  type: 'dragoman.telemetry.v1',
  subject: 'cooker-1',
  time: new Date(1_700_000_000_000 + sequence * 1000).toISOString(),
  sequence: String(sequence),
  data: { readings: [{ point: 'a', value: sequence }] },
  ...more,
});

async function eventsOf(deviceId: string): Promise<readonly Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  for await (const { event: one } of readTelemetry(folder.path, { device: deviceId })) found.push(one);
  return found;
}

describe('CONNECT', () => {
  const rows: { rule: string; code: number; with: (d: SimulatedDeviceOptions & { key: string }) => Partial<SimulatedDeviceOptions> }[] = [
    { rule: 'takes the primary key', code: 0, with: () => ({}) },
    {
      rule: 'takes the secondary key',
      code: 0,
      with: ({ deviceId }) => {
        using db = openRegistry(folder.path);
        const found = getDevice(db, deviceId)?.authentication;
        return { key: found?.type === 'sas' ? found.secondaryKey : '' };
      },
    },
    { rule: 'takes any of its names', code: 0, with: () => ({ host: 'Hub.Plant' }) },
    { rule: 'takes a name with a port', code: 0, with: () => ({ host: 'localhost:18883' }) },
    { rule: 'refuses a foreign name', code: 5, with: () => ({ host: 'other.plant' }) },
    {
      rule: 'checks the signature over an unencoded resource',
      code: 0,
      with: ({ deviceId, key }) => ({ connect: { password: Buffer.from(tokenOver(`localhost/devices/${deviceId}`, key)) } }),
    },
    {
      rule: 'checks the signature over a resource encoded in lower case',
      code: 0,
      with: ({ deviceId, key }) => ({ connect: { password: Buffer.from(tokenOver(`localhost%2fdevices%2f${deviceId}`, key)) } }),
    },
    {
      rule: 'takes the older user name without a question mark',
      code: 0,
      with: ({ deviceId }) => ({ connect: { username: `localhost/${deviceId}/api-version=2018-06-30` } }),
    },
    {
      rule: 'refuses a user name without api-version',
      code: 4,
      with: ({ deviceId }) => ({ connect: { username: `localhost/${deviceId}` } }),
    },
    { rule: 'refuses no user name', code: 4, with: () => ({ connect: { username: undefined, password: undefined } as never }) },
    { rule: 'refuses a client id that is not the device', code: 2, with: () => ({ connect: { clientId: 'somebody' } }) },
    { rule: 'refuses a wrong key', code: 5, with: () => ({ key: Buffer.alloc(32, 1).toString('base64') }) },
    { rule: 'refuses an expired token', code: 5, with: () => ({ tokenSeconds: -1 }) },
    {
      rule: 'refuses a token for another device',
      code: 5,
      with: ({ key }) => ({ connect: { password: Buffer.from(sasToken('localhost/devices/else', key, inAnHour)) } }),
    },
    {
      rule: 'refuses a broken token',
      code: 5,
      with: () => ({ connect: { password: Buffer.from('SharedAccessSignature sr=%zz&sig=%&se=1') } }),
    },
    { rule: 'refuses garbage for a token', code: 5, with: () => ({ connect: { password: Buffer.from([0xff, 0xfe, 0]) } }) },
    {
      rule: 'refuses an unknown identity',
      code: 5,
      with: () => ({ deviceId: 'nobody' }),
    },
    {
      rule: 'refuses a module that is not there',
      code: 5,
      with: ({ deviceId }) => ({ connect: { clientId: `${deviceId}/m`, username: `localhost/${deviceId}/m/?api-version=2021-04-12` } }),
    },
    { rule: 'refuses MQTT 3.1', code: 1, with: () => ({ connect: { protocolId: 'MQIsdp', protocolVersion: 3 } }) },
    {
      rule: 'refuses a disabled device',
      code: 5,
      with: ({ deviceId }) => {
        using db = openRegistry(folder.path);
        setStatus(db, deviceId, 'disabled');
        return {};
      },
    },
  ];
  test.for(rows)('$rule ($code)', async (row) => {
    const made = device();
    await using client = await connectSimulatedDevice({ ...made, ...row.with(made) });
    expect(client.connack.returnCode).toBe(row.code);
    if (row.code !== 0) await client.closed;
  });

  test('X.509: the thumbprint decides, SHA-1 or SHA-256, and a missing or foreign certificate is refused', async () => {
    const ca = await makeCa();
    const [good, foreign] = [await issue(ca, { commonName: 'x' }), await issue(ca, { commonName: 'x' })];
    const code = async (thumbprint: string, shown: typeof good | undefined): Promise<number | undefined> => {
      using db = openRegistry(folder.path);
      const { deviceId } = addDevice(db, `x-${next++}`, { thumbprint });
      await using client = await connectSimulatedDevice({
        port: hub.mqttPort,
        ca: hub.caPem as string,
        deviceId,
        ...(shown && { certificate: { cert: shown.certificate, key: shown.privateKey } }),
      });
      return client.connack.returnCode;
    };
    expect(await code(good.sha1, good)).toBe(0);
    expect(await code(good.sha256.toUpperCase().replace(/..\B/g, '$&:'), good)).toBe(0);
    expect(await code(good.sha1, foreign)).toBe(5);
    expect(await code(good.sha1, undefined)).toBe(5);
  });

  test('a second connection of the same device ends the first', async () => {
    const made = device();
    await using first = await connectSimulatedDevice(made);
    await using second = await connectSimulatedDevice(made);
    await first.closed;
    await second.telemetry('{}');
    expect(first.socket.errored).toBeNull();
  });

  test('an expired token ends the connection', async () => {
    await using client = await connectSimulatedDevice({ ...device(), tokenSeconds: 1 });
    expect(client.connack.returnCode).toBe(0);
    await client.closed;
  });

  test('a device that is disabled or deleted by another process loses its connection', async () => {
    const [one, two] = [device(), device()];
    await using first = await connectSimulatedDevice(one);
    await using second = await connectSimulatedDevice(two);
    using db = openRegistry(folder.path);
    setStatus(db, one.deviceId, 'disabled');
    removeDevice(db, two.deviceId);
    await Promise.all([first.closed, second.closed]);
  });

  test('the connection string carries the port', () => {
    const { deviceId, key } = device();
    expect(connectionString(folder.path, deviceId)).toBe(`HostName=localhost:${hub.mqttPort};DeviceId=${deviceId};SharedAccessKey=${key}`);
  });
});

describe('sessions', () => {
  const subscribe = (topic: string, messageId = 1, qos: 0 | 1 | 2 = 0): ISubscribePacket => ({
    cmd: 'subscribe',
    messageId,
    subscriptions: [{ topic, qos }],
  });

  test('are kept with clean=false and forgotten with clean=true', async () => {
    const made = device();
    {
      await using client = await connectSimulatedDevice(made);
      expect(client.connack.sessionPresent).toBe(false);
      client.send(subscribe('$iothub/methods/POST/#', 7, 2));
      expect(await client.next('suback')).toMatchObject({ messageId: 7, granted: [1] });
    }
    {
      await using client = await connectSimulatedDevice(made);
      expect(client.connack.sessionPresent).toBe(true);
    }
    {
      await using client = await connectSimulatedDevice({ ...made, connect: { clean: true } });
      expect(client.connack.sessionPresent).toBe(false);
    }
    await using client = await connectSimulatedDevice(made);
    expect(client.connack.sessionPresent).toBe(false);
  });

  test('hold five subscriptions, and the sixth closes', async () => {
    const made = device();
    await using client = await connectSimulatedDevice(made);
    const filters = [
      '$iothub/methods/POST/#',
      '$iothub/twin/res/#',
      '$iothub/twin/PATCH/properties/desired/#',
      `devices/${made.deviceId}/messages/devicebound/#`,
      `devices/${made.deviceId}/messages/devicebound`,
    ];
    for (const [index, filter] of filters.entries()) {
      client.send(subscribe(filter, index + 1));
      await client.next('suback');
    }
    client.send({
      cmd: 'subscribe',
      messageId: 9,
      subscriptions: [...filters, filters[0] as string].map((topic) => ({ topic, qos: 0 as const })),
    });
    await client.closed;
  });
});

describe('twins', () => {
  test('answer a GET, merge a reported patch and refuse a bad one with an errorCode', async () => {
    const made = device();
    await using client = await connectSimulatedDevice(made);
    const ask = async (topic: string, payload: string) => {
      client.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
      const { topic: answer, payload: body } = await client.next('publish');
      return `${answer} ${body.toString()}`;
    };
    expect(await ask('$iothub/twin/GET/?$rid=1', ' ')).toBe(
      '$iothub/twin/res/200/?$rid=1 {"desired":{"$version":1},"reported":{"$version":1}}',
    );
    expect(await ask('$iothub/twin/PATCH/properties/reported/?$rid=2', '{"a":{"b":1,"c":2}}')).toBe(
      '$iothub/twin/res/204/?$rid=2&$version=2 ',
    );
    expect(await ask('$iothub/twin/PATCH/properties/reported/?$rid=3', '{"a":{"b":null}}')).toBe(
      '$iothub/twin/res/204/?$rid=3&$version=3 ',
    );
    expect(await ask('$iothub/twin/GET/?$rid=4', ' ')).toContain('"reported":{"a":{"c":2},"$version":3}');
    expect(await ask('$iothub/twin/PATCH/properties/reported/?$rid=5', '[1')).toMatch(/res\/400\/\?\$rid=5 .*"errorCode":400004/);
    expect(await ask('$iothub/twin/PATCH/properties/reported/?$rid=6&$version=1', '{}')).toMatch(/res\/412\/.*"errorCode"/);
    expect(await ask('$iothub/twin/PATCH/properties/reported/?$rid=7', `{"a":"${'x'.repeat(40_000)}"}`)).toMatch(/res\/400\/.*"errorCode"/);
    const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`k${index}`, 'x'.repeat(4_000)])));
    expect(await ask('$iothub/twin/PATCH/properties/reported/?$rid=8', wide)).toMatch(/res\/413\/.*"errorCode":413001/);
    const deep = `{"a":${'[['.repeat(10_000)}${']]'.repeat(10_000)}}`;
    expect(await ask('$iothub/twin/PATCH/properties/reported/?$rid=9', deep)).toMatch(/res\/400\/.*"errorCode"/);
    expect(await ask('$iothub/twin/PATCH/properties/reported/?$rid=10', 'x'.repeat(200_000))).toMatch(/res\/413\/.*"errorCode"/);
    expect(await ask('$iothub/twin/GET/?$rid=11', ' ')).toContain('"reported":{"a":{"c":2},"$version":3}');
  });
});

describe('telemetry', () => {
  test('arrives with its properties, whole and in order, and a resend is kept once', async () => {
    const made = device();
    await using client = await connectSimulatedDevice(made);
    await client.telemetry(JSON.stringify([event(1), event(2)]), '%24.mid=m-1&%24.ct=application%2Fjson&alarm=a%20b');
    await client.telemetry(JSON.stringify(event(3)));
    await client.telemetry(JSON.stringify([event(1), event(2)]));
    await client.telemetry(JSON.stringify([event(3), event(6)]));
    expect((await eventsOf(made.deviceId)).map(({ sequence }) => sequence)).toEqual(['1', '2', '3', '6']);
    const first = await readTelemetry(folder.path, { device: made.deviceId }).next();
    expect(first.value).toMatchObject({ device: made.deviceId, properties: { '$.mid': 'm-1', alarm: 'a b' } });
    const account = readAccounts(folder.path).find(({ device: id }) => id === made.deviceId);
    expect(account).toMatchObject({ source: '/gw', events: 4, duplicates: 3, missing: [{ first: 4, last: 5 }] });
  });

  test.for([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('%s bodies are read like plain ones', async ([encoding, compress]) => {
    const made = device();
    await using client = await connectSimulatedDevice(made);
    const body = JSON.stringify(Array.from({ length: 50 }, (_, index) => event(index + 1)));
    await client.telemetry(compress(Buffer.from(body)), `%24.ce=${encoding}`);
    expect(await eventsOf(made.deviceId)).toHaveLength(50);
  });

  test.for([
    { rule: 'JSON', body: '{"t":1}', shown: { type: 'dragoman.message.v1', data: { t: 1 } } },
    { rule: 'binary', body: Buffer.from([0xff, 0]), shown: { data_base64: '/wA=' } },
    { rule: 'nothing', body: '', shown: { data_base64: '' } },
    { rule: 'a body that lies about its encoding', bag: '%24.ce=gzip', body: '{"t":1}', shown: { data: { t: 1 } } },
  ])('what is no CloudEvent is kept and shown as one: $rule', async ({ body, bag, shown }) => {
    const made = device();
    await using client = await connectSimulatedDevice(made);
    await client.telemetry(body, bag);
    expect(await eventsOf(made.deviceId)).toMatchObject([shown]);
  });

  test('of 256 KiB is taken, whatever the pieces it comes in', async () => {
    const made = device();
    await using client = await connectSimulatedDevice(made);
    await client.telemetry(Buffer.alloc(256 * 1024, 'x'));
    const [stored] = await eventsOf(made.deviceId);
    expect(Buffer.from(stored?.data_base64 as string, 'base64')).toHaveLength(256 * 1024);
  });

  test('of many megabytes flows on: what is on disk makes room for more', async () => {
    const made = device();
    await using client = await connectSimulatedDevice(made);
    const body = Buffer.alloc(250_000, 'x');
    for (let round = 0; round < 2; round++) await Promise.all(Array.from({ length: 30 }, () => client.telemetry(body)));
    expect(await eventsOf(made.deviceId)).toHaveLength(60);
  });

  test('RETAIN becomes a property; a will is telemetry when the link breaks, not after DISCONNECT', async () => {
    const made = device();
    const will = { topic: `devices/${made.deviceId}/messages/events/`, payload: Buffer.from('{"gone":1}'), qos: 1 as const, retain: false };
    {
      await using client = await connectSimulatedDevice({ ...made, connect: { will } });
      const topic = `devices/${made.deviceId}/messages/events`;
      client.send({ cmd: 'publish', topic, payload: '{"r":1}', qos: 1, messageId: 1, dup: false, retain: true });
      await client.next('puback');
      client.send({ cmd: 'disconnect' });
      await client.closed;
    }
    {
      await using client = await connectSimulatedDevice({ ...made, connect: { will } });
      client.socket.destroy();
    }
    await expect.poll(async () => (await eventsOf(made.deviceId)).length).toBe(2);
    const stored = [];
    for await (const one of readTelemetry(folder.path, { device: made.deviceId })) stored.push(one.properties);
    expect(stored).toEqual([{ 'mqtt-retain': 'true' }, { 'iothub-MessageType': 'Will' }]);
  });
});

describe('a client that misbehaves is closed, logged once, and harms nobody', () => {
  const publish = (topic: string, more: object = {}) =>
    ({ cmd: 'publish', topic, payload: 'x', qos: 1, messageId: 1, dup: false, retain: false, ...more }) as const;
  const rows: { rule: string; code: string; after: (client: Awaited<ReturnType<typeof connectSimulatedDevice>>, id: string) => void }[] = [
    { rule: 'garbage', code: 'malformed-packet', after: (client) => client.write(Buffer.from([0x9f, 1, 1])) },
    {
      rule: 'a length of five bytes',
      code: 'malformed-packet',
      after: (client) => client.write(Buffer.from([0x30, 255, 255, 255, 255, 1])),
    },
    {
      rule: 'a topic longer than the packet',
      code: 'malformed-packet',
      after: (client) => client.write(Buffer.from([0x32, 4, 0xff, 0xff, 1, 1])),
    },
    { rule: 'a packet of 200 MB', code: 'packet-too-large', after: (client) => client.write(Buffer.from([0x32, 0x80, 0x80, 0x80, 0x60])) },
    {
      rule: 'a message over 256 KiB',
      code: 'message-too-large',
      after: (client, id) => client.send(publish(`devices/${id}/messages/events/a=b`, { payload: Buffer.alloc(256 * 1024 - 1) })),
    },
    { rule: 'QoS 2', code: 'qos-2', after: (client, id) => client.send(publish(`devices/${id}/messages/events/`, { qos: 2 })) },
    { rule: 'telemetry of another device', code: 'topic', after: (client) => client.send(publish('devices/else/messages/events/')) },
    { rule: 'an unknown topic', code: 'topic', after: (client) => client.send(publish('factory/line')) },
    {
      rule: 'a filter that is not documented',
      code: 'topic-filter',
      after: (client) => client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] }),
    },
    { rule: 'a second CONNECT', code: 'second-connect', after: (client) => client.send({ cmd: 'connect', clientId: 'x' }) },
    { rule: 'a packet only a server sends', code: 'unexpected-packet', after: (client) => client.send({ cmd: 'pingresp' }) },
  ];
  test.for(rows)('$rule', async ({ code, after }) => {
    const made = device();
    await using client = await connectSimulatedDevice(made);
    after(client, made.deviceId);
    await client.closed;
    expect(logged.filter(({ fields }) => fields.device === made.deviceId)).toMatchObject([{ fields: { code } }]);
  });

  test('another first packet than CONNECT, and garbage instead of it', async () => {
    for (const bytes of [Buffer.from([0xc0, 0]), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const socket = await openSocket({ port: hub.mqttPort, ca: hub.caPem as string });
      socket.resume();
      socket.write(bytes);
      await once(socket, 'close');
    }
  });

  test('plain TCP: one clear line', async () => {
    const socket = connectPlain(hub.mqttPort, '127.0.0.1');
    socket.on('error', () => {}).resume();
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await once(socket, 'close');
    await expect
      .poll(() => logged.at(-1))
      .toMatchObject({ message: 'TLS handshake failed', fields: { reason: 'the client does not speak TLS here' } });
  });

  test('silence for 1.5 × keepalive ends a connection, pings keep it', async () => {
    await using silent = await connectSimulatedDevice({ ...device(), connect: { keepalive: 1 } });
    await using living = await connectSimulatedDevice({ ...device(), connect: { keepalive: 1 } });
    const ping = setInterval(() => living.send({ cmd: 'pingreq' }), 500);
    await silent.closed;
    clearInterval(ping);
    await living.telemetry('{}');
  });

  test('a hundred repeats of one mistake are a few lines', async () => {
    const before = logged.length;
    const made = device();
    for (let i = 0; i < 20; i++) {
      await using client = await connectSimulatedDevice({ ...made, tokenSeconds: 3600, key: Buffer.alloc(32).toString('base64') });
      await client.closed;
    }
    expect(logged.length - before).toBeLessThanOrEqual(1);
  });
});

test('a full disk: no PUBACK, the connection is closed, the log says why, and everything acknowledged stays', async () => {
  using other = tempFolder();
  await using small = await startHub({ folder: other.path, mqttPort: 0, hardLimitBytes: 1_000_000, log });
  const made = createDevice(other.path, 'd');
  const key = made.authentication.type === 'sas' ? made.authentication.primaryKey : '';
  await using client = await connectSimulatedDevice({ port: small.mqttPort, ca: small.caPem as string, deviceId: 'd', key });
  let acknowledged = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      await client.telemetry(randomBytes(100_000));
      acknowledged++;
    }
  };
  await expect(fill()).rejects.toThrow(/the link ended before a puback/);
  expect(logged.at(-1)).toMatchObject({ message: 'no room for telemetry: it is refused, and gateways keep theirs' });
  const kept = [];
  for await (const one of readTelemetry(other.path)) kept.push(one);
  expect(kept).toHaveLength(acknowledged);
});

test('a client that never says CONNECT, or trickles it, is let go in time', async () => {
  using other = tempFolder();
  await using slow = await startHub({ folder: other.path, mqttPort: 0, connectWithinMs: 300, log });
  const opened = await Promise.all([1, 2].map(() => openSocket({ port: slow.mqttPort, ca: slow.caPem as string })));
  opened[1]?.write(Buffer.from([0x10]));
  await Promise.all(opened.map((socket) => once(socket.resume(), 'close')));
});

test('a second hub on the same folder is refused', async () => {
  await expect(startHub({ folder: folder.path, mqttPort: 0, log })).rejects.toThrow(/another hub runs/);
});

test('who asks whether a hub runs, at the moment it starts, is waited for', async () => {
  using other = tempFolder();
  const lock = takeLock(hubFiles(other.path).lock);
  setTimeout(() => lock?.[Symbol.dispose](), 150);
  await using started = await startHub({ folder: other.path, mqttPort: 0, log });
  expect(started.mqttPort).toBeGreaterThan(0);
});

test('a port in use is said with its cure, and nothing stays behind', async () => {
  using other = tempFolder();
  const busy = startHub({ folder: other.path, mqttPort: hub.mqttPort, log });
  await expect(busy).rejects.toMatchObject({ code: 'port-in-use', hint: expect.stringContaining('--mqtt') });
  const again = await startHub({ folder: other.path, mqttPort: 0, log });
  await again.close();
});

/** By hand, over the resource as it stands: what an independent device would do. */
function tokenOver(resource: string, key: string): string {
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${resource}\n${inAnHour}`).digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${inAnHour}`;
}
