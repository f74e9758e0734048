import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import { maxMessageBytes } from './broker-link.ts';
import type { EndpointCounters } from './counters.ts';
import type { Feed } from './feed.ts';
import { type Incoming, Inflow } from './inflow.ts';
import { type AmqpError, type Connection, type EventContext, type Receiver, rhea, surviveErrors, watchSilence } from './library.ts';
import { type LoginDecisions, serverMechanisms } from './server-login.ts';

const maxFrameBytes = 128 * 1_024;
/** TCP, TLS and login together; who takes longer is no machine. */
const handshakeMs = 15_000;
/** Addresses that one machine may send to. */
const mostLinks = 64;
/** An address that no point names yet may be one whose machine is just being loaded. */
const graceMs = 1_000;
const goodbyeMs = 500;

export interface PeerContext {
  readonly containerId: string;
  readonly idleTimeoutMs: number;
  readonly credit: number;
  readonly counters: EndpointCounters;
  readonly decisions: LoginDecisions;
  /** The feed that takes what `user` sends to an address; `discard`: it may come and nobody wants it; undefined: it may not come. */
  wanted(address: string, user: string | undefined): Feed | 'discard' | undefined;
  /** Whether another machine also sends to this address now. */
  sendsToo(address: string, but: ListenerPeer): boolean;
  /** A link of this machine was ended; the machine was told the same. */
  refusedLink(address: string, user: string | undefined, why: string): void;
  /** It said something and left, or was too slow, before it had opened a connection. */
  neverOpened(): void;
  gone(peer: ListenerPeer): void;
}

interface InLink {
  readonly address: string;
  readonly receiver: Receiver;
  readonly inflow: Inflow;
  feed: Feed | 'discard' | undefined;
  readonly grace: NodeJS.Timeout | undefined;
}

/** One machine that connected to us. */
export class ListenerPeer {
  readonly #context: PeerContext;
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #links = new Map<Receiver, InLink>();
  readonly #from: string;
  #ended = false;

  constructor(socket: Socket, context: PeerContext) {
    this.#context = context;
    this.#socket = socket;
    this.#from = `${socket.remoteAddress}:${socket.remotePort}`;
    const container = rhea.create_container({ id: context.containerId });
    Object.assign(container.sasl_server_mechanisms, serverMechanisms(context.decisions));
    this.#connection = container.create_connection({
      container_id: context.containerId,
      idle_time_out: Math.round(context.idleTimeoutMs / 2),
      max_frame_size: maxFrameBytes,
      receiver_options: { autoaccept: false, credit_window: 0, max_message_size: maxMessageBytes },
    } as never);
    const late = setTimeout(() => this.destroy(), handshakeMs);
    this.#watch(container, late);
    (this.#connection as unknown as { accept(socket: Socket): void }).accept(socket);
    socket.once('close', () => this.#lost('the connection was cut'));
  }

  /** `press-7 at 10.20.0.9:49152`. */
  get name(): string {
    const { user } = this;
    return user === undefined ? `the machine at ${this.#from}` : `${user} at ${this.#from}`;
  }

  /** As whom it logged in; undefined: as nobody. */
  get user(): string | undefined {
    const sasl = (this.#connection as unknown as { sasl_transport?: { username?: string; selected?: { username?: string } } })
      .sasl_transport;
    return (sasl?.username ?? sasl?.selected?.username) || undefined;
  }

  get unsettled(): number {
    let sum = 0;
    for (const { inflow } of this.#links.values()) sum += inflow.unsettled;
    return sum;
  }

  sendsTo(address: string): boolean {
    for (const link of this.#links.values()) if (link.address === address && link.feed) return true;
    return false;
  }

  /** Nobody wants this address any more. */
  endLinks(address: string): void {
    for (const link of this.#links.values()) if (link.address === address) this.#refuse(link, notFound(address));
  }

  quiesce(): void {
    for (const { inflow } of this.#links.values()) inflow.quiesce();
  }

  /** An orderly end; by force for one that does not answer. */
  close(error?: AmqpError): void {
    for (const { inflow, grace } of this.#links.values()) {
      clearTimeout(grace);
      inflow.stop();
    }
    this.#connection.close(error as never);
    setTimeout(() => this.destroy(), goodbyeMs);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #watch(container: Parameters<typeof surviveErrors>[1], late: NodeJS.Timeout): void {
    const connection = this.#connection;
    surviveErrors(connection, container);
    watchSilence(connection, () => this.#lost('it was silent for too long'));
    const over = (): void => {
      clearTimeout(late);
      this.#end();
    };
    let opened = false;
    connection.on('connection_open', () => {
      clearTimeout(late);
      opened = true;
    });
    // A port check says nothing.
    this.#socket.once('close', () => {
      if (!opened && this.#socket.bytesRead > 0) this.#context.neverOpened();
    });
    // A machine that says goodbye is not a fault; one that is cut off is.
    connection.on('connection_close', over);
    connection.on('disconnected', () => {
      this.#lost('the connection was cut');
      over();
      this.destroy();
    });
    connection.on('protocol_error', () => this.destroy());
    connection.on('error', () => this.destroy());
    connection.on('receiver_open', (context: unknown) => this.#attached(context as EventContext));
    connection.on('receiver_close', (context: unknown) => this.#detached((context as EventContext).receiver!));
    connection.on('sender_open', (context: unknown) => (context as EventContext).sender?.close(onlyReceives));
    connection.on('session_close', () => this.#sweep());
    this.#socket.once('close', over);
  }

  #attached({ receiver, session }: EventContext): void {
    if (!receiver || !session) return;
    const address = (receiver as unknown as { target?: { address?: string } }).target?.address;
    if (!address || this.#links.size >= mostLinks) {
      receiver.close((address ? tooManyLinks : noAddress) as never);
      return;
    }
    receiver.set_target({ address });
    const feed = this.#context.wanted(address, this.user);
    const link: InLink = {
      address,
      receiver,
      feed,
      grace: feed ? undefined : setTimeout(() => this.#lookAgain(link), graceMs),
      inflow: new Inflow({
        receiver,
        session,
        credit: this.#context.credit,
        maxMessageBytes,
        counters: this.#context.counters,
        take: (incoming) => this.#take(link, incoming),
        tooLarge: () => this.#refuse(link, tooLarge),
      }),
    };
    this.#links.set(receiver, link);
    if (feed) this.#start(link);
  }

  #take(link: InLink, incoming: Incoming): void {
    // A mapping may have been added that wants it.
    if (link.feed === 'discard') link.feed = this.#context.wanted(link.address, this.user) ?? 'discard';
    if (link.feed === 'discard' || link.feed === undefined) incoming.settle('accepted');
    else link.feed.deliver(incoming, this.user);
  }

  #lookAgain(link: InLink): void {
    link.feed = this.#context.wanted(link.address, this.user);
    if (link.feed) this.#start(link);
    else this.#refuse(link, notFound(link.address));
  }

  #start(link: InLink): void {
    if (link.feed !== 'discard') link.feed?.attached();
    link.inflow.start();
  }

  #refuse(link: InLink, error: AmqpError): void {
    this.#context.counters.refusedLinks++;
    this.#context.refusedLink(link.address, this.user, error.description ?? 'without a reason');
    this.#forget(link);
    link.receiver.close(error as never);
  }

  #detached(receiver: Receiver): void {
    const link = this.#links.get(receiver);
    if (link) this.#forget(link);
  }

  /** Links whose session ended with them. */
  #sweep(): void {
    for (const link of this.#links.values()) if (link.receiver.session.is_itself_closed()) this.#forget(link);
  }

  #forget(link: InLink): void {
    clearTimeout(link.grace);
    link.inflow.stop();
    this.#links.delete(link.receiver);
  }

  #lost(why: string): void {
    if (this.#ended) return;
    const state: SampleState = { status: statuses.BadNoCommunication, reason: `lost ${this.name}: ${why}` };
    for (const link of [...this.#links.values()]) {
      this.#forget(link);
      if (link.feed !== 'discard' && !this.#context.sendsToo(link.address, this)) link.feed?.detached(state);
    }
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const link of [...this.#links.values()]) this.#forget(link);
    this.#context.gone(this);
  }
}

const notFound = (address: string): AmqpError => ({
  condition: 'amqp:not-found',
  description: `nobody here takes what is sent to "${address}"`,
});
const noAddress: AmqpError = { condition: 'amqp:invalid-field', description: 'the link has no target address' };
const tooManyLinks: AmqpError = { condition: 'amqp:resource-limit-exceeded', description: `at most ${mostLinks} links` };
const onlyReceives: AmqpError = { condition: 'amqp:not-implemented', description: 'this gateway only receives' };
const tooLarge: AmqpError = {
  condition: 'amqp:link:message-size-exceeded',
  description: `a message has more than ${maxMessageBytes / 2 ** 20} MiB`,
};

/** The common name of the certificate that the peer proved to own, if it may log in by it. */
export function certificateName(socket: Socket, mayLogIn: (name: string) => boolean): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const name = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' && mayLogIn(name) ? name : undefined;
}
