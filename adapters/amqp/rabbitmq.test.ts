import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SampleBatch } from '../../model/sample.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { type RabbitMq, startRabbitMq } from '../../test/support/rabbitmq.ts';
import { point } from './testcases/points.ts';
import { eventually, watch } from './testcases/watching.ts';

const rabbitmq = capability('rabbitmq');

/** What we use of amqplib, which speaks AMQP 0-9-1 and has no types. */
interface Channel {
  assertQueue(name: string, options?: object): Promise<{ readonly messageCount: number }>;
  assertExchange(name: string, kind: string): Promise<unknown>;
  bindQueue(queue: string, exchange: string, key: string): Promise<unknown>;
  sendToQueue(name: string, body: Buffer, options?: object): boolean;
  waitForConfirms(): Promise<void>;
  checkQueue(name: string): Promise<{ readonly messageCount: number }>;
  get(name: string): Promise<false | { readonly content: Buffer; readonly properties: { readonly headers?: Record<string, unknown> } }>;
  deleteQueue(name: string): Promise<unknown>;
}
interface Publisher {
  createConfirmChannel(): Promise<Channel>;
  close(): Promise<void>;
  on(event: 'error', run: () => void): void;
}
const amqplib = createRequire(import.meta.url)('amqplib') as { connect(url: string): Promise<Publisher> };

describe.skipIf(!rabbitmq.ok)(titled('RabbitMQ', rabbitmq), () => {
  let broker: RabbitMq;
  let publisher: Publisher;
  let channel: Channel;
  let queue: string;
  let queues = 0;
  beforeAll(async () => {
    broker = await startRabbitMq();
    publisher = await amqplib.connect(`amqp://guest:guest@127.0.0.1:${broker.port}`);
    publisher.on('error', () => {});
    channel = await publisher.createConfirmChannel();
  }, 120_000);
  afterAll(async () => {
    await publisher?.close().catch(() => {});
    await broker?.[Symbol.asyncDispose]();
  }, 30_000);
  beforeEach(async () => {
    queue = `press-${queues++}`;
    await channel.assertQueue(queue);
  });

  const settings = (more: Record<string, unknown> = {}) => ({
    host: '127.0.0.1',
    port: broker.port,
    user: 'guest',
    password: { env: 'GUEST' },
    ...more,
  });
  const secrets = { GUEST: 'guest' };
  const publish = async (bodies: readonly string[], options: object = {}): Promise<void> => {
    for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body), { persistent: true, ...options });
    await channel.waitForConfirms();
  };
  const n = (): ReturnType<typeof point> => point('n', `/amq/queue/${queue}`, '/n');

  test('what an AMQP 0-9-1 application sends arrives byte by byte, its time put right', async () => {
    await publish(['{"n":18446744073709551615}'], { timestamp: 1_795_507_200, contentType: 'application/json' });
    const points = [
      n(),
      point('type', `/amq/queue/${queue}`, 'property:content-type'),
      point('text', `/amq/queue/${queue}`, undefined, { body: 'text' }),
    ];
    await using watching = await watch(settings(), { points, secrets });
    await watching.until((samples) => samples.length === 3);
    expect(Object.fromEntries(watching.samples.map(({ point: name, value }) => [name, value]))).toEqual({
      n: 18_446_744_073_709_551_615n,
      type: 'application/json',
      text: '{"n":18446744073709551615}',
    });
    expect(watching.samples[0]!.timeMs).toBe(1_795_507_200_000);
  });

  test('keeps what was not stored when the gateway is killed, and gives it again', async () => {
    await publish(Array.from({ length: 20 }, (_, i) => `{"n":${i}}`));
    {
      await using holder = startChild(process.execPath, [
        join(import.meta.dirname, 'testcases/holder.ts'),
        String(broker.port),
        `/amq/queue/${queue}`,
      ]);
      await holder.line(/^read 19$/);
      holder.process.kill('SIGKILL');
    }
    await using watching = await watch(settings(), { points: [n()], secrets });
    await watching.until((samples) => samples.length === 20);
    expect(watching.samples.map(({ value }) => value)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    await eventually(() => watching.connection.counters().accepted === 20);
  }, 20_000);

  test('has an empty queue only when all is stored', async () => {
    await publish(Array.from({ length: 500 }, (_, i) => `{"n":${i}}`));
    const held: SampleBatch[] = [];
    {
      await using watching = await watch(settings(), { points: [n()], secrets, settle: (batch) => held.push(batch) });
      await watching.until((samples) => samples.length >= 64);
      for (const batch of held.splice(0)) batch.acknowledge?.();
      await watching.until((samples) => samples.length === 500);
      for (const batch of held) batch.acknowledge?.();
      await eventually(() => watching.connection.counters().accepted === 500);
    }
    expect((await channel.checkQueue(queue)).messageCount).toBe(0);
  });

  test('puts what cannot be read where dead letters go', async () => {
    await channel.deleteQueue(queue);
    await channel.assertExchange('dead', 'fanout');
    await channel.assertQueue('dead-letters');
    await channel.bindQueue('dead-letters', 'dead', '');
    await channel.assertQueue(queue, { arguments: { 'x-dead-letter-exchange': 'dead' } });
    await publish(['{"n":1}', '{"n":', '{"n":3}']);
    await using watching = await watch(settings(), { points: [n()], secrets });
    await watching.until((samples) => samples.length === 3);
    expect(watching.samples.map(({ value, status }) => value ?? status)).toEqual([1, 'BadDataEncodingInvalid', 3]);
    let dead: Awaited<ReturnType<Channel['get']>> = false;
    for (let i = 0; !dead && i < 100; i++) {
      dead = await channel.get('dead-letters');
      if (!dead) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(dead ? dead.content.toString() : undefined).toBe('{"n":');
  });

  test('gets back what the disk did not take, and gives it again', async () => {
    await publish(['{"n":7}']);
    let refusals = 0;
    await using watching = await watch(settings(), {
      points: [n()],
      secrets,
      settle: (batch) => (refusals++ === 0 ? batch.refuse?.('full') : batch.acknowledge?.()),
    });
    await watching.until((samples) => samples.length === 2);
    expect(watching.samples.map(({ value }) => value)).toEqual([7, 7]);
  });

  test('ends a session for each bad address; the good ones go on', async () => {
    const points = [n(), point('form', '/queues/x', '/n'), point('missing', '/amq/queue/missing', '/n')];
    await using watching = await watch(settings(), { points, secrets });
    await publish(['{"n":1}']);
    await watching.until((samples) => new Set(samples.map(({ point: name }) => name)).size === 3);
    const reasonOf = (name: string) => watching.samples.find(({ point: p }) => p === name);
    expect(reasonOf('form')).toMatchObject({ reason: expect.stringMatching(/refuses \/queues\/x: amqp:invalid-field/) });
    expect(reasonOf('missing')).toMatchObject({ status: 'BadNotFound', reason: expect.stringMatching(/amqp:not-found/) });
    await publish(['{"n":2}']);
    await watching.until((samples) => samples.some(({ value }) => value === 2));
  });

  test('says how a queue that exists is written', async () => {
    await using watching = await watch(settings(), { points: [point('n', `/queue/${queue}`, '/n')], secrets });
    await watching.until((samples) => samples.length > 0);
    expect(watching.samples[0]!.reason).toMatch(/amqp:precondition-failed.*For a queue that exists write \/amq\/queue\/press-/);
  });

  test('is read without taking anything away', async () => {
    await publish(['{"n":1}', '{"n":2}']);
    await using watching = await watch(settings({ timeout: '2s' }), { points: [], secrets });
    const [batch] = await watching.connection.read([n()], new AbortController().signal);
    expect(Array.from(batch!.values)).toEqual([1]);
    await watching.connection[Symbol.asyncDispose]();
    for (let i = 0; i < 50 && (await channel.checkQueue(queue)).messageCount < 2; i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await channel.checkQueue(queue)).messageCount).toBe(2);
  });

  test('refuses a wrong password for a person to correct, and takes the right one afterwards', async () => {
    await expect(watch(settings(), { points: [n()], secrets: { GUEST: 'wrong' } })).rejects.toMatchObject({
      code: 'amqp-login',
      retry: 'after-fix',
      message: expect.stringMatching(/refuses user "guest"/),
    });
    await using _watching = await watch(settings(), { points: [n()], secrets });
  }, 15_000);

  // The last two take the broker away.
  test('that hangs is noticed, and read again when it goes on', async () => {
    const quick = settings({ idleTimeout: '2s', timeout: '1s' });
    {
      await using watching = await watch(quick, { points: [n()], secrets });
      await publish(['{"n":1}']);
      await watching.until((samples) => samples.length === 1);
      broker.freeze();
      try {
        const frozenMs = performance.now();
        expect(await watching.ended).toMatchObject({ name: 'NotConnectedError', message: expect.stringMatching(/silent/) });
        expect(performance.now() - frozenMs).toBeLessThan(3_500);
        await expect(watch(quick, { points: [n()], secrets })).rejects.toMatchObject({ code: 'amqp-timeout' });
      } finally {
        broker.thaw();
      }
    }
    await using again = await watch(settings(), { points: [n()], secrets });
    await publish(['{"n":2}']);
    await again.until((samples) => samples.some(({ value }) => value === 2));
  }, 20_000);

  test('that is killed ends the observation', async () => {
    await using watching = await watch(settings(), { points: [n()], secrets });
    await publish(['{"n":1}']);
    await watching.until((samples) => samples.length === 1);
    await broker.kill();
    expect(await watching.ended).toMatchObject({ name: 'NotConnectedError' });
    await expect(watch(settings(), { points: [n()], secrets })).rejects.toMatchObject({ code: 'amqp-refused' });
  });
});
