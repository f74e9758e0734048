import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import amqplib, { type ConfirmChannel } from 'amqplib';
import { freePort } from '../../test/support/ports.ts';
import { startRabbitMq } from '../../test/support/rabbitmq.ts';
import type { Measured } from './contest.ts';
import { listening, mosquitto } from './hub-end.ts';
import { startProcess } from './process.ts';
import { usageOf } from './usage.ts';

/** A broker on loopback, without TLS: what machines send to, and where readings go. */
export interface BrokerEnd extends AsyncDisposable {
  readonly port: number;
  readonly process: Measured;
}

/** Keeps what an absent client is to get, in memory and without limit. */
export async function startPlainMosquitto(folder: string): Promise<BrokerEnd> {
  if (!mosquitto) throw new Error('mosquitto is not installed');
  const port = await freePort();
  const home = mkdtempSync(join(folder, 'mosquitto-'));
  const config = join(home, 'mosquitto.conf');
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 0
user root
log_dest none
`,
  );
  const broker = startProcess(mosquitto, ['-c', config], { name: 'mosquitto' });
  await listening(port);
  return { port, process: broker, [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]() };
}

export interface RabbitEnd extends BrokerEnd {
  /** Of AMQP 0-9-1, for what the bench itself has to do there. */
  readonly channel: ConfirmChannel;
  /** An empty queue of this name: in memory, and of the newest `newest` messages where that is given. */
  queue(name: string, newest?: number): Promise<void>;
}

export const rabbitUser = { user: 'guest', password: 'guest' } as const;

export async function startRabbit(): Promise<RabbitEnd> {
  const broker = await startRabbitMq();
  const connection = await amqplib.connect(`amqp://${rabbitUser.user}:${rabbitUser.password}@127.0.0.1:${broker.port}`);
  connection.on('error', () => {});
  const channel = await connection.createConfirmChannel();
  return {
    port: broker.port,
    process: { name: 'RabbitMQ', usage: () => usageOf(broker.pid) },
    channel,
    async queue(name, newest) {
      await channel.deleteQueue(name);
      await channel.assertQueue(name, { durable: false, ...(newest === undefined ? {} : { maxLength: newest }) });
    },
    async [Symbol.asyncDispose]() {
      await connection.close().catch(() => {});
      await broker[Symbol.asyncDispose]();
    },
  };
}
