import { join } from 'node:path';
import type { Log } from '../../adapters/contract.ts';
import type { ModuleHost, ModuleIdentitySource } from '../../deployments/agent/contract.ts';
import { BoxCertificates } from '../../deployments/certificates/box-certificates.ts';
import { localIdentitySource } from '../../deployments/identities/local-source.ts';
import { ModuleIdentities } from '../../deployments/identities/module-identities.ts';
import type { KeyStore } from '../../deployments/key-store.ts';
import { insideFolder, WorkloadApi } from '../../deployments/workload/workload-api.ts';
import type { MountFrom } from './mount-from.ts';
import { type MqttFilesParts, mqttFolder, renewMqttFilesEveryMs, writeMqttFiles } from './mqtt-files.ts';
import type { ModulesSettings } from './settings.ts';
import { ModuleRegistry } from './upstream/module-registry.ts';
import type { EdgePlace } from './upstream/place.ts';
import type { Who } from './who.ts';

export interface BoxParts {
  readonly settings: ModulesSettings;
  /** For the sockets of modules, absolute and short. */
  readonly sockets: string;
  readonly mountFrom: MountFrom;
  readonly store: KeyStore;
  readonly who: Who;
  readonly hostName: string;
  readonly edge: EdgePlace | undefined;
  readonly log: Log;
}

export interface BoxEvents {
  /** It has an identity, and no container of this making yet. */
  made(module: string): Promise<void>;
  removed(module: string): void;
}

/** What this box is to its modules: identities, certificates, the workload API, and files for plain MQTT clients. */
export class Box implements AsyncDisposable, ModuleIdentitySource {
  readonly identities: ModuleIdentities;
  readonly certificates: BoxCertificates;
  readonly workload: WorkloadApi;
  readonly #parts: BoxParts;
  readonly #stack: AsyncDisposableStack;
  #brokerPort = 8883;
  #told: BoxEvents = { made: async () => {}, removed: () => {} };

  private constructor(
    parts: BoxParts,
    made: { identities: ModuleIdentities; certificates: BoxCertificates; workload: WorkloadApi },
    stack: AsyncDisposableStack,
  ) {
    this.#parts = parts;
    this.identities = made.identities;
    this.certificates = made.certificates;
    this.workload = made.workload;
    this.#stack = stack;
  }

  static async open(parts: BoxParts): Promise<Box> {
    const { settings, store, who, edge, log, hostName, sockets } = parts;
    await using stack = new AsyncDisposableStack();
    const known = (moduleId: string) => identities.get(moduleId);
    const source = edge ? stack.use(new ModuleRegistry({ place: edge, known, log })) : localIdentitySource(who.deviceId);
    const identities = await ModuleIdentities.open({ store, deviceId: who.deviceId, source });
    const certificates = await BoxCertificates.open({ store, deviceId: who.deviceId });
    const workload = stack.use(
      await WorkloadApi.open({
        settings: {
          folder: sockets,
          hubHostName: who.hub,
          gatewayHostName: hostName,
          gatewayAliases: settings.aliases,
        },
        identities,
        certificates,
        store,
        report: ({ module, status, message, cause }) =>
          log.warn(
            { module, status, reason: message, ...(cause !== undefined && { err: cause }) },
            'a module was refused by the workload API',
          ),
      }),
    );
    return new Box(parts, { identities, certificates, workload }, stack.move());
  }

  /** Where the broker listens, and who is told of modules that come and go. Renews the files of MQTT clients from now on. */
  serve(brokerPort: number, told: BoxEvents): void {
    this.#brokerPort = brokerPort;
    this.#told = told;
    const timer = setInterval(() => void this.renewFiles(), renewMqttFilesEveryMs).unref();
    this.#stack.defer(() => clearInterval(timer));
  }

  async ensure(module: string): Promise<void> {
    const identity = await this.identities.ensure(module);
    await this.workload.socketFor(module);
    await writeMqttFiles(identity, this.#mqttFiles);
    await this.#told.made(module);
  }

  async remove(module: string): Promise<void> {
    await this.workload.remove(module);
    await this.identities.remove(module);
    this.#told.removed(module);
  }

  async environmentOf(module: string): Promise<ModuleHost> {
    const { hostName, settings, mountFrom } = this.#parts;
    const { env, binds } = this.workload.environmentOf(module, await mountFrom());
    const extraHosts = settings.hostAddress === 'dns' ? [] : [`${hostName}:${settings.hostAddress}`];
    // SDKs that can be told another port than 8883 are told it so.
    const IOTEDGE_GATEWAYHOSTNAME = this.#brokerPort === 8883 ? hostName : `${hostName}:${this.#brokerPort}`;
    return { env: { ...env, IOTEDGE_GATEWAYHOSTNAME, DRAGOMAN_MQTT: join(insideFolder, mqttFolder) }, binds, extraHosts };
  }

  /** For all modules, with fresh passwords. */
  async renewFiles(): Promise<void> {
    for (const module of this.identities.names()) {
      const identity = this.identities.get(module);
      if (!identity || module.startsWith('$')) continue;
      await writeMqttFiles(identity, this.#mqttFiles).catch((error: Error) =>
        this.#parts.log.warn({ module, reason: error.message }, 'the files for the MQTT client of a module could not be renewed'),
      );
    }
  }

  get #mqttFiles(): MqttFilesParts {
    const { who, hostName } = this.#parts;
    return {
      folderOf: (module) => this.workload.folderOf(module),
      hubHostName: who.hub,
      gatewayHostName: hostName,
      port: this.#brokerPort,
      trustBundle: () => this.certificates.trustBundle,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
