import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NotConnectedError } from '../../model/error.ts';
import { packed } from './compression.ts';
import { OrderedWindow, type WindowOptions } from './ordered-window.ts';

const gone = (): NotConnectedError => new NotConnectedError('hub-session-over', 'over', { retry: 'with-backoff' });

function windowOf(options: Partial<WindowOptions> = {}) {
  const wire: { readonly text: string; readonly settle: (error?: Error) => void }[] = [];
  const events: string[] = [];
  const window = new OrderedWindow({
    count: 3,
    bytes: 1_000,
    ackTimeoutMs: 1_000,
    probe: () => events.push('probe'),
    overdue: (waiting) => events.push(`overdue ${waiting}`),
    ...options,
  });
  const send = (body: string | Promise<Uint8Array>, check?: (body: Uint8Array) => void): Promise<string> =>
    window
      .send(typeof body === 'string' ? Buffer.from(body) : body, (made, settle) => wire.push({ text: String(made), settle }), check)
      .then(
        () => 'taken',
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
  return { window, wire, events, send };
}

describe('what is under way', () => {
  test('is bounded by count; what is settled makes room', async () => {
    const { wire, send, window } = windowOf();
    const sends = ['a', 'b', 'c', 'd', 'e'].map((text) => send(text));
    expect(wire.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
    wire[1]?.settle();
    expect(wire.map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd']);
    wire[1]?.settle();
    expect(window.size).toBe(3);
    for (let i = 0; i < 5; i++) wire[i]?.settle();
    expect(await Promise.all(sends)).toEqual(Array(5).fill('taken'));
  });

  test('is bounded by bytes; one that is larger goes alone', () => {
    const { wire, send } = windowOf({ bytes: 10 });
    for (const text of ['12345', '12345', '1', 'x'.repeat(50), '2']) void send(text);
    expect(wire).toHaveLength(2);
    wire[0]?.settle();
    expect(wire.map(({ text }) => text.length)).toEqual([5, 5, 1]);
    wire[1]?.settle();
    expect(wire).toHaveLength(3);
    wire[2]?.settle();
    expect(wire.map(({ text }) => text.length)).toEqual([5, 5, 1, 50]);
    wire[3]?.settle();
    expect(wire).toHaveLength(5);
  });

  test('waits for credit', () => {
    let credit = 1;
    const { wire, send, window } = windowOf({ ready: () => credit-- > 0 });
    void send('a');
    void send('b');
    expect(wire).toHaveLength(1);
    credit = 5;
    window.pump();
    expect(wire).toHaveLength(2);
  });
});

test('whatever bodies take to be made, the wire has the order of the calls', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 5 }), { maxLength: 30 }), async (delays) => {
      const { wire, send } = windowOf({ count: 100 });
      const sends = delays.map((delay, i) => {
        const body = Buffer.from(String(i));
        return send(delay === 0 ? String(i) : new Promise((resolve) => setTimeout(() => resolve(body), delay)));
      });
      while (wire.length < delays.length) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(wire.map(({ text }) => Number(text))).toEqual(delays.map((_, i) => i));
      for (const { settle } of wire) settle();
      await Promise.all(sends);
    }),
    { numRuns: 20 },
  );
});

test('one that cannot be made, or never be taken, holds nobody back', async () => {
  const { wire, send } = windowOf();
  const sends = [
    send('a'),
    send(Promise.reject(new Error('broken'))),
    send('too large', () => {
      throw new Error('too large');
    }),
    send('b'),
  ];
  expect(await sends[1]).toBe('Error: broken');
  expect(await sends[2]).toBe('too large');
  expect(wire.map(({ text }) => text)).toEqual(['a', 'b']);
  wire[0]?.settle(new Error('refused'));
  wire[1]?.settle();
  expect(await Promise.all(sends)).toEqual(['refused', 'Error: broken', 'too large', 'taken']);
});

test('the end rejects what is under way, what waits, what is being made, and what comes later; late answers do nothing', async () => {
  const { wire, send, window } = windowOf({ count: 1 });
  const slow = Promise.withResolvers<Uint8Array>();
  const sends = [send('a'), send('b'), send(slow.promise)];
  const drained = window.drained();
  window.close(gone());
  window.close(new NotConnectedError('other', 'other', { retry: 'with-backoff' }));
  slow.resolve(Buffer.from('c'));
  wire[0]?.settle();
  await drained;
  expect(await Promise.all([...sends, send('d')])).toEqual(Array(4).fill('over'));
  expect(wire).toHaveLength(1);
});

test('paused: what is under way may finish, nothing follows', async () => {
  const { wire, send, window } = windowOf({ count: 1 });
  void send('a');
  void send('b');
  window.pause();
  const drained = window.drained();
  wire[0]?.settle();
  await drained;
  expect(wire).toHaveLength(1);
  window.resume();
  expect(wire).toHaveLength(2);
  const startMs = performance.now();
  await window.drained(50);
  expect(performance.now() - startMs).toBeGreaterThan(40);
});

describe('missing acknowledgements', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('half-way a question, then the end; every acknowledgement gives new time', () => {
    const { wire, send, events } = windowOf();
    for (const text of ['a', 'b', 'c']) void send(text);
    vi.advanceTimersByTime(900);
    expect(events).toEqual(['probe']);
    wire[0]?.settle();
    vi.advanceTimersByTime(499);
    expect(events).toEqual(['probe']);
    vi.advanceTimersByTime(501);
    expect(events).toEqual(['probe', 'probe', 'overdue 2']);
  });

  test('nothing under way, nothing to miss', () => {
    const { wire, send, events } = windowOf();
    void send('a');
    wire[0]?.settle();
    vi.advanceTimersByTime(10_000);
    expect(events).toEqual([]);
  });
});

test('bodies are compressed once, and only those that are not yet', async () => {
  const body = Buffer.from('x'.repeat(1_000));
  expect(packed(body, 'utf-8', 'none')).toEqual({ contentEncoding: 'utf-8', body });
  expect(packed(body, 'zstd', 'gzip')).toEqual({ contentEncoding: 'zstd', body });
  const { contentEncoding, body: made } = packed(body, 'utf-8', 'zstd');
  expect(contentEncoding).toBe('zstd');
  expect((await made).byteLength).toBeLessThan(100);
});
