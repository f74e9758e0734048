import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Delivery, Inbox, type Packet } from './inbox.ts';

const packet = (messageId: number, bytes = 10): Packet => ({
  topic: 't',
  payload: new Uint8Array(bytes),
  qos: messageId === 0 ? 0 : 1,
  retain: false,
  messageId,
  userProperties: undefined,
  receivedMs: 0,
});

function bench(maxMessages = 100, maxBytes = 1_000_000) {
  const acked: number[] = [];
  const state = { resumed: 0 };
  const inbox = new Inbox({ maxMessages, maxBytes, acknowledge: (ids) => acked.push(...ids), resume: () => state.resumed++ });
  return { inbox, acked, state };
}

test('acknowledges in the order of arrival, whatever becomes durable first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 20 }),
      fc.infiniteStream(fc.nat()),
      (batches, choice) => {
        const { inbox, acked } = bench();
        const open: Delivery[] = [];
        batches.forEach((count, i) => {
          inbox.push(packet(i + 1));
          const delivery = inbox.take();
          inbox.expect(delivery, count);
          for (let k = 0; k < count; k++) open.push(delivery);
        });
        while (open.length > 0) {
          const [delivery] = open.splice(choice.next().value % open.length, 1);
          inbox.durable(delivery!);
          expect(acked).toEqual(acked.toSorted((a, b) => a - b));
        }
        expect(acked).toEqual(batches.map((_, i) => i + 1));
        expect(inbox.unsettled).toBe(0);
      },
    ),
  );
});

test('acknowledges a message only when all batches made of it are durable', () => {
  const { inbox, acked } = bench();
  inbox.push(packet(7));
  const delivery = inbox.take();
  inbox.expect(delivery, 2);
  inbox.durable(delivery);
  expect(acked).toEqual([]);
  inbox.durable(delivery);
  expect(acked).toEqual([7]);
});

test('a message that nobody wants is acknowledged in its turn', () => {
  const { inbox, acked } = bench();
  inbox.push(packet(1));
  const first = inbox.take();
  inbox.expect(first, 1);
  inbox.push(packet(2));
  inbox.expect(inbox.take(), 0);
  expect(acked).toEqual([]);
  inbox.durable(first);
  expect(acked).toEqual([1, 2]);
});

test('holds the broker back at its bound, counted or in bytes, and lets it go on below', () => {
  const { inbox, state } = bench(2, 100);
  expect(inbox.push(packet(1))).toBe(true);
  expect(inbox.push(packet(0))).toBe(false);
  const delivery = inbox.take();
  inbox.expect(delivery, 1);
  expect(state.resumed).toBe(0);
  inbox.durable(delivery);
  expect(state.resumed).toBe(1);
  expect(inbox.push(packet(3, 100))).toBe(false);
});

test('what was put back waits before all others, and an old word about it changes nothing', () => {
  const { inbox, acked } = bench();
  inbox.push(packet(1));
  const first = inbox.take();
  inbox.expect(first, 1);
  inbox.push(packet(2));
  inbox.putBack(first);
  inbox.durable(first);
  expect(acked).toEqual([]);
  const again = inbox.take();
  expect(again.packets.map(({ messageId }) => messageId)).toEqual([1, 2]);
  inbox.expect(again, 0);
  expect(acked).toEqual([1, 2]);
});

test('after a refusal nothing is acknowledged any more', () => {
  const { inbox, acked } = bench();
  inbox.push(packet(1));
  const delivery = inbox.take();
  inbox.expect(delivery, 1);
  inbox.refuse();
  inbox.durable(delivery);
  expect(acked).toEqual([]);
});
