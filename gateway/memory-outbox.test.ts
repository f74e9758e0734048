import { expect, test } from 'vitest';
import { memoryOutbox } from './memory-outbox.ts';

const options = { maxBodyBytes: 10, compressed: false };
const event = (n: number, readings: number) => ({
  encode: (sequence: number) => `{"n":${n},"s":${sequence}}`,
  readings,
  fromMs: n,
  toMs: n,
});
const soon = (): AbortSignal => AbortSignal.timeout(2_000);

test('each destination has its own way, and the log counts what the required ones have', async () => {
  await using outbox = memoryOutbox([
    { name: 'cloud', required: true },
    { name: 'plant', required: true },
    { name: 'extra', required: false },
  ]);
  const [cloud, plant, extra] = ['cloud', 'plant', 'extra'].map((name) => outbox.cursor(name));
  const waiting = plant!.next(options, soon());
  for (let n = 1; n <= 3; n++) await outbox.append(event(n, n));
  plant!.reject((await waiting)!, 'no');
  expect(outbox.counters()).toMatchObject({ queued: 6, acked: 0, dropped: 1, pending: 5, droppedBy: { rejected: 1 } });
  for (let n = 1; n <= 3; n++) cloud!.acknowledge((await cloud!.next(options, soon()))!, `at ${n}`);
  expect(cloud!.mark).toBe('at 3');
  expect(cloud!.counters()).toMatchObject({ queued: 6, acked: 6, pending: 0, position: 3, oldestMs: undefined });
  expect(plant!.counters()).toMatchObject({ queued: 6, acked: 0, dropped: 1, pending: 5, position: 1, oldestMs: 2 });
  await plant!.next(options, soon());
  plant!.rewind();
  for (let n = 2; n <= 3; n++) plant!.acknowledge((await plant!.next(options, soon()))!);
  expect(outbox.counters()).toMatchObject({ acked: 5, dropped: 1, pending: 0, pendingEvents: 0 });
  const all = (await extra!.next({ maxBodyBytes: 1_000, compressed: false }, soon()))!;
  expect(JSON.parse(Buffer.from(all.body).toString())).toMatchObject([{ n: 1 }, { n: 2 }, { n: 3 }]);
  extra!.acknowledge(all);
  expect(() => outbox.cursor('hub')).toThrow('no destination "hub"');
});

test('one destination, named hub, when nothing else is said', async () => {
  await using outbox = memoryOutbox();
  await outbox.append(event(1, 7));
  outbox.cursor('hub').acknowledge((await outbox.cursor('hub').next(options, soon()))!);
  expect(outbox.counters()).toMatchObject({ queued: 7, acked: 7, pending: 0, nextSequence: 2 });
});

test('of a batch that was refused in part, the rest arrived', async () => {
  await using outbox = memoryOutbox();
  await outbox.append(event(1, 7));
  const hub = outbox.cursor('hub');
  hub.reject((await hub.next(options, soon()))!, 'two of them are too old', { readings: 2, mark: 'm' });
  expect(hub.mark).toBe('m');
  expect(hub.counters()).toMatchObject({ acked: 5, dropped: 2, pending: 0 });
  expect(outbox.counters()).toMatchObject({ acked: 5, dropped: 2, pending: 0 });
});
