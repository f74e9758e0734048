import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { capability, titled } from '../test/support/capabilities.ts';
import { issue, makeCa } from '../test/support/certificates.ts';
import { type Child, startChild } from '../test/support/child.ts';
import { tempFolder } from '../test/support/temp.ts';
import { connectionString, createDevice } from './access.ts';
import { hubFiles } from './folder.ts';
import { addDevice, openRegistry } from './registry.ts';
import { sasToken } from './simulator.ts';
import { readAccounts } from './telemetry/gaps.ts';
import { readTelemetry } from './telemetry/reader.ts';

/** As much of the CommonJS packages as is used here. */
interface Message {
  messageId: string;
  contentType: string;
}
interface Client {
  setOptions(options: object): Promise<unknown>;
  open(): Promise<unknown>;
  sendEvent(message: Message): Promise<unknown>;
  close(): Promise<unknown>;
  onDeviceMethod(name: string, callback: () => void): void;
  getTwin(): Promise<{ properties: { reported: { update(patch: object, done: (error?: Error) => void): void } } }>;
}
const require = createRequire(import.meta.url);
const { Client, Message } = require('azure-iot-device') as {
  Client: { fromConnectionString(text: string, transport: unknown): Client };
  Message: new (body: string | Buffer) => Message;
};
const { Mqtt } = require('azure-iot-device-mqtt') as { Mqtt: unknown };

/** The hub as a process of its own, as gateway and demo run it. */
async function startHubProcess(folder: string, port = 0): Promise<Child & { port: number }> {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = startChild(process.execPath, [main, '--data', folder, '--mqtt', String(port)]);
  const { mqtt } = JSON.parse(await child.line(/"ready":true/)) as { mqtt: number };
  return { ...child, port: mqtt };
}

async function open(folder: string, deviceId: string, options: object = {}): Promise<Client & AsyncDisposable> {
  const client = Client.fromConnectionString(connectionString(folder, deviceId), Mqtt);
  await client.setOptions({ ca: hubFiles(folder).caCertificate, ...options });
  await client.open();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close().then(() => {}) });
}

const numbered = (sequence: number, filler = ''): Message => {
  const event = {
    specversion: '1.0',
    id: `sdk/1/${sequence}`,
    source: '/sdk',
    type: 'dragoman.telemetry.v1',
    sequence: String(sequence),
    data: { filler },
  };
  const message = new Message(JSON.stringify(event));
  message.messageId = `m-${sequence}`;
  message.contentType = 'application/json';
  return message;
};

async function sequences(folder: string): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const { event } of readTelemetry(folder)) found.push(Number(event.sequence));
  return found;
}

const oneTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('the unmodified Azure device SDK', () => {
  test('connects with a key, sends 200 KiB, uses its twin', async () => {
    using folder = tempFolder();
    await using _hub = await startHubProcess(folder.path);
    createDevice(folder.path, 'gw-1');
    await using client = await open(folder.path, 'gw-1');
    await client.sendEvent(numbered(1));
    await client.sendEvent(numbered(2, 'x'.repeat(200 * 1024)));
    expect(await sequences(folder.path)).toEqual([1, 2]);
    const twin = await client.getTwin();
    await new Promise<void>((resolve, reject) =>
      twin.properties.reported.update({ fw: '1' }, (error) => (error ? reject(error) : resolve())),
    );
    const refused = new Promise<void>((resolve, reject) =>
      twin.properties.reported.update({ big: 'x'.repeat(40_000) }, (error) => (error ? reject(error) : resolve())),
    );
    await expect(refused).rejects.toThrow();
  });

  test('connects with a certificate', async () => {
    using folder = tempFolder();
    await using _hub = await startHubProcess(folder.path);
    const certificate = await issue(await makeCa(), { commonName: 'gw-x' });
    {
      using db = openRegistry(folder.path);
      addDevice(db, 'gw-x', { thumbprint: certificate.sha1 });
    }
    await using client = await open(folder.path, 'gw-x', { cert: certificate.certificate, key: certificate.privateKey });
    await client.sendEvent(numbered(1));
    expect(await sequences(folder.path)).toEqual([1]);
  });

  test('is refused with a wrong key as UnauthorizedError', async () => {
    using folder = tempFolder();
    await using _hub = await startHubProcess(folder.path);
    createDevice(folder.path, 'gw-1');
    const wrong = connectionString(folder.path, 'gw-1').replace(
      /SharedAccessKey=.*/,
      `SharedAccessKey=${Buffer.alloc(32, 7).toString('base64')}`,
    );
    const client = Client.fromConnectionString(wrong, Mqtt);
    await client.setOptions({ ca: hubFiles(folder.path).caCertificate });
    await expect(client.open()).rejects.toMatchObject({ name: 'UnauthorizedError' });
  });

  test('loses nothing over token renewals every second', async () => {
    using folder = tempFolder();
    await using hub = await startHubProcess(folder.path);
    createDevice(folder.path, 'gw-1');
    await using client = await open(folder.path, 'gw-1', { tokenRenewal: { tokenValidTimeInSeconds: 3, tokenRenewalMarginInSeconds: 2 } });
    const untilMs = Date.now() + 3_500;
    let sent = 0;
    while (Date.now() < untilMs) await client.sendEvent(numbered(++sent));
    expect(new Set(await sequences(folder.path))).toEqual(new Set(oneTo(sent)));
    expect(readAccounts(folder.path)[0]?.missing).toEqual([]);
    expect(hub.output()).not.toContain('refused');
  });

  test('goes on after kill -9 of the hub; what was acknowledged is there, subscriptions too', async () => {
    using folder = tempFolder();
    const first = await startHubProcess(folder.path);
    createDevice(folder.path, 'gw-1');
    await using client = await open(folder.path, 'gw-1');
    client.onDeviceMethod('reboot', () => {});
    await client.getTwin();
    let acknowledged = 0;
    const sending = (async () => {
      while (acknowledged < 60) {
        await client.sendEvent(numbered(acknowledged + 1, 'x'.repeat(10_000)));
        acknowledged++;
      }
    })();
    await expect.poll(() => acknowledged, { timeout: 10_000 }).toBeGreaterThan(20);
    first.process.kill('SIGKILL');
    await first.exited;
    const before = acknowledged;
    expect((await sequences(folder.path)).slice(0, before)).toEqual(oneTo(before));
    await using _second = await startHubProcess(folder.path, first.port);
    await sending;
    expect(await sequences(folder.path)).toEqual(oneTo(60));
    using db = openRegistry(folder.path);
    const session = db.prepare('SELECT subscriptions FROM sessions').get();
    expect(JSON.parse(session?.subscriptions as string)).toEqual([
      ['$iothub/methods/POST/#', 0],
      ['$iothub/twin/res/#', 0],
    ]);
  });
});

const mosquitto = capability('mosquitto');
describe.skipIf(!mosquitto.ok)(titled('mosquitto_pub', mosquitto), () => {
  test('sends over TLS with a token for a password', async () => {
    using folder = tempFolder();
    await using hub = await startHubProcess(folder.path);
    const { authentication } = createDevice(folder.path, 'm-1');
    const key = authentication.type === 'sas' ? authentication.primaryKey : '';
    const token = sasToken('localhost/devices/m-1', key, Math.floor(Date.now() / 1000) + 60);
    const args = [
      '-h',
      'localhost',
      '-p',
      String(hub.port),
      '--cafile',
      hubFiles(folder.path).caCertificate,
      '-V',
      'mqttv311',
      '-q',
      '1',
      '-i',
      'm-1',
    ];
    const run = spawnSync('mosquitto_pub', [
      ...args,
      '-u',
      'localhost/m-1/?api-version=2021-04-12',
      '-P',
      token,
      '-t',
      'devices/m-1/messages/events/',
      '-m',
      '{"t":1}',
    ]);
    expect(run.stderr.toString()).toBe('');
    expect(run.status).toBe(0);
    const { value } = await readTelemetry(folder.path).next();
    expect(value).toMatchObject({ device: 'm-1', event: { data: { t: 1 } } });
  });
});

describe('the hub process', () => {
  test('ends when its parent closes stdin, and on SIGTERM, within a second', async () => {
    using folder = tempFolder();
    await using hub = await startHubProcess(folder.path);
    hub.process.kill('SIGTERM');
    expect(await hub.exited).toBe(0);
    const main = fileURLToPath(new URL('./main.ts', import.meta.url));
    const child = startChild('sh', ['-c', `sleep 0.7 | exec "${process.execPath}" "${main}" --data "${folder.path}" --mqtt 0`]);
    await child.line(/"ready":true/);
    expect(await child.exited).toBe(0);
  });
});
