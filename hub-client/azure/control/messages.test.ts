import { expect, test } from 'vitest';
import { type Delivery, Messages } from './messages.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function bench() {
  const acknowledged: string[] = [];
  const seen: string[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const messages = new Messages(() => {});
  messages.handler = async ({ body }) => {
    seen.push(String(body));
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
  };
  const deliver = (text: string, link: string): void => {
    const delivery: Delivery = {
      topic: 't',
      message: { id: undefined, body: Buffer.from(text), properties: {} },
      acknowledge: () => acknowledged.push(`${text} on ${link}`),
    };
    messages.take(delivery);
  };
  return { messages, acknowledged, seen, gates, deliver };
}

test('a message at work while its link is replaced is recognised when it comes again', async () => {
  const { messages, acknowledged, seen, gates, deliver } = bench();
  for (const text of ['a', 'b']) deliver(text, 'first');
  await messages.hold(10);
  messages.replaced();
  messages.resume();
  for (const text of ['a', 'b']) deliver(text, 'second');
  gates[0]!.resolve();
  await turn();
  expect(acknowledged).toEqual(['a on second']);
  gates[1]!.resolve();
  await turn();
  expect([seen, acknowledged]).toEqual([
    ['a', 'b'],
    ['a on second', 'b on second'],
  ]);
});

test('one that ended between the links is acknowledged as soon as it comes again', async () => {
  const { messages, acknowledged, seen, gates, deliver } = bench();
  deliver('a', 'first');
  await messages.hold(10);
  messages.replaced();
  gates[0]!.resolve();
  await turn();
  messages.resume();
  expect(acknowledged).toEqual([]);
  for (const text of ['a', 'a']) deliver(text, 'second');
  expect(acknowledged).toEqual(['a on second']);
  // The other one is a message of its own.
  expect(seen).toEqual(['a', 'a']);
});

test('one that was refused between the links is given again', async () => {
  const { messages, acknowledged, seen, gates, deliver } = bench();
  deliver('a', 'first');
  await messages.hold(10);
  messages.replaced();
  gates[0]!.reject(new Error('no'));
  await turn();
  messages.resume();
  deliver('a', 'second');
  gates[1]!.resolve();
  await turn();
  expect([seen, acknowledged]).toEqual([['a', 'a'], ['a on second']]);
});

test('holding begins nothing, and ends with the message at hand', async () => {
  const { messages, seen, gates, deliver } = bench();
  for (const text of ['a', 'b']) deliver(text, 'first');
  const held = messages.hold(5_000);
  gates[0]!.resolve();
  await held;
  expect(seen).toEqual(['a']);
  messages.resume();
  expect(seen).toEqual(['a', 'b']);
});
