import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ModuleIdentity, RoutedMessage, RouteSpec, RouteTable } from '../../../../deployments/contract.ts';
import { compileRoutes } from '../../../../deployments/routes/table.ts';
import { silentLog } from '../../../../hub/log.ts';
import { connectSimulatedDevice, type SimulatedDevice, sasToken } from '../../../../hub/simulator.ts';
import { issue, makeCa } from '../../../../test/support/certificates.ts';
import { tempFolder } from '../../../../test/support/temp.ts';
import { ModuleBroker } from '../broker.ts';
import type { BrokerOptions, UpstreamSender } from '../contract.ts';

export const deviceId = 'gw-1';
export const hubHost = 'plant.azure-devices.net';

export const identityOf = (moduleId: string, generationId = 'g1'): ModuleIdentity => ({
  deviceId,
  moduleId,
  generationId,
  primaryKey: createHash('sha256').update(`${moduleId} ${generationId}`).digest('base64'),
});

/** Compiled; throws when one cannot be read. */
export function routesOf(...routes: readonly (string | Partial<RouteSpec>)[]): RouteTable {
  const specs = routes.map((route, index) => ({
    ...{ name: `r${index}`, route: '', priority: undefined, timeToLiveSecs: undefined },
    ...(typeof route === 'string' ? { route } : route),
  }));
  const { table, problems } = compileRoutes(specs, { timeToLiveSecs: 7200 });
  if (!table) throw new Error(problems.map(({ message }) => message).join('\n'));
  return table;
}

/** Remembers what was sent; `fail` says what to reject with. */
export function fakeUpstream(fail: (message: RoutedMessage) => Error | undefined = () => undefined) {
  const sent: RoutedMessage[] = [];
  const waiting = new Set<() => void>();
  const sender: UpstreamSender = {
    maxBodyBytes: 256 * 1024,
    async send(message) {
      const error = fail(message);
      if (error) throw error;
      sent.push(message);
      for (const check of [...waiting]) check();
    },
  };
  return {
    ...sender,
    sent,
    bodies: (): readonly string[] => sent.map(({ body }) => Buffer.from(body).toString()),
    /** Resolves when so many were sent. */
    seen(count: number): Promise<void> {
      return new Promise((resolve) => {
        const check = (): void => {
          if (sent.length < count) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      });
    },
  };
}

export interface Box extends AsyncDisposable {
  readonly folder: string;
  readonly ca: string;
  readonly caFile: string;
  readonly broker: ModuleBroker;
  /** Modules that exist; all do until one is put here as undefined. */
  readonly identities: Map<string, ModuleIdentity | undefined>;
  /** Ends the broker and opens it again on its folder. */
  restart(more?: Partial<BrokerOptions>): Promise<void>;
  /** A bare MQTT client that is this module. */
  module(moduleId: string, options?: Partial<Parameters<typeof connectSimulatedDevice>[0]>): Promise<SimulatedDevice>;
}

/** A broker on loopback with a fresh folder and certificate. */
export async function openBox(more: Partial<BrokerOptions> = {}): Promise<Box> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempFolder()).path;
  const ca = await makeCa();
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, ca.certificate);
  const identities = new Map<string, ModuleIdentity | undefined>();
  const certificate = await issue(ca, { commonName: 'localhost' });
  const options: BrokerOptions = {
    folder: join(folder, 'broker'),
    deviceId,
    hubHostNames: [hubHost],
    hostName: 'localhost',
    listen: { address: '127.0.0.1', mqttPort: 0 },
    certificate,
    identities: { get: (id) => (identities.has(id) ? identities.get(id) : identityOf(id)) },
    upstream: fakeUpstream(),
    log: silentLog,
    retryMs: 20,
    reportEveryMs: 5,
    ...more,
  };
  let broker = await ModuleBroker.open(options);
  stack.defer(() => broker[Symbol.asyncDispose]());
  const owned = stack.move();
  return {
    folder,
    ca: ca.certificate,
    caFile,
    identities,
    get broker() {
      return broker;
    },
    async restart(changes = {}) {
      const mqttPort = broker.mqttPort;
      await broker[Symbol.asyncDispose]();
      broker = await ModuleBroker.open({ ...options, listen: { ...options.listen, mqttPort }, ...changes });
    },
    module: (moduleId, given) => {
      const { primaryKey } = identities.get(moduleId) ?? identityOf(moduleId);
      return connectSimulatedDevice({
        port: broker.mqttPort,
        ca: ca.certificate,
        deviceId,
        moduleId,
        key: primaryKey,
        host: hubHost,
        ...given,
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** As much of the CommonJS SDK as is used here. */
export interface ModuleClient {
  setOptions(options: object): Promise<unknown>;
  open(): Promise<unknown>;
  close(): Promise<unknown>;
  sendOutputEvent(output: string, message: SdkMessage): Promise<unknown>;
  on(event: 'inputMessage', listener: (input: string, message: SdkMessage) => void): void;
  complete(message: SdkMessage, done: (error?: Error) => void): void;
  onMethod(
    name: string,
    callback: (request: { payload: unknown }, response: { send(status: number, payload: unknown): Promise<unknown> }) => void,
  ): void;
  getTwin(): Promise<SdkTwin>;
  invokeMethod(device: string, module: string, call: object): Promise<unknown>;
  invokeMethod(device: string, call: object): Promise<unknown>;
}
export interface SdkTwin {
  on(event: string, listener: (delta: Record<string, unknown>) => void): void;
  readonly properties: {
    readonly desired: Record<string, unknown>;
    readonly reported: Record<string, unknown> & { update(patch: object, done: (error?: Error) => void): void };
  };
}
export interface SdkMessage {
  messageId: string;
  contentType: string;
  contentEncoding: string;
  getData(): Buffer;
  readonly properties: { add(key: string, value: string): void; getValue(key: string): string | undefined };
}

const require = createRequire(import.meta.url);

/** A token that this module may come in with, and what it says in its user name. */
export function credentialsOf(moduleId: string): { readonly username: string; readonly password: string } {
  const resource = `${hubHost}/devices/${deviceId}/modules/${moduleId}`;
  return {
    username: `${hubHost}/${deviceId}/${moduleId}/?api-version=2021-04-12`,
    password: sasToken(resource, identityOf(moduleId).primaryKey, Math.floor(Date.now() / 1000) + 3600),
  };
}

/** The unmodified SDK as a module of the box, connected. */
export async function sdkModule(box: Box, moduleId: string): Promise<ModuleClient & AsyncDisposable> {
  const client = await unconnectedSdkModule(moduleId, `localhost:${box.broker.mqttPort}`, box.ca);
  await client.open();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close().then(() => {}) });
}

export async function unconnectedSdkModule(moduleId: string, gateway: string, ca: string): Promise<ModuleClient> {
  const { ModuleClient } = require('azure-iot-device') as {
    ModuleClient: { fromConnectionString(text: string, transport: unknown): ModuleClient };
  };
  const { Mqtt } = require('azure-iot-device-mqtt') as { Mqtt: unknown };
  const { primaryKey } = identityOf(moduleId);
  const parts = [`HostName=${hubHost}`, `DeviceId=${deviceId}`, `ModuleId=${moduleId}`, `SharedAccessKey=${primaryKey}`];
  const client = ModuleClient.fromConnectionString(`${parts.join(';')};GatewayHostName=${gateway}`, Mqtt);
  await client.setOptions({ ca });
  return client;
}

export function sdkMessage(body: string | Buffer): SdkMessage {
  const { Message } = require('azure-iot-device') as { Message: new (body: string | Buffer) => SdkMessage };
  return new Message(body);
}
