import type { Socket } from 'node:net';
import rhea, { type Connection, type Container, type EventContext, type Message, type Receiver, type Sender } from 'rhea';
import type { HubCore } from '../core/contract.ts';
import { AccessError } from '../policies/access.ts';
import { type Node, nodeOf, resourceOf } from './address.ts';
import { Claims } from './claims.ts';
import { serveCommands } from './command-link.ts';
import { serveEvents } from './event-link.ts';
import { type FeedbackInFlight, serveFeedback } from './feedback-link.ts';
import { FrameGuard, largestFrameBytes } from './frame-guard.ts';
import { answerManagement, reply } from './management.ts';
import type { Owners } from './owners.ts';
import { positionOf, SelectorError } from './selector.ts';

/** What all connections of a hub share. */
export interface Plane {
  readonly core: HubCore;
  readonly owners: Owners;
  readonly feedback: FeedbackInFlight;
  readonly startedMs: number;
  /** How long a client may take to show a token, milliseconds. */
  readonly tokenWithinMs: number;
  /** Says why something was refused; constant message, no secrets. */
  refused(peer: string, what: string, reason: string): void;
}

/** Far more than a client of one hub needs; each costs memory. */
const most = { sessions: 100, links: 500 };
/** Largest message that is taken, in bytes: one for a device has 64 KB and its properties. */
const largestMessageBytes = 256 * 1024;
/** What a peer may send before it has shown a token, in bytes. */
const strangerBytes = 128 * 1024;
const idleTimeoutMs = 120_000;

interface OpenLink extends Disposable {
  readonly link: Sender | Receiver;
  readonly resource: readonly string[];
  drained?(): void;
}

/** One client of the service plane: shows tokens, attaches links, is let go when its tokens run out. */
export class ServiceConnection {
  readonly #plane: Plane;
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #claims: Claims;
  readonly #links = new Map<Sender | Receiver, OpenLink>();
  readonly #guard = new FrameGuard();
  readonly #peer: string;
  readonly #deadline: NodeJS.Timeout;
  #sessions = 0;
  #bytes = 0;

  constructor(socket: Socket, plane: Plane) {
    this.#socket = socket;
    this.#plane = plane;
    this.#peer = socket.remoteAddress ?? 'gone';
    this.#claims = new Claims(plane.core, () => this.#recheck());
    this.#deadline = setTimeout(() => this.#stranger(), plane.tokenWithinMs).unref();
    socket.on('data', (chunk: Buffer) => this.#look(chunk));
    socket.on('drain', () => {
      for (const link of this.#links.values()) link.drained?.();
    });
    socket.on('close', () => this.#gone());
    this.#connection = containerFor((name, token) => this.#login(name, token)).create_connection({
      ...({ receiver_options: { autoaccept: false, credit_window: 50, max_message_size: largestMessageBytes } } as object),
      max_frame_size: largestFrameBytes,
      idle_time_out: idleTimeoutMs,
      channel_max: most.sessions,
      reconnect: false,
    } as never);
    this.#listen();
    (this.#connection as unknown as { accept(socket: Socket): void }).accept(socket);
  }

  /** Says goodbye; the socket is closed at the latest when `withinMs` are over. */
  async close(withinMs: number): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    const force = setTimeout(() => this.#socket.destroy(), withinMs);
    this.#end('amqp:connection:forced', 'the hub stops');
    await closed;
    clearTimeout(force);
  }

  #listen(): void {
    const connection = this.#connection;
    const on = (event: string, act: (context: EventContext) => void): void => {
      connection.on(event, act);
    };
    on('session_open', () => {
      if (++this.#sessions > most.sessions) this.#end('amqp:resource-limit-exceeded', `at most ${most.sessions} sessions`);
    });
    on('session_close', () => this.#sessions--);
    on('sender_open', ({ sender }) => sender && this.#attach(sender));
    on('receiver_open', ({ receiver }) => receiver && this.#attach(receiver));
    on('sender_close', ({ sender }) => sender && this.#release(sender));
    on('receiver_close', ({ receiver }) => receiver && this.#release(receiver));
    for (const detached of ['sender_detached', 'receiver_detached', 'sender_detach', 'receiver_detach']) {
      on(detached, ({ sender, receiver }) => this.#release((sender ?? receiver) as Sender));
    }
    // The library throws what nobody listens to.
    for (const quiet of ['connection_error', 'session_error', 'sender_error', 'receiver_error', 'settled', 'message']) on(quiet, () => {});
    on('connection_close', () => setImmediate(() => this.#socket.end()));
    on('disconnected', () => this.#socket.destroy());
    for (const fault of ['protocol_error', 'error']) {
      connection.on(fault, (error: Error) => {
        this.#plane.refused(this.#peer, 'AMQP connection', `it does not speak AMQP 1.0 as it should: ${error.message}`);
        this.#socket.destroy();
      });
    }
  }

  #look(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const incomplete = [...this.#links.keys()].some((link) => (link as unknown as { _incomplete?: unknown })._incomplete !== undefined);
    if (!incomplete && !this.#claims.empty) this.#bytes = chunk.length;
    const tooMuch = this.#claims.empty ? strangerBytes : 2 * largestMessageBytes;
    if (this.#guard.admit(chunk) && this.#bytes <= tooMuch) return;
    this.#plane.refused(this.#peer, 'AMQP connection', 'it sent a frame or a message that is larger than allowed');
    this.#socket.destroy();
  }

  /** SASL PLAIN, `service@sas.root.hub` and a token; the audience is what the token is for. */
  #login(name: string, token: string): boolean {
    return this.#put(name, token) === undefined;
  }

  /** Undefined, or why not. */
  #put(audience: string, token: string): string | undefined {
    try {
      this.#claims.put(audience, token);
      clearTimeout(this.#deadline);
      return undefined;
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
      this.#plane.refused(this.#peer, 'AMQP token', error.message);
      return error.message;
    }
  }

  #attach(link: Sender | Receiver): void {
    const terminus = link.is_sender() ? link.source : link.target;
    const address = terminus?.address;
    const node = typeof address === 'string' ? nodeOf(address) : undefined;
    const refusal = this.#refusalOf(link, node, String(address));
    if (!node || refusal) {
      refuse(link, refusal?.condition ?? 'amqp:not-found', refusal?.description ?? '');
      return;
    }
    const resource = resourceOf(address as string);
    if (link.is_sender()) (link as Sender).set_source({ address: address as string, ...filterOf(link) } as never);
    else (link as Receiver).set_target({ address: address as string });
    const served = link.is_sender() ? this.#serveSender(link as Sender, node) : this.#serveReceiver(link as Receiver, node);
    if (served) this.#links.set(link, { link, resource: node.kind === 'cbs' ? [] : resource, ...served });
  }

  #refusalOf(link: Sender | Receiver, node: Node | undefined, address: string): { condition: string; description: string } | undefined {
    if (!node || !fits(node, link)) {
      return { condition: 'amqp:not-found', description: `there is nothing to ${link.is_sender() ? 'read' : 'write'} at ${address}` };
    }
    if (this.#links.size >= most.links) return { condition: 'amqp:resource-limit-exceeded', description: `at most ${most.links} links` };
    if (node.kind === 'cbs' || this.#claims.opens(resourceOf(address))) return undefined;
    const description = `no token was put that opens ${address}`;
    this.#plane.refused(this.#peer, 'AMQP link', description);
    return { condition: 'amqp:unauthorized-access', description };
  }

  #serveReceiver(receiver: Receiver, node: Node): Disposable {
    if (node.kind === 'commands') serveCommands(receiver, this.#plane.core);
    else {
      receiver.on('message', ({ message, delivery }: EventContext) => {
        delivery?.accept();
        if (message) this.#answer(node.kind, receiver, message);
      });
    }
    return idle();
  }

  #serveSender(sender: Sender, node: Node): Omit<OpenLink, 'link' | 'resource'> | undefined {
    if (node.kind === 'feedback') return serveFeedback(sender, this.#plane.core, this.#plane.feedback);
    return node.kind === 'events' ? this.#serveEvents(sender, node) : idle();
  }

  #serveEvents(sender: Sender, { group, partition }: Node & { kind: 'events' }): Omit<OpenLink, 'link' | 'resource'> | undefined {
    const { events } = this.#plane.core;
    if (!events.partition(partition)) {
      refuse(sender, 'amqp:not-found', `there is no partition ${partition}; there are ${events.partitionIds.join(', ')}`);
      return undefined;
    }
    try {
      const afterSequenceNumber = events.locate(partition, positionOf(selectorOf(sender)));
      const last = events.locate(partition, 'latest');
      // It would wait for ever, in silence: a place of another hub, or of this one before its data went away.
      if (afterSequenceNumber > last) {
        refuse(
          sender,
          'com.microsoft:argument-out-of-range',
          `the reader is at ${afterSequenceNumber}, and the last event here is ${last}`,
        );
        return undefined;
      }
      const epoch = epochOf(sender);
      const stolen = (by: number): void => {
        this.#release(sender);
        refuse(sender, 'amqp:link:stolen', `a reader with epoch ${by} took partition ${partition} of group ${group}`);
      };
      const owned = this.#plane.owners.add(group, partition, { epoch, stolen });
      if ('refused' in owned) {
        refuse(sender, 'amqp:link:stolen', owned.refused);
        return undefined;
      }
      const metrics = wants(sender, 'com.microsoft:enable-receiver-runtime-metric');
      const reader = serveEvents(sender, events, { partition, afterSequenceNumber, metrics }, () => this.#socket.writableLength);
      return {
        drained: () => reader.drained(),
        [Symbol.dispose]() {
          owned[Symbol.dispose]();
          reader[Symbol.dispose]();
        },
      };
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      refuse(sender, 'amqp:not-allowed', error.message);
      return undefined;
    }
  }

  #answer(kind: Node['kind'], receiver: Receiver, request: Message): void {
    const answer = kind === 'cbs' ? this.#answerCbs(request) : answerManagement(this.#plane.core, this.#plane.startedMs, request);
    const replies = [...this.#links.values()].filter(({ link }) => link.is_sender() && nodeOf(String(link.source?.address))?.kind === kind);
    const named = replies.find(({ link }) => link.target?.address === request.reply_to || link.name === request.reply_to);
    const { link } = named ?? replies.find((found) => found.link.session === receiver.session) ?? replies[0] ?? {};
    if (link?.is_open()) (link as Sender).send(answer);
  }

  #answerCbs(request: Message): Message {
    const { operation, type, name } = (request.application_properties ?? {}) as Record<string, unknown>;
    if (operation !== 'put-token') return reply(request, 501, `there is no operation ${String(operation)}, only put-token`, undefined);
    if (type !== 'servicebus.windows.net:sastoken') return reply(request, 400, 'only shared access signatures are tokens here', undefined);
    const body = request.body as unknown;
    const problem = typeof body === 'string' ? this.#put(String(name), body) : 'the body of put-token is the text of the token';
    return problem === undefined ? reply(request, 200, 'OK', undefined) : reply(request, 401, `Unauthorized: ${problem}`, undefined);
  }

  #recheck(): void {
    if (this.#claims.empty) this.#end('amqp:unauthorized-access', 'the token expired');
    for (const { link, resource } of [...this.#links.values()]) {
      if (resource.length === 0 || this.#claims.opens(resource)) continue;
      this.#release(link);
      refuse(link, 'amqp:unauthorized-access', `the token for ${resource.join('/')} expired`);
    }
  }

  #stranger(): void {
    this.#plane.refused(this.#peer, 'AMQP connection', `it showed no token within ${this.#plane.tokenWithinMs / 1000} s`);
    this.#end('amqp:unauthorized-access', 'no token came');
    setTimeout(() => this.#socket.destroy(), 1_000).unref();
  }

  #release(link: Sender | Receiver): void {
    this.#links.get(link)?.[Symbol.dispose]();
    this.#links.delete(link);
  }

  #end(condition: string, description: string): void {
    if (this.#connection.is_open()) this.#connection.close({ condition, description });
    else this.#socket.destroy();
  }

  #gone(): void {
    clearTimeout(this.#deadline);
    this.#claims[Symbol.dispose]();
    for (const link of [...this.#links.keys()]) this.#release(link);
    // The library knows "end" and "error" only; it would keep its heartbeat timers.
    this.#socket.emit('end');
  }
}

/** A container for each connection, so that a login knows whose it is. No SASL, ANONYMOUS, its double MSSBCBS, and PLAIN are all fine. */
function containerFor(login: (name: string, token: string) => boolean): Container {
  const container = rhea.create_container({ id: 'dragoman-hub' });
  const mechanisms = container.sasl_server_mechanisms as Record<string, unknown> & {
    enable_anonymous(): void;
    enable_plain(check: (name: string, token: string) => boolean): void;
  };
  mechanisms.enable_anonymous();
  mechanisms.MSSBCBS = mechanisms.ANONYMOUS;
  mechanisms.enable_plain(login);
  return container;
}

const idle = (): Disposable => ({ [Symbol.dispose]() {} });

/** Requests go into, and answers out of, `$cbs` and `$management`; the others know one direction. */
function fits(node: Node, link: Sender | Receiver): boolean {
  if (node.kind === 'cbs' || node.kind === 'management') return true;
  return link.is_sender() ? node.kind !== 'commands' : node.kind === 'commands';
}

function refuse(link: Sender | Receiver, condition: string, description: string): void {
  if (link.is_open()) link.close({ condition, description });
}

const filterOf = (link: Sender | Receiver): object => (link.source?.filter === undefined ? {} : { filter: link.source.filter });

function selectorOf(sender: Sender): string | undefined {
  const filter = sender.source?.filter as Record<string, unknown> | undefined;
  const found = filter?.['apache.org:selector-filter:string'];
  const value = typeof found === 'object' && found !== null && 'value' in found ? (found as { value: unknown }).value : found;
  return value === undefined || value === null ? undefined : String(value);
}

function epochOf(sender: Sender): number | undefined {
  const epoch = sender.properties?.['com.microsoft:epoch'];
  return epoch === undefined || epoch === null ? undefined : Number(epoch);
}

const wants = (sender: Sender, capability: string): boolean => [sender.desired_capabilities ?? []].flat().map(String).includes(capability);
