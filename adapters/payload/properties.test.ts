import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RawValue } from '../../model/value.ts';
import { decoderOf } from '../registers/codec.ts';
import { encodeRegisters } from '../registers/encode.ts';
import { type ModbusType, modbusTypes, typeShape } from '../registers/types.ts';
import { formatPointer, parsePointer } from './pointer.ts';
import { one, readAll, text } from './testcases/one-point.ts';
import { UndecodableError } from './undecodable.ts';

/** The value of decimal digits as a fraction of integers, for comparing without doubles. */
function fraction(source: string): { readonly n: bigint; readonly d: bigint } {
  const [, sign, whole = '', decimals = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source)!;
  const shift = Number(exponent) - decimals.length;
  const digits = BigInt(whole + decimals) * (sign === '-' ? -1n : 1n);
  return shift >= 0 ? { n: digits * 10n ** BigInt(shift), d: 1n } : { n: digits, d: 10n ** BigInt(-shift) };
}

const digits = (max: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`));
const jsonNumber = fc
  .tuple(
    fc.boolean(),
    fc.oneof(fc.constant('0'), fc.stringMatching(/^[1-9][0-9]{0,25}$/)),
    fc.option(digits(25)),
    fc.option(fc.integer({ min: -40, max: 40 })),
  )
  .map(
    ([minus, whole, decimals, exponent]) =>
      `${minus ? '-' : ''}${whole}${decimals === null ? '' : `.${decimals}`}${exponent === null ? '' : `e${exponent}`}`,
  );

describe('numbers of JSON', () => {
  test('are exact: to all digits, or a double that prints the digits that were written', () => {
    fc.assert(
      fc.property(jsonNumber, (source) => {
        const { value, type } = one('/v', {}, text(`{"v":${source}}`))!;
        if (typeof value === 'number') {
          const written = source
            .replace(/[eE].*$/, '')
            .replace(/[-.]/g, '')
            .replace(/^0+/, '')
            .replace(/0+$/, '');
          const printed = written === '' ? '0' : Math.abs(value).toPrecision(Math.min(written.length, 100));
          const left = fraction(printed);
          const right = fraction(source.replace(/^-/, ''));
          expect(left.n * right.d, `${source} as ${value}`).toBe(right.n * left.d);
        } else {
          const left = fraction(String(value));
          const right = fraction(source);
          expect(left.n * right.d, `${source} as ${value}`).toBe(right.n * left.d);
          expect(type).toMatch(/^(u?int64|decimal)$/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('every double comes back as itself', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const read = one('/v', { type: 'float64' }, text(JSON.stringify({ v: value })))?.value;
        expect(read).toBe(Object.is(value, -0) ? 0 : value);
      }),
      { numRuns: 1000 },
    );
  });

  test('every 64-bit integer, as number and as text', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        for (const source of [`${value}`, `"${value}"`]) expect(one('/v', { type: 'int64' }, text(`{"v":${source}}`))?.value).toBe(value);
      }),
    );
  });
});

test('the exact parser reads what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), fc.string(), (json, key) => {
      const plain = JSON.parse(json);
      // The long number sends the same text through the exact parser.
      const [fast, exact] = [`{"k":${json}}`, `{"k":${json},"n":12345678901234567890}`].map((body) => one('/k', {}, text(body)));
      expect(exact).toEqual(fast);
      if (typeof plain === 'string') expect(exact?.value ?? '').toBe(plain);
      expect(one(`/k${formatPointer([key])}`, {}, text(`{"k":${JSON.stringify({ [key]: 5 })}}`))?.value).toBe(5);
    }),
    { numRuns: 500 },
  );
});

test('a pointer comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (tokens) => {
      expect(parsePointer(formatPointer(tokens))).toEqual(tokens);
    }),
  );
});

test('CSV fields come back as they were, in any dialect', () => {
  const field = fc.string({ unit: fc.constantFrom('a', 'é', '"', ';', ',', '\t', '\n', '\r\n', '|'), minLength: 1, maxLength: 8 });
  const quote = (value: string): string => `"${value.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(field, field), { minLength: 1, maxLength: 5 }),
      fc.constantFrom(',', ';', '\t', '|'),
      fc.constantFrom('\n', '\r\n'),
      fc.constantFrom('', '\ufeff'),
      (rows, separator, end, mark) => {
        const lines = rows.map((row) => row.map(quote).join(separator));
        const body = `${mark}${[`first${separator}second`, ...lines].join(end)}${end}`;
        const own = { body: 'csv', separator, type: 'string' };
        expect(readAll('column:second', own, text(body)).map(({ value }) => value)).toEqual(rows.map(([, second]) => second));
      },
    ),
    { numRuns: 300 },
  );
});

/** Types whose values lie in bytes as they lie in registers. */
const shared = modbusTypes.filter((type) => !['bool', 'int8', 'uint8', 'string', 'bytes', 'mod10k'].includes(type));

test.for(shared)('%s lies in bytes as in registers, in each byte order and at each offset', (type) => {
  const count = typeShape(type).registers!;
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.constantFrom('ABCD', 'CDAB', 'BADC', 'DCBA'),
      fc.nat(7),
      (bytes, byteOrder, offset) => {
        const expected = decoderOf({ type, byteOrder: byteOrder as 'ABCD', count, array: false })(bytes, offset);
        expect(one(`byte ${offset}`, { body: 'binary', type, byteOrder }, { body: bytes })?.value).toEqual(expected);
      },
    ),
    { numRuns: 50 },
  );
});

test('what registers encode, bytes decode', () => {
  const cases: readonly [ModbusType, RawValue][] = [
    ['uint64', 2n ** 64n - 1n],
    ['float32', 230.4],
    ['bcd32', 12345678],
    ['mod10k', -1234567],
    ['datetime-s7', '2024-11-23T08:01:30.123Z'],
  ];
  for (const [type, value] of cases) {
    const form = { type, byteOrder: 'CDAB' as const, count: typeShape(type).registers ?? 2, array: false };
    const byteOrder = typeShape(type).width > 0 || type === 'mod10k' ? 'CDAB' : undefined;
    const body = encodeRegisters(byteOrder ? form : { ...form, byteOrder: 'ABCD' }, value);
    expect(one('byte 0', { body: 'binary', type, ...(byteOrder && { byteOrder }) }, { body })?.value).toEqual(value);
  }
});

const points: readonly [string | undefined, Record<string, unknown>][] = [
  ['/a/0', {}],
  ['/a', { type: 'int64', time: '/t' }],
  ['', { type: 'decimal' }],
  [undefined, { body: 'text', type: 'float64' }],
  [undefined, { body: 'text', match: '(\\d+)', type: 'datetime' }],
  ['column:2', { body: 'csv', type: 'int16' }],
  ['column:a', { body: 'csv', separator: ';', decimal: ',', time: 'column:t' }],
  ['/a/b[2]/@c', { body: 'xml' }],
  ['byte 3', { body: 'binary', type: 'float64' }],
  ['byte 0', { body: 'binary', type: 'string', length: 7, byteOrder: 'ABCD' }],
  ['byte 1', { body: 'binary', type: 'bcd16', time: 'byte 0', timeFormat: 'datetime-s7' }],
];

test('garbage throws nothing but UndecodableError', () => {
  const almost = fc.oneof(
    fc.json().map((json) => json.replace(/[{}[\]":,]/, '')),
    fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', 'a', '1', 'e', '-', '.', '\\', 'u', ' ', '\n', ';') }),
    fc.string({ unit: fc.constantFrom('<', '>', '/', 'a', 'b', '=', '"', '&', '!', '-', '[', ']', '?', ' ') }),
    fc.string(),
  );
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    almost.map((each) => new Uint8Array(Buffer.from(each))),
  );
  fc.assert(
    fc.property(body, fc.constantFrom(...points), (bytes, [at, own]) => {
      try {
        readAll(at, own, { body: bytes });
      } catch (error) {
        if (!(error instanceof UndecodableError)) throw error;
        expect(error.message).toMatch(/\w{3}/);
      }
    }),
    { numRuns: 5000 },
  );
});
