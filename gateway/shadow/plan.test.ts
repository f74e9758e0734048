import { describe, expect, test } from 'vitest';
import { planShadow } from './plan.ts';
import { compiled, modbusMapping } from './testing/mapping.ts';

const plan = (running: Record<string, string>, candidate: Record<string, string>) =>
  planShadow(compiled(modbusMapping(running)), compiled(modbusMapping(candidate)));

test.for([
  {
    rule: 'a meaning that changed needs no read of its own',
    now: 'at: holding 1, type: uint16, scale: 0.1',
    next: 'at: holding 1, type: uint16',
    extra: 0,
    changes: ['its meaning: scale, enum, range …'],
  },
  {
    rule: 'neither does a unit',
    now: 'at: holding 1, type: uint16, unit: bar',
    next: 'at: holding 1, type: uint16, unit: kPa',
    extra: 0,
    changes: ['unit: bar -> kPa'],
  },
  {
    rule: 'an interval is compared at the running one',
    now: 'at: holding 1, type: uint16',
    next: 'at: holding 1, type: uint16, every: 5s',
    extra: 0,
    changes: ['every: 100ms -> 5s', 'staleAfter: 300ms -> 15s'],
  },
  {
    rule: 'a byte order is decoded anew',
    now: 'at: holding 1, type: float32',
    next: 'at: holding 1, type: float32, byteOrder: CDAB',
    extra: 1,
    changes: ['byteOrder: ABCD -> CDAB'],
  },
  {
    rule: 'another register is read beside',
    now: 'at: holding 1, type: uint16',
    next: 'at: holding 2, type: uint16, every: 5s',
    extra: 1,
    changes: ['start: 1 -> 2', 'every: 100ms -> 5s', 'staleAfter: 300ms -> 15s'],
  },
])('$rule', ({ now, next, extra, changes }) => {
  const found = plan({ level: now }, { level: next });
  expect(found.pairs).toMatchObject([{ name: 'level', changes }]);
  expect(found.extra).toHaveLength(extra);
  // At the interval of its counterpart: else it would be no part of the same request.
  for (const { everyMs } of found.extra) expect(everyMs).toBe(100);
});

test('points come, go and are renamed', () => {
  const found = plan(
    { amps: 'at: holding 1, type: uint16', gone: 'at: holding 2, type: uint16', same: 'at: holding 3, type: uint16' },
    { current: 'at: holding 1, type: uint16', fresh: 'at: holding 9, type: uint16', same: 'at: holding 3, type: uint16' },
  );
  expect(found.pairs).toMatchObject([
    { name: 'current', renamedFrom: 'amps', runningPlace: 0, candidatePlace: 0 },
    { name: 'gone', candidate: undefined, runningPlace: 1 },
    { name: 'same', changes: [], runningPlace: 2, candidatePlace: 2 },
    { name: 'fresh', running: undefined, candidatePlace: 3 },
  ]);
});

test('two points that change places need nothing new', () => {
  const [a, b] = ['at: holding 1, type: uint16', 'at: holding 2, type: uint16'];
  const found = plan({ left: a, right: b }, { left: b, right: a });
  expect(found.extra).toEqual([]);
  expect(found.pairs).toMatchObject([
    { name: 'left', runningPlace: 0, candidatePlace: 1 },
    { name: 'right', runningPlace: 1, candidatePlace: 0 },
  ]);
});

describe('refused', () => {
  const amqp = (id: string, address: string, name = 'a') =>
    compiled(
      `equipment: ${id}\nconnection: { adapter: amqp, host: 127.0.0.1, address: q1 }\npoints: { ${name}: { address: ${address}, at: /v } }\n`,
    );

  test('another connection', () => {
    const text = modbusMapping({ a: 'at: holding 1' });
    expect(() => planShadow(compiled(text), compiled(text.replace('port: 502', 'port: 503')))).toThrow(/another connection: block/);
  });

  test('placeholders', () => {
    const text =
      'equipment: "press-{id}"\nconnection: { adapter: mqtt, host: 127.0.0.1 }\npoints: { a: { topic: "press/{id}", at: /a } }\n';
    expect(() => planShadow(compiled(text), compiled(text.replace('/a }', '/b }')))).toThrow(/placeholders/);
  });

  test('a queue that nobody empties yet', () => {
    const takes = (address: unknown) => (address as { address: string }).address;
    expect(() => planShadow(amqp('m', 'q1'), amqp('m', 'q2'), takes)).toThrow(/takes its messages away/);
    expect(planShadow(amqp('m', 'q1'), amqp('m', 'q1', 'b'), takes).pairs).toMatchObject([{ renamedFrom: 'a' }]);
  });
});
