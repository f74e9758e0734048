import type { Duplex } from 'node:stream';
import { type IClientOptions, type IConnackPacket, type IDisconnectPacket, MqttClient, UniqueMessageIdProvider } from 'mqtt';
import { streamBuilder } from 'mqtt/lib/connect/ws';
import type { GatewayError, NotConnectedError } from '../../model/error.ts';
import '../../model/mqtt-packets.ts';
import { connectStopped, openSocket, type TlsOptions, tlsOptions } from '../delivery/socket.ts';
import { addressOf, type Place } from '../delivery/unreachable.ts';
import type { Endpoint } from './endpoint.ts';
import { lossOf, noConnack, over } from './link-end.ts';
import type { PublishProperties } from './packet-size.ts';
import { Pings } from './pings.ts';
import { type Answer, disconnected, refusedMessage, refusedSubscription } from './reason.ts';
import { Rivals } from './rivals.ts';

export type Version = 4 | 5;

export interface Login {
  readonly endpoint: Endpoint;
  readonly place: Place;
  readonly tls: TlsOptions;
  readonly version: Version;
  readonly clientId: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly keepAliveMs: number;
  readonly timeoutMs: number;
  /** QoS 1. */
  readonly will: { readonly topic: string; readonly body: Uint8Array; readonly retain: boolean } | undefined;
}

export interface Publication {
  readonly topic: string;
  readonly body: Uint8Array;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** MQTT 5 only. */
  readonly properties?: PublishProperties;
}

/** What the broker said in its CONNACK; in MQTT 3.1.1 it says nothing. */
export interface Limits {
  readonly receiveMaximum: number;
  /** Bytes; undefined: none that it told. */
  readonly maximumPacketSize: number | undefined;
  readonly retain: boolean;
}

/** One MQTT connection that the broker has accepted, with a clean session. It ends once and never comes back. */
export interface Link {
  readonly version: Version;
  readonly limits: Limits;
  /**
   * Order of calls is order on the wire. With QoS 1 `settle` is called on PUBACK, with an error when it is 0x80 or more
   * (see `refusedMessage`); never, when the link is lost first. With QoS 0 it is never called.
   */
  publish(publication: Publication, settle?: (error?: GatewayError) => void): void;
  /**
   * Resolves when the broker has read everything sent before: it answers a PINGREQ sent after it, and reads one connection in order.
   * Calls of one turn of the event loop share one. Never settles when the link is lost first.
   */
  barrier(): Promise<void>;
  /** QoS 1. Rejects with GatewayError `after-fix` when the broker refuses; never settles when the link is lost first. */
  subscribe(filters: readonly string[]): Promise<void>;
  onMessage: ((topic: string, body: Uint8Array) => void) | undefined;
  /** Resolves with the reason when the link is gone, whoever ended it. Never rejects. */
  readonly lost: Promise<NotConnectedError>;
  /** PINGREQ: a broker that lives answers, also one that acknowledges nothing. */
  probe(): void;
  /** Whether anything came since the last `probe`. */
  readonly answered: boolean;
  /** DISCONNECT, then the end of the stream; resolves when it is closed, after `withinMs` at the latest by force. */
  end(withinMs: number): Promise<void>;
}

const rivals = new Rivals();

/** DISCONNECT, the same in both versions: without will (MQTT 3.1.1 §3.14, MQTT 5.0 §3.14). */
const disconnectPacket = Uint8Array.of(0xe0, 0x00);

/**
 * Connects. Rejects with NotConnectedError when trying again may help by itself, with GatewayError `after-fix` when a person or a
 * clock must change first; `hub-protocol` and `hub-hung-up` (closed without an answer) may be another version of MQTT.
 */
export async function openLink(login: Login, signal: AbortSignal): Promise<Link> {
  const { endpoint, place, tls, timeoutMs } = login;
  if (signal.aborted) throw connectStopped(place);
  if (endpoint.path !== '') return openMqtt((client) => webSocket(client, login), login, signal);
  const socket = await openSocket(place, endpoint.tls ? tls : undefined, timeoutMs, signal);
  return openMqtt(() => socket, login, signal);
}

/** The library's own web socket, which sets no-delay by itself. */
function webSocket(client: MqttClient, { endpoint, tls, timeoutMs }: Login): Duplex {
  const { protocol, host, port, path } = endpoint;
  const wsOptions = { ...(endpoint.tls ? tlsOptions(host, tls) : {}), handshakeTimeout: timeoutMs } as IClientOptions['wsOptions'];
  const hostname = host.includes(':') ? `[${host}]` : host;
  return streamBuilder(client, { protocol, hostname, port, path, wsOptions, protocolId: 'MQTT', protocolVersion: 4 }) as unknown as Duplex;
}

function openMqtt(open: (client: MqttClient) => Duplex, login: Login, signal: AbortSignal): Promise<Link> {
  const { place, version, keepAliveMs } = login;
  const at = addressOf(place);
  let stream: Duplex | undefined;
  let reason: unknown;
  const client = new MqttClient((self) => {
    stream = open(self);
    // Errors without a code (a refused web socket) the library keeps to itself.
    stream.on('error', (error) => {
      reason ??= error;
    });
    return stream as ReturnType<ConstructorParameters<typeof MqttClient>[0]>;
  }, clientOptions(login));
  return new Promise((resolve, reject) => {
    let accepted = false;
    let openedMs = 0;
    let ending = false;
    const lost = Promise.withResolvers<NotConnectedError>();
    const abort = (): void => {
      reason = connectStopped(place);
      stream?.destroy();
    };
    signal.addEventListener('abort', abort, { once: true });
    client.on('error', (error) => {
      reason ??= error;
      // After bytes that are no MQTT the library stays deaf on an open socket.
      stream?.destroy();
    });
    client.on('disconnect', (packet) => {
      reason ??= disconnected(answerOf(packet), at);
    });
    client.on('close', () => {
      signal.removeEventListener('abort', abort);
      if (accepted) {
        const livedMs = performance.now() - openedMs;
        lost.resolve(rivals.judge(at, login.clientId, livedMs, ending ? over(at) : lossOf(reason, at, keepAliveMs)));
      } else reject(noConnack(reason, login));
    });
    let answered = true;
    const pings = new Pings(client);
    client.on('packetreceive', (packet) => {
      answered = true;
      if (packet.cmd === 'pingresp') pings.answered();
    });
    const link = (packet: IConnackPacket): Link => ({
      version,
      limits: limitsOf(packet),
      publish({ topic, body, qos, retain, properties }, settle) {
        const options = { qos, retain, ...(version === 5 && properties ? { properties } : {}) };
        client.publish(topic, body as Buffer, options, (error, packet) => {
          if (qos === 0 || !settle) return;
          const { code } = (error ?? {}) as { code?: unknown };
          if (!error) settle();
          // Without a reason code it is the end of the link, which `lost` tells once for all.
          else if (typeof code === 'number') {
            const { properties: said } = (packet ?? {}) as { properties?: { reasonString?: string } };
            settle(refusedMessage({ reasonCode: code, reasonString: said?.reasonString }, topic, at));
          }
        });
      },
      barrier: () => pings.barrier(),
      subscribe: (filters) => subscribe(client, filters, at),
      onMessage: undefined,
      lost: lost.promise,
      probe() {
        answered = false;
        client.sendPing();
      },
      get answered() {
        return answered;
      },
      async end(withinMs) {
        if (!stream || stream.destroyed) return;
        ending = true;
        const force = setTimeout(() => stream?.destroy(), withinMs);
        // The library's own end() waits for every PUBACK, for ever if need be.
        stream.end(disconnectPacket);
        await lost.promise;
        clearTimeout(force);
      },
    });
    client.on('connect', (packet) => {
      accepted = true;
      openedMs = performance.now();
      signal.removeEventListener('abort', abort);
      const opened = link(packet);
      client.on('message', (topic, body) => opened.onMessage?.(topic, body));
      resolve(opened);
    });
    if (signal.aborted) abort();
  });
}

function clientOptions({ version, clientId, user, password, keepAliveMs, timeoutMs, will }: Login): IClientOptions {
  return {
    protocolVersion: version,
    clientId,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    clean: true,
    keepalive: Math.ceil(keepAliveMs / 1000),
    connectTimeout: timeoutMs,
    ...(will ? { will: { topic: will.topic, payload: will.body as Buffer, qos: 1, retain: will.retain } } : {}),
    // Reason strings come only to those who ask (MQTT 5.0 §3.1.2.11.7).
    ...(version === 5 ? { properties: { sessionExpiryInterval: 0, requestProblemInformation: true } } : {}),
    // The forwarder reconnects; the library would do it every second, and keep messages in memory meanwhile.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // The default one wraps at 65536 without looking whether an id is still under way.
    messageIdProvider: new UniqueMessageIdProvider(),
    log: () => {},
  };
}

function subscribe(client: MqttClient, filters: readonly string[], at: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.subscribe([...filters], { qos: 1 }, (error, granted) => {
      const refused = (granted ?? []).find(({ qos }) => qos >= 128);
      const { code } = (error ?? {}) as { code?: unknown };
      if (refused || typeof code === 'number') {
        reject(refusedSubscription(refused?.qos ?? (code as number), refused?.topic ?? filters.join(', '), at));
      } else if (!error) resolve();
    });
  });
}

function limitsOf({ properties }: IConnackPacket): Limits {
  return {
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    maximumPacketSize: properties?.maximumPacketSize,
    retain: properties?.retainAvailable ?? true,
  };
}

function answerOf({ reasonCode, properties }: IDisconnectPacket): Answer {
  return { reasonCode: reasonCode ?? 0, reasonString: properties?.reasonString, serverReference: properties?.serverReference };
}
