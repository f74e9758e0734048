import { silentLog } from '../../../hub/log.ts';
import { connectionString, createDevice, type Hub, startHub } from '../../../hub/server.ts';
import type { ControlBench } from '../../../test/contract/hub-control.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { type AzureSettings, azure } from '../definition.ts';

export const benchDevice = 'gw-test-1';

/** The embedded hub inside this process, with one device. */
export async function startEmbedded(): Promise<{ hub: Hub; folder: string; connectionString: string } & AsyncDisposable> {
  const folder = tempFolder();
  const hub = await startHub({ folder: folder.path, mqttPort: 0, log: silentLog });
  createDevice(folder.path, benchDevice);
  return {
    hub,
    folder: folder.path,
    connectionString: connectionString(folder.path, benchDevice),
    async [Symbol.asyncDispose]() {
      await hub.close();
      folder[Symbol.dispose]();
    },
  };
}

/** Its operator. */
export async function embeddedBench(): Promise<{ bench: ControlBench<AzureSettings>; files: Readonly<Record<string, string>> }> {
  const running = await startEmbedded();
  const { core } = running.hub;
  const name = { deviceId: benchDevice };
  const settings = azure.settings.parse({ connectionString: { file: 'hub' }, ca: 'ca' });
  return {
    files: { hub: running.connectionString, ca: running.hub.caPem! },
    bench: {
      settings,
      shortLived: { ...settings, tokenLifetime: 3_000 },
      desire: (patch) => core.twins.patch(name, { properties: { desired: patch } }),
      reported() {
        const { $metadata: _, $version: __, ...rest } = core.twins.get(name)!.properties.reported;
        return rest;
      },
      call: (method, payload) => core.methods.invoke(name, { name: method, payload, responseTimeoutMs: 5_000 }),
      command: (messageId, body) => core.messages.enqueue(benchDevice, { messageId, body: Buffer.from(body) }),
      cut: () => running.hub.close(),
      [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
    },
  };
}
