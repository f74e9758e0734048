import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { formatDuration } from '../../mappings/duration.ts';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { BrokerLink } from './broker-link.ts';
import { newCounters } from './counters.ts';
import type { Endpoint } from './endpoint.ts';
import { connectFailure, connectionLost, silentFor } from './failures.ts';
import { Feed } from './feed.ts';
import type { Incoming } from './inflow.ts';
import { type Connection, type EventContext, rhea, surviveErrors, watchSilence } from './library.ts';
import { type Login, loginText, saslMechanism } from './login.ts';
import { type BrokerSettings, hostAndPort } from './settings.ts';

/** Larger messages come in several frames. */
const maxFrameBytes = 128 * 1_024;
/** After the last machine let go: time for what it stored to be accepted, and for the broker to say goodbye. */
const lingerMs = 1_000;
const goodbyeMs = 500;

/** Opens the connection to a broker within `timeout`. Rejects with what a person can act on. */
export async function openBroker(settings: BrokerSettings, login: Login, containerId: string, signal: AbortSignal): Promise<Broker> {
  const where = hostAndPort(settings.host, settings.port);
  let socket: Socket | undefined;
  let connected = false;
  const container = rhea.create_container({ id: containerId });
  const connection = container.create_connection({
    container_id: containerId,
    host: settings.host,
    port: settings.port,
    hostname: settings.hostname ?? settings.host,
    // The broker sends a sign of life in half of this; rhea gives up after twice of it.
    idle_time_out: Math.round(settings.idleTimeout / 2),
    max_frame_size: maxFrameBytes,
    // Only the equipment loop reconnects.
    reconnect: false,
    sasl_mechanisms: saslMechanism(settings, login),
    ...(settings.tls !== false && { servername: servername(settings) }),
    connect: (_port: number, _host: string, _options: object, done: () => void) => {
      socket = openSocket(settings, login, () => {
        connected = true;
        done();
      });
      socket.once('close', () => ended(undefined));
      return socket;
    },
  } as Parameters<typeof container.create_connection>[0]);

  const opening = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<NotConnectedError>();
  let isOpen = false;
  let gone = false;
  const ended = (error: unknown): void => {
    if (gone) return;
    gone = true;
    lost.resolve(connectionLost(where, error));
    opening.reject(connectFailure(where, loginText(settings), error));
    // Whatever state the library is in, the wire is not left behind.
    if (isOpen) setTimeout(() => socket?.destroy(), goodbyeMs).unref();
    else socket?.destroy();
  };
  const withError = (context: unknown): void => ended((context as EventContext | undefined)?.error ?? connection.error);
  surviveErrors(connection, container);
  watchSilence(connection, () => ended(new Error('it was silent for too long')));
  connection.on('connection_open', () => {
    isOpen = true;
    opening.resolve();
  });
  connection.on('connection_error', withError);
  connection.on('connection_close', withError);
  connection.on('disconnected', withError);
  connection.on('protocol_error', ended);
  connection.on('error', ended);

  const timeoutText = formatDuration(settings.timeout);
  const late = setTimeout(
    () => ended(silentFor(where, timeoutText, connected ? 'took the connection and did not open it' : 'did not answer')),
    settings.timeout,
  );
  const stop = (): void => ended(new NotConnectedError('amqp-stopped', `connecting to ${where} was stopped`, { retry: 'with-backoff' }));
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    connection.connect();
    await opening.promise;
    return new Broker({ connection, settings, where, lost: lost.promise, isGone: () => gone, destroy: () => socket?.destroy() });
  } catch (error) {
    opening.promise.catch(() => {});
    ended(error);
    if (error instanceof GatewayError) throw error;
    throw unreadable(where, error);
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', stop);
  }
}

/** Certificates and keys that are none are found when the socket is made. */
function unreadable(where: string, error: unknown): GatewayError {
  return new GatewayError('amqp-tls', `${where} was not connected: ${(error as Error).message}`, {
    retry: 'after-fix',
    hint: 'tls.ca, tls.certificate and tls.key are texts in PEM, and the key belongs to the certificate',
    cause: error,
  });
}

function openSocket(settings: BrokerSettings, { ca, certificate, key }: Login, done: () => void): Socket {
  const { host, port, tls } = settings;
  if (tls === false) return connectTcp({ host, port, noDelay: true }, done);
  const socket = connectTls(
    {
      host,
      port,
      ...(ca !== undefined && { ca }),
      ...(certificate !== undefined && { cert: certificate }),
      ...(key !== undefined && { key }),
      ...servernameOption(servername(settings)),
    },
    done,
  );
  socket.setNoDelay(true);
  return socket;
}

function servername({ host, tls }: BrokerSettings): string {
  return (typeof tls === 'object' ? tls.servername : undefined) ?? host;
}

/** An IP address may not be sent as a server name (RFC 6066 §3); it is compared with the certificate all the same. */
function servernameOption(name: string): { servername?: string } {
  return /^[\d.]+$|:/.test(name) ? {} : { servername: name };
}

interface BrokerContext {
  readonly connection: Connection;
  readonly settings: BrokerSettings;
  readonly where: string;
  readonly lost: Promise<NotConnectedError>;
  readonly isGone: () => boolean;
  readonly destroy: () => void;
}

interface OpenFeed {
  readonly feed: Feed;
  readonly link: BrokerLink;
}

/** One connection to a broker, shared by all machines behind it, with a session for each address. */
export class Broker implements Endpoint {
  readonly where: string;
  readonly lost: Promise<NotConnectedError>;
  readonly counters = newCounters();
  readonly #context: BrokerContext;
  readonly #feeds = new Map<string, OpenFeed>();

  constructor(context: BrokerContext) {
    this.#context = context;
    this.where = context.where;
    this.lost = context.lost;
    void this.lost.then(() => this.#closeFeeds());
  }

  get isGone(): boolean {
    return this.#context.isGone();
  }

  feed(address: string): Feed {
    const known = this.#feeds.get(address);
    if (known) return known.feed;
    const feed = new Feed(address, () => this.#closeFeed(address));
    const link = this.#link(address, feed, { credit: this.#context.settings.credit });
    this.#feeds.set(address, { feed, link });
    return feed;
  }

  peek(address: string, show: (shown: Incoming | { readonly refused: string }) => void): AsyncDisposable {
    const link = this.#link(
      address,
      { deliver: show, attached: () => {}, detached: ({ reason = 'refused' }) => show({ refused: reason }) },
      { credit: peekCredit, peek: true },
    );
    return {
      [Symbol.asyncDispose]: async () => {
        link.quiesce();
        // What was looked at goes back in the next turns of the event loop, then the link ends.
        await sleep(peekReturnMs);
        link.close();
      },
    };
  }

  /** Takes nothing more. Closes once all that was taken is settled, at the latest after a second; that is not waited for. */
  async close(): Promise<void> {
    if (this.isGone) return;
    for (const { link } of this.#feeds.values()) link.quiesce();
    if (this.#unsettled() === 0) {
      await this.#goodbye();
      return;
    }
    const untilMs = performance.now() + lingerMs;
    const look = setInterval(() => {
      if (this.#unsettled() > 0 && performance.now() < untilMs && !this.isGone) return;
      clearInterval(look);
      void this.#goodbye();
    }, 20);
  }

  #link(address: string, listener: ConstructorParameters<typeof BrokerLink>[2], options: { credit: number; peek?: boolean }): BrokerLink {
    const { connection, settings, where } = this.#context;
    return new BrokerLink({ connection, settings, where, counters: this.counters }, address, listener, options);
  }

  #unsettled(): number {
    let sum = 0;
    for (const { link } of this.#feeds.values()) sum += link.unsettled;
    return sum;
  }

  async #goodbye(): Promise<void> {
    this.#closeFeeds();
    this.#context.connection.close();
    const patience = setTimeout(() => this.#context.destroy(), goodbyeMs);
    await this.lost;
    clearTimeout(patience);
  }

  #closeFeed(address: string): void {
    const open = this.#feeds.get(address);
    this.#feeds.delete(address);
    open?.feed.close();
    open?.link.close();
  }

  #closeFeeds(): void {
    for (const address of [...this.#feeds.keys()]) this.#closeFeed(address);
  }
}

/** Most messages that one look at an address may hold. */
const peekCredit = 10;
const peekReturnMs = 50;
