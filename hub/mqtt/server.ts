import type { Socket } from 'node:net';
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { ServerCertificate } from '../certificates.ts';
import type { Core } from '../core/hub-core.ts';
import { afterFix } from '../error.ts';
import { type HubLog, LogThrottle } from '../log.ts';
import { getIdentity, writeConnectionStates } from '../registry.ts';
import { MqttConnection } from './connection.ts';
import type { ConnectionEnd, ConnectionHost, TelemetrySink } from './connection-host.ts';
import { IdentityRole } from './identity-role.ts';
import type { Role } from './role.ts';

export interface MqttSettings {
  /** Undefined: every interface. */
  readonly listen: string | undefined;
  /** 0: any free port. */
  readonly port: number;
  readonly connectWithinMs: number;
  /** Where a person sets the port. Default `--mqtt`. */
  readonly portSetting?: string;
}

export interface MqttCounters {
  readonly connections: number;
  readonly accepted: number;
  readonly refused: number;
  readonly violations: number;
}

/** What a listener works for: the hub, or the broker of a gateway's modules. */
export interface MqttParts {
  readonly core: Core;
  readonly decide: ConnectionHost['decide'];
  /** Takes the telemetry of everybody. */
  readonly store: TelemetrySink;
  readonly log: HubLog;
}

export type ListenerCertificate = Pick<ServerCertificate, 'certificate' | 'privateKey'>;

/** Strangers that may be between their first byte and CONNECT at once. */
const maxStrangers = 500;
const checkEveryMs = 250;

/** The MQTT listener and its connections: at most one for each identity. */
export class MqttServer {
  readonly #tls: TlsServer;
  readonly #core: Core;
  readonly #log: HubLog;
  readonly #host: ConnectionHost;
  readonly #all = new Set<MqttConnection>();
  /** Also those that are still shaking hands. */
  readonly #sockets = new Set<Socket>();
  #accepted = 0;
  readonly #states = new Map<string, number | undefined>();
  readonly #throttle = new LogThrottle();
  readonly #count = { accepted: 0, refused: 0, violations: 0 };
  readonly #timer: NodeJS.Timeout;
  #dataVersion: unknown;
  #closing = false;

  constructor(parts: MqttParts, certificate: ListenerCertificate, settings: MqttSettings) {
    this.#core = parts.core;
    this.#log = parts.log;
    this.#host = this.#makeHost(parts, settings);
    this.#tls = createServer(
      {
        cert: certificate.certificate,
        key: certificate.privateKey,
        minVersion: 'TLSv1.2',
        // Asked for, never required: identities with keys have none, and thumbprints are compared here, not by OpenSSL.
        requestCert: true,
        rejectUnauthorized: false,
        handshakeTimeout: 10_000,
        noDelay: true,
      },
      (socket) => this.#open(socket),
    );
    this.#tls.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#tls.on('tlsClientError', (error, socket) => this.#handshakeFailed(error, socket));
    this.#dataVersion = this.#readDataVersion();
    this.#timer = setInterval(() => this.#check(), checkEveryMs);
  }

  /** Resolves with the port; rejects with a HubError when it cannot be had. */
  async listen(settings: MqttSettings): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#tls.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, settings)));
      this.#tls.listen({ port: settings.port, host: settings.listen }, resolve);
    });
    const address = this.#tls.address();
    if (address === null || typeof address === 'string') throw new TypeError('a TCP listener has a port');
    return address.port;
  }

  /** New connections get this one; those that are there keep theirs. */
  useCertificate(certificate: ListenerCertificate): void {
    this.#tls.setSecureContext({ cert: certificate.certificate, key: certificate.privateKey, minVersion: 'TLSv1.2' });
  }

  counters(): MqttCounters {
    return { connections: this.#core.links.size, ...this.#count };
  }

  /** Everything that was taken is acknowledged, every device got a FIN. Within a second. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#timer);
    const closed = new Promise<void>((resolve) => this.#tls.close(() => resolve()));
    await Promise.all([...this.#all].map((connection) => connection.drain({ code: 'hub-stops', reason: 'the hub stops', bad: false })));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#flushStates();
  }

  #makeHost({ decide, store }: MqttParts, { connectWithinMs }: MqttSettings): ConnectionHost {
    return {
      decide,
      accepted: (connection, role) => this.#welcome(connection, role),
      ended: (connection, end) => this.#ended(connection, end),
      store: (message, stored) => store.append(message, stored),
      connectWithinMs,
      get congested() {
        return store.congested;
      },
      onceDrained: (call) => store.onceDrained(call),
    };
  }

  #open(socket: TLSSocket): void {
    if (this.#closing || this.#all.size - this.#accepted >= maxStrangers) {
      socket.destroy();
      return;
    }
    this.#all.add(new MqttConnection(socket, this.#host));
  }

  #welcome(connection: MqttConnection, role: Role): void {
    this.#accepted++;
    this.#count.accepted++;
    if (role instanceof IdentityRole) {
      const older = this.#core.links.add(role);
      this.#states.set(role.id, Date.now());
      older?.end('the same identity connected again');
    }
    this.#log.debug({ device: role.id, remote: connection.remote }, 'device connected');
  }

  #ended(connection: MqttConnection, end: ConnectionEnd): void {
    this.#all.delete(connection);
    const { role, remote, claimedId } = connection;
    if (role) this.#accepted--;
    if (role instanceof IdentityRole && this.#core.links.get(role.id) === undefined) this.#states.set(role.id, undefined);
    const fields = { ...(claimedId !== undefined && { device: claimedId }), remote, code: end.code, reason: end.reason };
    if (!end.bad) {
      this.#log.debug(fields, 'device disconnected');
      return;
    }
    if (end.code === 'refused') this.#count.refused++;
    else this.#count.violations++;
    this.#warn(fields, end.code === 'refused' ? 'connection refused' : 'connection closed');
  }

  #handshakeFailed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const remote = socket.remoteAddress ?? 'unknown';
    // A client that hung up again did no harm; port checks do it every few seconds.
    if (error.code === 'ECONNRESET') {
      this.#log.debug({ remote }, 'a client hung up during the TLS handshake');
      return;
    }
    this.#count.violations++;
    this.#warn({ remote, code: error.code ?? 'tls', reason: handshakeReason(error) }, 'TLS handshake failed');
  }

  #warn(fields: { device?: string; remote: string; code: string; reason: string }, message: string): void {
    const held = this.#throttle.admit(`${fields.device} ${fields.remote} ${fields.code} ${fields.reason}`);
    if (held !== undefined) this.#log.warn({ ...fields, ...(held > 0 && { repeated: held }) }, message);
  }

  #check(): void {
    const nowMs = Date.now();
    for (const connection of this.#all) connection.check(nowMs);
    this.#flushStates();
    const version = this.#readDataVersion();
    if (version !== this.#dataVersion) this.#dropRevoked();
    this.#dataVersion = version;
  }

  /** Changes when another process (the command line) wrote to the registry. */
  #readDataVersion(): unknown {
    return this.#core.db.prepare('PRAGMA data_version').get()?.data_version;
  }

  #dropRevoked(): void {
    for (const link of [...this.#core.links]) {
      const identity = getIdentity(this.#core.db, link.id);
      const device = identity?.moduleId === undefined ? identity : getIdentity(this.#core.db, identity.deviceId);
      if (device?.status === 'enabled' && identity?.generationId === link.generationId) continue;
      link.end('the device was disabled or deleted');
    }
  }

  #flushStates(): void {
    if (this.#states.size === 0) return;
    try {
      writeConnectionStates(this.#core.db, this.#states);
      this.#states.clear();
    } catch (error) {
      // A full disk or a long lock: they wait for the next turn, telemetry has its own word about it.
      this.#log.debug({ reason: (error as Error).message }, 'connection states could not be written');
    }
  }
}

function handshakeReason(error: NodeJS.ErrnoException): string {
  const text = error.message;
  if (/unknown ca|certificate unknown|bad certificate/i.test(text)) return "the device does not trust this hub's CA: give it the ca.pem";
  if (/http request|wrong version number|packet length too long/i.test(text)) return 'the client does not speak TLS here';
  return text.split('\n')[0] ?? text;
}

function listenError(error: NodeJS.ErrnoException, { port, listen, portSetting = '--mqtt' }: MqttSettings): Error {
  const where = `${listen ?? 'every interface'}, port ${port}`;
  if (error.code === 'EADDRINUSE') {
    return afterFix(
      'port-in-use',
      `cannot listen on ${where}: another program uses this port`,
      `stop it, or take another port with ${portSetting}`,
      error,
    );
  }
  if (error.code === 'EACCES') {
    return afterFix(
      'port-not-allowed',
      `cannot listen on ${where}: ports below 1024 are not allowed here`,
      `take a higher port with ${portSetting}`,
      error,
    );
  }
  return afterFix('listen', `cannot listen on ${where}: ${error.message}`, 'give an address of this machine with --listen', error);
}
