import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { hubContext } from '../../test/contract/hub-client.ts';
import { hubControlContract } from '../../test/contract/hub-control.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { connect } from './client.ts';
import { azure } from './definition.ts';
import { embeddedBench } from './testcases/embedded-bench.ts';
import { mosquittoBench } from './testcases/mosquitto-bench.ts';
import { type StrictPeer, startStrictPeer } from './testcases/strict-peer.ts';
import { serveTwin } from './testcases/twin-script.ts';

hubControlContract('azure, embedded hub', azure, embeddedBench);

const mosquitto = capability('mosquitto');
describe.skipIf(!mosquitto.ok)(titled('against mosquitto', mosquitto), () => {
  hubControlContract('azure, mosquitto and a service', azure, mosquittoBench);
});

/** As much of the CommonJS packages as is used here. */
interface SdkTwin {
  on(event: string, handler: (patch: object) => void): void;
  properties: { reported: { update(patch: object, done: (error?: Error) => void): void } };
}
interface SdkClient {
  setOptions(options: object): Promise<unknown>;
  open(): Promise<unknown>;
  close(): Promise<unknown>;
  on(event: 'message', handler: (message: { messageId: string }) => void): void;
  onDeviceMethod(name: string, handler: (request: unknown, response: { send(status: number, body: object): Promise<void> }) => void): void;
  getTwin(): Promise<SdkTwin>;
}

describe('beside the unmodified device SDK', () => {
  const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
  const hubOf = (peer: StrictPeer): string => `HostName=localhost:${peer.port};DeviceId=d1;SharedAccessKey=${key}`;

  /** The same work of hub and device, whoever the device is; what went over the wire. */
  async function story(device: (peer: StrictPeer) => Promise<AsyncDisposable>): Promise<readonly string[]> {
    await using peer = await startStrictPeer();
    serveTwin(peer);
    {
      await using _device = await device(peer);
      await peer.until(() => peer.client.filters.size === 4);
      peer.client.publish('$iothub/twin/PATCH/properties/desired/?$version=2', '{"a":1,"$version":2}');
      await peer.until(() => peer.published.some(({ text }) => text === '{"a":1}'));
      peer.client.publish('$iothub/methods/POST/ping/?$rid=7', 'null');
      await peer.until(() => peer.published.some(({ topic }) => topic.startsWith('$iothub/methods/res/')));
      peer.client.publish('devices/d1/messages/devicebound/%24.mid=c-1', 'x', 9);
      await peer.until(() => peer.events.includes('puback 9'));
    }
    await peer.until(() => peer.events.includes('close'));
    const bodies = peer.published.map(({ topic, text }) => `${topic.replace(/\$rid=[\w-]{8,}/, '$rid=R')} ${text}`);
    // In which order it subscribes is a client's own business.
    return [...peer.events.filter((event) => /subscribe|puback|violation|disconnect/.test(event)).toSorted(), ...bodies];
  }

  test('subscribes, asks, reports, answers and acknowledges alike', async () => {
    const theirs = await story(async (peer) => {
      const require = createRequire(import.meta.url);
      const { Client } = require('azure-iot-device') as { Client: { fromConnectionString(text: string, transport: unknown): SdkClient } };
      const { Mqtt } = require('azure-iot-device-mqtt') as { Mqtt: unknown };
      const client = Client.fromConnectionString(hubOf(peer), Mqtt);
      await client.setOptions({ ca: peer.ca.certificate });
      await client.open();
      client.on('message', () => {});
      client.onDeviceMethod('ping', (_request, response) => void response.send(201, { ok: 1 }));
      const twin = await client.getTwin();
      twin.on('properties.desired', (patch) => {
        if ('a' in patch) twin.properties.reported.update({ a: 1 }, () => {});
      });
      return { [Symbol.asyncDispose]: async () => void (await client.close()) };
    });
    const ours = await story(async (peer) => {
      const settings = azure.settings.parse({ connectionString: { file: 'hub' }, ca: 'ca' });
      const context = hubContext('.', { hub: hubOf(peer), ca: peer.ca.certificate });
      const session = await connect(settings, context, new AbortController().signal);
      const control = session.control!;
      control.onMessage(async () => {});
      control.onMethod(async () => ({ status: 201, payload: { ok: 1 } }));
      control.onDesired(() => void control.report({ a: 1 }));
      await control.twin();
      return session;
    });
    expect(ours).toEqual(theirs);
    expect(ours).toContain('$iothub/methods/res/201/?$rid=7 {"ok":1}');
  });
});
