import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import { connectAsync, type IPublishPacket, type MqttClient } from 'mqtt';
import { type Child, startChild } from '../../../test/support/child.ts';
import { freePort } from '../../../test/support/ports.ts';
import { tempFolder } from '../../../test/support/temp.ts';

/** A broker on loopback without TLS. */
export interface PlainMosquitto extends AsyncDisposable {
  readonly port: number;
  /** SIGSTOP: the sockets stay, nothing answers. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** After `kill`: the same port again, with nothing remembered. */
  start(): Promise<void>;
}

export async function startPlainMosquitto(settings: readonly string[] = []): Promise<PlainMosquitto> {
  const folder = tempFolder();
  const port = await freePort();
  const config = join(folder.path, 'mosquitto.conf');
  const lines = [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'set_tcp_nodelay true', 'max_queued_messages 0', ...settings];
  writeFileSync(config, `${lines.join('\n')}\n`);
  let child: Child;
  const broker: PlainMosquitto = {
    port,
    freeze: () => void child.process.kill('SIGSTOP'),
    thaw: () => void child.process.kill('SIGCONT'),
    async kill() {
      child.process.kill('SIGKILL');
      await child.exited;
    },
    async start() {
      child = startChild('mosquitto', ['-c', config]);
      await child.line(/ running$/);
    },
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
  await broker.start();
  return broker;
}

/** aedes in this process: MQTT 3.1.1 only. */
export interface AedesBroker extends AsyncDisposable {
  readonly port: number;
  /** From now on it takes nothing. */
  stall(): void;
  cut(): Promise<void>;
}

export async function startAedes(): Promise<AedesBroker> {
  const aedes = await Aedes.createBroker();
  let stalled = false;
  aedes.authorizePublish = (client, _packet, done) => {
    if (!stalled || client?.id.startsWith('watcher')) done(null);
  };
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    aedes.handle(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  return {
    port: (server.address() as AddressInfo).port,
    stall: () => {
      stalled = true;
    },
    cut,
    async [Symbol.asyncDispose]() {
      await cut();
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
    },
  };
}

/** A subscriber of everything that keeps what passed. */
export interface Watcher extends AsyncDisposable {
  readonly seen: readonly IPublishPacket[];
  readonly client: MqttClient;
  /** Resolves as soon as `check` holds for what was seen. */
  until(check: (seen: readonly IPublishPacket[]) => boolean, withinMs?: number): Promise<readonly IPublishPacket[]>;
}

export async function watch(
  port: number,
  version: 4 | 5,
  filter = '#',
  login: { username?: string; password?: string } = {},
): Promise<Watcher> {
  const clientId = `watcher-${Math.random().toString(36).slice(2)}`;
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: version, clientId, reconnectPeriod: 0, ...login });
  client.on('error', () => {});
  const seen: IPublishPacket[] = [];
  const looks = new Set<() => void>();
  client.on('message', (_topic, _body, packet) => {
    seen.push(packet);
    for (const look of [...looks]) look();
  });
  await client.subscribeAsync(filter, { qos: 1, ...(version === 5 ? { rap: true } : {}) });
  return {
    seen,
    client,
    until(check, withinMs = 8_000) {
      return new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          clearTimeout(timer);
          looks.delete(look);
          settle();
        };
        const look = (): void => {
          if (check(seen)) finish(() => resolve(seen));
        };
        const topics = (): string => seen.map(({ topic }) => topic).join(' ');
        const timer = setTimeout(() => finish(() => reject(new Error(`waited ${withinMs} ms in vain; seen: ${topics()}`))), withinMs);
        looks.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
