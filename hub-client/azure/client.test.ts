import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { addDevice, openRegistry } from '../../hub/registry.ts';
import { connectionString, createDevice, readTelemetry } from '../../hub/server.ts';
import { hubClientContract, hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { startChild } from '../../test/support/child.ts';
import { startMosquitto } from '../../test/support/mosquitto.ts';
import { startMqttPeer } from '../../test/support/mqtt-peer.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { connect } from './client.ts';
import { type AzureSettings, azure } from './definition.ts';

const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');

const settingsFor = (): AzureSettings => azure.settings.parse({ connectionString: { file: 'hub' }, ca: 'ca' });

const filesFor = (port: number, ca: string): Readonly<Record<string, string>> => ({
  hub: `HostName=localhost:${port};DeviceId=gw-test-1;SharedAccessKey=${key}\n`,
  ca,
});

/** The message id of a topic as it was on the wire. */
const idOf = (topic: string): string => decodeURIComponent(/%24\.mid=([^&]*)/.exec(topic)?.[1] ?? '');

hubClientContract('azure, scripted peer', azure, async () => {
  const peer = await startMqttPeer();
  return {
    files: filesFor(peer.port, peer.ca.certificate),
    bench: {
      settings: settingsFor(),
      shortLived: { ...settingsFor(), tokenLifetime: 1_500 },
      async taken(count) {
        await peer.until(() => peer.published.length >= count);
        return peer.published.map(({ topic }) => idOf(topic));
      },
      stall() {
        peer.script.puback = 'by-hand';
      },
      cut: () => peer[Symbol.asyncDispose](),
      [Symbol.asyncDispose]: async () => peer[Symbol.asyncDispose](),
    },
  };
});

/** The embedded hub as a process of its own, with one device. */
async function startEmbeddedHub() {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempFolder());
  const main = fileURLToPath(new URL('../../hub/main.ts', import.meta.url));
  const child = stack.use(startChild(process.execPath, [main, '--data', folder.path, '--mqtt', '0']));
  const ready = JSON.parse(await child.line(/"ready":true/)) as { readonly ca: string; readonly mqtt: number };
  createDevice(folder.path, 'gw-test-1');
  const running = stack.move();
  return {
    folder: folder.path,
    child,
    port: ready.mqtt,
    ca: readFileSync(ready.ca, 'utf8'),
    connectionString: connectionString(folder.path, 'gw-test-1'),
    /** Ids of the messages that it keeps. */
    async taken(): Promise<readonly string[]> {
      const events = await Array.fromAsync(readTelemetry(folder.path));
      return events.map(({ properties }) => properties['$.mid'] ?? '');
    },
    [Symbol.asyncDispose]: async () => running.disposeAsync(),
  };
}

hubClientContract('azure, embedded hub', azure, async () => {
  const hub = await startEmbeddedHub();
  return {
    files: { hub: hub.connectionString, ca: hub.ca },
    bench: {
      settings: settingsFor(),
      shortLived: { ...settingsFor(), tokenLifetime: 3_000 },
      // Every message that was acknowledged is on disk: there is nothing to wait for.
      taken: hub.taken,
      stall: () => hub.child.process.kill('SIGSTOP'),
      cut: () => hub.child[Symbol.asyncDispose](),
      [Symbol.asyncDispose]: hub[Symbol.asyncDispose],
    },
  };
});

test('the embedded hub takes a certificate by its thumbprint, and refuses a foreign one and a foreign key with a cure', async () => {
  await using hub = await startEmbeddedHub();
  const makers = await makeCa('maker of devices');
  const [mine, foreign] = [await issue(makers, { commonName: 'gw-x' }), await issue(makers, { commonName: 'gw-x' })];
  using registry = openRegistry(hub.folder);
  addDevice(registry, 'gw-x', { thumbprint: mine.sha256 });
  const attempt = async (settings: object, files: Readonly<Record<string, string>>) =>
    connect(azure.settings.parse({ ca: 'ca', ...settings }), hubContext('.', { ca: hub.ca, ...files }), new AbortController().signal);
  const byCertificate = { host: `localhost:${hub.port}`, deviceId: 'gw-x', certificate: 'crt', privateKey: 'key' };
  {
    await using session = await attempt(byCertificate, { crt: mine.certificate, key: mine.privateKey });
    await session.send(hubMessage('m-x'));
    expect(await hub.taken()).toEqual(['m-x']);
  }
  const refused = { code: 'hub-credentials', retry: 'after-fix', message: expect.stringContaining(`localhost:${hub.port}`) };
  await expect(attempt(byCertificate, { crt: foreign.certificate, key: foreign.privateKey })).rejects.toMatchObject(refused);
  const byKey = { host: `localhost:${hub.port}`, deviceId: 'gw-test-1', key: { file: 'key' } };
  await expect(attempt(byKey, { key })).rejects.toMatchObject(refused);
});

const mosquitto = capability('mosquitto');
describe.skipIf(!mosquitto.ok)(titled('against mosquitto', mosquitto), () => {
  hubClientContract('azure, mosquitto', azure, async () => {
    const broker = await startMosquitto();
    return {
      files: filesFor(broker.port, broker.ca.certificate),
      bench: {
        settings: settingsFor(),
        shortLived: { ...settingsFor(), tokenLifetime: 1_500 },
        async taken(count) {
          return (await broker.seen(count)).map(idOf);
        },
        stall: () => broker.freeze(),
        cut: () => broker.kill(),
        [Symbol.asyncDispose]: async () => broker[Symbol.asyncDispose](),
      },
    };
  });

  test('sees topic and body as IoT Hub documents them, byte for byte', async () => {
    await using broker = await startMosquitto();
    const context = hubContext('.', filesFor(broker.port, broker.ca.certificate));
    await using session = await connect(settingsFor(), context, new AbortController().signal);
    await session.send({ ...hubMessage('gw-test-1-7-9', 'äöü'), properties: { 'a b': "c/d'e" } });
    expect(await broker.seen(1)).toEqual([
      'devices/gw-test-1/messages/events/%24.mid=gw-test-1-7-9&%24.ct=application%2Fjson&%24.ce=utf-8&iothub-creation-time-utc=2026-11-24T08%3A00%3A01.250Z&a%20b=c%2Fd%27e 6',
    ]);
  });
});
