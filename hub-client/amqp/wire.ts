import type { Socket } from 'node:net';
import rhea, { type AmqpError, type Connection, type Session } from 'rhea';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { connectStopped, openSocket } from '../delivery/socket.ts';
import { addressOf, clockHint } from '../delivery/unreachable.ts';
import type { Endpoint, Login } from './endpoint.ts';

export interface WireOptions {
  /** For each of: TCP with TLS, and the open frame of the broker. */
  readonly timeoutMs: number;
  /** Nothing came for so long: the connection is dead. */
  readonly idleTimeoutMs: number;
  /** Our container id. */
  readonly container: string;
}

/** One AMQP connection that the broker has opened. It ends once and never comes back. */
export interface Wire {
  /** `host:port`, for texts. */
  readonly at: string;
  /** What the broker said of itself. */
  readonly peer: { readonly container_id?: unknown; readonly properties?: unknown; readonly channel_max?: number };
  /** Bytes that came so far. */
  readonly bytesRead: number;
  /** A session of its own for every link: an error of one ends its session, and a link without credit blocks what shares its session. */
  session(): Session;
  /** Resolves with the reason when the connection is gone, whoever ended it. Never rejects. */
  readonly lost: Promise<NotConnectedError>;
  /** The same for what comes and goes while the connection lives: calls once, and not any more after the function it gives was called. */
  onLost(listener: (reason: NotConnectedError) => void): () => void;
  /** Close frame, then FIN; resolves when the socket is closed, after `withinMs` at the latest by force. */
  close(withinMs: number): Promise<void>;
}

/**
 * Connects and logs in. Rejects with NotConnectedError when trying again may help by itself, with a GatewayError `after-fix`
 * when a person must change something (credentials, certificate, wrong port).
 */
export async function openWire(endpoint: Endpoint, options: WireOptions, signal: AbortSignal): Promise<Wire> {
  const socket = await openSocket(endpoint.place, endpoint.tls, options.timeoutMs, signal);
  return openAmqp(socket, endpoint, options, signal);
}

function openAmqp(socket: Socket, endpoint: Endpoint, options: WireOptions, signal: AbortSignal): Promise<Wire> {
  const at = addressOf(endpoint.place);
  const { timeoutMs, idleTimeoutMs, container } = options;
  const connection = rhea.create_container({ id: container }).create_connection({
    host: endpoint.place.host,
    port: endpoint.place.port,
    hostname: endpoint.hostname,
    sasl_init_hostname: endpoint.hostname,
    // Part 2 §2.4.5: what is announced should be half of what is waited for. The library waits twice as long as it announces.
    idle_time_out: idleTimeoutMs / 2,
    // The forwarder reconnects; the library would attach the links again, and lose what was under way.
    reconnect: false,
    connection_details: () => ({
      host: endpoint.place.host,
      port: endpoint.place.port,
      connect: (_port: number, _host: string, _options: unknown, connected: () => void) => {
        process.nextTick(connected);
        return socket;
      },
    }),
    ...({ sasl_mechanisms: mechanismsOf(endpoint.login) } as object),
  });
  const lost = Promise.withResolvers<NotConnectedError>();
  const listeners = new Set<(reason: NotConnectedError) => void>();
  return new Promise((resolve, reject) => {
    let opened = false;
    let ending = false;
    let reason: GatewayError | undefined;
    const fail = (error: GatewayError): void => {
      reason ??= error;
      if (!socket.destroyed) socket.destroy();
    };
    const abort = (): void => fail(connectStopped(endpoint.place));
    const timer = setTimeout(() => fail(silent(at, timeoutMs)), timeoutMs);
    const settled = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    };
    signal.addEventListener('abort', abort, { once: true });
    const say = (error: GatewayError): void => {
      if (!ending) reason ??= error;
    };
    connection.on('connection_open', () => {
      opened = true;
      settled();
      resolve(wire);
    });
    connection.on('connection_error', ({ error }) => say(opened ? closedBy(at, error) : refusedBy(at, error, endpoint.login)));
    // A close without an error: the library tells it by this event alone. The socket follows, or is closed here.
    connection.on('connection_close', () => {
      say(closedBy(at, undefined));
      setImmediate(() => socket.end());
      setTimeout(() => socket.destroy(), 1_000).unref();
    });
    connection.on('protocol_error', (error: Error) => fail(notAmqp(at, error)));
    connection.on('error', (error: Error) =>
      fail(new NotConnectedError('hub-link-lost', `The link to ${at} failed: ${error.message}.`, { retry: 'with-backoff', cause: error })),
    );
    let heardMs = performance.now();
    socket.on('data', () => {
      heardMs = performance.now();
    });
    connection.on('disconnected', ({ error }) => {
      // After idling the library takes all listeners off the socket, also the one for errors.
      socket.on('error', () => {});
      const dumb = performance.now() - heardMs >= idleTimeoutMs;
      if (dumb) say(opened ? idle(at, idleTimeoutMs) : silent(at, idleTimeoutMs));
      else say(lostBy(endpoint, error, opened));
      socket.destroy();
    });
    // Each link answers for itself; without a listener here the library throws what no link took.
    for (const event of ['session_error', 'session_close', 'sender_error', 'sender_close', 'receiver_error', 'receiver_close']) {
      connection.on(event, () => {});
    }
    socket.on('close', () => {
      settled();
      // The library knows "end" and "error" only; it would keep its heartbeat timers.
      socket.emit('end');
      const error = reason ?? (ending ? over(at) : lostBy(endpoint, undefined, opened));
      if (!opened) {
        reject(error);
        return;
      }
      const last = error instanceof NotConnectedError ? error : asLost(error);
      lost.resolve(last);
      for (const listener of listeners) listener(last);
      listeners.clear();
    });
    const wire: Wire = {
      at,
      get peer() {
        return openOf(connection);
      },
      get bytesRead() {
        return socket.bytesRead;
      },
      session() {
        const session = connection.create_session();
        session.begin();
        return session;
      },
      lost: lost.promise,
      onLost(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      async close(withinMs) {
        if (socket.destroyed) return;
        ending = true;
        const force = setTimeout(() => socket.destroy(), withinMs);
        connection.close();
        await lost.promise;
        clearTimeout(force);
      },
    };
    if (signal.aborted) abort();
    else connection.connect();
  });
}

/**
 * Own mechanisms: the library's PLAIN counts characters where it needs bytes, and cuts a password with an umlaut;
 * its EXTERNAL and ANONYMOUS depend on other options.
 */
function mechanismsOf(login: Login): object {
  const answer = (response: Buffer) => () => ({
    start: (reply: (error: undefined, response: Buffer) => void) => reply(undefined, response),
  });
  switch (login.kind) {
    case 'plain':
      return { PLAIN: answer(Buffer.from(`\0${login.user}\0${login.password}`, 'utf8')) };
    case 'external':
      return { EXTERNAL: answer(Buffer.alloc(0)) };
    case 'anonymous':
    case 'cbs':
      return { ANONYMOUS: answer(Buffer.from('dragoman')) };
  }
}

/** The open frame as it came; the types of the library leave it out. */
function openOf(connection: Connection): Wire['peer'] {
  return (connection as unknown as { remote: { open?: Wire['peer'] } }).remote.open ?? {};
}

const retry = 'with-backoff';

/** The broker said no before it opened the connection. */
function refusedBy(at: string, error: unknown, login: Login): GatewayError {
  const { condition, description, message } = (error ?? {}) as { condition?: string; description?: string; message?: string };
  const text = description ?? message ?? String(error);
  const code = /^Failed to authenticate: (\d)$/.exec(text)?.[1];
  if (code !== undefined && code !== '1') {
    return new NotConnectedError('hub-unavailable', `The broker ${at} could not check the login (SASL outcome ${code}).`, { retry });
  }
  if (code === '1') {
    const who = login.kind === 'plain' ? `user "${login.user}"` : login.kind === 'external' ? 'our certificate' : 'a login without a name';
    const hint =
      login.kind === 'plain'
        ? 'Check user and password, and that this user may log in from another machine (RabbitMQ lets guest in from its own host only).'
        : login.kind === 'external'
          ? 'The subject of the certificate must be a user of the broker.'
          : 'Give user and password, or certificate and privateKey.';
    return new GatewayError('hub-credentials', `The broker ${at} refused ${who}.`, { retry: 'after-fix', hint });
  }
  if (text.startsWith('No suitable mechanism')) {
    const offered = text.replace(/^.*server supports /, '') || 'none';
    return new GatewayError('hub-sasl', `The broker ${at} does not take ${login.kind.toUpperCase()}; it offers ${offered}.`, {
      retry: 'after-fix',
      hint: 'PLAIN needs user and password (some brokers offer it over TLS only); EXTERNAL needs certificate, privateKey and amqps://.',
    });
  }
  return closedBy(at, { condition, description: text } as AmqpError);
}

/** Conditions of a close that say: not like this, not later. */
const fixable = new Set(['amqp:unauthorized-access', 'amqp:not-found', 'amqp:not-allowed', 'amqp:invalid-field']);

function closedBy(at: string, error: unknown): NotConnectedError {
  if (error === undefined) return new NotConnectedError('hub-closed', `The broker ${at} closed the connection.`, { retry });
  const { condition, description } = error as { condition?: string; description?: string };
  const text = `The broker ${at} closed the connection: ${condition ?? 'no condition'}${description ? ` (${description})` : ''}.`;
  if (condition !== undefined && fixable.has(condition)) {
    const hint = `Check user, rights and virtual host (hostname: vhost:NAME for RabbitMQ). ${clockHint(Date.now())}`;
    return new NotConnectedError('hub-refused', text, { retry: 'after-fix', hint });
  }
  return new NotConnectedError('hub-closed', text, { retry });
}

function lostBy({ place, tls }: Endpoint, error: unknown, opened: boolean): NotConnectedError {
  const at = addressOf(place);
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  if (!opened) {
    return new NotConnectedError('hub-refused', `${at} closed the connection before it was open${code ? ` (${code})` : ''}.`, {
      retry,
      hint: `${tls ? '' : 'A port for TLS looks like this: then write amqps:// in url. '}Is AMQP 1.0 switched on there? RabbitMQ 3 needs the plugin rabbitmq_amqp1_0, and drops a client that does not log in.`,
      cause: error,
    });
  }
  const what = code ?? message ?? 'without a word';
  return new NotConnectedError('hub-link-lost', `The connection to ${at} was lost (${what}).`, { retry, cause: error });
}

const idle = (at: string, idleTimeoutMs: number): NotConnectedError =>
  new NotConnectedError('hub-silent', `${at} sent nothing for ${idleTimeoutMs / 1000} s; the connection is dead.`, { retry });

const silent = (at: string, timeoutMs: number): NotConnectedError =>
  new NotConnectedError('hub-unreachable', `${at} accepted the connection but did not open AMQP within ${timeoutMs / 1000} s.`, {
    retry,
    hint: 'Is this an AMQP port? The broker may also be overloaded.',
  });

const notAmqp = (at: string, cause: Error): GatewayError =>
  new GatewayError('hub-protocol', `${at} does not speak AMQP 1.0 as we do (${cause.message}).`, {
    retry: 'after-fix',
    hint: 'Check the port: 5672 is AMQP, 5671 with TLS. RabbitMQ 3 speaks 1.0 only with its plugin rabbitmq_amqp1_0.',
    cause,
  });

const over = (at: string): NotConnectedError =>
  new NotConnectedError('hub-session-over', `The session with ${at} was ended here.`, { retry });

const asLost = (error: GatewayError): NotConnectedError =>
  new NotConnectedError(error.code, error.message, { retry: error.retry, cause: error, ...(error.hint ? { hint: error.hint } : {}) });
