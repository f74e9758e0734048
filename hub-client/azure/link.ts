import { isIP, type TcpNetConnectOpts } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { MqttClient, UniqueMessageIdProvider } from 'mqtt';
import { type GatewayError, NotConnectedError } from '../../model/error.ts';
import { addressOf, refusal, unreachable } from './connect-error.ts';
import type { Identity } from './credentials.ts';

export interface Login {
  readonly identity: Identity;
  readonly username: string;
  /** The SAS token; absent with X.509. */
  readonly password: string | undefined;
  readonly keepAliveMs: number;
  readonly timeoutMs: number;
}

/** One MQTT 3.1.1 connection that the hub has accepted. It ends once and never comes back. */
export interface Link {
  /** QoS 1, not retained. `onAck` is called on PUBACK; never, when the link is lost first. Order of calls is order on the wire. */
  publish(topic: string, body: Uint8Array, onAck: () => void): void;
  /** Resolves with the reason when the link is gone, whoever ended it. Never rejects. */
  readonly lost: Promise<NotConnectedError>;
  /** Counts packets that nobody here asked for. */
  onMessage: ((topic: string) => void) | undefined;
  /** PINGREQ: a hub that lives answers, also one that acknowledges nothing. */
  probe(): void;
  /** Whether anything came since the last `probe`. */
  readonly answered: boolean;
  /** DISCONNECT, then FIN; resolves when the socket is closed, after `withinMs` at the latest by force. */
  end(withinMs: number): Promise<void>;
}

/** DISCONNECT (MQTT 3.1.1 §3.14). */
const disconnectPacket = Uint8Array.of(0xe0, 0x00);

/**
 * Connects. Rejects with NotConnectedError when trying again may help by itself, with a GatewayError `after-fix`
 * when a person or a clock must change first.
 */
export async function openLink(login: Login, signal: AbortSignal): Promise<Link> {
  const socket = await openTls(login, signal);
  return openMqtt(socket, login, signal);
}

function openTls({ identity, timeoutMs }: Login, signal: AbortSignal): Promise<TLSSocket> {
  const { host, port, ca, proof } = identity;
  const options: ConnectionOptions & TcpNetConnectOpts = {
    host,
    port,
    // SNI carries names only; an address there is a protocol error (RFC 6066 §3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(proof.kind === 'x509' ? { cert: proof.certificate, key: proof.privateKey } : {}),
    minVersion: 'TLSv1.2',
    // Node gives each address of a name 250 ms; a radio link needs longer, and would never connect.
    autoSelectFamilyAttemptTimeout: 3_000,
  };
  return new Promise((resolve, reject) => {
    const socket = connectTls(options);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.removeAllListeners('error').removeAllListeners('secureConnect').removeAllListeners('close');
      act();
    };
    const fail = (error: GatewayError): void =>
      settle(() => {
        // An error that comes after the first must find a listener.
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      });
    const abort = (): void => fail(stopped(identity));
    const timer = setTimeout(() => fail(unreachable(timeOut(), identity, Date.now())), timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', (error) => fail(unreachable(error, identity, Date.now())));
    socket.on('close', () => fail(unreachable(Object.assign(new Error('closed'), { code: 'ECONNRESET' }), identity, Date.now())));
    socket.on('secureConnect', () => settle(() => resolve(socket)));
    if (signal.aborted) abort();
  });
}

function openMqtt(socket: TLSSocket, login: Login, signal: AbortSignal): Promise<Link> {
  const { identity, username, password, keepAliveMs, timeoutMs } = login;
  const at = addressOf(identity);
  // PUBACK-then-PUBLISH meets delayed acknowledgement otherwise: 43 ms instead of 0.6.
  socket.setNoDelay(true);
  const client = new MqttClient(() => socket, {
    protocolVersion: 4,
    clientId: identity.deviceId,
    username,
    ...(password === undefined ? {} : { password }),
    clean: false,
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
      reason = stopped(identity);
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
      lost: lost.promise,
      get answered() {
        return answered;
      },
      probe() {
        answered = false;
        client.sendPing();
      },
      onMessage: undefined,
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
    client.on('message', (topic) => link.onMessage?.(topic));
    client.on('connect', () => {
      accepted = true;
      signal.removeEventListener('abort', abort);
      resolve(link);
    });
    if (signal.aborted) abort();
  });
}

/** The link ended before it was accepted. */
function noConnack(reason: unknown, { identity, timeoutMs }: Login): GatewayError {
  const at = addressOf(identity);
  if (reason instanceof NotConnectedError) return reason;
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'number') return refusal(code, identity, Date.now());
  if (message === 'connack timeout') {
    return new NotConnectedError('hub-unreachable', `${at} accepted TLS but did not answer CONNECT within ${timeoutMs / 1000} s.`, {
      retry: 'with-backoff',
      hint: 'Is this an MQTT port? The hub may also be overloaded.',
    });
  }
  // TLS 1.3: what the hub thinks of our certificate arrives only after the handshake.
  if (typeof code === 'string' && (code.startsWith('ERR_SSL') || code === 'EPROTO')) return unreachable(reason, identity, Date.now());
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

const over = (at: string): NotConnectedError =>
  new NotConnectedError('hub-session-over', `The session with ${at} was ended here.`, { retry: 'with-backoff' });

const stopped = (identity: Identity): NotConnectedError =>
  new NotConnectedError('hub-connect-stopped', `Connecting to ${addressOf(identity)} was stopped.`, { retry: 'with-backoff' });

const timeOut = (): Error => Object.assign(new Error('connect timed out'), { code: 'ETIMEDOUT' });
