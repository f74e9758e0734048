import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { Log } from '../contract.ts';
import { newCounters } from './counters.ts';
import type { Endpoint } from './endpoint.ts';
import { Feed, type SharedDelivery } from './feed.ts';
import type { Incoming } from './inflow.ts';
import { certificateName, ListenerPeer } from './listener-peer.ts';
import { type Admission, samePassword } from './server-login.ts';
import { hostAndPort, type ListenSettings } from './settings.ts';

/** After the last machine's mapping let go: time for what was stored to be accepted. */
const lingerMs = 1_000;
/** A machine with a wrong password tries for ever; the log need not. */
const refusalLogEveryMs = 60_000;

/** Opens the port. Rejects with NotConnectedError when somebody else has it. */
export async function openListener(settings: ListenSettings, { tls }: Admission, log: Log): Promise<Listener> {
  const { host, port } = settings.listen;
  const where = hostAndPort(host, port);
  let server: Server;
  try {
    server = tls
      ? createTlsServer({
          cert: tls.certificate,
          key: tls.key,
          // Asked for, not demanded: who has none may still log in with a password.
          ...(tls.ca !== undefined && { ca: tls.ca, requestCert: true, rejectUnauthorized: false }),
        })
      : createTcpServer({ noDelay: true });
  } catch (error) {
    throw new GatewayError('amqp-tls', `${where} was not opened: ${(error as Error).message}`, {
      retry: 'after-fix',
      hint: 'listen.tls.certificate, key and ca are texts in PEM, and the key belongs to the certificate',
      cause: error,
    });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenFailure(where, error)));
    server.listen(port, host, resolve);
  });
  return new Listener(server, where, settings, log, tls);
}

function listenFailure(where: string, error: NodeJS.ErrnoException): GatewayError {
  if (error.code === 'EADDRINUSE') {
    return new NotConnectedError('amqp-port-taken', `${where} is in use by another program`, {
      retry: 'with-backoff',
      hint: 'A running gateway also holds the port; stop it, or choose another listen.port',
    });
  }
  const hint =
    error.code === 'EACCES'
      ? 'Ports below 1024 need a privilege; choose a higher listen.port'
      : 'listen.host must be an address of this computer';
  return new GatewayError('amqp-listen', `${where} cannot be opened: ${error.message}`, { retry: 'after-fix', hint, cause: error });
}

/** A port that machines connect to, shared by all mappings that name it. */
export class Listener implements Endpoint {
  readonly where: string;
  readonly lost: Promise<NotConnectedError>;
  readonly counters = newCounters();
  readonly #server: Server;
  readonly #settings: ListenSettings;
  readonly #log: Log;
  readonly #tls: Admission['tls'];
  readonly #peers = new Set<ListenerPeer>();
  readonly #feeds = new Map<string, Feed>();
  readonly #admissions = new Set<Admission>();
  readonly #refusalLogged = new Map<string, number>();
  #lose: (error: NotConnectedError) => void;
  #isGone = false;

  constructor(server: Server, where: string, settings: ListenSettings, log: Log, tls: Admission['tls']) {
    this.#server = server;
    this.where = where;
    this.#settings = settings;
    this.#log = log;
    this.#tls = tls;
    const lost = Promise.withResolvers<NotConnectedError>();
    this.lost = lost.promise;
    this.#lose = lost.resolve;
    server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => this.#accept(socket));
    server.on('error', (error) => this.#end(`: ${error.message}`));
    server.on('close', () => this.#end(''));
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** One more mapping uses this port. Throws when it wants another TLS or another password for a user. */
  join(admission: Admission): Disposable {
    const contradiction = this.#contradiction(admission);
    if (contradiction) {
      throw new GatewayError('amqp-listen', `${admission.equipment} cannot share ${this.where}: ${contradiction}`, {
        retry: 'after-fix',
        hint: 'Machines on one port share it: write the same listen block for all of them',
      });
    }
    this.#admissions.add(admission);
    return { [Symbol.dispose]: () => void this.#admissions.delete(admission) };
  }

  feed(address: string): Feed {
    let feed = this.#feeds.get(address);
    if (!feed) {
      feed = new Feed(address, () => this.#dropFeed(address));
      this.#feeds.set(address, feed);
      feed.attached();
    }
    return feed;
  }

  peek(address: string, show: (shown: Incoming | { readonly refused: string }) => void): AsyncDisposable {
    const feed = this.feed(address);
    let over = false;
    const take = (delivery: SharedDelivery): void => {
      if (over) delivery.finish('seen');
      else show({ bytes: delivery.bytes, receivedMs: delivery.receivedMs, settle: () => delivery.finish('seen') });
    };
    const subscription = feed.subscribe({ user: undefined, take, attached: () => {}, detached: () => {} });
    return {
      async [Symbol.asyncDispose]() {
        over = true;
        subscription[Symbol.dispose]();
      },
    };
  }

  async close(): Promise<void> {
    if (this.#isGone) return;
    this.#server.close();
    for (const peer of this.#peers) peer.quiesce();
    const unsettled = (): boolean => [...this.#peers].some((peer) => peer.unsettled > 0);
    const untilMs = performance.now() + lingerMs;
    const goodbye = (): void => {
      for (const peer of this.#peers) peer.close({ condition: 'amqp:connection:forced', description: 'the gateway stops listening' });
    };
    if (!unsettled()) goodbye();
    else {
      const look = setInterval(() => {
        if (unsettled() && performance.now() < untilMs) return;
        clearInterval(look);
        goodbye();
      }, 20);
    }
    this.#end('');
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    socket.setNoDelay(true);
    const most = Math.max(1, ...[...this.#admissions].map(({ maxConnections }) => maxConnections));
    if (this.#peers.size >= most || this.#isGone) {
      this.#note(`${socket.remoteAddress}`, 'refused a connection: as many machines as listen.maxConnections allows are connected');
      socket.destroy();
      return;
    }
    let refused = false;
    const peer = new ListenerPeer(socket, {
      containerId: this.#settings.containerId ?? 'dragoman',
      idleTimeoutMs: this.#settings.idleTimeout,
      credit: this.#settings.credit,
      counters: this.counters,
      decisions: {
        knows: (user, password) => this.#knows(user, password),
        certificateName: certificateName(socket, (name) => this.#mayLogIn(name)),
        anonymous: [...this.#admissions].some(({ anonymous }) => anonymous),
        refused: (user) => {
          refused = true;
          this.counters.refusedLogins++;
          this.#note(`${socket.remoteAddress}`, 'refused a login', { user, reason: this.#whyNot(user) });
          // rhea would let it try again on the same connection, for ever.
          setTimeout(() => socket.destroy(), refusalGraceMs);
        },
      },
      wanted: (address, user) => this.#wanted(address, user),
      sendsToo: (address, but) => [...this.#peers].some((each) => each !== but && each.sendsTo(address)),
      refusedLink: (address, user, reason) => {
        const hint = 'Write this address at a point, with the user that sends, or under listen.addresses';
        const ours = !this.#wanted(address, user);
        this.#note(`${socket.remoteAddress}`, 'refused what a machine sends', { address, user, reason, ...(ours && { hint }) });
      },
      neverOpened: () => {
        if (refused || this.#isGone) return;
        const reason = 'it speaks no AMQP 1.0 that this port understands, or offers no login that is allowed here';
        const hint = 'Check its login (SASL PLAIN with a user of listen.users), TLS on both sides, and that it is not AMQP 0-9-1';
        this.#note(`${socket.remoteAddress}`, 'a machine left before it had logged in', { reason, hint });
      },
      gone: (each) => void this.#peers.delete(each),
    });
    this.#peers.add(peer);
  }

  #knows(user: string, password: string): boolean {
    let known = false;
    for (const { users } of this.#admissions) {
      const expected = users.get(user);
      if (expected !== undefined && samePassword(expected, password)) known = true;
    }
    return known;
  }

  #mayLogIn(name: string): boolean {
    return [...this.#admissions].some(({ tls, certificates }) => tls?.ca !== undefined && (certificates?.includes(name) ?? true));
  }

  #wanted(address: string, user: string | undefined): Feed | 'discard' | undefined {
    const feed = this.#feeds.get(address);
    if (feed?.wants(user)) return feed;
    for (const { addresses } of this.#admissions) if (addresses.includes(address)) return 'discard';
    return undefined;
  }

  #dropFeed(address: string): void {
    this.#feeds.get(address)?.close();
    this.#feeds.delete(address);
    for (const peer of this.#peers) peer.endLinks(address);
  }

  #contradiction({ tls, users }: Admission): string | undefined {
    if (JSON.stringify(tls) !== JSON.stringify(this.#tls)) return 'its tls is not that of the others';
    for (const other of this.#admissions) {
      for (const [user, password] of users) {
        const known = other.users.get(user);
        if (known !== undefined && known !== password) return `${other.equipment} has another password for the user ${user}`;
      }
    }
    return undefined;
  }

  #whyNot(user: string): string {
    if (user === '') return 'it did not say who it is, and listen.anonymous is false';
    const known = [...this.#admissions].some(({ users }) => users.has(user));
    return known ? 'its password is not the one of listen.users' : 'listen.users and listen.certificates do not name this user';
  }

  /** Once a minute for the same, as a machine tries again and again. */
  #note(from: string, message: string, fields: Readonly<Record<string, string | undefined>> = {}): void {
    const key = JSON.stringify([from, message, fields]);
    const now = performance.now();
    if (now - (this.#refusalLogged.get(key) ?? -refusalLogEveryMs) < refusalLogEveryMs) return;
    if (this.#refusalLogged.size > 1_000) this.#refusalLogged.clear();
    this.#refusalLogged.set(key, now);
    this.#log.warn({ listen: this.where, from, ...fields }, message);
  }

  #end(why: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    for (const feed of this.#feeds.values()) feed.close();
    this.#lose(
      new NotConnectedError('amqp-listen-ended', `nothing listens on ${this.where} any more${why}`, {
        retry: 'with-backoff',
        hint: 'The gateway opens the port again by itself',
      }),
    );
  }
}

/** A refusal takes half a second to be told; then the connection ends. */
const refusalGraceMs = 700;
