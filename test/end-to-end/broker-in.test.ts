import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import amqplib from 'amqplib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { capability, titled } from '../support/capabilities.ts';
import { type Child, startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { type RabbitMq, startRabbitMq } from '../support/rabbitmq.ts';
import { tempFolder } from '../support/temp.ts';

const main = resolve('gateway/main.ts');
const rabbit = capability('rabbitmq');
const messages = 3_000;

/** What a broker hands over is ours only when it is on disk: the gateway is killed again and again while messages pour in. */
describe.skipIf(!rabbit.ok)(titled('from a broker to a hub, over kill -9', rabbit), () => {
  const folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  let broker: RabbitMq;
  let gateway: Child;
  let api: number;

  const start = async (): Promise<Child> => {
    const child = startChild(process.execPath, [main, 'run', '--config', at('dragoman.yaml')], { cwd: folder.path });
    await child.line(/status {4}/);
    return child;
  };
  const counted = (): Set<string> => {
    const lines = execFileSync(process.execPath, [main, 'hub', 'query', '--data', at('hub')], { encoding: 'utf8', maxBuffer: 1e9 });
    const numbers = new Set<string>();
    for (const line of lines.split('\n').filter(Boolean)) {
      const { type, data } = JSON.parse(line) as { type: string; data: { readings: { point: string; value?: string }[] } };
      if (type !== 'dragoman.telemetry.v1') continue;
      for (const { point, value } of data.readings) if (point === 'pieces' && value !== undefined) numbers.add(value);
    }
    return numbers;
  };
  const consumer = async () => {
    const connection = await amqplib.connect(`amqp://guest:guest@127.0.0.1:${broker.port}`);
    // The broker is killed at the end, perhaps before this is closed.
    connection.on('error', () => {});
    return connection;
  };
  const queued = async (): Promise<{ messageCount: number }> => {
    const connection = await consumer();
    try {
      return await (await connection.createChannel()).checkQueue('conveyor');
    } finally {
      await connection.close();
    }
  };

  beforeAll(async () => {
    broker = await startRabbitMq();
    api = await freePort();
    mkdirSync(at('mappings'));
    writeFileSync(at('password'), 'guest\n');
    writeFileSync(
      at('mappings', 'conveyor.yaml'),
      `equipment: conveyor-1
connection:
  adapter: amqp
  host: 127.0.0.1
  port: ${broker.port}
  user: guest
  password: { file: ${at('password')} }
  address: /amq/queue/conveyor
points:
  pieces: { at: /pieces, type: uint64 }
`,
    );
    writeFileSync(
      at('dragoman.yaml'),
      `gateway: gw-test\nhub: { kind: embedded, data: ./hub, port: 0 }\napi: { listen: "127.0.0.1:${api}" }\n`,
    );
  }, 120_000);

  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  test('each message is in the hub, and none is left in the queue', async () => {
    const connection = await consumer();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('conveyor', { durable: true });
    gateway = await start();
    // Beyond 2^53: a double would make neighbours of them equal.
    const first = 2n ** 60n;
    let sent = 0;
    for (let kill = 0; kill < 3; kill++) {
      for (; sent < ((kill + 1) * messages) / 3; sent++)
        channel.sendToQueue('conveyor', Buffer.from(`{"pieces":${first + BigInt(sent)}}`), { persistent: true });
      await channel.waitForConfirms();
      gateway.process.kill('SIGKILL');
      await gateway.exited;
      gateway = await start();
    }
    await vi.waitFor(async () => expect((await queued()).messageCount, gateway.output()).toBe(0), { timeout: 30_000, interval: 250 });
    await vi.waitFor(() => expect(counted().size).toBe(messages), { timeout: 30_000, interval: 500 });
    expect(counted().has(String(first + BigInt(messages - 1)))).toBe(true);
    // A healthy gateway is silent.
    expect(gateway.output().split('\n').slice(5).join('\n').trim()).toBe('');
    await connection.close();
  }, 120_000);
});
