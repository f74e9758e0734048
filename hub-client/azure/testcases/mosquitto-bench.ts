import { connectAsync } from 'mqtt';
import type { ControlBench } from '../../../test/contract/hub-control.ts';
import { startMosquitto } from '../../../test/support/mosquitto.ts';
import { mergePatch } from '../../../twin/patch.ts';
import type { TwinObject } from '../../contract.ts';

import { type AzureSettings, azure } from '../definition.ts';
import { benchDevice } from './embedded-bench.ts';
import { ridOf } from './twin-script.ts';

const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');

/**
 * A broker that knows nothing of IoT Hub, and a service beside it that answers on the documented topics, written from the documentation
 * alone. What goes wrong between the two does so for other reasons than with the embedded hub.
 */
export async function mosquittoBench(): Promise<{ bench: ControlBench<AzureSettings>; files: Readonly<Record<string, string>> }> {
  const broker = await startMosquitto(['max_inflight_messages 100', 'persistent_client_expiration 1h']);
  const service = await connectAsync(`mqtts://localhost:${broker.port}`, { ca: broker.ca.certificate, clientId: 'service' });
  let desired: TwinObject = {};
  let reported: TwinObject = {};
  let [desiredVersion, reportedVersion, calls] = [1, 1, 0];
  const waiting = new Map<string, (answer: { status: number; payload: unknown }) => void>();
  await service.subscribeAsync(['$iothub/twin/GET/#', '$iothub/twin/PATCH/properties/reported/#', '$iothub/methods/res/#'], { qos: 1 });
  service.on('message', (topic, body) => {
    const rid = ridOf(topic);
    if (topic.startsWith('$iothub/twin/GET/')) {
      const twin = { desired: { ...desired, $version: desiredVersion }, reported: { ...reported, $version: reportedVersion } };
      service.publish(`$iothub/twin/res/200/?$rid=${rid}`, JSON.stringify(twin));
    } else if (topic.startsWith('$iothub/twin/PATCH/')) {
      if (body.length > 32 * 1024) {
        service.publish(`$iothub/twin/res/413/?$rid=${rid}`, '{"errorCode":413001,"message":"too large"}');
        return;
      }
      reported = mergePatch(reported, JSON.parse(body.toString()));
      reportedVersion++;
      service.publish(`$iothub/twin/res/204/?$rid=${rid}&$version=${reportedVersion}`, '');
    } else {
      waiting.get(rid)?.({ status: Number(topic.split('/')[3]), payload: JSON.parse(body.toString()) });
      waiting.delete(rid);
    }
  });
  const settings = azure.settings.parse({ connectionString: { file: 'hub' }, ca: 'ca' });
  return {
    files: { hub: `HostName=localhost:${broker.port};DeviceId=${benchDevice};SharedAccessKey=${key}`, ca: broker.ca.certificate },
    bench: {
      settings,
      shortLived: { ...settings, tokenLifetime: 1_500 },
      async desire(patch) {
        desired = mergePatch(desired, patch);
        desiredVersion++;
        const body = JSON.stringify({ ...patch, $version: desiredVersion });
        await service.publishAsync(`$iothub/twin/PATCH/properties/desired/?$version=${desiredVersion}`, body);
      },
      reported: () => reported,
      call: (name, payload = null) =>
        new Promise((resolve, reject) => {
          const rid = (++calls).toString(16);
          waiting.set(rid, resolve);
          setTimeout(() => reject(new Error(`no answer to ${name}`)), 1_000).unref();
          service.publish(`$iothub/methods/POST/${name}/?$rid=${rid}`, JSON.stringify(payload));
        }),
      command: (id, body) => service.publishAsync(`devices/${benchDevice}/messages/devicebound/%24.mid=${id}`, body, { qos: 1 }),
      cut: () => broker.kill(),
      async [Symbol.asyncDispose]() {
        await service.endAsync(true);
        await broker[Symbol.asyncDispose]();
      },
    },
  };
}
