import { describe, expect, test } from 'vitest';
import type { TelemetryReading } from '../../model/telemetry.ts';
import type { ValueType } from '../../model/value.ts';
import { everyKind, noon, SamplePlant } from '../testcases/sample.ts';
import { datatypeOf, datatypes, encodePayload, metricOf, metricOfLatest } from './payload.ts';

const reading = (value: TelemetryReading['value'], rest: Partial<TelemetryReading> = {}): TelemetryReading => ({
  point: 'p',
  value: value!,
  time: noon,
  ...rest,
});
const { value: _, ...silent } = reading(0, { quality: 'bad', status: 'BadTimeout', reason: 'no answer' });

describe('datatypes', () => {
  test.for<{ type: ValueType | undefined; value: TelemetryReading['value']; datatype: keyof typeof datatypes; gives: unknown }>([
    { type: 'bool', value: true, datatype: 'Boolean', gives: true },
    { type: 'int8', value: -1, datatype: 'Int8', gives: -1 },
    { type: 'uint32', value: 4294967295, datatype: 'UInt32', gives: 4294967295 },
    { type: 'int64', value: '-9007199254740993', datatype: 'Int64', gives: -9007199254740993n },
    { type: 'uint64', value: '18446744073709551615', datatype: 'UInt64', gives: 18446744073709551615n },
    { type: 'float32', value: 93.2, datatype: 'Float', gives: 93.2 },
    { type: 'decimal', value: '90071992547409.93', datatype: 'Double', gives: Number('90071992547409.93') },
    { type: 'decimal', value: 0.5, datatype: 'Double', gives: 0.5 },
    { type: 'string', value: 7, datatype: 'String', gives: '7' },
    { type: 'bytes', value: '/+8=', datatype: 'Bytes', gives: Uint8Array.of(255, 239) },
    { type: 'datetime', value: '2026-11-24T06:30:00.5Z', datatype: 'DateTime', gives: 1795501800500n },
    { type: 'int16', value: [20, -5], datatype: 'Int16Array', gives: [20, -5] },
    { type: 'int64', value: ['1', '-1'], datatype: 'Int64Array', gives: [1n, -1n] },
    { type: undefined, value: 1.5, datatype: 'Double', gives: 1.5 },
    { type: undefined, value: false, datatype: 'Boolean', gives: false },
    { type: undefined, value: 'x', datatype: 'String', gives: 'x' },
    { type: undefined, value: ['a'], datatype: 'StringArray', gives: ['a'] },
    { type: undefined, value: [], datatype: 'DoubleArray', gives: [] },
  ])('$type $value is $datatype', ({ type, value, datatype, gives }) => {
    const metric = metricOf(reading(value), type === undefined ? undefined : { type, unit: undefined });
    expect(metric).toEqual({ name: 'p', timestamp: 1795507201250n, datatype: datatypes[datatype], value: gives });
    expect(() => encodePayload({ metrics: [metric] })).not.toThrow();
  });

  test('the mapping speaks before the reading', () => {
    expect(datatypeOf({ type: 'float32' }, reading(1, { type: 'int64' }))).toBe(datatypes.Float);
    expect(datatypeOf(undefined, reading('1', { type: 'int64' }))).toBe(datatypes.Int64);
    expect(datatypeOf(undefined)).toBe(datatypes.Double);
  });
});

test.for([
  { what: 'a whole number that has decimals', value: 1.5, datatype: datatypes.Int32 },
  { what: 'beyond the range', value: 300, datatype: datatypes.UInt8 },
  { what: 'text for a number', value: 'running', datatype: datatypes.Double },
  { what: 'empty text for a number', value: '', datatype: datatypes.Int16 },
  { what: 'too large for a float', value: 1e300, datatype: datatypes.Float },
  { what: 'a number for a boolean', value: 1, datatype: datatypes.Boolean },
  { what: 'a word for a time', value: 'noon', datatype: datatypes.DateTime },
  { what: 'an array for one number', value: [1, 2], datatype: datatypes.Double },
])('$what is null and says so, never another value', ({ value, datatype }) => {
  const metric = metricOf(reading(value), undefined, { datatype });
  expect(metric).toMatchObject({ datatype, isNull: true, properties: { Quality: { value: 0 }, Status: { value: 'BadTypeMismatch' } } });
  expect(metric.value).toBeUndefined();
});

test('quality, status and reason are properties where it is not good', () => {
  expect(metricOf(silent, { type: 'float64', unit: 'A' })).toEqual({
    name: 'p',
    timestamp: 1795507201250n,
    datatype: datatypes.Double,
    isNull: true,
    properties: {
      Quality: { type: datatypes.Int32, value: 0 },
      Status: { type: datatypes.String, value: 'BadTimeout' },
      Reason: { type: datatypes.String, value: 'no answer' },
      engUnit: { type: datatypes.String, value: 'A' },
    },
  });
  expect(metricOf(reading(1, { quality: 'uncertain', status: 'UncertainSubNormal' })).properties).toMatchObject({
    Quality: { value: 500 },
  });
  expect(metricOf(reading(1)).properties).toBeUndefined();
});

test('the unit may be left to the birth', () => {
  expect(metricOf(reading(1, { unit: 'Cel' })).properties).toEqual({ engUnit: { type: datatypes.String, value: 'Cel' } });
  expect(metricOf(reading(1, { unit: 'Cel' }), undefined, { unit: false }).properties).toBeUndefined();
});

test('a latest reading of the plant gives the same metric as the reading in a message', () => {
  const point = new SamplePlant().points.find(({ name }) => name === 'batch_id')!;
  const inMessage = everyKind.find(({ point: name }) => name === 'batch_id')!;
  const latest = {
    point: 'batch_id',
    value: 18446744073709551615n,
    quality: 'good',
    status: 'Good',
    sourceTimeMs: Date.parse(noon),
    receivedMs: 0,
  } as const;
  expect(metricOfLatest(latest, point, { name: 'cooker-1/batch_id' })).toEqual(metricOf(inMessage, point, { name: 'cooker-1/batch_id' }));
});

test('a clock before 1970 gives no timestamp', () => {
  expect(metricOf(reading(1, { time: '1969-12-31T23:59:59.000Z' })).timestamp).toBeUndefined();
});
