import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { connectionString, createDevice, readTelemetry } from '../../hub/server.ts';
import { hubClientContract, hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
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

hubClientContract('azure, embedded hub', azure, async () => {
  const folder = tempFolder();
  const main = fileURLToPath(new URL('../../hub/main.ts', import.meta.url));
  const child = startChild(process.execPath, [main, '--data', folder.path, '--mqtt', '0']);
  const { ca } = JSON.parse(await child.line(/"ready":true/)) as { readonly ca: string };
  createDevice(folder.path, 'gw-test-1');
  const taken = async (): Promise<readonly string[]> => {
    const events = await Array.fromAsync(readTelemetry(folder.path));
    return events.map(({ properties }) => properties['$.mid'] ?? '');
  };
  return {
    files: { hub: connectionString(folder.path, 'gw-test-1'), ca: readFileSync(ca, 'utf8') },
    bench: {
      settings: settingsFor(),
      shortLived: { ...settingsFor(), tokenLifetime: 3_000 },
      // Every message that was acknowledged is on disk: there is nothing to wait for.
      taken,
      stall: () => child.process.kill('SIGSTOP'),
      cut: () => child[Symbol.asyncDispose](),
      async [Symbol.asyncDispose]() {
        await child[Symbol.asyncDispose]();
        folder[Symbol.dispose]();
      },
    },
  };
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
