import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HubEvent, TelemetryReading } from '../../model/telemetry.ts';
import { anyEvents, anyGrain } from '../testcases/arbitrary.ts';
import { textOf } from '../testcases/decode.ts';
import { everyKind, gap, noon, sampleContext, telemetry } from '../testcases/sample.ts';
import { flat } from './encoding.ts';

const later = '2026-11-24T08:00:01.300Z';
const two: readonly TelemetryReading[] = [
  { point: 'temperature', value: 93.2, unit: 'Cel', time: noon },
  { point: 'state', value: 'running', time: noon },
];

function texts(settings: object, events: readonly HubEvent[], grain: 'batch' | 'event' | 'reading' = 'batch'): string[] {
  return flat.open(flat.settings.parse(settings), sampleContext()).encode(events, { grain, maxBodyBytes: 250_000 }).map(textOf);
}

test.for([
  { settings: {}, text: `{"time":"${noon}","equipment":"cooker-1","temperature":93.2,"state":"running"}` },
  { settings: { nested: true }, text: `{"time":"${noon}","equipment":"cooker-1","values":{"temperature":93.2,"state":"running"}}` },
  { settings: { equipment: false, time: 'none' }, text: '{"temperature":93.2,"state":"running"}' },
  { settings: { equipment: false, time: 'ms' }, text: '{"time":1795507201250,"temperature":93.2,"state":"running"}' },
  { settings: { prefix: 'equipment', equipment: false, time: 'none' }, text: '{"cooker-1.temperature":93.2,"cooker-1.state":"running"}' },
  {
    settings: { prefix: 'path', separator: '/', equipment: false, time: 'none' },
    text: '{"candyco/leeds/kitchen/line-1/cooker-1/temperature":93.2,"candyco/leeds/kitchen/line-1/cooker-1/state":"running"}',
  },
])('$settings', ({ settings, text }) => {
  expect(texts(settings, [telemetry(1, two)])).toEqual([text]);
});

test('one object for each time, and a point once in each', () => {
  const readings = [...two, { point: 'temperature', value: 94, time: noon }, { point: 'state', value: 'idle', time: later }];
  expect(JSON.parse(texts({}, [telemetry(1, readings)])[0]!)).toEqual([
    { time: noon, equipment: 'cooker-1', temperature: 93.2, state: 'running' },
    { time: noon, equipment: 'cooker-1', temperature: 94 },
    { time: later, equipment: 'cooker-1', state: 'idle' },
  ]);
});

test.for([
  { together: '49ms', objects: 2 },
  { together: '50ms', objects: 1 },
])('together: $together', ({ together, objects }) => {
  const readings = [two[0]!, { ...two[1]!, time: later }];
  const read: unknown = JSON.parse(texts({ together }, [telemetry(1, readings)])[0]!);
  expect(Array.isArray(read) ? read.length : 1).toBe(objects);
  if (objects === 1) expect(read).toEqual({ time: later, equipment: 'cooker-1', temperature: 93.2, state: 'running' });
});

test('bad values are left out, or are null; never anything else', () => {
  const readings: readonly TelemetryReading[] = [two[0]!, { point: 'state', quality: 'bad', status: 'BadTimeout', time: noon }];
  expect(texts({}, [telemetry(1, readings)])[0]).not.toContain('state');
  expect(JSON.parse(texts({ bad: 'empty' }, [telemetry(1, readings)])[0]!)).toMatchObject({ temperature: 93.2, state: null });
  expect(texts({}, [telemetry(1, readings.slice(1))])).toEqual([]);
});

test('large numbers keep their digits, as text or as numbers', () => {
  expect(texts({}, [telemetry(1, everyKind)])[0]).toContain('"batch_id":"18446744073709551615"');
  const numbers = texts({ large: 'number' }, [telemetry(1, everyKind)])[0]!;
  expect(numbers).toContain('"batch_id":18446744073709551615');
  expect(numbers).toContain('"energy":90071992547409.93');
  expect(() => JSON.parse(numbers)).not.toThrow();
});

test('a text that only claims to be a number stays text', () => {
  const readings: readonly TelemetryReading[] = [{ point: 'a', value: '1e', type: 'decimal', time: noon }];
  expect(JSON.parse(texts({ large: 'number' }, [telemetry(1, readings)])[0]!)).toMatchObject({ a: '1e' });
});

test('points named like keys of the frame do not hide them', () => {
  const readings = ['time', 'time_', 'equipment', 'values'].map((point, value) => ({ point, value, time: noon }));
  expect(JSON.parse(texts({}, [telemetry(1, readings)])[0]!)).toEqual({
    time: noon,
    equipment: 'cooker-1',
    time_: 0,
    time__: 1,
    equipment_: 2,
    values: 3,
  });
  expect(JSON.parse(texts({ nested: true }, [telemetry(1, readings)])[0]!)).toMatchObject({ time: noon, values: { time: 0, time_: 1 } });
});

test('losses are dropped', () => {
  expect(texts({}, [gap(1)])).toEqual([]);
});

test('all values arrive, each once', () => {
  fc.assert(
    fc.property(anyEvents, anyGrain, fc.integer({ min: 300, max: 2000 }), (events, grain, maxBodyBytes) => {
      const read = flat
        .open(flat.settings.parse({ nested: true }), sampleContext())
        .encode(events, { grain, maxBodyBytes })
        .flatMap((message) => JSON.parse(textOf(message)) as { time: string; equipment: string; values: object })
        .flatMap(({ time, equipment, values }) => Object.entries(values).map(([point, value]) => ({ time, equipment, point, value })));
      const wanted = events.flatMap((event) =>
        event.type !== 'dragoman.telemetry.v1'
          ? []
          : event.data.readings
              .filter(({ value }) => value !== undefined)
              .map(({ time, point, value }) => ({ time, equipment: event.data.equipment, point, value })),
      );
      expect(read).toEqual(JSON.parse(JSON.stringify(wanted)));
    }),
  );
});
