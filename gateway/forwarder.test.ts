import { expect, test, vi } from 'vitest';
import type { HubMessage, HubSession } from '../hub-client/contract.ts';
import { GatewayError, NotConnectedError } from '../model/error.ts';
import { type Translator, unchanged } from './destination/translator.ts';
import { Forwarder, type ForwarderOptions } from './forwarder.ts';
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

function rig(more: Partial<ForwarderOptions> = {}) {
  const outbox = memoryOutbox();
  const hub = scriptedHub();
  const kept: string[] = [];
  const forwarder = new Forwarder({
    name: 'hub',
    cursor: outbox.cursor('hub'),
    connect: () => hub.connect(),
    translator: (session) => unchanged('gw', session.maxBodyBytes, false),
    keepRefused: async (message, reason) => void kept.push(`${message.id}: ${reason}`),
    log: silent,
    ...more,
  });
  const append = (count: number): void => {
    for (let n = 0; n < count; n++)
      void outbox.append({
        encode: (sequence) => `{"sequence":"${sequence}","pad":"${'x'.repeat(120)}"}`,
        readings: 1,
        fromMs: 0,
        toMs: 0,
      });
  };
  return { outbox, hub, forwarder, append, kept };
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

/** Two messages a batch; those of batch 2 are not for this hub. */
function halving(): Translator {
  return {
    compressed: false,
    maxBodyBytes: 200,
    translate(batch) {
      const id = batch.firstSequence;
      const part = (name: string) => ({
        readings: 1,
        bytes: 1,
        message: { id: name, body: new Uint8Array(), contentType: 'x', contentEncoding: 'utf-8', createdMs: 0 },
        send(session: HubSession) {
          return session.send(this.message);
        },
      });
      return { mark: String(id), parts: id === 2 ? [] : [part(`${id}a`), part(`${id}b`)] };
    },
  };
}

test('a batch of several messages is finished when all of them are; one that the hub refuses is kept and counted alone', async () => {
  const { outbox, hub, forwarder, append, kept } = rig({ translator: halving });
  hub.answerWith((message) =>
    message.id === '3a' ? Promise.reject(new GatewayError('odd', 'not understood', { retry: 'never' })) : Promise.resolve(),
  );
  append(4);
  forwarder.start();
  await vi.waitFor(() => expect(outbox.counters().pending).toBe(0));
  expect(hub.taken).toEqual(['1a', '1b', '3b', '4a', '4b']);
  expect(kept).toEqual(['3a: not understood']);
  expect(outbox.cursor('hub').mark).toBe('4');
  await forwarder.stop();
});

test('a hub that refuses everything says so once a minute, not for every message', async () => {
  const lines: object[] = [];
  const { outbox, hub, forwarder, append } = rig({ log: { ...silent, error: (fields) => void lines.push(fields) } });
  hub.answerWith(() => Promise.reject(new GatewayError('too-large', 'too large', { retry: 'never' })));
  append(10);
  forwarder.start();
  await vi.waitFor(() => expect(outbox.counters()).toMatchObject({ dropped: 10 }));
  expect(lines).toMatchObject([{ destination: 'hub', reason: 'too large', readings: 1 }]);
  const later = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 61_000);
  append(1);
  await vi.waitFor(() => expect(outbox.counters()).toMatchObject({ dropped: 11 }));
  later.mockRestore();
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({ before: 9 });
  await forwarder.stop();
});

test('what is not for this hub proves nothing about it', async () => {
  const { outbox, forwarder, append } = rig({ translator: () => ({ ...halving(), translate: () => ({ parts: [], mark: undefined }) }) });
  append(3);
  forwarder.start();
  await vi.waitFor(() => expect(outbox.counters().pending).toBe(0));
  expect(forwarder.state()).toMatchObject({ sent: 0, lastAckMs: undefined });
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
