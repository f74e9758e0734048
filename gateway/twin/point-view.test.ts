import { describe, expect, test } from 'vitest';
import type { CompiledEquipment } from '../../mappings/equipment.ts';
import type { Plant, PlantMachine } from '../../model/plant.ts';
import type { Reading } from '../../model/reading.ts';
import { checkSection, sectionSize } from '../../twin/limits.ts';
import { type MachineTally, plantSummary, summaryBytes, twinKey } from './plant-summary.ts';
import { configuredPoints, twinView } from './point-view.ts';

const now = Date.parse('2026-11-24T08:00:10.000Z');

function plantOf(machines: Record<string, Record<string, Partial<Reading> | undefined>>): Plant {
  return {
    machines: () =>
      Object.entries(machines).map(
        ([id, points]): PlantMachine => ({
          id,
          path: 'candyco/leeds',
          description: undefined,
          points: Object.keys(points).map((name) => ({
            name,
            unit: name === 'temp' ? 'Cel' : undefined,
            type: undefined,
            description: undefined,
          })),
        }),
      ),
    latest: (equipment) =>
      Object.entries(machines[equipment] ?? {}).flatMap(([point, reading]) =>
        reading ? [{ point, quality: 'good' as const, status: 'Good', sourceTimeMs: now - 250, receivedMs: now - 200, ...reading }] : [],
      ),
    onChange: () => ({ [Symbol.dispose]() {} }),
  };
}

const bad = { quality: 'bad', status: 'BadTimeout', reason: 'no answer within 1 s', lastGoodMs: now - 5_000 } as const;
const plant = plantOf({
  'cooker-1': { temp: { value: 93.2 }, batch: { value: 1311768468603649775n, type: 'uint64' }, list: { value: [1n, 2n] }, late: undefined },
  'press-7': { temp: { ...bad }, clock: { value: 1, receivedMs: now + 60_000 } },
});

describe('the view of a point', () => {
  const { machines } = twinView({
    plant,
    nowMs: now,
    configured: configuredPoints([
      {
        id: 'cooker-1',
        points: [
          { name: 'temp', address: { table: 'holding-register', address: 100 }, everyMs: 1_000, write: { max: 120 } },
          { name: 'batch', address: 'nsu=http://x;s=Batch', everyMs: 500 },
        ],
      } as unknown as CompiledEquipment,
    ]),
  });

  test('has what is configured, the value, quality, status and age', () => {
    expect(machines.map(({ equipment, path }) => ({ equipment, path }))).toEqual([
      { equipment: 'cooker-1', path: 'candyco/leeds' },
      { equipment: 'press-7', path: 'candyco/leeds' },
    ]);
    expect(machines[0]!.points[0]).toEqual({
      point: 'temp',
      configured: { at: '{"table":"holding-register","address":100}', everyMs: 1_000, write: true, unit: 'Cel' },
      value: 93.2,
      quality: 'good',
      status: 'Good',
      ageMs: 200,
      time: '2026-11-24T08:00:09.750Z',
    });
  });

  test('writes 64-bit integers as texts', () => {
    expect(machines[0]!.points[1]).toMatchObject({ configured: { at: 'nsu=http://x;s=Batch' }, value: '1311768468603649775' });
    expect(machines[0]!.points[2]).toMatchObject({ value: ['1', '2'] });
    expect(() => JSON.stringify(machines)).not.toThrow();
  });

  test('says that nothing came yet', () => {
    expect(machines[0]!.points[3]).toEqual({ point: 'late', configured: {}, quality: 'bad', status: 'BadWaitingForInitialData' });
  });

  test('has the reason and the last good time of a bad one, and no age below zero', () => {
    expect(machines[1]!.points[0]).toMatchObject({ quality: 'bad', reason: 'no answer within 1 s', lastGood: '2026-11-24T08:00:05.000Z' });
    expect(machines[1]!.points[1]!.ageMs).toBe(0);
  });
});

describe('a request', () => {
  const names = (view: ReturnType<typeof twinView>): string[] =>
    view.machines.flatMap(({ equipment, points }) => points.map(({ point }) => `${equipment}/${point}`));
  const all = ['cooker-1/temp', 'cooker-1/batch', 'cooker-1/list', 'cooker-1/late', 'press-7/temp', 'press-7/clock'];

  test.for([
    { rule: 'names nothing', request: {}, view: all },
    { rule: 'names machines', request: { equipment: ['press-*'] }, view: all.slice(4) },
    {
      rule: 'names points',
      request: { points: ['temp', 'l*'] },
      view: ['cooker-1/temp', 'cooker-1/list', 'cooker-1/late', 'press-7/temp'],
    },
    { rule: 'names what is not there', request: { equipment: ['x'] }, view: [] },
    { rule: 'goes on within a machine', request: { after: 'cooker-1/list' }, view: all.slice(3) },
    { rule: 'goes on with the next machine', request: { after: 'cooker-1/late' }, view: all.slice(4) },
    { rule: 'goes on after a point that is gone', request: { after: 'press-7/gone' }, view: all.slice(4) },
    { rule: 'goes on after a machine that is gone', request: { after: 'gone/temp' }, view: all },
    { rule: 'goes on after garbage', request: { after: '' }, view: all },
  ])('$rule', ({ request, view }) => {
    expect(names(twinView({ plant, nowMs: now }, request))).toEqual(view);
  });

  test.for([1, 150, 300, 500, 1_000_000])('in pages of %i bytes gives each point once', (maxBytes) => {
    const seen: string[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < 10; pages++) {
      const view = twinView({ plant, nowMs: now }, after === undefined ? {} : { after }, maxBytes);
      if (names(view).length > 1) expect(JSON.stringify(view.machines).length).toBeLessThanOrEqual(maxBytes + 10);
      seen.push(...names(view));
      after = view.next;
      if (after === undefined) break;
    }
    expect(seen).toEqual(all);
  });
});

const talliesOf = (plant: Plant): MachineTally[] =>
  plant.machines().map(({ id, points }) => {
    const tally = { id, points: points.length, good: 0, uncertain: 0, bad: points.length };
    for (const { quality } of plant.latest(id)) {
      tally.bad--;
      tally[quality]++;
    }
    return tally;
  });

describe('the summary', () => {
  test('has sums, and a line for each machine with those in trouble first', () => {
    const state = { 'press-7': { connected: false, reason: 'connection refused' } } as Record<
      string,
      { connected: boolean; reason?: string }
    >;
    const summary = plantSummary(talliesOf(plant), (id) => state[id] ?? { connected: true, reason: 'not told while connected' });
    expect(summary).toEqual({
      machines: 2,
      connected: 1,
      points: 6,
      good: 4,
      bad: 2,
      each: {
        'press-7': { connected: false, points: 2, good: 1, bad: 1, reason: 'connection refused' },
        'cooker-1': { connected: true, points: 4, good: 3, bad: 1 },
      },
    });
    expect(Object.keys(summary.each as object)).toEqual(['press-7', 'cooker-1']);
  });

  test('of a thousand machines fits and lists those in trouble', () => {
    const many = plantOf(
      Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`machine-${i}`, { temp: i % 100 === 99 ? { ...bad } : { value: 1 } }])),
    );
    const summary = plantSummary(talliesOf(many), () => undefined);
    expect(sectionSize(summary)).toBeLessThanOrEqual(summaryBytes);
    expect(checkSection({ plant: summary }, 'reported')).toBeUndefined();
    const listed = Object.keys(summary.each as object);
    expect(listed.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => `machine-${i * 100 + 99}`));
    expect(summary).toMatchObject({ machines: 1_000, connected: 990, good: 990, bad: 10, unlisted: 1_000 - listed.length });
    expect(listed.length).toBeGreaterThan(150);
  });

  test('names machines whose ids no key may hold', () => {
    expect(twinKey('a.b c$d#e%f\u0001é')).toBe('a%2Eb%20c%24d%23e%25f%01é');
    const odd = plantOf({ 'a.b c': { temp: { value: 1 } }, ['x'.repeat(5_000)]: { temp: { value: 1 } } });
    const summary = plantSummary(talliesOf(odd), () => ({ connected: false, reason: 'x'.repeat(5_000) }));
    expect(checkSection({ plant: summary }, 'reported')).toBeUndefined();
    expect(summary).toMatchObject({ machines: 2, unlisted: 1 });
  });
});
