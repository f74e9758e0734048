import fc from 'fast-check';
import * as tahu from 'sparkplug-payload';
import { expect, test } from 'vitest';
import type { HubEvent } from '../../model/telemetry.ts';
import type { EncodeOptions } from '../contract.ts';
import { anyEvents, anyGrain } from '../testcases/arbitrary.ts';
import { everyKind, gap, noon, sampleContext, sampleEvents, telemetry } from '../testcases/sample.ts';
import { sparkplugB } from './encoding.ts';
import { decodePayload } from './payload.ts';

const peer = tahu.get('spBv1.0')!;
const roomy: EncodeOptions = { grain: 'batch', maxBodyBytes: 250_000 };
const encode = (settings: object, events: readonly HubEvent[], options = roomy) =>
  sparkplugB.open(sparkplugB.settings.parse(settings), sampleContext()).encode(events, options);

test('sparkplug-payload reads it: names, types, times, qualities', () => {
  const [message] = encode({ gaps: 'omit' }, sampleEvents);
  const read = peer.decodePayload(message!.body);
  expect(Number(read.timestamp)).toBe(Date.parse(noon));
  expect(read.seq).toBeUndefined();
  const metrics = read.metrics!.filter(({ name }) => name !== 'cooker-1/profile');
  expect(metrics.map(({ name, type, value }) => [name, type, plain(value)])).toEqual([
    ['cooker-1/jacket_temperature', 'Float', Math.fround(93.2)],
    ['cooker-1/motor_current', 'Double', null],
    ['cooker-1/state', 'String', 'running, "hot"'],
    ['cooker-1/overheat', 'Boolean', false],
    ['cooker-1/batch_id', 'UInt64', '18446744073709551615'],
    ['cooker-1/energy', 'Double', Number('90071992547409.93')],
    ['cooker-1/serial_block', 'Bytes', 'ffef'],
    ['cooker-1/started', 'DateTime', '1795501800000'],
    ['cooker-1/jacket_temperature', 'Float', 181.5],
    ['mixer-2/speed', 'Double', -1],
  ]);
  expect(metrics.every(({ timestamp }) => Number(timestamp) >= Date.parse(noon))).toBe(true);
  expect(metrics[1]?.properties).toMatchObject({
    Quality: { type: 'Int32', value: 0 },
    Status: { value: 'BadTimeout' },
    engUnit: { value: 'A' },
  });
  expect(metrics[8]?.properties).toMatchObject({ Quality: { value: 500 }, engUnit: { value: 'Cel' } });
});

test('a loss is a data set named gap, or nothing', () => {
  const [message] = encode({}, [gap(1, { firstSequence: '5', lastSequence: '9' })]);
  const [metric] = peer.decodePayload(message!.body).metrics!;
  expect(metric).toMatchObject({ name: 'cooker-1/gap', type: 'DataSet' });
  const { columns, rows } = metric!.value as { columns: string[]; rows: unknown[][] };
  expect(Object.fromEntries(columns.map((column, i) => [column, plain(rows[0]![i])]))).toEqual({
    from: '2026-11-24T07:59:00.000Z',
    to: '2026-11-24T08:00:00.000Z',
    readings: '412',
    reason: 'outbox full',
    point: '',
    firstSequence: '5',
    lastSequence: '9',
  });
  expect(encode({ gaps: 'omit' }, [gap(1)])).toEqual([]);
});

test('with names of points alone no message holds two machines', () => {
  const messages = encode({ names: 'point' }, sampleEvents);
  expect(messages.map(({ about }) => about?.equipment)).toEqual(['cooker-1', 'mixer-2', 'cooker-1']);
  expect(decodePayload(messages[1]!.body).metrics.map(({ name }) => name)).toEqual(['speed']);
});

test('the time of a payload is that of its last event', () => {
  const later = { ...telemetry(2, everyKind), time: '2026-11-24T09:00:00.000Z' };
  expect(decodePayload(encode({}, [telemetry(1, everyKind), later])[0]!.body).timestamp).toBe(BigInt(Date.parse(later.time)));
});

test('whatever is cut, all readings arrive in order', () => {
  fc.assert(
    fc.property(anyEvents, anyGrain, fc.integer({ min: 200, max: 1500 }), (events, grain, maxBodyBytes) => {
      const read = encode({ gaps: 'omit' }, events, { grain, maxBodyBytes }).flatMap(({ body }) => decodePayload(body).metrics);
      const wanted = events.flatMap((event) =>
        event.type !== 'dragoman.telemetry.v1'
          ? []
          : event.data.readings.map(({ point, value, type }) => ({ name: `${event.data.equipment}/${point}`, value, type })),
      );
      expect(read.map(({ name }) => name)).toEqual(wanted.map(({ name }) => name));
      read.forEach(({ value }, i) => {
        const { value: given, type } = wanted[i]!;
        expect(value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value).toBe(
          type === 'int64' ? BigInt(given as string) : given,
        );
      });
    }),
  );
});

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'object' && value !== null ? String(value) : value;
}
