import { once } from 'node:events';
import { connect } from 'node:tls';
import {
  EventHubConsumerClient,
  type EventPosition,
  earliestEventPosition,
  latestEventPosition,
  type ReceivedEventData,
} from '@azure/event-hubs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { type BareHub, startBareHub } from '../service/testcases/bare-hub.ts';
import { Client, Message, redirectHttps } from '../service/testcases/sdk.ts';
import { FrameGuard, largestFrameBytes } from './frame-guard.ts';
import { Owners } from './owners.ts';
import { positionOf } from './selector.ts';

let hub: BareHub;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const folder = stack.use(tempFolder());
  hub = stack.use(await startBareHub(folder.path));
  stack.use(redirectHttps(hub.plane.httpsPort as number, hub.ca));
  for (const deviceId of ['gw-1', 'gw-2']) await hub.core.identities.create({ deviceId });
});
afterAll(() => stack.disposeAsync());

async function openClient(policy = 'service'): Promise<Client & AsyncDisposable> {
  const client = Client.fromConnectionString(hub.connectionString(policy, `localhost:${hub.plane.amqpPort}`));
  await client.open();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close().then(() => {}) });
}

describe('azure-iothub Client', () => {
  test('sends a message to a device with all its properties', async () => {
    await using client = await openClient();
    const message = new Message('{"open":true}');
    Object.assign(message, {
      messageId: '3b0ad8a4-4a4b-4a0e-8a41-5f1a3f6a0e11',
      correlationId: 'c-1',
      ack: 'full',
      contentType: 'application/json',
    });
    message.properties.add('line', '7');
    await client.send('gw-1', message);
    expect(await hub.core.messages.purge('gw-1')).toBe(1);
  });

  test('hears of messages that were purged', async () => {
    await using client = await openClient();
    const { result: feedback } = await client.getFeedbackReceiver();
    const records = new Promise<{ originalMessageId: string; statusCode: string }[]>((resolve) =>
      feedback.on('message', (message) => {
        const found = JSON.parse(message.data.toString()) as { originalMessageId: string; statusCode: string }[];
        void feedback.complete(message).then(() => found.some(({ originalMessageId }) => originalMessageId === 'm-2') && resolve(found));
      }),
    );
    await client.send('gw-2', Object.assign(new Message('x'), { messageId: 'm-2', ack: 'full' }));
    await hub.core.messages.purge('gw-2');
    expect((await records).find(({ originalMessageId }) => originalMessageId === 'm-2')).toMatchObject({ statusCode: 'Purged' });
  });

  test('is told when the device is not there, and when its queue is full; others of the same moment are taken', async () => {
    await using client = await openClient();
    await expect(client.send('nobody', new Message('x'))).rejects.toMatchObject({ name: 'DeviceNotFoundError' });
    const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => client.send('gw-2', new Message('x'))));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(50);
    expect(outcomes.findLast(({ status }) => status === 'rejected')).toMatchObject({
      reason: { name: 'DeviceMaximumQueueDepthExceededError' },
    });
    expect(await hub.core.messages.purge('gw-2')).toBe(50);
  });

  test('each message of a crowd gets its own outcome', async () => {
    await using client = await openClient();
    const wanted = Array.from({ length: 40 }, (_, n) => (n % 3 === 1 ? 'nobody' : 'gw-2'));
    const outcomes = await Promise.allSettled(wanted.map((deviceId) => client.send(deviceId, new Message('x'))));
    expect(outcomes.map(({ status }) => status)).toEqual(wanted.map((deviceId) => (deviceId === 'gw-2' ? 'fulfilled' : 'rejected')));
    await hub.core.messages.purge('gw-2');
  });

  test.for(['registryRead', 'device'])('policy %s opens nothing here', async (policy) => {
    await expect(openClient(policy)).rejects.toMatchObject({ amqpError: { name: 'UnauthorizedError' } });
  });
});

describe('@azure/event-hubs', () => {
  const client = (policy = 'service', entity = 'events'): EventHubConsumerClient => {
    const key = hub.core.policies.get(policy)?.primaryKey;
    const text = `Endpoint=sb://localhost:${hub.plane.amqpPort}/;SharedAccessKeyName=${policy};SharedAccessKey=${key};EntityPath=${entity}`;
    return new EventHubConsumerClient('$Default', text, { retryOptions: { maxRetries: 0 } });
  };

  /** The first `count` events from a position on, of all partitions; `started` is called when every partition is read. */
  async function receive(
    count: number,
    startPosition: EventPosition,
    started = async (): Promise<void> => {},
  ): Promise<readonly ReceivedEventData[]> {
    const reader = client();
    const events: ReceivedEventData[] = [];
    const open = new Set<string>();
    const all = Promise.withResolvers<void>();
    const subscription = reader.subscribe(
      {
        processEvents: async (batch, { partitionId }) => {
          events.push(...batch);
          if (events.length >= count) all.resolve();
          // A batch, an empty one too, comes when the link is open.
          if (open.size < hub.core.events.partitionIds.length && open.add(partitionId).size === hub.core.events.partitionIds.length)
            await started();
        },
        processError: async (error) => all.reject(error),
      },
      { startPosition, maxWaitTimeInSeconds: 0.2, maxBatchSize: 100 },
    );
    try {
      await all.promise;
    } finally {
      await subscription.close();
      await reader.close();
    }
    return events;
  }

  test('asks for partitions and what is in them', async () => {
    const reader = client();
    expect(await reader.getEventHubProperties()).toMatchObject({
      name: 'events',
      partitionIds: ['0', '1', '2', '3'],
      createdOn: expect.any(Date),
    });
    expect(await reader.getPartitionProperties('0')).toMatchObject({ partitionId: '0', isEmpty: true, lastEnqueuedSequenceNumber: -1 });
    await expect(reader.getPartitionProperties('9')).rejects.toThrow('there is no partition 9');
    await reader.close();
  });

  test('reads from the earliest event on, with properties and annotations', async () => {
    const properties = { '$.mid': 'm-1', '$.ct': 'application/json', '$.ce': 'utf-8', alarm: '1' };
    await hub.telemetry('gw-1', '{"t":1}', properties);
    await hub.telemetry('gw-2', 'plain');
    const events = await receive(2, earliestEventPosition);
    const first = events.find(({ messageId }) => messageId === 'm-1');
    expect(first).toMatchObject({
      body: { t: 1 },
      contentType: 'application/json',
      properties: { alarm: '1' },
      systemProperties: { 'iothub-connection-device-id': 'gw-1', 'iothub-message-source': 'Telemetry' },
      offset: String(first?.sequenceNumber),
    });
    expect(Date.now() - (first?.enqueuedTimeUtc.getTime() ?? 0)).toBeLessThan(60_000);
    expect(JSON.parse(String(first?.systemProperties?.['iothub-connection-auth-method']))).toMatchObject({ scope: 'device', type: 'sas' });
    const again = await receive(2, { sequenceNumber: first?.sequenceNumber as number, isInclusive: true });
    expect(again.map(({ sequenceNumber }) => sequenceNumber)).toContain(first?.sequenceNumber);
  });

  test('reads what comes from now on', async () => {
    const events = await receive(3, latestEventPosition, async () => {
      for (const n of [1, 2, 3]) await hub.telemetry('gw-1', JSON.stringify({ late: n }));
    });
    expect(events.map(({ body }) => body)).toEqual([{ late: 1 }, { late: 2 }, { late: 3 }]);
  });

  test('reads thousands, each once and in order', async () => {
    const count = 2_000;
    const after = new Date();
    await Promise.all(Array.from({ length: count }, (_, n) => hub.telemetry('gw-1', JSON.stringify({ n, filler: 'x'.repeat(200) }))));
    const events = await receive(count, { enqueuedOn: after.getTime() - 1 });
    const numbers = events.map(({ body }) => (body as { n?: number }).n).filter((n) => n !== undefined);
    expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n));
  });

  test('tells with each event what the last one of the partition is', async () => {
    const reader = client();
    const { partitionIds, partition } = {
      partitionIds: hub.core.events.partitionIds,
      partition: (id: string) => hub.core.events.partition(id),
    };
    const id = partitionIds.find((found) => partition(found)?.empty === false) as string;
    const last = Promise.withResolvers<unknown>();
    const subscription = reader.subscribe(
      id,
      {
        processEvents: async ([first], { lastEnqueuedEventProperties }) => first && last.resolve(lastEnqueuedEventProperties),
        processError: async (error) => last.reject(error),
      },
      { startPosition: earliestEventPosition, trackLastEnqueuedEventProperties: true, maxWaitTimeInSeconds: 1 },
    );
    const { lastSequenceNumber: sequenceNumber, lastOffset: offset } = partition(id) ?? {};
    expect(await last.promise).toMatchObject({ sequenceNumber, offset, enqueuedOn: expect.any(Date) });
    await subscription.close();
    await reader.close();
  });

  test('a wrong key, a policy without the right, another name: refused with the reason', async () => {
    for (const [reader, code] of [
      [client('registryRead'), 'UnauthorizedError'],
      [client('service', 'other'), 'UnauthorizedError'],
    ] as const) {
      await expect(reader.getPartitionIds()).rejects.toMatchObject({ code });
      await reader.close();
    }
  });

  test('a place that is not here yet is refused', async () => {
    await expect(receive(1, { sequenceNumber: 1_000_000 })).rejects.toMatchObject({ code: 'ArgumentOutOfRangeError' });
  });

  test('a reader with a higher epoch takes a partition over', async () => {
    const [low, high] = [client(), client()];
    const partition = hub.core.events.partitionIds.find((id) => hub.core.events.partition(id)?.empty === false) as string;
    const [reading, stolen] = [Promise.withResolvers<void>(), Promise.withResolvers<Error>()];
    const handlers = { processEvents: async () => reading.resolve(), processError: async (error: Error) => stolen.resolve(error) };
    low.subscribe(partition, handlers, { ownerLevel: 1, startPosition: earliestEventPosition });
    await reading.promise;
    const subscription = high.subscribe(
      partition,
      { ...handlers, processError: async () => {} },
      { ownerLevel: 2, startPosition: earliestEventPosition },
    );
    expect(await stolen.promise).toMatchObject({ code: 'ReceiverDisconnectedError' });
    await subscription.close();
    await low.close();
    await high.close();
  });
});

describe('the wire', () => {
  test.for([
    ["amqp.annotation.x-opt-offset > '-1'", 'earliest'],
    ["amqp.annotation.x-opt-offset > '@latest'", 'latest'],
    ["amqp.annotation.x-opt-offset > '17'", { afterSequenceNumber: 17, inclusive: false }],
    ["amqp.annotation.x-opt-sequence-number >= '17'", { afterSequenceNumber: 17, inclusive: true }],
    ['amqp.annotation.x-opt-sequence-number > 17', { afterSequenceNumber: 17, inclusive: false }],
    ["amqp.annotation.x-opt-enqueued-time > '1700000000000'", { enqueuedAfterMs: 1_700_000_000_000 }],
    [undefined, 'earliest'],
  ] as const)('filter %s', ([filter, position]) => {
    expect(positionOf(filter)).toEqual(position);
  });

  test('any other filter is refused', () => {
    expect(() => positionOf("amqp.annotation.x-opt-offset = '1'")).toThrow(/is none of amqp.annotation/);
  });

  test('epochs', () => {
    const owners = new Owners();
    const log: string[] = [];
    const add = (name: string, epoch: number | undefined) =>
      owners.add('$Default', '0', { epoch, stolen: (by) => log.push(`${name} lost to ${by}`) });
    add('a', undefined);
    add('b', undefined);
    add('c', 3);
    expect(add('d', undefined)).toHaveProperty('refused');
    expect(add('e', 2)).toHaveProperty('refused');
    expect(add('f', 3)).not.toHaveProperty('refused');
    expect(log).toEqual(['a lost to 3', 'b lost to 3', 'c lost to 3']);
  });

  test('frames are followed however they are cut; one that is too large is not', () => {
    const frame = (size: number): Buffer => {
      const bytes = Buffer.alloc(size);
      bytes.writeUInt32BE(size);
      return bytes;
    };
    const header = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0]);
    const stream = Buffer.concat([header, frame(8), frame(100), header, frame(largestFrameBytes), frame(9)]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 70_000 }), { maxLength: 20 }), (cuts) => {
        const guard = new FrameGuard();
        let at = 0;
        for (const cut of [...cuts, stream.length]) {
          expect(guard.admit(stream.subarray(at, at + cut))).toBe(true);
          at += cut;
        }
        expect(guard.admit(Buffer.from([0, 1, 0, 1, 2, 0, 0, 0]))).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  test.for([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a huge frame', Buffer.concat([Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0]), Buffer.from([0x7f, 0xff, 0xff, 0xff, 2, 0, 0, 0])])],
    ['another protocol', Buffer.from([0x41, 0x4d, 0x51, 0x50, 7, 0, 9, 1, 0, 0, 0, 0])],
  ] as const)('%s ends the connection and nothing else', async ([, bytes]) => {
    const socket = connect({ port: hub.plane.amqpPort as number, host: '127.0.0.1', servername: 'localhost', ca: hub.ca });
    socket.on('error', () => {}).resume();
    await once(socket, 'secureConnect');
    socket.write(bytes);
    await once(socket, 'close');
    await using client = await openClient();
    await client.send('gw-1', new Message('still there'));
    expect(await hub.core.messages.purge('gw-1')).toBe(1);
  });
});
