import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';
import type { BoxCertificates } from '../certificates/box-certificates.ts';
import type { ModuleIdentities } from '../identities/module-identities.ts';
import type { KeyStore } from '../key-store.ts';
import { answerCall, type CallParts, type ListedModule } from './calls.ts';
import { ownFolder } from './own-folder.ts';
import { Refusal } from './request.ts';
import { Sealing } from './sealing.ts';
import { listenOn, socketName, type WorkloadSocket } from './socket.ts';

export interface WorkloadSettings {
  /** For the sockets, one folder a module; belongs to the gateway alone. Its path is bounded, see `workload-socket-path`. */
  readonly folder: string;
  /** Of the socket files. Default 0o666. */
  readonly socketMode?: number;
  /** The hub's name, that tokens are for. */
  readonly hubHostName: string;
  /** The name by which modules reach the broker. */
  readonly gatewayHostName: string;
  /** More names and addresses of the broker. */
  readonly gatewayAliases?: readonly string[];
  /** Modules that may have a server certificate in the gateway's name. Default: none. */
  readonly mayServeAsGateway?: readonly string[];
  /** Modules that may list all modules. Default: `$edgeAgent`. */
  readonly mayList?: readonly string[];
  /** More variables for every module: `IOTEDGE_PARENTHOSTNAME`, `RuntimeLogLevel`, `UpstreamProtocol`. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface WorkloadParts {
  readonly settings: WorkloadSettings;
  readonly identities: ModuleIdentities;
  readonly certificates: BoxCertificates;
  /** For the master key. */
  readonly store: KeyStore;
  readonly listModules?: () => readonly ListedModule[] | Promise<readonly ListedModule[]>;
  /** Told of what a module could not be given through a fault of this box (500), and of what it may not have (403). Never has keys or bodies. */
  readonly report?: (event: {
    readonly module: string;
    readonly status: number;
    readonly message: string;
    readonly cause?: unknown;
  }) => void;
}

/** What a container needs to be a module. */
export interface ModuleEnvironment {
  readonly env: Readonly<Record<string, string>>;
  /** Docker's `Binds`. */
  readonly binds: readonly string[];
}

/** Where the folder of a module stands inside its container. */
export const insideFolder = '/run/iotedge';
const apiVersion = '2018-06-28';

/** The workload API of IoT Edge: each module has a unix socket of its own, in a folder that is mounted into its container and nowhere else. */
export class WorkloadApi implements AsyncDisposable {
  readonly #parts: WorkloadParts;
  readonly #calls: CallParts;
  readonly #sockets = new Map<string, Promise<WorkloadSocket>>();
  #closed = false;

  private constructor(parts: WorkloadParts, calls: CallParts) {
    this.#parts = parts;
    this.#calls = calls;
  }

  /**
   * Opens the socket of every module that has an identity; a module made later gets its own with `socketFor`. Rejects as a socket does, and with
   * `workload-socket` where the folder is somebody else's.
   */
  static async open(parts: WorkloadParts): Promise<WorkloadApi> {
    const { settings, identities, certificates } = parts;
    // Nobody on this machine but its owner comes to a socket by its path; containers have theirs mounted.
    await ownFolder(settings.folder, 0o700);
    const api = new WorkloadApi(parts, {
      identities,
      certificates,
      sealing: await Sealing.open(parts.store),
      hubHostName: settings.hubHostName,
      gatewayNames: [settings.gatewayHostName, ...(settings.gatewayAliases ?? [])],
      mayServeAsGateway: settings.mayServeAsGateway ?? [],
      mayList: settings.mayList ?? ['$edgeAgent'],
      listModules: parts.listModules ?? (() => []),
    });
    try {
      await Promise.all(identities.names().map((module) => api.socketFor(module)));
    } catch (error) {
      await api[Symbol.asyncDispose]();
      throw error;
    }
    return api;
  }

  /** The path of the module's socket on this machine; it listens when this resolves. */
  async socketFor(module: string): Promise<string> {
    if (this.#closed) throw new Error('the workload API is closed');
    let socket = this.#sockets.get(module);
    if (!socket) {
      const rights = { mode: this.#parts.settings.socketMode ?? 0o666 };
      socket = listenOn(this.folderOf(module), rights, (request, response) => void this.#serve(module, request, response));
      this.#sockets.set(module, socket);
      socket.catch(() => this.#sockets.delete(module));
    }
    return (await socket).path;
  }

  /** Closes the socket of a module that is no more, and removes its folder. After its container is gone. */
  async remove(module: string): Promise<void> {
    const socket = this.#sockets.get(module);
    this.#sockets.delete(module);
    await (await socket?.catch(() => undefined))?.[Symbol.asyncDispose]();
    await rm(this.folderOf(module), { recursive: true, force: true });
  }

  /**
   * `mountFrom`: the folder of the sockets as the container engine sees it. Throws `module-without-identity` where `ModuleIdentities.ensure` was not
   * called before.
   */
  environmentOf(module: string, mountFrom = this.#parts.settings.folder): ModuleEnvironment {
    const { settings, identities } = this.#parts;
    const identity = identities.get(module);
    if (!identity) {
      throw new GatewayError('module-without-identity', `the module ${module} has no identity yet, so it cannot be started`, {
        retry: 'with-backoff',
        hint: 'the hub could not be reached to make it; it is asked again when the link is back',
      });
    }
    const system = module === '$edgeAgent' || module === '$edgeHub';
    return {
      env: {
        ...settings.env,
        IOTEDGE_WORKLOADURI: `unix://${insideFolder}/${socketName}`,
        IOTEDGE_APIVERSION: apiVersion,
        IOTEDGE_AUTHSCHEME: 'sasToken',
        IOTEDGE_DEVICEID: identity.deviceId,
        IOTEDGE_MODULEID: identity.moduleId,
        IOTEDGE_MODULEGENERATIONID: identity.generationId,
        IOTEDGE_IOTHUBHOSTNAME: settings.hubHostName,
        IOTEDGE_GATEWAYHOSTNAME: settings.gatewayHostName,
        ...(system && { EdgeDeviceHostName: settings.gatewayHostName }),
      },
      // The folder, so that the container sees the new socket of a gateway that was started again; read-only, so that it cannot put another there.
      binds: [`${join(mountFrom, slug(module))}:${insideFolder}:ro`],
    };
  }

  /** Mounted into the container of that module, and nowhere else, at `/run/iotedge`. */
  folderOf(module: string): string {
    return join(this.#parts.settings.folder, slug(module));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const sockets = await Promise.allSettled(this.#sockets.values());
    this.#sockets.clear();
    await Promise.all(sockets.map((socket) => socket.status === 'fulfilled' && socket.value[Symbol.asyncDispose]()));
  }

  async #serve(module: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, body } = await answerCall(this.#calls, module, request);
      send(response, status, body);
    } catch (error) {
      // The module hung up.
      if (request.socket.destroyed) return;
      const refusal = error instanceof Refusal ? error : undefined;
      const status = refusal?.status ?? 500;
      const message = refusal?.message ?? 'the gateway could not do this; its log says why';
      if (status === 500 || status === 403) this.#parts.report?.({ module, status, message, ...(!refusal && { cause: error }) });
      // A body that was not read to its end cannot be followed by another request.
      if (!request.complete) response.setHeader('connection', 'close');
      send(response, status, { message });
    }
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}

/** A short folder name that no other module has: what can be read of the name, and a part of its hash. */
function slug(module: string): string {
  const hash = createHash('sha256').update(module).digest('hex').slice(0, 12);
  return `${module.replaceAll(/[^A-Za-z0-9_-]/g, '').slice(0, 20)}-${hash}`;
}
