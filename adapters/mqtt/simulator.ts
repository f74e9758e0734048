import { createServer, type Server, type Socket } from 'node:net';
import type { Aedes, AuthenticateError } from 'aedes';

export interface MqttBrokerOptions {
  readonly host?: string;
  /** 0, the default: any free one. */
  readonly port?: number;
  /** Topics, as a prefix, that nobody may subscribe to. */
  readonly forbidden?: readonly string[];
  /** Left out: everybody may come in. */
  readonly users?: Readonly<Record<string, string>>;
}

/** A broker for MQTT 3.1.1 on loopback, without anything to install: for tests, demo and bench. */
export interface MqttBroker extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Client ids that are connected. */
  readonly clients: readonly string[];
  /** Topic filters that were subscribed to, in order, each time. */
  readonly subscriptions: readonly string[];
  /** Says something itself; resolves when it has gone out to all who are subscribed. */
  publish(topic: string, payload: Uint8Array | string, options?: { readonly qos?: 0 | 1; readonly retain?: boolean }): Promise<void>;
  /** Every connection ends; it goes on listening. */
  hangUp(): void;
  /** Stops listening and ends everything. */
  close(): Promise<void>;
}

export async function startMqttBroker(options: MqttBrokerOptions = {}): Promise<MqttBroker> {
  const { Aedes } = await import('aedes');
  const { host = '127.0.0.1', port = 0, forbidden = [], users } = options;
  const aedes = await Aedes.createBroker();
  aedes.authorizeSubscribe = (_client, subscription, done) => {
    done(null, forbidden.some((prefix) => subscription.topic.startsWith(prefix)) ? null : subscription);
  };
  if (users) {
    aedes.authenticate = (_client, user, password, done) => {
      if (user !== undefined && users[user] !== undefined && users[user] === password?.toString()) done(null, true);
      else done(Object.assign(new Error('bad user name or password'), { returnCode: 4 }) as AuthenticateError, null);
    };
  }
  // Answers to small packets meet delayed acknowledgement otherwise.
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    aedes.handle(socket);
  });
  const sockets = new Set<Socket>();
  await listen(server, port, host);
  const address = server.address();
  const clients = new Set<string>();
  aedes.on('client', ({ id }) => clients.add(id));
  aedes.on('clientDisconnect', ({ id }) => clients.delete(id));
  const subscriptions: string[] = [];
  aedes.on('subscribe', (asked) => subscriptions.push(...asked.map(({ topic }) => topic)));
  const broker: MqttBroker = {
    host,
    port: typeof address === 'object' && address ? address.port : port,
    get clients() {
      return [...clients];
    },
    subscriptions,
    publish: (topic, payload, { qos = 0, retain = false } = {}) => publish(aedes, topic, payload, qos, retain),
    hangUp() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      await closed;
    },
    [Symbol.asyncDispose]: () => broker.close(),
  };
  return broker;
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}

function publish(aedes: Aedes, topic: string, payload: Uint8Array | string, qos: 0 | 1, retain: boolean): Promise<void> {
  const packet = { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain, dup: false } as const;
  return new Promise((resolve, reject) => aedes.publish(packet, (error) => (error ? reject(error) : resolve())));
}
