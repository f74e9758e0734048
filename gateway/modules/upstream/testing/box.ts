import { readFileSync } from 'node:fs';
import type { ModuleIdentity, RoutedMessage } from '../../../../deployments/contract.ts';
import { ModuleIdentities } from '../../../../deployments/identities/module-identities.ts';
import { fileKeyStore } from '../../../../deployments/key-store.ts';
import { connectionString, createDevice } from '../../../../hub/access.ts';
import type { EventMessage } from '../../../../hub/core/contract.ts';
import { hubFiles } from '../../../../hub/folder.ts';
import { silentLog } from '../../../../hub/log.ts';
import { type Hub, startHub } from '../../../../hub/server.ts';
import { deviceIdentity } from '../../../../hub-client/azure/client.ts';
import { azure } from '../../../../hub-client/azure/definition.ts';
import { hubContext } from '../../../../test/contract/hub-client.ts';
import { freePort } from '../../../../test/support/ports.ts';
import { tempFolder } from '../../../../test/support/temp.ts';
import { listLog } from '../../../twin/testing/support.ts';
import { EdgeUpstream, type EdgeUpstreamOptions } from '../edge-upstream.ts';
import { ModuleRegistry } from '../module-registry.ts';
import type { EdgePlace } from '../place.ts';

export const boxDevice = 'box-1';

/** An embedded hub inside this process, with one IoT Edge device, which can be stopped and started again at the same ports. */
export async function startEdgeHub(options: { readonly edge?: boolean } = {}) {
  const folder = tempFolder();
  const [mqttPort, httpsPort] = [await freePort(), await freePort()];
  const open = (): Promise<Hub> => startHub({ folder: folder.path, mqttPort, httpsPort, log: silentLog });
  let hub = await open();
  createDevice(folder.path, boxDevice, { edge: options.edge ?? true });
  return {
    folder: folder.path,
    mqttPort,
    httpsPort,
    get hub(): Hub {
      return hub;
    },
    stop: () => hub.close(),
    async startAgain() {
      hub = await open();
    },
    async [Symbol.asyncDispose]() {
      await hub.close();
      folder[Symbol.dispose]();
    },
  };
}
export type EdgeHub = Awaited<ReturnType<typeof startEdgeHub>>;

/** The way of the box to that hub. */
export function placeAt({ folder, httpsPort }: Pick<EdgeHub, 'folder' | 'httpsPort'>): EdgePlace {
  const files = { hub: connectionString(folder, boxDevice), ca: readFileSync(hubFiles(folder).caCertificate, 'utf8') };
  const settings = azure.settings.parse({ connectionString: { file: 'hub' }, ca: 'ca', answerTimeout: '2s' });
  const context = hubContext(folder, files);
  return { settings, httpsPort: () => httpsPort, device: (signal) => deviceIdentity(settings, context, signal) };
}

export interface Told {
  readonly deployments: Parameters<EdgeUpstreamOptions['onDeployment']>[0][];
  readonly desired: { readonly module: string; readonly version: number; readonly properties: object }[];
  readonly connected: string[];
}

/** A box that joins this place and remembers what it was told. */
export async function openBox(place: EdgePlace, more: Partial<EdgeUpstreamOptions> = {}) {
  const folder = tempFolder();
  const log = listLog();
  const known = (moduleId: string): ModuleIdentity | undefined => identities.get(moduleId);
  const registry = new ModuleRegistry({ place, known, log });
  const identities: ModuleIdentities = await ModuleIdentities.open({
    store: fileKeyStore(folder.path),
    deviceId: boxDevice,
    source: registry,
  });
  const told: Told = { deployments: [], desired: [], connected: [] };
  const upstream = new EdgeUpstream({
    place,
    identities,
    log,
    onDeployment: (deployment) => void told.deployments.push(deployment),
    onAgentMethod: async ({ name, payload }) => ({ status: 200, payload: { agent: name, payload } }),
    onModuleDesired: (module, section) => void told.desired.push({ module, ...section }),
    onModuleMethod: async (module, { name, payload }) => ({ status: 200, payload: { module, name, payload } }),
    onConnected: (module) => void told.connected.push(module),
    ...more,
  });
  return {
    upstream,
    identities,
    registry,
    log,
    told,
    /** As the agent does it: identities first, connections then. */
    async run(modules: readonly string[]) {
      for (const module of modules) await identities.ensure(module);
      upstream.setModules(modules);
    },
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]();
      registry[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** As the module broker hands it over. */
export function messageOf(module: string, text: string, more: Partial<RoutedMessage['system']> = {}): RoutedMessage {
  return {
    source: `/messages/modules/${module}/outputs/out`,
    body: Buffer.from(text),
    properties: { severity: 'high', 'ünïcode key': 'a&b=c' },
    system: {
      connectionDeviceId: boxDevice,
      connectionModuleId: module,
      outputName: 'out',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      ...more,
    },
  };
}

/** All telemetry that the hub has on disk. */
export function eventsOf({ hub }: Pick<EdgeHub, 'hub'>): EventMessage[] {
  const { events } = hub.core;
  return events.partitionIds.flatMap((partition) => events.read(partition, events.locate(partition, 'earliest'), 10_000));
}
