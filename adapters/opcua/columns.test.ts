import { DataType, DataValue, StatusCode, Variant, VariantArrayType } from 'node-opcua-client';
import { describe, expect, test } from 'vitest';
import { Columns } from './columns.ts';
import { StatusCodes } from './library.ts';
import { compilePart } from './part.ts';
import { SubscriptionWatch } from './watch.ts';

const receivedMs = Date.UTC(2026, 10, 24, 8);
const columnsOf = (size: number): Columns => new Columns(size, receivedMs, String);
const value = (dataType: DataType, each: unknown, more: object = {}): DataValue =>
  new DataValue({ value: new Variant({ dataType, value: each, ...more }) });

describe('columns', () => {
  test('a batch of one type has one shared list of types, and nothing it does not need', () => {
    const columns = columnsOf(3);
    for (let i = 0; i < 3; i++) columns.add(i, value(DataType.Double, i / 2), undefined);
    const batch = columns.finish();
    expect(batch).toMatchObject({ values: [0, 0.5, 1], receivedMs });
    expect([batch.types?.[0], batch.types?.[2], batch.states, batch.sourceTicks, batch.lost]).toEqual([
      'float64',
      'float64',
      undefined,
      undefined,
      undefined,
    ]);
    const again = columnsOf(1);
    again.add(0, value(DataType.Double, 7), undefined);
    expect(again.finish().types).toBe(batch.types);
  });

  test('mixed types stand each at its place', () => {
    const columns = columnsOf(4);
    columns.add(0, value(DataType.Float, Math.fround(0.1)), undefined);
    columns.add(1, value(DataType.Int64, [0xffff_ffff, 0xffff_fffe], { arrayType: VariantArrayType.Scalar }), undefined);
    columns.add(2, value(DataType.Null, null), undefined);
    columns.add(3, value(DataType.UInt64, [0xffff_ffff, 0xffff_fffe], { arrayType: VariantArrayType.Scalar }), undefined);
    const batch = columns.finish();
    expect(Array.from(batch.values)).toEqual([0.1, -2n, undefined, 18_446_744_073_709_551_614n]);
    expect([0, 1, 3].map((i) => batch.types?.[i])).toEqual(['float32', 'int64', 'uint64']);
    expect(batch.states?.[2]).toMatchObject({ status: { name: 'BadNoData' }, reason: expect.stringMatching(/null/) });
  });

  test('source time, else the server time, else the time of arrival', () => {
    const source = new Date(receivedMs - 5_000);
    const server = new Date(receivedMs - 1_000);
    const columns = columnsOf(3);
    columns.add(
      0,
      Object.assign(value(DataType.Double, 1), { sourceTimestamp: source, sourcePicoseconds: 456_700_000, serverTimestamp: server }),
      undefined,
    );
    columns.add(1, Object.assign(value(DataType.Double, 1), { serverTimestamp: server }), undefined);
    columns.add(2, value(DataType.Double, 1), undefined);
    const batch = columns.finish();
    expect(Array.from(batch.sourceTimesMs ?? [])).toEqual([source.getTime(), server.getTime(), receivedMs]);
    expect(Array.from(batch.sourceTicks ?? [])).toEqual([4567, 0, 0]);
  });

  test('the overflow bit is a loss, and stays in the status', () => {
    const columns = columnsOf(2);
    columns.add(
      5,
      Object.assign(value(DataType.Double, 1), {
        statusCode: StatusCode.makeStatusCode(StatusCodes.Good, 'Overflow | InfoTypeDataValue'),
      }),
      undefined,
    );
    columns.add(6, value(DataType.Double, 2), undefined);
    const batch = columns.finish();
    expect(batch.lost).toEqual([{ point: 5, reason: expect.stringMatching(/overflow/), count: 1 }]);
    expect(batch.states?.[0]).toMatchObject({ status: { code: 0x480, name: 'Good' } });
    expect(batch.values[0]).toBe(1);
  });

  test('one value that makes no sense is one bad value', () => {
    const columns = columnsOf(3);
    columns.add(0, value(DataType.Double, 1), compilePart({ field: 'a.b' }));
    columns.add(1, value(DataType.Double, new Float64Array([1, 2]), { arrayType: VariantArrayType.Array }), compilePart({ index: '7' }));
    columns.add(2, value(DataType.Double, 3), undefined);
    const batch = columns.finish();
    expect(batch.states?.[0]).toMatchObject({ status: { name: 'BadDataEncodingInvalid' }, reason: expect.stringMatching(/field a\.b/) });
    expect(batch.states?.[1]).toMatchObject({ status: { name: 'BadIndexRangeNoData' } });
    expect(batch.values[2]).toBe(3);
  });

  test('a part of a matrix', () => {
    const matrix = value(DataType.Int32, new Int32Array([0, 1, 2, 10, 11, 12]), { arrayType: VariantArrayType.Matrix, dimensions: [2, 3] });
    const columns = columnsOf(3);
    columns.add(0, matrix, compilePart({ index: '1,2' }));
    columns.add(1, matrix, compilePart({ index: '0:1,1' }));
    columns.add(2, matrix, undefined);
    expect(Array.from(columns.finish().values)).toEqual([12, [1, 11], [0, 1, 2, 10, 11, 12]]);
  });
});

describe('the watch over a subscription', () => {
  const subscription = { id: 1, publishingMs: 500, keepAliveMs: 1_000, staleMs: 3_000 };

  test('patience is 1.5 keep-alives, and always less than the stale time', () => {
    expect(new SubscriptionWatch(subscription, new Uint8Array(1), 0).silenceMs).toBe(1_500);
    expect(new SubscriptionWatch({ ...subscription, keepAliveMs: 3_000 }, new Uint8Array(1), 0).silenceMs).toBe(2_400);
  });

  test('counts messages that did not arrive, over keep-alives and the wrap', () => {
    const watch = new SubscriptionWatch(subscription, new Uint8Array(1), 0);
    const seen = [
      watch.missedBefore(1, false),
      watch.missedBefore(2, true),
      watch.missedBefore(2, false),
      watch.missedBefore(5, false),
      watch.missedBefore(6, true),
    ];
    expect(seen).toEqual([0, 0, 0, 2, 0]);
    const late = new SubscriptionWatch(subscription, new Uint8Array(1), 0);
    expect([late.missedBefore(0xffff_ffff, false), late.missedBefore(1, false)]).toEqual([0, 0]);
  });

  test('only points that had a value are verified, and not more often than needed', () => {
    const watch = new SubscriptionWatch(subscription, new Uint8Array(3), 0);
    for (const point of [0, 1, 2]) watch.addPoint(point);
    expect(watch.verified(0, true)).toBeUndefined();
    watch.know(0);
    watch.know(2);
    expect(Array.from(watch.verified(1_000, true) ?? [])).toEqual([0, 2]);
    expect(watch.verified(1_100, false)).toBeUndefined();
    expect(Array.from(watch.verified(1_750, false) ?? [])).toEqual([0, 2]);
  });
});
