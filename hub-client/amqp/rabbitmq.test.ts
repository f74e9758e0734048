import { randomBytes } from 'node:crypto';
import { type ChannelModel, connect as connect091, type GetMessage } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../adapters/contract.ts';
import { NotConnectedError } from '../../model/error.ts';
import { hubClientContract, hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { type RabbitMq, startRabbitMq } from '../../test/support/rabbitmq.ts';
import type { HubMessage, HubSession } from '../contract.ts';
import { connect } from './client.ts';
import { amqp } from './definition.ts';
import { startTcpRelay } from './testcases/tcp-relay.ts';

const rabbitmq = capability('rabbitmq');

describe.skipIf(!rabbitmq.ok)(titled('against RabbitMQ 3', rabbitmq), () => {
  let broker: RabbitMq;
  let consumer: ChannelModel;
  let stack: AsyncDisposableStack;
  let queues = 0;
  const logged: { fields: Record<string, unknown>; message: string }[] = [];
  const keep = (fields: object, message: string) => logged.push({ fields: { ...fields }, message });
  const log: Log = { debug() {}, info: keep, warn: keep, error: keep };

  beforeAll(async () => {
    broker = await startRabbitMq();
    consumer = await connect091(`amqp://guest:guest@127.0.0.1:${broker.port}`);
    // The last test kills the broker.
    consumer.on('error', () => {});
  }, 120_000);
  afterAll(async () => {
    await consumer?.close().catch(() => {});
    await broker?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    stack = new AsyncDisposableStack();
    logged.length = 0;
  });
  afterEach(() => stack.disposeAsync());

  const settings = (more: object) =>
    amqp.settings.parse({ url: `amqp://localhost:${broker.port}`, user: 'guest', password: { file: 'guest' }, ...more });
  const open = async (more: object, secrets: Record<string, string> = { guest: 'guest\n' }): Promise<HubSession> =>
    stack.use(await connect(settings(more), { ...hubContext('.', secrets), log }, new AbortController().signal));

  /** What a client of AMQP 0-9-1 finds in the queue, in order, as soon as there are `count`. */
  async function drain(queue: string, count: number): Promise<readonly GetMessage[]> {
    const channel = await consumer.createChannel();
    const found: GetMessage[] = [];
    while (found.length < count) {
      const next = await channel.get(queue, { noAck: true });
      if (next) found.push(next);
    }
    await channel.close();
    return found;
  }
  const idsOf = (messages: readonly GetMessage[]): readonly string[] => messages.map(({ properties }) => String(properties.messageId));

  hubClientContract(
    'amqp, RabbitMQ 3 through a relay',
    amqp,
    async () => {
      const queue = `contract-${++queues}`;
      const relay = await startTcpRelay(broker.port);
      const found: GetMessage[] = [];
      return {
        files: { guest: 'guest' },
        bench: {
          settings: amqp.settings.parse({
            url: `amqp://localhost:${relay.port}`,
            user: 'guest',
            password: { file: 'guest' },
            address: `/queue/${queue}`,
          }),
          async taken(count) {
            found.push(...(await drain(queue, count - found.length)));
            return idsOf(found);
          },
          // What the broker says does not come through any more.
          stall: () => relay.stall(),
          cut: () => relay[Symbol.asyncDispose](),
          [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
        },
      };
    },
    { 'renews its credentials without losing or reordering a message': 'a login by name has nothing to renew' },
  );

  test('a consumer of AMQP 0-9-1 gets the body byte for byte, durable, with its properties', async () => {
    const session = await open({ address: '/queue/bytes' });
    const body = randomBytes(200_000);
    const about = { equipment: 'cooker-1', path: 'candyco/leeds', message: 'process', priority: 'alarm' } as const;
    const message: HubMessage = { ...hubMessage('gw-1-7-9', body), about };
    await session.send(message);
    const [seen] = await drain('bytes', 1);
    expect(Buffer.compare(seen!.content, body)).toBe(0);
    expect(seen?.properties).toMatchObject({
      messageId: 'gw-1-7-9',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      deliveryMode: 2,
      timestamp: message.createdMs,
      type: 'binary',
    });
    const properties = seen?.properties.headers?.['x-amqp-1.0-app-properties'] as string;
    for (const word of ['gateway', 'gw-test-1', 'equipment', 'cooker-1', 'candyco/leeds', 'alarm']) expect(properties).toContain(word);
    // Declared by the attach, and durable: a declaration that asks for less would be refused.
    const channel = await consumer.createChannel();
    await channel.assertQueue('bytes', { durable: true });
    await channel.close();
  });

  test('a queue for each machine, named after its path', async () => {
    const session = await open({ address: '/queue/{path}.{equipment}' });
    for (const equipment of ['a', 'b', 'a']) {
      await session.send({
        ...hubMessage(`${equipment}-1`),
        about: { equipment, path: 'candyco/leeds north', message: 'm', priority: 'state' },
      });
    }
    expect(idsOf(await drain('candyco.leeds north.a', 2))).toEqual(['a-1', 'a-1']);
    expect(idsOf(await drain('candyco.leeds north.b', 1))).toEqual(['b-1']);
  });

  describe('only what can be delivered counts', () => {
    test.for(['/topic/none.here', '/exchange/amq.direct/key', '/queues/x'])('%s is refused', async (address) => {
      await expect(open({ address })).rejects.toMatchObject({
        code: 'hub-unroutable',
        retry: 'after-fix',
        message: expect.stringContaining(address),
      });
    });

    test('and taken where somebody takes the risk', async () => {
      const session = await open({ address: '/topic/none.here', allowUnroutable: true });
      // This is why.
      await session.send(hubMessage('m-lost'));
    });

    test('/amq/queue/NAME without a queue, which RabbitMQ itself takes messages for', async () => {
      await expect(open({ address: '/amq/queue/not-there' })).rejects.toMatchObject({
        code: 'hub-address',
        retry: 'after-fix',
        message: expect.stringContaining("no queue 'not-there'"),
        hint: expect.stringContaining('/queue/NAME'),
      });
    });

    test('an exchange that is not there, even at a risk', async () => {
      await expect(open({ address: '/exchange/nope/k', allowUnroutable: true })).rejects.toMatchObject({
        code: 'hub-address',
        retry: 'after-fix',
      });
    });

    test('a quorum queue is found as it is; /queue/ says what to write instead', async () => {
      const channel = await consumer.createChannel();
      await channel.assertQueue('quorum', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
      await channel.close();
      await expect(open({ address: '/queue/quorum' })).rejects.toMatchObject({
        code: 'hub-address',
        hint: expect.stringContaining('/amq/queue/NAME'),
      });
      const session = await open({ address: '/amq/queue/quorum' });
      await session.send(hubMessage('m-1'));
      expect(idsOf(await drain('quorum', 1))).toEqual(['m-1']);
    });

    test('a queue in exclusive use, with messages in it, is there', async () => {
      const channel = await consumer.createChannel();
      await channel.assertQueue('busy', { durable: true });
      channel.sendToQueue('busy', Buffer.from('x'));
      await channel.consume('busy', () => {}, { exclusive: true });
      await (await open({ address: '/amq/queue/busy' })).send(hubMessage('m-1'));
      await channel.close();
      // The look for the queue took nothing.
      expect(idsOf(await drain('busy', 2))).toEqual(['undefined', 'm-1']);
    });

    test.for(['/queue/vanishing', '/amq/queue/vanishing'])(
      '%s that is deleted meanwhile is noticed, told, and ends the session',
      async (address) => {
        const channel = await consumer.createChannel();
        await channel.assertQueue('vanishing', { durable: true });
        const session = await open({ address, checkQueueEvery: '1s' });
        await session.send(hubMessage('m-1'));
        await channel.deleteQueue('vanishing');
        await channel.close();
        // RabbitMQ goes on saying "accepted".
        await session.send(hubMessage('m-2'));
        expect(await session.closed).toMatchObject({
          code: 'hub-address',
          retry: 'after-fix',
          message: expect.stringContaining("no queue 'vanishing'"),
        });
        await expect(session.send(hubMessage('m-3'))).rejects.toBeInstanceOf(NotConnectedError);
        expect(logged).toContainEqual({
          fields: expect.objectContaining({ address, messages: expect.any(Number) }),
          message: 'a queue was deleted while messages went to it; those may be lost, though the broker took them',
        });
      },
    );

    test('a full queue that rejects: nothing is dropped, the connection is lost and comes again', async () => {
      const channel = await consumer.createChannel();
      await channel.assertQueue('full', { durable: true, arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } });
      const session = await open({ address: '/amq/queue/full' });
      await session.send(hubMessage('m-1'));
      await expect(session.send(hubMessage('m-2'))).rejects.toBeInstanceOf(NotConnectedError);
      await channel.purgeQueue('full');
      await channel.close();
      const again = await open({ address: '/amq/queue/full' });
      await again.send(hubMessage('m-2'));
      expect(idsOf(await drain('full', 1))).toEqual(['m-2']);
    });
  });

  describe('logging in', () => {
    test('a wrong password is told after the pause RabbitMQ makes, with a cure', async () => {
      const failed = open({ address: '/queue/x' }, { guest: 'wrong' });
      await expect(failed).rejects.toMatchObject({
        code: 'hub-credentials',
        retry: 'after-fix',
        message: `The broker localhost:${broker.port} refused user "guest".`,
        hint: expect.stringContaining('user and password'),
      });
      await expect(failed).rejects.not.toBeInstanceOf(NotConnectedError);
    });

    test('a virtual host that is not there', async () => {
      await expect(open({ address: '/queue/x', hostname: 'vhost:plant' })).rejects.toMatchObject({
        message: expect.stringContaining(`localhost:${broker.port}`),
      });
      await open({ address: '/queue/x', hostname: 'vhost:/' });
    });

    test('the MQTT port of the same broker is no AMQP', async () => {
      const failed = open({ url: `amqp://localhost:${broker.mqttPort}`, address: '/queue/x', connectTimeout: '2s' });
      await expect(failed).rejects.toMatchObject({
        message: expect.stringContaining(`localhost:${broker.mqttPort}`),
        hint: expect.stringMatching(/AMQP/),
      });
    });
  });

  describe('the broker itself', () => {
    test('frozen, it is found out by its silence; thawed, it is there again', async () => {
      const session = await open({ address: '/queue/frozen', idleTimeout: '2s' });
      await session.send(hubMessage('m-1'));
      broker.freeze();
      stack.defer(() => broker.thaw());
      const sends = await Promise.allSettled(['m-2', 'm-3'].map((id) => session.send(hubMessage(id))));
      for (const { reason } of sends as PromiseRejectedResult[]) expect(reason).toMatchObject({ code: 'hub-silent' });
      broker.thaw();
      const again = await open({ address: '/queue/frozen' });
      for (const id of ['m-2', 'm-3']) await again.send(hubMessage(id));
      const ids = idsOf(await drain('frozen', 5));
      // Once from the socket of the lost connection, once more from the new one: at least once, never less.
      expect(ids).toEqual(['m-1', 'm-2', 'm-3', 'm-2', 'm-3']);
    }, 60_000);

    // The last: the broker is gone after it.
    test('killed, what was under way is rejected and the reason told', async () => {
      const session = await open({ address: '/queue/killed' });
      await session.send(hubMessage('m-1'));
      broker.freeze();
      const sends = Promise.allSettled(Array.from({ length: 40 }, (_, n) => session.send(hubMessage(`m-${n + 2}`))));
      await broker.kill();
      for (const { reason } of (await sends) as PromiseRejectedResult[]) expect(reason).toBeInstanceOf(NotConnectedError);
      expect(await session.closed).toMatchObject({ message: expect.stringContaining(`localhost:${broker.port}`) });
      await expect(open({ address: '/queue/killed' })).rejects.toMatchObject({
        code: 'hub-unreachable',
        hint: expect.stringContaining('5671'),
      });
    });
  });
});
