import type { Duplex } from 'node:stream';
import { type IClientOptions, MqttClient } from 'mqtt';
import type { GatewayError, NotConnectedError } from '../../model/error.ts';
import '../../model/mqtt-packets.ts';
import type { Endpoint } from './endpoint.ts';
import { closedUnanswered, lossOf, noAnswer, over, refused, unreachable } from './failures.ts';
import { Inbox } from './inbox.ts';
import { noteEnd } from './kicks.ts';
import { openSocket, type TlsMaterial } from './wire.ts';

/** What a connection is made of, secrets opened. */
export interface Login {
  readonly endpoint: Endpoint;
  readonly tls: TlsMaterial;
  readonly clientId: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly keepAliveMs: number;
  readonly connectTimeoutMs: number;
  /** 0: the broker forgets everything at once. */
  readonly sessionExpiryMs: number;
  readonly maxInFlight: number;
  readonly will: { readonly topic: string; readonly payload: string } | undefined;
}

export type Version = 4 | 5;

export interface Link {
  readonly version: Version;
  readonly inbox: Inbox;
  /** Resolves with the reason when it is gone. */
  readonly lost: Promise<NotConnectedError>;
  /** The reason once it is gone. */
  readonly ended: NotConnectedError | undefined;
  /** Gives for each filter what the broker granted: a QoS, or a reason code from 0x80 on. Rejects when the link is lost. */
  subscribe(filters: readonly string[], options: SubscribeOptions): Promise<readonly number[]>;
  unsubscribe(filters: readonly string[]): Promise<void>;
  /** Resolves when it is sent, with QoS 1 when the broker has it; never rejects: the loss of the link is told by itself. */
  publish(topic: string, payload: Uint8Array | string, options?: { readonly qos?: 0 | 1; readonly retain?: boolean }): Promise<void>;
  /** Ends it at once, for this reason. */
  drop(reason: NotConnectedError): void;
  /** DISCONNECT, then FIN; resolves when the socket is closed. */
  close(): Promise<void>;
}

export interface SubscribeOptions {
  readonly qos: 0 | 1;
  /** Asks for what the broker keeps; with 3.1.1 it comes anyway. */
  readonly retained: boolean;
}

/** MQTT 5 §3.14, 3.1.1 §3.14: no reason code means a normal end, which keeps the session and discards the will. */
const disconnectPacket = Uint8Array.of(0xe0, 0x00);
const pingPacket = Uint8Array.of(0xc0, 0x00);
/** How long the broker may take to close its side. */
const closeMs = 500;
/** Bound on bytes that wait for the disk; at least one message of any size passes. */
const maxHeldBytes = 16 * 1024 * 1024;
/** Filters in one SUBSCRIBE. */
const filtersPerPacket = 100;

/** Passed to the library in place of its acknowledgement: it sends none then, and goes on reading. */
const heldBack = new Error('acknowledged later');

/**
 * Connects with one version of MQTT. Rejects with NotConnectedError when trying again may help by itself, with a GatewayError
 * `after-fix` when a person must change something first.
 */
export async function openLink(login: Login, version: Version, signal: AbortSignal): Promise<Link> {
  const { endpoint, tls, connectTimeoutMs } = login;
  if (endpoint.transport === 'ws' || endpoint.transport === 'wss') {
    const { streamBuilder } = await import('mqtt/lib/connect/ws');
    const wsOptions = tls.ca === undefined && tls.certificate === undefined ? {} : { ca: tls.ca, cert: tls.certificate, key: tls.key };
    const build = (client: MqttClient): Duplex =>
      streamBuilder(client, {
        protocol: endpoint.transport,
        hostname: endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host,
        port: endpoint.port,
        path: endpoint.path,
        wsOptions,
      } as IClientOptions) as unknown as Duplex;
    return handshake(build, login, version, signal);
  }
  const socket = await openSocket(endpoint, tls, connectTimeoutMs, signal);
  return handshake(() => socket, login, version, signal);
}

function clientOptions(login: Login, version: Version): IClientOptions {
  const { clientId, user, password, keepAliveMs, connectTimeoutMs, sessionExpiryMs, maxInFlight, will } = login;
  return {
    protocolVersion: version,
    clientId,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    clean: sessionExpiryMs === 0,
    ...(version === 5
      ? { properties: { sessionExpiryInterval: Math.min(Math.ceil(sessionExpiryMs / 1000), 0xffff_ffff), receiveMaximum: maxInFlight } }
      : {}),
    ...(will === undefined ? {} : { will: { ...will, payload: Buffer.from(will.payload), qos: 1, retain: true } }),
    keepalive: Math.ceil(keepAliveMs / 1000),
    connectTimeout: connectTimeoutMs,
    // The equipment loop reconnects.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    log: () => {},
  };
}

function handshake(build: (client: MqttClient) => Duplex, login: Login, version: Version, signal: AbortSignal): Promise<Link> {
  const { endpoint, clientId, keepAliveMs, connectTimeoutMs } = login;
  const client = new MqttClient(build as never, clientOptions(login, version));
  const stream = client.stream as unknown as Duplex;
  return new Promise((resolve, reject) => {
    let acceptedMs: number | undefined;
    let reason: unknown;
    let disconnect: { code: number; text: string | undefined } | undefined;
    const lost = Promise.withResolvers<NotConnectedError>();
    const abort = (): void => {
      reason = over(endpoint);
      stream.destroy();
    };
    signal.addEventListener('abort', abort, { once: true });
    client.on('error', (error) => {
      reason ??= error;
    });
    client.on('disconnect', ({ reasonCode, properties }) => {
      disconnect ??= { code: reasonCode ?? 0, text: properties?.reasonString };
    });
    client.on('close', () => {
      signal.removeEventListener('abort', abort);
      if (acceptedMs === undefined) {
        reject(notAccepted(reason, login, connectTimeoutMs));
        return;
      }
      const kicks = noteEnd(endpoint, clientId, performance.now() - acceptedMs, reason instanceof Error && 'retry' in reason);
      link.end(lossOf({ endpoint, clientId, keepAliveMs, error: reason, disconnect, kicks }));
    });
    const link = new MqttLink(client, stream, login, version, lost, (why) => {
      reason ??= why;
    });
    client.on('connect', () => {
      acceptedMs = performance.now();
      signal.removeEventListener('abort', abort);
      resolve(link);
    });
    if (signal.aborted) abort();
  });
}

class MqttLink implements Link {
  readonly version: Version;
  readonly inbox: Inbox;
  readonly lost: Promise<NotConnectedError>;
  ended: NotConnectedError | undefined;
  readonly #client: MqttClient;
  readonly #stream: Duplex;
  readonly #login: Login;
  readonly #lost: PromiseWithResolvers<NotConnectedError>;
  readonly #because: (reason: NotConnectedError) => void;
  #goOn: (() => void) | undefined;
  #pausePings: NodeJS.Timeout | undefined;

  constructor(
    client: MqttClient,
    stream: Duplex,
    login: Login,
    version: Version,
    lost: PromiseWithResolvers<NotConnectedError>,
    because: (reason: NotConnectedError) => void,
  ) {
    this.#client = client;
    this.#stream = stream;
    this.#login = login;
    this.version = version;
    this.#lost = lost;
    this.lost = lost.promise;
    this.#because = because;
    this.inbox = new Inbox({
      maxMessages: login.maxInFlight,
      maxBytes: maxHeldBytes,
      acknowledge: (ids) => this.#acknowledge(ids),
      resume: () => this.#resume(),
    });
    client.handleMessage = ({ topic, payload, qos, retain, messageId = 0, properties }, done) => {
      const mayGoOn = this.inbox.push({
        topic,
        payload: payload as Uint8Array,
        qos,
        retain,
        messageId,
        userProperties: properties?.userProperties as Readonly<Record<string, string | string[]>> | undefined,
        receivedMs: Date.now(),
      });
      if (mayGoOn) done(heldBack);
      else this.#pause(() => done(heldBack));
    };
  }

  async subscribe(filters: readonly string[], { qos, retained }: SubscribeOptions): Promise<readonly number[]> {
    const granted: number[] = [];
    for (let from = 0; from < filters.length; from += filtersPerPacket) {
      const some = filters.slice(from, from + filtersPerPacket);
      const asked = new Promise<readonly number[]>((resolve, reject) => {
        this.#client.subscribe(
          [...some],
          { qos, ...(this.version === 5 ? { rh: retained ? 0 : 2 } : {}) },
          (error, _subscriptions, packet) => {
            const codes = packet?.granted ?? (error as { packet?: { granted?: number[] } } | null)?.packet?.granted;
            if (codes) resolve(codes as number[]);
            else reject(error ?? new Error('no SUBACK'));
          },
        );
      });
      granted.push(...(await this.#orLost(asked)));
    }
    return granted;
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    for (let from = 0; from < filters.length; from += filtersPerPacket) {
      const some = filters.slice(from, from + filtersPerPacket);
      await this.#orLost(new Promise<void>((resolve) => this.#client.unsubscribe([...some], {}, () => resolve())));
    }
  }

  async publish(
    topic: string,
    payload: Uint8Array | string,
    { qos = 0, retain = false }: { qos?: 0 | 1; retain?: boolean } = {},
  ): Promise<void> {
    if (this.ended) return;
    const sent = new Promise<void>((resolve) => this.#client.publish(topic, payload as Buffer, { qos, retain }, () => resolve()));
    await Promise.race([sent, this.lost]);
  }

  drop(reason: NotConnectedError): void {
    this.#because(reason);
    this.#stream.destroy();
  }

  async close(): Promise<void> {
    if (this.ended) return;
    this.#because(over(this.#login.endpoint));
    const force = setTimeout(() => this.#stream.destroy(), closeMs);
    // The library's own end() waits for whatever is under way, for ever if need be.
    this.#stream.end(disconnectPacket);
    // A socket that nobody reads never sees the other side close.
    this.#resume();
    await this.lost;
    clearTimeout(force);
  }

  end(reason: NotConnectedError): void {
    clearInterval(this.#pausePings);
    this.#pausePings = undefined;
    this.ended = reason;
    this.#lost.resolve(reason);
  }

  async #orLost<T>(asked: Promise<T>): Promise<T> {
    // Its own failure comes after the loss, when nobody waits for it any more.
    asked.catch(() => {});
    return Promise.race([
      asked,
      this.lost.then((reason): never => {
        throw reason;
      }),
    ]);
  }

  /** PUBACK without reason code is success in both versions (MQTT 5 §3.4.2.1). */
  #acknowledge(ids: readonly number[]): void {
    if (this.ended || !this.#stream.writable) return;
    const packets = Buffer.allocUnsafe(ids.length * 4);
    ids.forEach((id, i) => {
      packets.writeUInt16BE(0x4002, i * 4);
      packets.writeUInt16BE(id, i * 4 + 2);
    });
    this.#stream.write(packets);
  }

  /** Nothing is read any more, no answer to a ping either: we keep the broker from giving us up, and the library from giving up the broker. */
  #pause(goOn: () => void): void {
    this.#goOn = goOn;
    this.#pausePings ??= setInterval(() => {
      if (this.#stream.writable) this.#stream.write(pingPacket);
      this.#client.reschedulePing(true);
    }, this.#login.keepAliveMs / 3);
  }

  #resume(): void {
    clearInterval(this.#pausePings);
    this.#pausePings = undefined;
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }
}

function notAccepted(reason: unknown, login: Login, timeoutMs: number): GatewayError {
  const { endpoint, clientId, user } = login;
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'number') return refused(code, endpoint, clientId, user !== undefined);
  if (message === 'connack timeout') return noAnswer(endpoint, timeoutMs);
  if (reason === undefined || code === 'ECONNRESET' || code === 'EPIPE') return closedUnanswered(endpoint);
  return unreachable(reason, endpoint);
}
