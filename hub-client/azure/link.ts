import type { Socket } from 'node:net';
import { MqttClient, UniqueMessageIdProvider } from 'mqtt';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import '../../model/mqtt-packets.ts';
import { connectStopped, openSocket, type TlsOptions } from '../delivery/socket.ts';
import { addressOf, type Place, unreachable } from '../delivery/unreachable.ts';

/** Where to connect, and as whom; secrets opened. */
export interface Login {
  readonly place: Place;
  readonly tls: TlsOptions;
  readonly clientId: string;
  readonly username: string;
  /** The SAS token; absent with X.509. */
  readonly password: string | undefined;
  /** Whether the other side forgets what this client subscribed to and did not acknowledge. */
  readonly clean: boolean;
  readonly keepAliveMs: number;
  readonly timeoutMs: number;
  /** What a CONNACK other than 0 means there. */
  readonly refused: (returnCode: number) => GatewayError;
}

/** A message that came, not acknowledged yet. */
export interface Incoming {
  readonly topic: string;
  readonly body: Uint8Array;
  /** 0 where nothing is to be acknowledged. */
  readonly packetId: number;
}

/** One MQTT 3.1.1 connection that the hub has accepted. It ends once and never comes back. */
export interface Link {
  /** QoS 1, not retained. `onAck` is called on PUBACK; never, when the link is lost first. Order of calls is order on the wire. */
  publish(topic: string, body: Uint8Array, onAck: () => void): void;
  /** QoS 0. Order of calls is order on the wire, also between this and `publish`. */
  tell(topic: string, body: Uint8Array | string): void;
  /** Resolves on SUBACK; rejects with GatewayError `hub-subscription` when it is refused, with the loss when the link goes first. */
  subscribe(filter: string, qos: 0 | 1): Promise<void>;
  /** In its order on the wire; nobody waits for its answer. */
  unsubscribe(filter: string): void;
  /** PUBACK of a message that came; in the order in which they came (MQTT 3.1.1 §4.6). */
  acknowledge(packetId: number): void;
  /** Resolves with the reason when the link is gone, whoever ended it. Never rejects. */
  readonly lost: Promise<NotConnectedError>;
  /** From now on called for each message, first for those that came already (a hub that kept the session sends at once). None is acknowledged by itself. */
  listen(onMessage: (message: Incoming) => void): void;
  /** PINGREQ: a hub that lives answers, also one that acknowledges nothing. */
  probe(): void;
  /** Whether anything came since the last `probe`. */
  readonly answered: boolean;
  /** DISCONNECT, then FIN; resolves when the socket is closed, after `withinMs` at the latest by force. */
  end(withinMs: number): Promise<void>;
}

/** DISCONNECT (MQTT 3.1.1 §3.14). */
const disconnectPacket = Uint8Array.of(0xe0, 0x00);

/** Passed to the library in place of its acknowledgement: it sends none then, and goes on reading. */
const heldBack = new Error('acknowledged later');

/**
 * Connects. Rejects with NotConnectedError when trying again may help by itself, with a GatewayError `after-fix`
 * when a person or a clock must change first.
 */
export async function openLink(login: Login, signal: AbortSignal): Promise<Link> {
  const socket = await openSocket(login.place, login.tls, login.timeoutMs, signal);
  return openMqtt(socket, login, signal);
}

function openMqtt(socket: Socket, login: Login, signal: AbortSignal): Promise<Link> {
  const { place, clientId, username, password, clean, keepAliveMs, timeoutMs } = login;
  const at = addressOf(place);
  const client = new MqttClient(() => socket, {
    protocolVersion: 4,
    clientId,
    username,
    ...(password === undefined ? {} : { password }),
    clean,
    keepalive: Math.ceil(keepAliveMs / 1000),
    connectTimeout: timeoutMs,
    // The forwarder reconnects; the library would do it every second, with a token that is over.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // The default one wraps at 65536 without looking whether an id is still under way.
    messageIdProvider: new UniqueMessageIdProvider(),
    log: () => {},
  });
  return new Promise((resolve, reject) => {
    let accepted = false;
    let ending = false;
    let reason: unknown;
    const lost = Promise.withResolvers<NotConnectedError>();
    const abort = (): void => {
      reason = connectStopped(place);
      socket.destroy();
    };
    signal.addEventListener('abort', abort, { once: true });
    client.on('error', (error) => {
      reason ??= error;
    });
    client.on('close', () => {
      signal.removeEventListener('abort', abort);
      if (accepted) lost.resolve(ending ? over(at) : lossOf(reason, at, keepAliveMs));
      else reject(noConnack(reason, login));
    });
    let answered = true;
    const early: Incoming[] = [];
    let onMessage = (message: Incoming): void => void early.push(message);
    client.on('packetreceive', () => {
      answered = true;
    });
    const link: Link = {
      publish(topic, body, onAck) {
        client.publish(topic, body as Buffer, { qos: 1, retain: false }, (error) => {
          // An error here is the end of the link as well, which `lost` tells once for all.
          if (!error) onAck();
        });
      },
      tell(topic, body) {
        client.publish(topic, body as Buffer, { qos: 0, retain: false });
      },
      async subscribe(filter, qos) {
        const granted = new Promise<void>((settled, failed) => {
          client.subscribe(filter, { qos }, (error, _subscriptions, packet) => {
            const codes = packet?.granted ?? (error as { packet?: { granted?: number[] } } | null)?.packet?.granted;
            if (codes?.some((code) => (code as number) >= 0x80)) failed(notGranted(at, filter));
            else if (codes) settled();
            // Anything else is the end of the link, which `lost` tells.
          });
        });
        await Promise.race([
          granted,
          lost.promise.then((why): never => {
            throw why;
          }),
        ]);
      },
      unsubscribe(filter) {
        client.unsubscribe(filter, () => {});
      },
      acknowledge(packetId) {
        if (packetId > 0 && socket.writable) socket.write(Uint8Array.of(0x40, 0x02, packetId >> 8, packetId & 0xff));
      },
      lost: lost.promise,
      get answered() {
        return answered;
      },
      probe() {
        answered = false;
        client.sendPing();
      },
      listen(handler) {
        onMessage = handler;
        for (const message of early.splice(0)) handler(message);
      },
      async end(withinMs) {
        if (socket.destroyed) return;
        ending = true;
        const force = setTimeout(() => socket.destroy(), withinMs);
        // The library's own end() waits for every PUBACK, for ever if need be.
        socket.end(disconnectPacket);
        await lost.promise;
        clearTimeout(force);
      },
    };
    client.handleMessage = ({ topic, payload, qos, messageId = 0 }, done) => {
      onMessage({ topic, body: payload as Uint8Array, packetId: qos === 0 ? 0 : messageId });
      done(heldBack);
    };
    client.on('connect', () => {
      accepted = true;
      signal.removeEventListener('abort', abort);
      resolve(link);
    });
    if (signal.aborted) abort();
  });
}

/** The link ended before it was accepted. */
function noConnack(reason: unknown, { place, timeoutMs, refused }: Login): GatewayError {
  const at = addressOf(place);
  if (reason instanceof NotConnectedError) return reason;
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'number') return refused(code);
  if (message === 'connack timeout') {
    return new NotConnectedError('hub-unreachable', `${at} accepted TLS but did not answer CONNECT within ${timeoutMs / 1000} s.`, {
      retry: 'with-backoff',
      hint: 'Is this an MQTT port? The hub may also be overloaded.',
    });
  }
  // TLS 1.3: what the hub thinks of our certificate arrives only after the handshake.
  if (typeof code === 'string' && (code.startsWith('ERR_SSL') || code === 'EPROTO')) return unreachable(reason, place, Date.now());
  return new NotConnectedError('hub-refused', `${at} closed the connection without an answer to CONNECT.`, {
    retry: 'with-backoff',
    hint: 'IoT Hub does this for an IP filter, a quota that is used up, or a user name it cannot read.',
    cause: reason,
  });
}

function lossOf(reason: unknown, at: string, keepAliveMs: number): NotConnectedError {
  if (reason instanceof NotConnectedError) return reason;
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  const retry = 'with-backoff';
  if (message === 'Keepalive timeout') {
    return new NotConnectedError('hub-silent', `${at} answered no ping for ${(keepAliveMs * 1.5) / 1000} s; the link is dead.`, { retry });
  }
  if (reason === undefined) {
    return new NotConnectedError('hub-closed', `The hub ${at} closed the connection.`, {
      retry,
      hint: 'If this repeats every few seconds, another client uses the same device id: IoT Hub keeps one connection for each.',
    });
  }
  const what = typeof code === 'string' ? code : String(message ?? reason);
  return new NotConnectedError('hub-link-lost', `The link to ${at} was lost (${what}).`, { retry, cause: reason });
}

const notGranted = (at: string, filter: string): GatewayError =>
  new GatewayError('hub-subscription', `${at} did not grant the subscription to ${filter}.`, {
    retry: 'after-fix',
    hint: 'IoT Hub grants it to every device; a broker in its place needs a rule for it.',
  });

const over = (at: string): NotConnectedError =>
  new NotConnectedError('hub-session-over', `The session with ${at} was ended here.`, { retry: 'with-backoff' });
