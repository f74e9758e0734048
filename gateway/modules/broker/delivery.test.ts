import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RoutedMessage } from '../../../deployments/contract.ts';
import { silentLog } from '../../../hub/log.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { Budget } from './budget.ts';
import { Delivery } from './delivery.ts';
import type { Outcome } from './outlets.ts';
import { noLosses, QueueStore } from './queue-store.ts';
import { Turns } from './turns.ts';

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A receiver on a link that takes messages in order, and may break between any two of them, or between one and its acknowledgement. */
class Receiver {
  readonly budget = new Budget(2_000);
  readonly window = 5;
  readonly turns = new Turns();
  readonly seen: number[] = [];
  #up = false;
  #underWay: { readonly number: number; readonly settle: (outcome: Outcome) => void }[] = [];

  send({ body }: RoutedMessage): Promise<Outcome> {
    if (!this.#up) return Promise.resolve({ kind: 'away' });
    return new Promise((settle) => this.#underWay.push({ number: Number(Buffer.from(body).toString()), settle }));
  }

  take(acknowledges: boolean): void {
    const next = acknowledges ? this.#underWay.shift() : this.#underWay[0];
    if (!next) return;
    this.seen.push(next.number);
    if (acknowledges) next.settle({ kind: 'taken' });
  }

  connect(): void {
    this.#up = true;
  }

  break(): void {
    this.#up = false;
    const lost = this.#underWay;
    this.#underWay = [];
    for (const { settle } of lost) settle({ kind: 'away' });
  }
}

test.for([1, 2, 3, 4, 5, 6])('nothing overtakes and nothing is lost, however the link breaks (seed %i)', async (seed) => {
  using folder = tempFolder();
  await using store = await QueueStore.open(folder.path);
  const random = randomFrom(seed);
  const receiver = new Receiver();
  const nothing = { messages: 0, bytes: 0, losses: noLosses };
  const delivery = new Delivery(
    {
      ...{ name: '$upstream', store, outlet: receiver, log: silentLog, retryMs: 1 },
      freed() {},
      refused: () => Promise.reject(new Error('never')),
    },
    nothing,
  );
  let sent = 0;
  const send = async (): Promise<void> => {
    const message = { source: '/messages', body: Buffer.from(String(sent++)), properties: {}, system: { filler: 'x'.repeat(400) } };
    await store.add(message, [{ endpoint: { kind: 'upstream' }, priority: 1, timeToLiveSecs: -1, route: 'r' }], Date.now());
    delivery.added(1, 450);
  };
  for (let step = 0; step < 600; step++) {
    const dice = random();
    if (dice < 0.35) await send();
    else if (dice < 0.7) receiver.take(true);
    else if (dice < 0.75) receiver.take(false);
    else if (dice < 0.85) await turn();
    else if (dice < 0.93) {
      receiver.connect();
      delivery.wake();
    } else {
      receiver.break();
      // Sometimes it is back before what was under way is known to be lost.
      if (random() < 0.5) {
        receiver.connect();
        delivery.wake();
      }
    }
  }
  receiver.connect();
  delivery.wake();
  await expect
    .poll(
      () => {
        receiver.take(true);
        return new Set(receiver.seen).size;
      },
      { interval: 1, timeout: 10_000 },
    )
    .toBe(sent);
  while (delivery.counters().waiting > 0) {
    receiver.take(true);
    await turn();
  }
  expect([...new Set(receiver.seen)]).toEqual(Array.from({ length: sent }, (_, n) => n));
  // Twice only what was under way when the link broke: a message that was acknowledged never comes again.
  expect(receiver.seen.length).toBeLessThan(sent * 2);
  delivery.close();
});
