import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModuleIdentity } from '../../deployments/contract.ts';
import { idOf, pathOf } from '../../hub-client/azure/identity-name.ts';
import { expiryOf, identityResource, sasToken } from '../../hub-client/azure/sas.ts';

export interface MqttFilesParts {
  /** Folder that is mounted into the container of that module alone; see the workload API. */
  readonly folderOf: (module: string) => string;
  readonly hubHostName: string;
  readonly gatewayHostName: string;
  readonly port: number;
  readonly trustBundle: () => string;
  /** Milliseconds that a password is good for. Default: a day. */
  readonly lifetimeMs?: number;
  readonly now?: () => number;
}

const dayMs = 86_400_000;

/** In the mounted folder. */
export const mqttFolder = 'mqtt';

/**
 * What a plain MQTT client needs to be a module, as files: `host`, `port`, `client-id`, `username`, `password`, `ca.pem`, `topic` (begins its topics,
 * `devices/gw-1/modules/scale`). No line end behind the text. The password is a token that is made anew in time; a client reads it whenever it connects.
 */
export async function writeMqttFiles(identity: ModuleIdentity, parts: MqttFilesParts): Promise<void> {
  const { folderOf, hubHostName, gatewayHostName, port, trustBundle, lifetimeMs = dayMs, now = Date.now } = parts;
  const name = { deviceId: identity.deviceId, moduleId: identity.moduleId };
  const folder = join(folderOf(identity.moduleId), mqttFolder);
  const token = {
    resource: identityResource(hubHostName, name),
    key: Buffer.from(identity.primaryKey, 'base64'),
    expiresAtS: expiryOf(now(), lifetimeMs),
  };
  const files: Readonly<Record<string, string>> = {
    host: gatewayHostName,
    port: String(port),
    'client-id': idOf(name),
    username: `${hubHostName}/${idOf(name)}/?api-version=2021-04-12`,
    password: sasToken(token),
    'ca.pem': trustBundle(),
    topic: pathOf(name),
  };
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await chmod(folder, 0o755);
  for (const [file, text] of Object.entries(files)) {
    // Whoever reads while it is renewed has the old one or the new one.
    await writeFile(join(folder, `.${file}`), text, { mode: 0o644 });
    await chmod(join(folder, `.${file}`), 0o644);
    await rename(join(folder, `.${file}`), join(folder, file));
  }
}

/** Well before a password ends. */
export const renewMqttFilesEveryMs = dayMs / 4;
