import { ownCertificate } from '../../certificates.ts';
import { Core } from '../../core/hub-core.ts';
import type { HubLog } from '../../log.ts';
import { openPolicies } from '../../policies/policies.ts';
import { openRegistry } from '../../registry-schema.ts';
import { TelemetryStore } from '../../telemetry/store.ts';
import { type ServicePlane, startServicePlane } from '../plane.ts';

export interface BareHub extends AsyncDisposable {
  readonly core: Core;
  readonly plane: ServicePlane;
  readonly ca: string;
  readonly log: readonly string[];
  /** Telemetry of a device, on disk when it resolves. */
  telemetry(device: string, body: string, properties?: Readonly<Record<string, string>>): Promise<void>;
  connectionString(policy: string, host?: string): string;
}

/** The service side of a hub, with no listener for devices. */
export async function startBareHub(folder: string, options: { readonly tokenWithinMs?: number } = {}): Promise<BareHub> {
  const lines: string[] = [];
  const line = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: HubLog = { debug: line, info: line, warn: line, error: line };
  const policies = openPolicies(folder);
  const certificate = await ownCertificate(folder, ['localhost', '127.0.0.1']);
  const db = openRegistry(folder);
  const store = await TelemetryStore.open({ folder, retention: { maxAgeMs: 3_600_000, maxBytes: 1e9 }, hardLimitBytes: 1e9 }, log);
  const isOurName = (host: string): boolean => host.toLowerCase().split(':')[0] === 'localhost';
  const core = new Core({ folder, db, policies, isOurName, log });
  store.onStored = () => core.events.stored();
  const plane = await startServicePlane(core, { https: 0, amqp: 0, listen: '127.0.0.1', certificate, ...options }, log);
  return {
    core,
    plane,
    ca: certificate.ca as string,
    log: lines,
    telemetry: (device, body, properties = {}) =>
      new Promise((resolve, reject) =>
        store.append({ device, arrivedMs: Date.now(), properties, body: new Uint8Array(Buffer.from(body)) }, (error) =>
          error ? reject(error) : resolve(),
        ),
      ),
    connectionString: (policy, host = 'localhost') =>
      `HostName=${host};SharedAccessKeyName=${policy};SharedAccessKey=${policies.get(policy)?.primaryKey}`,
    async [Symbol.asyncDispose]() {
      await plane.close();
      core[Symbol.dispose]();
      await store.close();
      db.close();
    },
  };
}
