import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { datatypeOf, metricValue } from '../../../encodings/sparkplug/metric.ts';
import { type Datatype, datatypes, encodePayload } from '../../../encodings/sparkplug/payload.ts';
import { type Value, type ValueType, valueTypes } from '../../../model/value.ts';
import { fits, widerType } from './metric-type.ts';

const {
  Boolean: Bool,
  Int8,
  Int16,
  Int64,
  UInt32,
  UInt64,
  Float,
  Double,
  String: Text,
  DateTime,
  Bytes,
  DoubleArray,
  Int64Array,
  StringArray,
} = datatypes;

describe('values in the form of a datatype', () => {
  const rows: [Datatype, Value, ValueType | undefined, unknown][] = [
    [Bool, true, undefined, true],
    [Bool, 1, undefined, undefined],
    [Int8, -128, undefined, -128],
    [Int8, 128, undefined, undefined],
    [Int16, 2.5, undefined, undefined],
    [UInt32, 4_294_967_295, undefined, 4_294_967_295],
    [Int64, '-9223372036854775808', 'int64', -(2n ** 63n)],
    [Int64, '12', undefined, undefined],
    [Int64, 12, undefined, 12n],
    [UInt64, '18446744073709551615', 'uint64', 2n ** 64n - 1n],
    [UInt64, 18446744073709551615n, 'uint64', 2n ** 64n - 1n],
    [UInt64, '-1', 'int64', undefined],
    [Float, 231.7, 'float32', 231.7],
    [Float, 0.123456789012, undefined, undefined],
    [Double, 0.123456789012, undefined, 0.123456789012],
    [Double, '90071992547409.93', 'decimal', 90071992547409.94],
    [Text, '90071992547409.93', 'decimal', '90071992547409.93'],
    [Text, 9, undefined, '9'],
    [DateTime, '2026-11-24T08:00:01.2501234Z', 'datetime', 1795507201250n],
    [DateTime, '1969-12-31T23:59:59Z', 'datetime', undefined],
    [Bytes, 'AAEC', 'bytes', Uint8Array.from([0, 1, 2])],
    [Double, '12', undefined, undefined],
    [Bytes, 'AAEC', undefined, undefined],
    [DoubleArray, [1, 2.5], undefined, [1, 2.5]],
    [DoubleArray, 1, undefined, undefined],
    [Int64Array, ['1', '-2'], 'int64', [1n, -2n]],
    [StringArray, ['a\0', 'b'], undefined, undefined],
    [Text, [1n, 'a'], undefined, '["1","a"]'],
    [Text, [1, 2.5], undefined, '["1","2.5"]'],
  ];
  test.for(rows)('row %#', ([datatype, value, type, expected]) => {
    expect(fits(datatype, value, type)).toBe(expected !== undefined);
    if (expected !== undefined) expect(metricValue(datatype, value)).toEqual(expected);
  });
});

describe('widening', () => {
  const rows: [string, Datatype, boolean, Value, ValueType | undefined, Datatype][] = [
    ['assumed, then a text', Double, false, 'auto', undefined, Text],
    ['assumed, then a bool', Double, false, true, undefined, Bool],
    ['said by the mapping, then another', Int16, false, 2.5, undefined, Double],
    ['assumed, then 64 bit', Double, false, '5', 'int64', Int64],
    ['assumed, then an array', Double, false, [1, 2], undefined, DoubleArray],
    ['an integer that grew', Int16, true, 40_000, undefined, Double],
    ['a number, then a bool', Double, true, true, undefined, Text],
    ['64 bit, then a fraction: a double would lose digits', Int64, true, 0.5, undefined, Text],
    ['a bool, then a number', Bool, true, 2, undefined, Text],
    ['a bytes value that is none', Double, false, '', 'bytes', Bytes],
    ['a date before 1970', DateTime, true, '1969-01-01T00:00:00Z', 'datetime', Text],
  ];
  test.for(rows)('%s', ([_rule, present, evident, value, type, expected]) => {
    expect(widerType(present, evident, value, type)).toBe(expected);
  });

  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.string(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.array(fc.integer()),
    fc.array(fc.string()),
    fc.array(fc.oneof(fc.boolean(), fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }))),
  ) as fc.Arbitrary<Value>;
  const type = fc.option(fc.constantFrom(...valueTypes), { nil: undefined });

  test('what comes after is taken, so is what came before, and the codec agrees', () => {
    fc.assert(
      fc.property(type, fc.array(fc.tuple(value, type), { minLength: 1, maxLength: 8 }), (declared, values) => {
        let datatype = datatypeOf({ type: declared });
        let evident = false;
        let changes = 0;
        for (const [each, said] of values) {
          if (!fits(datatype, each, said)) {
            datatype = widerType(datatype, evident, each, said);
            changes++;
          }
          evident = true;
          const made = metricValue(datatype, each);
          expect(made).toBeDefined();
          encodePayload({ metrics: [{ name: 'a', datatype, value: made! }] });
        }
        expect(changes).toBeLessThanOrEqual(3);
        const [first] = values[0]!;
        expect(fits(datatype, first, values[0]![1])).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
