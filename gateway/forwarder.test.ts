import { expect, test, vi } from 'vitest';
import type { HubMessage, HubSession } from '../hub-client/contract.ts';
import { GatewayError, NotConnectedError } from '../model/error.ts';
import { Forwarder } from './forwarder.ts';
import { memoryOutbox } from './memory-outbox.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A hub that can be told how to answer; a scripted peer of the forwarder, not of a protocol. */
function scriptedHub() {
  const taken: string[] = [];
  const sessions: { drop: (error: Error) => void }[] = [];
  let answer: (message: HubMessage) => Promise<void> = () => Promise.resolve();
  return {
    taken,
    sessions,
    answerWith: (next: typeof answer) => {
      answer = next;
    },
    async connect(): Promise<HubSession> {
      const closed = Promise.withResolvers<Error | undefined>();
      sessions.push({ drop: (error) => closed.resolve(error) });
      return {
        maxBodyBytes: 200,
        window: 4,
        closed: closed.promise,
        async send(message) {
          await answer(message);
          taken.push(message.id);
        },
        async [Symbol.asyncDispose]() {
          closed.resolve(undefined);
        },
      };
    },
  };
}

function rig() {
  const outbox = memoryOutbox();
  const hub = scriptedHub();
  const forwarder = new Forwarder({ outbox, connect: () => hub.connect(), log: silent, gateway: 'gw', compressed: false });
  const append = (count: number): void => {
    for (let n = 0; n < count; n++)
      void outbox.append({
        encode: (sequence) => `{"sequence":"${sequence}","pad":"${'x'.repeat(120)}"}`,
        readings: 1,
        fromMs: 0,
        toMs: 0,
      });
  };
  return { outbox, hub, forwarder, append };
}

test('what the outbox holds arrives in order and is acknowledged', async () => {
  const { outbox, hub, forwarder, append } = rig();
  append(10);
  forwarder.start();
  await vi.waitFor(() => expect(outbox.counters()).toMatchObject({ acked: 10, pending: 0 }));
  expect(hub.taken).toEqual(Array.from({ length: 10 }, (_, n) => `gw-${n + 1}-${n + 1}`));
  await forwarder.stop();
});

test('a lost link loses nothing: what was not acknowledged goes again with the next session, same ids', async () => {
  const { outbox, hub, forwarder, append } = rig();
  hub.answerWith(() => Promise.reject(new NotConnectedError('gone', 'connection reset', { retry: 'with-backoff' })));
  append(6);
  forwarder.start();
  await vi.waitFor(() => expect(hub.sessions.length).toBeGreaterThan(1));
  expect(outbox.counters()).toMatchObject({ acked: 0, pending: 6 });
  hub.answerWith(() => Promise.resolve());
  await vi.waitFor(() => expect(outbox.counters()).toMatchObject({ acked: 6, pending: 0 }), 5_000);
  expect(hub.taken).toEqual(['gw-1-1', 'gw-2-2', 'gw-3-3', 'gw-4-4', 'gw-5-5', 'gw-6-6']);
  await forwarder.stop();
});

test('a message that the hub refuses for good is dropped with its reason and blocks nothing', async () => {
  const { outbox, hub, forwarder, append } = rig();
  hub.answerWith((message) =>
    message.id === 'gw-2-2' ? Promise.reject(new GatewayError('too-large', 'over 256 KiB', { retry: 'never' })) : Promise.resolve(),
  );
  append(4);
  forwarder.start();
  await vi.waitFor(() => expect(outbox.counters()).toMatchObject({ acked: 3, dropped: 1, pending: 0 }));
  expect(hub.sessions).toHaveLength(1);
  await forwarder.stop();
});

test('acknowledges from the oldest on, whatever order the answers come in', async () => {
  const { outbox, hub, forwarder, append } = rig();
  const first = Promise.withResolvers<void>();
  hub.answerWith((message) => (message.id === 'gw-1-1' ? first.promise : Promise.resolve()));
  append(3);
  forwarder.start();
  await vi.waitFor(() => expect(hub.taken).toEqual(['gw-2-2', 'gw-3-3']));
  expect(outbox.counters()).toMatchObject({ acked: 0, pending: 3 });
  first.resolve();
  await vi.waitFor(() => expect(outbox.counters()).toMatchObject({ acked: 3, pending: 0 }));
  await forwarder.stop();
});

test('keeps to the window of the hub', async () => {
  const { hub, forwarder, append } = rig();
  let under = 0;
  let most = 0;
  hub.answerWith(async () => {
    most = Math.max(most, ++under);
    await new Promise((done) => setImmediate(done));
    under--;
  });
  append(40);
  forwarder.start();
  await vi.waitFor(() => expect(hub.taken).toHaveLength(40));
  expect(most).toBe(4);
  await forwarder.stop();
});
