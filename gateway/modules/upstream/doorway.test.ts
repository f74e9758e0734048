import { expect, test } from 'vitest';
import { backoff } from '../../../model/backoff.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import { Doorway } from './doorway.ts';

const session = (): AsyncDisposable & { ended: number } => ({
  ended: 0,
  async [Symbol.asyncDispose]() {
    this.ended++;
  },
});
const { signal } = new AbortController();
const away = (): never => {
  throw new NotConnectedError('hub-unreachable', 'away', { retry: 'with-backoff' });
};

test('one at a time, the important ones first', async () => {
  const doorway = new Doorway();
  const order: string[] = [];
  let inside = 0;
  const enter = (name: string, first: boolean): Promise<unknown> =>
    doorway.enter(
      async () => {
        order.push(name);
        expect(++inside).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
        return session();
      },
      signal,
      first,
    );
  await Promise.all([enter('a', false), enter('b', false), enter('$edgeAgent', true), enter('c', false), enter('$edgeHub', true)]);
  expect(order).toEqual(['$edgeAgent', '$edgeHub', 'a', 'b', 'c']);
});

test('while the hub is away, thirty that wait make one attempt at a time, at a growing pace; then all follow', async () => {
  const paces: unknown[] = [];
  const pace = backoff({ normal: { minMs: 30, stepMs: 30, maxMs: 30 }, random: () => 0 });
  const doorway = new Doorway({ next: (error) => paces.push(error) && pace.next(error), reset: () => pace.reset() });
  let [attempts, isAway] = [0, true];
  const one = async (): Promise<void> => {
    for (;;) {
      const open = async (): Promise<AsyncDisposable> => {
        attempts++;
        return isAway ? away() : session();
      };
      const entered = await doorway.enter(open, signal).catch(() => undefined);
      if (entered) return;
    }
  };
  const all = Promise.all(Array.from({ length: 30 }, one));
  const beganMs = performance.now();
  await expect.poll(() => attempts, { interval: 5 }).toBeGreaterThan(4);
  expect(attempts).toBeLessThanOrEqual((performance.now() - beganMs) / 24 + 2);
  isAway = false;
  const failed = attempts;
  await all;
  expect(attempts).toBeLessThanOrEqual(failed + 31);
  expect(paces.length).toBeGreaterThanOrEqual(4);
});

test('a refused identity slows nobody down', async () => {
  const doorway = new Doorway({
    next: () => expect.unreachable('this is no outage'),
    reset() {},
  });
  const refusal = new GatewayError('hub-credentials', 'no', { retry: 'after-fix' });
  await expect(doorway.enter(() => Promise.reject(refusal), signal)).rejects.toBe(refusal);
  await doorway.enter(async () => session(), signal);
});

test('word of the hub ends the wait', async () => {
  const doorway = new Doorway({ next: () => 3_600_000, reset() {} });
  await expect(doorway.enter(async () => away(), signal)).rejects.toThrow('away');
  const entered = doorway.enter(async () => session(), signal);
  await new Promise((resolve) => setImmediate(resolve));
  doorway.hurry();
  await entered;
});

test('who gives up leaves at once; what had been opened for him is closed', async () => {
  const doorway = new Doorway();
  const inTurn = Promise.withResolvers<ReturnType<typeof session>>();
  const [one, two] = [new AbortController(), new AbortController()];
  const first = doorway.enter(() => inTurn.promise, one.signal);
  const second = doorway.enter(() => expect.unreachable('nobody waits for it'), two.signal);
  two.abort(new Error('module left'));
  await expect(second).rejects.toThrow('module left');
  await new Promise((resolve) => setTimeout(resolve, 1));
  one.abort(new Error('stopped'));
  await expect(first).rejects.toThrow('stopped');
  const late = session();
  inTurn.resolve(late);
  await doorway.enter(async () => session(), signal);
  expect(late.ended).toBe(1);
});
