import fc from 'fast-check';
import * as tahu from 'sparkplug-payload';
import { describe, expect, test } from 'vitest';
import {
  type DataSet,
  datatypes,
  decodePayload,
  encodePayload,
  type Metric,
  type MetricValue,
  SparkplugPayloadError,
  typedValue,
} from './payload.ts';

const peer = tahu.get('spBv1.0')!;
type PeerPayload = Parameters<typeof peer.encodePayload>[0];

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const one = (metric: Metric): Metric => decodePayload(encodePayload({ metrics: [metric] })).metrics[0]!;
const nativeLong = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'low' in value ? BigInt(String(value)) : value;

/** Values that both sides can hold; `peer` is how sparkplug-payload writes them. */
const scalars: readonly { type: keyof typeof datatypes; value: MetricValue; peer?: unknown }[] = [
  { type: 'Int8', value: -128 },
  { type: 'Int8', value: 127 },
  { type: 'Int16', value: -32768 },
  { type: 'Int32', value: -2147483648 },
  { type: 'Int32', value: 2147483647 },
  { type: 'UInt8', value: 255 },
  { type: 'UInt16', value: 65535 },
  { type: 'UInt32', value: 2147483647 },
  { type: 'UInt64', value: 18446744073709551615n, peer: '18446744073709551615' },
  { type: 'Int64', value: 9007199254740993n, peer: '9007199254740993' },
  { type: 'DateTime', value: 1795507201250n, peer: '1795507201250' },
  { type: 'Float', value: 1.5 },
  { type: 'Double', value: 93.2 },
  { type: 'Double', value: -0 },
  { type: 'Boolean', value: false },
  { type: 'Boolean', value: true },
  { type: 'String', value: 'Käse ✓' },
  { type: 'String', value: '' },
  { type: 'Text', value: 'x'.repeat(300) },
  { type: 'UUID', value: 'b3e7a9f2-0000-4000-8000-000000000000' },
  { type: 'Bytes', value: Uint8Array.of(0, 255) },
];

describe('against sparkplug-payload', () => {
  test.for(scalars)('it reads our $type $value', ({ type, value }) => {
    const bytes = encodePayload({ timestamp: 1795507201250n, seq: 255n, metrics: [{ name: 'm', datatype: datatypes[type], value }] });
    const read = peer.decodePayload(bytes);
    expect(nativeLong(read.timestamp)).toBe(1795507201250n);
    expect(nativeLong(read.seq)).toBe(255n);
    const metric = read.metrics?.[0];
    expect(metric).toMatchObject({ name: 'm', type });
    const got = nativeLong(metric?.value);
    if (type === 'UInt32') expect(Number(got)).toBe(value);
    else expect(got instanceof Uint8Array ? Uint8Array.from(got) : got).toEqual(value);
  });

  test.for(scalars)('we read its $type $value', ({ type, value, peer: text }) => {
    const payload = { timestamp: 1795507201250, seq: 3, metrics: [{ name: 'm', type, value: text === undefined ? value : longOf(text) }] };
    const read = decodePayload(Uint8Array.from(peer.encodePayload(payload as PeerPayload)));
    expect(read).toEqual({ timestamp: 1795507201250n, seq: 3n, metrics: [{ name: 'm', datatype: datatypes[type], value }] });
  });

  test('a negative Int64 both ways', () => {
    const value = -9007199254740993n;
    const bytes = encodePayload({ metrics: [{ name: 'm', datatype: datatypes.Int64, value }] });
    // It finds another copy of `long` than protobufjs does and leaves the sign to its caller.
    expect(BigInt.asIntN(64, nativeLong(peer.decodePayload(bytes).metrics?.[0]?.value) as bigint)).toBe(value);
    const theirs = peer.encodePayload({
      timestamp: 0,
      metrics: [{ name: 'm', type: 'Int64', value: longOf(String(value)) }],
    } as PeerPayload);
    expect(decodePayload(theirs).metrics[0]?.value).toBe(value);
  });

  const set: DataSet = {
    // Of these types only: of data sets it reads no other integers than UInt32 and Int64.
    columns: ['n', 'ok', 'text'],
    types: [datatypes.Double, datatypes.Boolean, datatypes.String],
    rows: [
      [-7, true, 'a'],
      [8, false, ''],
    ],
  };
  const properties = {
    Quality: { type: datatypes.Int32, value: 500 },
    engUnit: { type: datatypes.String, value: 'Cel' },
    inner: { type: datatypes.PropertySet, value: { deep: { type: datatypes.Int8, value: -1 } } },
  };

  test('data sets, templates, properties and metadata that it wrote', () => {
    const theirs = peer.encodePayload({
      timestamp: 1,
      metrics: [
        {
          name: 'set',
          type: 'DataSet',
          value: { numOfColumns: 3, columns: set.columns, types: ['Double', 'Boolean', 'String'], rows: set.rows },
          properties: {
            Quality: { type: 'Int32', value: 500 },
            engUnit: { type: 'String', value: 'Cel' },
            inner: { type: 'PropertySet', value: { deep: { type: 'Int8', value: -1 } } },
          },
        },
        {
          name: 'motor',
          type: 'Template',
          value: {
            templateRef: 'Motor',
            version: '1',
            isDefinition: false,
            metrics: [{ name: 'speed', type: 'Int16', value: -5 }],
            parameters: [{ name: 'p', type: 'String', value: 'x' }],
          },
          metadata: { contentType: 'a/b', size: 12, md5: 'm', description: 'd' },
        },
        { name: 'nothing', type: 'Int32', value: null },
      ],
    } as unknown as PeerPayload);
    expect(decodePayload(theirs).metrics).toEqual([
      { name: 'set', datatype: datatypes.DataSet, value: set, properties },
      {
        name: 'motor',
        datatype: datatypes.Template,
        metadata: { contentType: 'a/b', size: 12n, md5: 'm', description: 'd' },
        value: {
          templateRef: 'Motor',
          version: '1',
          isDefinition: false,
          metrics: [{ name: 'speed', datatype: datatypes.Int16, value: -5 }],
          parameters: [{ name: 'p', type: datatypes.String, value: 'x' }],
        },
      },
      { name: 'nothing', datatype: datatypes.Int32, isNull: true },
    ]);
  });

  test('it reads our data sets, templates, properties and nulls', () => {
    const read = peer.decodePayload(
      encodePayload({
        metrics: [
          { name: 'set', datatype: datatypes.DataSet, value: set, properties },
          { name: 't', datatype: datatypes.Template, value: { metrics: [{ name: 'speed', datatype: datatypes.Int16, value: -5 }] } },
          { name: 'none', datatype: datatypes.Int32, isNull: true, alias: 7n, isHistorical: true },
        ],
      }),
    );
    const [first, second, third] = read.metrics ?? [];
    expect(first).toMatchObject({
      value: {
        columns: [...set.columns],
        types: ['Double', 'Boolean', 'String'],
        rows: [
          [-7, true, 'a'],
          [8, false, ''],
        ],
      },
    });
    expect(first?.properties).toMatchObject({ Quality: { type: 'Int32', value: 500 }, engUnit: { type: 'String', value: 'Cel' } });
    expect(second).toMatchObject({ value: { metrics: [{ name: 'speed', type: 'Int16', value: -5 }] } });
    expect(third).toMatchObject({ value: null, isHistorical: true });
  });
});

/** The examples of Sparkplug 3.0 §6.4.17, without its slip: it prints 0xEF for -23. */
describe('arrays', () => {
  test.for([
    { type: 'Int8Array', value: [-23, 123], hex: 'e9 7b' },
    { type: 'Int16Array', value: [-30000, 30000], hex: 'd0 8a 30 75' },
    { type: 'Int32Array', value: [123456789, 987654321], hex: '15 cd 5b 07 b1 68 de 3a' },
    { type: 'UInt16Array', value: [30, 52360], hex: '1e 00 88 cc' },
    { type: 'FloatArray', value: [1.5], hex: '00 00 c0 3f' },
    { type: 'Int64Array', value: [-1n], hex: 'ff ff ff ff ff ff ff ff' },
    {
      type: 'BooleanArray',
      value: [false, false, true, true, false, true, false, false, true, true, false, true],
      hex: '0c 00 00 00 34 d0',
    },
    { type: 'StringArray', value: ['ABC', 'hello'], hex: '41 42 43 00 68 65 6c 6c 6f 00' },
    { type: 'DateTimeArray', value: [1256102875335n, 1656107875000n], hex: 'c7 d0 90 75 24 01 00 00 b8 ba b8 97 81 01 00 00' },
  ] as const)('$type as in the standard', ({ type, value, hex }) => {
    const metric = { name: 'a', datatype: datatypes[type], value };
    const bytes = encodePayload({ metrics: [metric] });
    expect(Buffer.from(bytes).toString('hex')).toContain(hex.replaceAll(' ', ''));
    expect(decodePayload(bytes).metrics).toEqual([metric]);
  });

  test('a count beyond the bytes is a fault, not four billion booleans', () => {
    expect(() => typedValue(datatypes.BooleanArray, bytesOf('ff ff ff ff 80'))).toThrow('5 bytes are no BooleanArray');
  });
});

describe('what other writers do', () => {
  test.for([
    { what: 'UInt32 in int_value', hex: '12 08 20 07 50 ff ff ff ff 0f', value: 4294967295 },
    { what: 'UInt32 in long_value', hex: '12 08 20 07 58 ff ff ff ff 0f', value: 4294967295 },
    { what: 'Int8 as eight bits', hex: '12 05 20 01 50 ff 01', value: -1 },
    { what: 'Int8 as 32 bits', hex: '12 08 20 01 50 ff ff ff ff 0f', value: -1 },
    { what: 'Int32 as ten bytes', hex: '12 0d 20 03 50 ff ff ff ff ff ff ff ff ff 01', value: -1 },
    { what: 'Int32 in long_value', hex: '12 0d 20 03 58 ff ff ff ff ff ff ff ff ff 01', value: -1 },
    { what: 'Boolean in int_value', hex: '12 04 20 0b 50 01', value: true },
    { what: 'no datatype: as the wire has it', hex: '12 06 50 ff ff ff ff 0f', value: 4294967295 },
    { what: 'an unknown datatype', hex: '12 04 20 63 50 05', value: 5 },
  ])('$what', ({ hex, value }) => {
    expect(decodePayload(bytesOf(hex)).metrics[0]?.value).toBe(value);
  });

  test('a value that does not fit leaves the other metrics alone', () => {
    const [bad, good] = decodePayload(bytesOf('12 05 20 01 50 ac 02 12 04 20 03 50 05')).metrics;
    expect(bad).toEqual({ datatype: 1, fault: '300 is beyond Int8' });
    expect(good?.value).toBe(5);
  });

  test('fields that nobody knows are skipped, groups too', () => {
    // field 100 as varint, as a group with content, as bytes; in the payload and in the metric
    const unknown = 'a0 06 01 a3 06 08 01 a4 06 a2 06 02 01 02';
    expect(decodePayload(bytesOf(`${unknown} 12 12 20 03 ${unknown} 50 05`)).metrics).toEqual([{ datatype: 3, value: 5 }]);
  });

  test('a key named __proto__ is only a key', () => {
    const properties = Object.fromEntries([['__proto__', { type: datatypes.Int32, value: 1 }]]);
    const read = one({ name: 'm', datatype: datatypes.Int32, value: 1, properties }).properties!;
    expect(Object.keys(read)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  });
});

describe('bytes that are no payload', () => {
  test.for([
    { what: 'JSON', bytes: new TextEncoder().encode('{"metrics":[]}') },
    { what: 'a length of four gigabytes', bytes: bytesOf('12 ff ff ff ff 0f') },
    { what: 'a metric that ends early', bytes: bytesOf('12 05 0a 02 41') },
    { what: 'a text that reaches beyond its metric', bytes: bytesOf('12 03 0a 05 41 42 43 44 45') },
    { what: 'field number 0', bytes: bytesOf('00 01') },
    { what: 'a varint without end', bytes: bytesOf('08 ff ff ff ff ff ff ff ff ff ff ff') },
    { what: 'half a float', bytes: bytesOf('12 03 65 00 00') },
    { what: 'groups in groups', bytes: new Uint8Array(1000).fill(0x9b) },
  ])('$what', ({ bytes }) => {
    expect(() => decodePayload(bytes)).toThrow(SparkplugPayloadError);
  });

  test('templates nested without end', () => {
    let metric: Metric = { datatype: datatypes.Int32, value: 1 };
    for (let i = 0; i < 40; i++) metric = { datatype: datatypes.Template, value: { metrics: [metric] } };
    expect(() => one(metric)).toThrow('nested deeper than 16');
  });

  test('any bytes give a payload or the one error', () => {
    const valid = encodePayload({
      timestamp: 1n,
      seq: 2n,
      metrics: scalars.map(({ type, value }) => ({ name: type, datatype: datatypes[type], value })),
    });
    const flipped = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((flips) => flips.reduce((bytes, [at, byte]) => bytes.with(at, byte), Uint8Array.from(valid)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), flipped), (bytes) => {
        try {
          decodePayload(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SparkplugPayloadError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

const valueArbitraries: Readonly<Partial<Record<keyof typeof datatypes, fc.Arbitrary<MetricValue>>>> = {
  Int8: fc.integer({ min: -128, max: 127 }),
  Int16: fc.integer({ min: -32768, max: 32767 }),
  Int32: fc.integer(),
  Int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  UInt8: fc.integer({ min: 0, max: 255 }),
  UInt32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  UInt64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  Float: fc.float(),
  Double: fc.double(),
  Boolean: fc.boolean(),
  String: fc.string({ unit: 'binary' }),
  Bytes: fc.uint8Array(),
  Int8Array: fc.array(fc.integer({ min: -128, max: 127 })),
  UInt64Array: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  DoubleArray: fc.array(fc.double()),
  BooleanArray: fc.array(fc.boolean()),
  StringArray: fc.array(fc.string().map((text) => text.replaceAll('\0', ''))),
};

test('what is written reads back', () => {
  const metric = fc.oneof(
    ...Object.entries(valueArbitraries).map(([type, value]) =>
      fc.record({
        name: fc.string(),
        alias: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        datatype: fc.constant(datatypes[type as 'Int8']),
        value,
      }),
    ),
  );
  fc.assert(
    fc.property(fc.array(metric, { maxLength: 8 }), (metrics) => {
      expect(decodePayload(encodePayload({ seq: 0n, metrics }))).toEqual({ seq: 0n, metrics });
    }),
  );
});

test.for([
  { what: 'beyond its range', metric: { name: 'm', datatype: datatypes.Int8, value: 200 }, says: 'metric m: 200 is no Int8' },
  { what: 'not whole', metric: { name: 'm', datatype: datatypes.Int32, value: 1.5 }, says: 'metric m: number instead of Int32' },
  { what: 'a number for an Int64', metric: { name: 'm', datatype: datatypes.Int64, value: 5 }, says: 'metric m: 5 is no Int64' },
  {
    what: 'an element beyond its range',
    metric: { name: 'm', datatype: datatypes.UInt8Array, value: [1, 256] },
    says: 'metric m: 256 is beyond UInt8',
  },
  { what: 'beyond a float', metric: { name: 'm', datatype: datatypes.Float, value: 1e300 }, says: 'metric m: 1e+300 is beyond Float' },
  { what: 'without a datatype', metric: { alias: 4n, value: 1 }, says: 'metric 4 has a value and no datatype' },
])('refuses to write a value $what', ({ metric, says }) => {
  expect(() => encodePayload({ metrics: [metric] })).toThrow(new RangeError(says));
});

test('datatypes may be left out of data', () => {
  const bytes = encodePayload({ metrics: [{ alias: 1n, datatype: datatypes.Int32, value: -1 }] }, { datatypes: false });
  const [metric] = decodePayload(bytes).metrics;
  expect(metric).toEqual({ alias: 1n, value: 4294967295 });
  expect(typedValue(datatypes.Int32, metric!.value!)).toBe(-1);
});

/** What sparkplug-payload takes for 64 bits: an object of its own copy of `long`. */
function longOf(text: unknown): unknown {
  const { low, high } = {
    low: Number(BigInt.asIntN(32, BigInt(String(text)))),
    high: Number(BigInt.asIntN(32, BigInt(String(text)) >> 32n)),
  };
  return { low, high, unsigned: false };
}
