import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { givenCertificate, namesOf, ownCertificate, type ServerCertificate } from './certificates.ts';
import type { HubCore } from './core/contract.ts';
import { Core } from './core/hub-core.ts';
import { takeLock } from './database.ts';
import { idScopeOf, Provisioning } from './dps/provisioning.ts';
import { writeEndpoint } from './endpoint.ts';
import { afterFix, type HubError } from './error.ts';
import { hubFiles, makeFolder } from './folder.ts';
import type { HubLog } from './log.ts';
import { hostOnly } from './mqtt/connect.ts';
import type { ConnectionHost } from './mqtt/connection-host.ts';
import { decideIdentity } from './mqtt/identity-decision.ts';
import { type MqttCounters, MqttServer } from './mqtt/server.ts';
import { openPolicies } from './policies/policies.ts';
import { forgetConnections, openRegistry } from './registry.ts';
import { type PortWish, startServicePlane } from './service/plane.ts';
import { defaultRetention, type RetentionSettings } from './telemetry/retention.ts';
import { type StoreCounters, TelemetryStore } from './telemetry/store.ts';

export { connectionString, createDevice } from './access.ts';
export { hubEndpoint } from './endpoint.ts';
export { readTelemetry } from './telemetry/reader.ts';

export interface HubOptions {
  /** Where everything is kept; made when it is not there. One hub at a time. */
  readonly folder: string;
  /** Further names and addresses by which devices reach this hub. It always answers to localhost and this machine's name. */
  readonly host?: readonly string[];
  /** Address to listen on. Default: this machine only (127.0.0.1); every interface when `host` names anything else. */
  readonly listen?: string;
  /** Default 8883; 0 takes any free port. */
  readonly mqttPort?: number;
  /** PEM files of the plant's own certificate; default is one from the hub's own CA. */
  readonly certificate?: { readonly certificateFile: string; readonly keyFile: string };
  readonly retention?: Partial<RetentionSettings>;
  /** The telemetry file never grows over this, in bytes: what does not fit is refused. Default 1.5 × retention size + 256 MB. */
  readonly hardLimitBytes?: number;
  /** A client that has not said CONNECT by then is let go, milliseconds. Default 10 s. */
  readonly connectWithinMs?: number;
  /** Id scope of the provisioning service. Default: the one of the last time; at the first time one is made. */
  readonly dpsScope?: string;
  /** File of shared access policies and their keys; see {@link openPolicies}. */
  readonly policiesFile?: string;
  /** Ports of the REST API and of AMQP for services. Default: neither listens. */
  readonly httpsPort?: PortWish;
  readonly amqpPort?: PortWish;
  readonly log: HubLog;
}

export interface Hub extends AsyncDisposable {
  readonly mqttPort: number;
  /** Undefined: does not listen. */
  readonly httpsPort: number | undefined;
  readonly amqpPort: number | undefined;
  /** What devices must trust, PEM; undefined with a given certificate whose CA is not in its file. */
  readonly caPem: string | undefined;
  readonly caFile: string | undefined;
  /** All names it answers to; the first is the one for connection strings. */
  readonly names: readonly string[];
  readonly listen: string;
  readonly idScope: string;
  /** For those who ask the hub something from inside this process. */
  readonly core: HubCore;
  counters(): MqttCounters & StoreCounters;
  /** Resolves with the cause when the hub can no longer do its work; close it then. */
  readonly failed: Promise<HubError>;
  /** Within a second: acknowledges what it took, then says goodbye to every device. */
  close(): Promise<void>;
}

const lockAttempts = 10;
const renewalCheckMs = 6 * 3_600_000;

/** Starts the embedded hub. Rejects with a HubError: port in use, folder not writable, another hub there, certificate unusable. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const { folder, log } = options;
  makeFolder(folder);
  await using stack = new AsyncDisposableStack();
  const lock = await ownLock(folder);
  if (!lock) throw afterFix('hub-running', `another hub runs in ${folder}`, 'stop it, or give this one its own folder with --data');
  stack.use(lock);
  const certificate = await loadCertificate(options);
  const names = namesFor(options, certificate);
  const db = openRegistry(folder);
  stack.defer(() => db.close());
  forgetConnections(db);
  const retention = { ...defaultRetention, ...options.retention };
  const hardLimitBytes = options.hardLimitBytes ?? retention.maxBytes * 1.5 + 256 * 1024 ** 2;
  const store = await TelemetryStore.open({ folder, retention, hardLimitBytes }, log);
  stack.defer(() => store.close());
  const isOurName = nameCheck(names, certificate);
  const core = new Core({ folder, db, policies: openPolicies(folder, options.policiesFile), isOurName, log });
  stack.use(core);
  store.onStored = () => core.events.stored();
  let mqttPort = options.mqttPort ?? 8883;
  const provisioning = new Provisioning(core, {
    idScope: idScopeOf(db, options.dpsScope),
    // The name by which it found us is one that it can resolve.
    assignedHub: (serverName) => {
      const name = serverName !== undefined && isOurName(serverName) ? serverName : (names[0] ?? 'localhost');
      return mqttPort === 8883 ? name : `${name}:${mqttPort}`;
    },
  });
  const settings = { listen: listenAddress(options), port: mqttPort, connectWithinMs: options.connectWithinMs ?? 10_000 };
  const decide: ConnectionHost['decide'] = (packet, connection) =>
    provisioning.decide(packet, connection) ?? decideIdentity(core, packet, connection);
  const mqtt = new MqttServer({ core, decide, store, log }, certificate, settings);
  stack.defer(() => mqtt.close());
  mqttPort = await mqtt.listen(settings);
  const services = { https: options.httpsPort, amqp: options.amqpPort, listen: settings.listen, certificate };
  const plane = stack.use(await startServicePlane(core, services, log));
  const { httpsPort, amqpPort } = plane;
  const renewal = setInterval(() => void renew(options, [mqtt, plane]), renewalCheckMs).unref();
  stack.defer(() => clearInterval(renewal));
  const caFile = certificate.ca === undefined ? undefined : (options.certificate?.certificateFile ?? hubFiles(folder).caCertificate);
  const host = names[0] ?? 'localhost';
  writeEndpoint(folder, {
    ...{ pid: process.pid, host, mqttPort, names, startedMs: Date.now() },
    ...(settings.listen !== undefined && { listen: settings.listen }),
    ...(httpsPort !== undefined && { httpsPort }),
    ...(amqpPort !== undefined && { amqpPort }),
    ...(caFile !== undefined && { caFile }),
  });

  const running = stack.move();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= running.disposeAsync();
    return closing;
  };
  return {
    mqttPort,
    httpsPort,
    amqpPort,
    caPem: certificate.ca,
    caFile,
    names,
    listen: settings.listen ?? 'every interface',
    idScope: provisioning.idScope,
    core,
    counters: () => ({ ...mqtt.counters(), ...store.counters() }),
    failed: store.failed,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Undefined when another hub has it. Whoever asks whether a hub runs (`hubEndpoint`) takes it for a moment, too: that is waited for. */
async function ownLock(folder: string): Promise<Disposable | undefined> {
  const file = hubFiles(folder).lock;
  for (let attempt = 1; ; attempt++) {
    const lock = takeLock(file);
    if (lock || attempt === lockAttempts) return lock;
    await sleep(50);
  }
}

async function loadCertificate(options: HubOptions): Promise<ServerCertificate> {
  const given = options.certificate;
  if (given) return givenCertificate(given.certificateFile, given.keyFile);
  return ownCertificate(options.folder, ownNames(options));
}

async function renew(options: HubOptions, listeners: readonly Pick<MqttServer, 'useCertificate'>[]): Promise<void> {
  try {
    const certificate = await loadCertificate(options);
    for (const listener of listeners) listener.useCertificate(certificate);
  } catch (error) {
    options.log.error({ reason: (error as Error).message }, 'the server certificate could not be renewed');
  }
}

/** The names that the connection string and the certificate start with are those that were asked for. */
function ownNames(options: HubOptions): readonly string[] {
  for (const name of options.host ?? []) {
    if (!isIP(name) && !/^[A-Za-z0-9._-]{1,253}$/.test(name)) {
      throw afterFix(
        'host-name',
        `"${name}" is not a host name or an IP address`,
        'write --host hub.plant.local, without a port; --mqtt takes the port',
      );
    }
  }
  return [...new Set([...(options.host ?? []), 'localhost', hostname().toLowerCase(), '127.0.0.1', '::1'])];
}

function namesFor(options: HubOptions, certificate: ServerCertificate): readonly string[] {
  const inCertificate = options.certificate ? namesOf(certificate.certificate) : [];
  return [...new Set([...(options.host ?? []), ...inCertificate.filter((name) => !name.startsWith('*')), ...ownNames(options)])];
}

/** A given certificate may also be for `*.plant`. */
function nameCheck(names: readonly string[], { certificate }: ServerCertificate): (host: string) => boolean {
  const known = new Set(names.map((name) => name.toLowerCase()));
  const leaf = new X509Certificate(certificate);
  return (host) => {
    const name = hostOnly(host);
    return known.has(name) || leaf.checkHost(name) !== undefined;
  };
}

function listenAddress({ listen, host = [] }: HubOptions): string | undefined {
  if (listen !== undefined) return listen === '*' ? undefined : listen;
  return host.every((name) => ['localhost', '127.0.0.1', '::1'].includes(name)) ? '127.0.0.1' : undefined;
}
