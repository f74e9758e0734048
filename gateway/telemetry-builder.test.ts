import { expect, test } from 'vitest';
import type { CompiledMessage } from '../mappings/equipment.ts';
import type { OutboxEvent } from './outbox/contract.ts';
import { TelemetryBuilder } from './telemetry-builder.ts';

function builder(more: { message?: CompiledMessage } = {}) {
  const events: OutboxEvent[] = [];
  const refused: unknown[] = [];
  let settle = Promise.withResolvers<void>();
  const built = new TelemetryBuilder(
    { gateway: 'gw', source: '/site/gw', outbox: 'ab12' },
    { equipment: 'm-1', path: 'site/line', ...more },
    {
      append(event) {
        events.push(event);
        settle = Promise.withResolvers<void>();
        return settle.promise;
      },
    },
    (error) => refused.push(error),
  );
  return { built, events, refused, durable: () => settle.resolve(), refuse: (error: Error) => settle.reject(error) };
}

const reading = '{"point":"a","value":1}';

test('an event is a CloudEvent with the canonical envelope', () => {
  const { built, events } = builder();
  built.add(reading, 1_000);
  built.add(reading, 2_000);
  built.flush();
  expect(JSON.parse(events[0]!.encode(7))).toEqual({
    specversion: '1.0',
    id: 'gw/ab12/7',
    source: '/site/gw',
    type: 'dragoman.telemetry.v1',
    subject: 'm-1',
    time: '1970-01-01T00:00:02.000Z',
    datacontenttype: 'application/json',
    sequence: '7',
    partitionkey: 'm-1',
    data: {
      equipment: 'm-1',
      path: 'site/line',
      readings: [
        { point: 'a', value: 1 },
        { point: 'a', value: 1 },
      ],
    },
  });
  expect(events[0]).toMatchObject({ readings: 2, fromMs: 1_000, toMs: 2_000 });
});

test('the first readings leave at once, later ones wait to be sent together', () => {
  const { built, events } = builder();
  built.add(reading, 1);
  built.flushIfDue(performance.now(), 60_000);
  built.add(reading, 2);
  built.flushIfDue(performance.now(), 60_000);
  expect(events).toHaveLength(1);
  built.flushIfDue(performance.now() + 60_001, 60_000);
  expect(events).toHaveLength(2);
});

test('an event stays under 64 KiB', () => {
  const { built, events } = builder();
  for (let n = 0; n < 10_000; n++) built.add(`{"point":"p${n}","value":${n}}`, n);
  built.flush();
  expect(events.length).toBeGreaterThan(3);
  for (const event of events) expect(event.encode(1).length).toBeLessThan(65_536);
  expect(events.reduce((sum, { readings }) => sum + readings, 0)).toBe(10_000);
});

test('acknowledges to the source only what is durable, and never what was refused', async () => {
  const { built, durable, refuse, refused } = builder();
  const done: string[] = [];
  const settle = (name: string): void =>
    built.settle({ acknowledge: () => done.push(name), refuse: (reason) => done.push(`${name} refused: ${reason}`) });
  settle('nothing waited');
  built.add(reading, 1);
  settle('first');
  built.flush();
  settle('nothing new, but not on disk yet');
  expect(done).toEqual(['nothing waited']);
  durable();
  await new Promise(setImmediate);
  expect(done).toEqual(['nothing waited', 'first', 'nothing new, but not on disk yet']);
  built.add(reading, 2);
  settle('second');
  built.flush();
  refuse(new Error('disk full'));
  await new Promise(setImmediate);
  expect(done.slice(3)).toEqual(['second refused: disk full']);
  expect(refused).toMatchObject([{ message: 'disk full' }]);
});

test('a message has its name, its priority and its own patience, but lets no machine wait that holds deliveries back', () => {
  const { built, events } = builder({ message: { name: 'alarms', covers: () => true, everyMs: 10_000, priority: 'alarm' } });
  built.add(reading, 1);
  built.flush();
  built.add(reading, 2);
  built.flushIfDue(performance.now() + 9_000, 200);
  expect(events).toHaveLength(1);
  built.settle({ acknowledge() {}, refuse: undefined });
  built.flushIfDue(performance.now(), 200);
  expect(events).toHaveLength(2);
  expect(JSON.parse(events[1]!.encode(2))).toMatchObject({ priority: 'alarm', data: { equipment: 'm-1', message: 'alarms' } });
});

test('whoever taps sees the event as it leaves, and nothing of machines that it does not want', () => {
  const seen: string[] = [];
  const tap = { wants: (equipment: string) => equipment === 'm-1', take: (_about: object, text: string) => void seen.push(text) };
  const events: OutboxEvent[] = [];
  const sink = {
    async append(event: OutboxEvent) {
      events.push(event);
    },
  };
  const origin = { gateway: 'gw', source: '/site/gw', outbox: 'ab12' };
  for (const equipment of ['m-1', 'm-2']) {
    const built = new TelemetryBuilder(
      origin,
      { equipment, path: '' },
      sink,
      () => {},
      () => tap,
    );
    built.add(reading, 1);
    built.flush();
  }
  expect(events.map((event) => event.encode(1))[0]).toBe(seen[0]);
  expect(seen).toHaveLength(1);
});
