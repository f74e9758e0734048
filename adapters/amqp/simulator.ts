import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type AmqpError, type Connection, type Delivery, type EventContext, rhea, surviveErrors } from './library.ts';

export interface AmqpSimulatorOptions {
  readonly host?: string;
  /** 0, the default: any free one. */
  readonly port?: number;
  /** Passwords by user; left out: everyone may come, without a login. */
  readonly users?: Readonly<Record<string, string>>;
}

/** What became of a message, as its receiver said. */
export interface SimulatedOutcome {
  readonly address: string;
  readonly tag: number;
  readonly outcome: 'accepted' | 'rejected' | 'released' | 'modified';
  readonly error?: AmqpError;
}

/** A small broker on loopback whose behaviour a test decides. Queues exist when something is put into them or is asked of them. */
export interface AmqpSimulator extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Puts a message of rhea (`{ body, … }`) or encoded bytes into a queue; gives its number. */
  put(address: string, message: object | Buffer): number;
  /** Messages that nobody has yet, and those that somebody has and did not settle. */
  waiting(address: string): number;
  unsettled(address: string): number;
  /** Every outcome so far. */
  readonly outcomes: readonly SimulatedOutcome[];
  /** Resolves at the next outcome. */
  nextOutcome(): Promise<void>;
  /** Addresses that are refused when someone attaches. */
  readonly refused: Map<string, AmqpError & { readonly by?: 'link' | 'session' }>;
  /** Links open now, by address. */
  links(address: string): number;
  /** Ends links, sessions or connections, as brokers do. */
  detach(address: string, error?: AmqpError): void;
  endSession(address: string, error?: AmqpError): void;
  closeConnections(error?: AmqpError): void;
  /** Every socket ends with a TCP reset. */
  reset(): void;
  /** Nothing is read or written any more on what is open now; the sockets stay, their messages are free again. */
  freeze(): void;
  readonly connections: number;
  /** Connections since the start. */
  readonly accepted: number;
  /** Stops listening and cuts everything. */
  close(): Promise<void>;
}

interface Sender {
  readonly name: string;
  readonly connection: Connection;
  readonly session: { close(error?: unknown): void };
  readonly source?: { readonly address?: string };
  readonly credit: number;
  sendable(): boolean;
  send(message: unknown, tag?: unknown, format?: number): Delivery;
  set_source(source: object): void;
  close(error?: unknown): void;
}

interface Queued {
  readonly tag: number;
  readonly message: object | Buffer;
}

interface Queue {
  waiting: Queued[];
  readonly senders: Set<Sender>;
  readonly sent: Map<Delivery, { readonly queued: Queued; readonly sender: Sender }>;
}

export async function startAmqpSimulator(options: AmqpSimulatorOptions = {}): Promise<AmqpSimulator> {
  const { host = '127.0.0.1', users } = options;
  const queues = new Map<string, Queue>();
  const refused: AmqpSimulator['refused'] = new Map();
  const outcomes: SimulatedOutcome[] = [];
  const peers = new Map<Socket, Connection>();
  let told = Promise.withResolvers<void>();
  let accepted = 0;
  let tags = 0;

  const queueOf = (address: string): Queue => {
    let queue = queues.get(address);
    if (!queue) {
      queue = { waiting: [], senders: new Set(), sent: new Map() };
      queues.set(address, queue);
    }
    return queue;
  };
  /** Sent in this turn of the event loop: rhea takes it off the credit only at its end. */
  const sending = new Map<Sender, number>();
  const serve = (queue: Queue): void => {
    for (const sender of queue.senders) {
      while (queue.waiting.length > 0 && sender.sendable() && (sending.get(sender) ?? 0) < sender.credit) {
        if (sending.size === 0) setImmediate(() => servedOn());
        sending.set(sender, (sending.get(sender) ?? 0) + 1);
        const queued = queue.waiting.shift()!;
        const delivery = Buffer.isBuffer(queued.message) ? sender.send(queued.message, undefined, 0) : sender.send(queued.message);
        queue.sent.set(delivery, { queued, sender });
      }
    }
  };
  const servedOn = (): void => {
    sending.clear();
    for (const queue of queues.values()) serve(queue);
  };
  const giveBack = (queue: Queue, sender: Sender): void => {
    queue.senders.delete(sender);
    const back: Queued[] = [];
    for (const [delivery, sent] of queue.sent) {
      if (sent.sender !== sender) continue;
      back.push(sent.queued);
      queue.sent.delete(delivery);
    }
    queue.waiting = [...back, ...queue.waiting].sort((a, b) => a.tag - b.tag);
    serve(queue);
  };
  const forget = (gone: (sender: Sender) => boolean): void => {
    for (const queue of queues.values()) for (const sender of queue.senders) if (gone(sender)) giveBack(queue, sender);
  };
  const settle = (address: string, queue: Queue, delivery: Delivery, outcome: SimulatedOutcome['outcome']): void => {
    const sent = queue.sent.get(delivery);
    if (!sent) return;
    queue.sent.delete(delivery);
    const error = (delivery.remote_state as { error?: AmqpError } | undefined)?.error;
    const { condition, description } = error ?? {};
    outcomes.push({
      address,
      tag: sent.queued.tag,
      outcome,
      ...(error && { error: { ...(condition !== undefined && { condition }), ...(description !== undefined && { description }) } }),
    });
    if (outcome === 'released' || outcome === 'modified') {
      queue.waiting = [sent.queued, ...queue.waiting].sort((a, b) => a.tag - b.tag);
      setImmediate(() => serve(queue));
    }
    told.resolve();
    told = Promise.withResolvers();
  };
  const attached = (sender: Sender): void => {
    const address = sender.source?.address ?? '';
    const refusal = refused.get(address);
    if (refusal) {
      const { by, ...error } = refusal;
      (by === 'session' ? sender.session : sender).close(error);
      return;
    }
    sender.set_source({ address });
    const queue = queueOf(address);
    queue.senders.add(sender);
    const on = (event: string, run: (context: EventContext) => void): void =>
      void (sender as unknown as { on(event: string, run: (context: EventContext) => void): void }).on(event, run);
    on('sendable', () => serve(queue));
    for (const outcome of ['accepted', 'rejected', 'released', 'modified'] as const)
      on(outcome, ({ delivery }) => settle(address, queue, delivery!, outcome));
    on('sender_close', () => giveBack(queue, sender));
    serve(queue);
  };

  const server = createServer({ noDelay: true }, (socket) => {
    accepted++;
    socket.on('error', () => {});
    const container = rhea.create_container({ id: 'simulated-broker' });
    if (users) {
      (
        container.sasl_server_mechanisms as unknown as { enable_plain(check: (user: string, password: string) => boolean): void }
      ).enable_plain((user, password) => users[user] === password);
    }
    const connection = container.create_connection({
      container_id: 'simulated-broker',
      sender_options: { treat_modified_as_released: false },
    } as never);
    surviveErrors(connection, container);
    peers.set(socket, connection);
    connection.on('sender_open', (context: unknown) => attached((context as EventContext).sender as unknown as Sender));
    connection.on('session_close', (context: unknown) => forget(({ session }) => session === (context as EventContext).session));
    connection.on('disconnected', () => {});
    socket.on('close', () => {
      peers.delete(socket);
      forget((sender) => sender.connection === connection);
    });
    (connection as unknown as { accept(socket: Socket): void }).accept(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });

  const simulator: AmqpSimulator = {
    host,
    port: (server.address() as AddressInfo).port,
    put(address, message) {
      const queue = queueOf(address);
      const queued = { tag: tags++, message };
      queue.waiting.push(queued);
      serve(queue);
      return queued.tag;
    },
    waiting: (address) => queueOf(address).waiting.length,
    unsettled: (address) => queueOf(address).sent.size,
    outcomes,
    nextOutcome: () => told.promise,
    refused,
    links: (address) => queueOf(address).senders.size,
    detach: (address, error) => {
      for (const sender of [...queueOf(address).senders]) {
        giveBack(queueOf(address), sender);
        sender.close(error);
      }
    },
    endSession: (address, error) => {
      for (const sender of [...queueOf(address).senders]) {
        giveBack(queueOf(address), sender);
        sender.session.close(error);
      }
    },
    closeConnections: (error) => {
      for (const connection of peers.values()) connection.close(error as never);
    },
    reset: () => {
      for (const socket of peers.keys()) socket.resetAndDestroy();
    },
    freeze: () => {
      for (const socket of peers.keys()) {
        socket.pause();
        socket.write = () => true;
      }
      // As a broker does that notices the silence on its side.
      forget(() => true);
    },
    get connections() {
      return peers.size;
    },
    get accepted() {
      return accepted;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of peers.keys()) socket.destroy();
        server.close(() => resolve());
      }),
    [Symbol.asyncDispose]: () => simulator.close(),
  };
  return simulator;
}
