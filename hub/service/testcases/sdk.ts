import { Agent } from 'node:https';
import { createRequire } from 'node:module';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/** As much of `azure-iothub` as is used here. */
export interface Answer {
  readonly responseBody: Readonly<Record<string, unknown>>;
  readonly httpResponse: { readonly statusCode: number; readonly headers: Readonly<Record<string, string>> };
}
export interface Registry {
  create(device: object): Promise<Answer>;
  get(id: string): Promise<Answer>;
  update(device: object): Promise<Answer>;
  delete(id: string): Promise<unknown>;
  list(): Promise<{ responseBody: readonly Readonly<Record<string, unknown>>[] }>;
  addDevices(devices: readonly object[]): Promise<Answer>;
  updateDevices(devices: readonly object[], force: boolean): Promise<Answer>;
  removeDevices(devices: readonly object[], force: boolean): Promise<Answer>;
  addModule(module: object): Promise<Answer>;
  getModule(device: string, module: string): Promise<Answer>;
  updateModule(module: object, force: boolean): Promise<Answer>;
  removeModule(device: string, module: string): Promise<unknown>;
  getModulesOnDevice(device: string): Promise<{ responseBody: readonly Readonly<Record<string, unknown>>[] }>;
  getTwin(id: string): Promise<{ responseBody: Twin }>;
  getModuleTwin(id: string, module: string): Promise<{ responseBody: Twin }>;
  updateTwin(id: string, patch: object, etag: string): Promise<{ responseBody: Twin }>;
  updateModuleTwin(id: string, module: string, patch: object, etag: string): Promise<{ responseBody: Twin }>;
  createQuery(text: string, pageSize?: number): Query;
  getRegistryStatistics(): Promise<Answer>;
  listJobs(): Promise<unknown>;
  addConfiguration(configuration: object): Promise<{ responseBody: Configuration }>;
  getConfiguration(id: string): Promise<{ responseBody: Configuration }>;
  getConfigurations(): Promise<{ responseBody: readonly Configuration[] }>;
  updateConfiguration(configuration: object, force?: boolean): Promise<{ responseBody: Configuration }>;
  removeConfiguration(id: string): Promise<unknown>;
  applyConfigurationContentOnDevice(device: string, content: object): Promise<unknown>;
}
export interface Configuration {
  readonly id: string;
  readonly etag: string;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly content: object;
  readonly systemMetrics: { readonly results: Readonly<Record<string, number>>; readonly queries: Readonly<Record<string, string>> };
  readonly metrics: { readonly results: Readonly<Record<string, number>> };
  readonly rollout?: { readonly status: string; readonly phase: number; readonly admitted: number };
}
export interface Twin {
  readonly deviceId: string;
  readonly etag: string;
  readonly version: number;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly properties: { readonly desired: Readonly<Record<string, unknown>>; readonly reported: Readonly<Record<string, unknown>> };
  /** Changes this object, too. */
  update(patch: object): Promise<unknown>;
}
export interface Query {
  readonly hasMoreResults: boolean;
  next(): Promise<{ result: readonly Readonly<Record<string, unknown>>[] }>;
  nextAsTwin(): Promise<{ result: readonly Twin[] }>;
}
export interface Feedback {
  on(event: 'message', listener: (message: { data: Buffer }) => void): void;
  complete(message: object): Promise<unknown>;
}
export interface Client {
  open(): Promise<unknown>;
  close(): Promise<unknown>;
  send(device: string, message: object): Promise<unknown>;
  getFeedbackReceiver(): Promise<{ result: Feedback }>;
  invokeDeviceMethod(device: string, method: object): Promise<{ result: { status: number; payload: unknown } }>;
}

const require = createRequire(import.meta.url);
export const { Registry, Client } = require('azure-iothub') as {
  Registry: { fromConnectionString(text: string): Registry };
  Client: { fromConnectionString(text: string): Client };
};
export const { Message } = require('azure-iot-device') as {
  Message: new (body: string) => Record<string, unknown> & { properties: { add(k: string, v: string): void } };
};

/**
 * Leads what the unmodified SDK sends to port 443 of localhost to another port, and trusts a CA, in this process. The SDK itself knows no way:
 * REST is always on 443, and trust is always the default.
 */
export function redirectHttps(port: number, ca: string): Disposable {
  const before = { connect: Agent.prototype.createConnection, trusted: getCACertificates('default') };
  setDefaultCACertificates([...before.trusted, ca]);
  Agent.prototype.createConnection = function (options, ...rest) {
    const given = options as { port?: number | string; host?: string };
    const led = given.host === 'localhost' && Number(given.port) === 443 ? { ...given, port } : given;
    return before.connect.call(this, led as typeof options, ...rest);
  };
  return {
    [Symbol.dispose]() {
      Agent.prototype.createConnection = before.connect;
      setDefaultCACertificates([...before.trusted]);
    },
  };
}
