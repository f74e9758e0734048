import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Tree } from '../payload/contract.ts';
import { UndecodableError } from '../payload/undecodable.ts';
import { rhea } from './library.ts';
import { AmqpMessage } from './message.ts';
import { ValueReader } from './values.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const read = (hex: string): Tree => new ValueReader(bytes(hex)).read();

/** rhea's own, which its types do not show. */
const { Writer } = rhea.types as unknown as { readonly Writer: new () => { write(value: unknown): void; toBuffer(): Buffer } };

/** Bytes by hand, from the tables of part 1. */
describe('values', () => {
  test.for<[string, string, Tree]>([
    ['null', '40', null],
    ['true in one byte', '41', true],
    ['false in two bytes', '56 00', false],
    ['ubyte', '50 ff', 255],
    ['ushort', '60 ffff', 65_535],
    ['uint', '70 ffffffff', 4_294_967_295],
    ['uint0', '43', 0],
    ['ulong within a double', '80 001fffffffffffff', 9_007_199_254_740_991],
    ['ulong beyond', '80 0020000000000001', 9_007_199_254_740_993n],
    ['largest ulong', '80 ffffffffffffffff', 18_446_744_073_709_551_615n],
    ['small ulong', '53 07', 7],
    ['byte', '51 80', -128],
    ['short', '61 8000', -32_768],
    ['int', '71 80000000', -2_147_483_648],
    ['smallint', '54 ff', -1],
    ['long', '81 ffdfffffffffffff', -9_007_199_254_740_993n],
    ['small long', '55 fe', -2],
    ['float with its own digits', '72 4367b333', 231.7],
    ['double', '82 3fb999999999999a', 0.1],
    ['char', '73 0001f36c', '🍬'],
    ['timestamp', '83 0000019aa1b2c3d4', { timeMs: 0x19aa1b2c3d4 }],
    ['timestamp before 1970', '83 ffffffffffffffff', { timeMs: -1 }],
    ['uuid', '98 f81d4fae7dec11d0a76500a0c91e6bf6', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'],
    ['binary', 'a0 02 0102', Buffer.from([1, 2])],
    ['string', 'a1 04 c3bcc3a4', 'üä'],
    ['symbol', 'a3 03 616263', 'abc'],
    ['list0', '45', []],
    ['list', 'c0 04 02 5401 41', [1, true]],
    ['map', 'c1 06 02 a10161 5405', new Map([['a', 5]])],
    ['map with number keys', 'd1 00000008 00000002 5403 5405', new Map([['3', 5]])],
    ['array of smallint', 'e0 04 02 54 01 ff', [1, -1]],
    ['array of a described type', 'e0 07 02 00 5301 54 01 02', [1, 2]],
    ['described value gives what it describes', '00 a3 03 613a62 5407', 7],
  ])('%s', ([, hex, value]) => {
    expect(read(hex)).toEqual(value);
  });

  /** Known encodings of the Binary Integer form: those of BSON's decimal128 corpus and of Intel's library. */
  test.for<[string, string, Tree]>([
    ['decimal32 1', '74 32800001', 1],
    ['decimal32 of seven digits, in the form with two leading ones', '74 6cb8967f', 9_999_999],
    ['decimal32 -0.5', '74 b2000005', -0.5],
    ['decimal64 123', '84 31c000000000007b', 123],
    ['decimal64 12.3', '84 31a000000000007b', 12.3],
    ['decimal64 of sixteen digits', '84 6c7386f26fc0ffff', { decimal: '9999999999999999' }],
    ['decimal128 0.1', '94 303e0000000000000000000000000001', 0.1],
    ['decimal128 -1', '94 b0400000000000000000000000000001', -1],
    ['decimal128 1.00 loses nothing but zeros', '94 303c0000000000000000000000000064', 1],
    [
      'decimal128 1234567890123456789012345678901234',
      '94 30403cde6fff9732de825cd07e96aff2',
      { decimal: '1234567890123456789012345678901234' },
    ],
    [
      'decimal128 0.1234567890123456789012345678901234',
      '94 2ffc3cde6fff9732de825cd07e96aff2',
      { decimal: '0.1234567890123456789012345678901234' },
    ],
    ['decimal128 1E+6144', '94 5ffe314dc6448d9338c15b0a00000000', { decimal: '1E6144' }],
    ['decimal128 zero with an exponent', '94 30560000000000000000000000000000', 0],
    ['decimal128 infinity', '94 78000000000000000000000000000000', Infinity],
    ['decimal128 not a number', '94 7c000000000000000000000000000000', Number.NaN],
  ])('%s', ([, hex, value]) => {
    expect(read(hex)).toEqual(value);
  });

  test.for([
    ['ends within a number', '71 0000'],
    ['ends within a text', 'a1 05 6162'],
    ['list longer than its bytes', 'd0 7fffffff 7fffffff 40'],
    ['array of a thousand million nothings', 'f0 00000005 3fffffff 40'],
    ['text that is not UTF-8', 'a1 02 c328'],
    ['no such type', '3f'],
    ['key without value', 'c1 04 01 a10161'],
    ['a hundred thousand lists in each other', 'd0ffffff00ffffff00'.repeat(100)],
  ])('%s is refused', ([, hex]) => {
    expect(() => read(hex!)).toThrow(UndecodableError);
  });

  test('nesting is bounded', () => {
    const deep = Buffer.concat([...Array.from({ length: 5_000 }, () => bytes('00 a300')), bytes('40')]);
    expect(() => new ValueReader(deep).read()).not.toThrow(RangeError);
    let nested = bytes('40');
    for (let i = 0; i < 200; i++) nested = Buffer.concat([bytes('d0'), u32(nested.length + 4), u32(1), nested]);
    expect(() => new ValueReader(nested).read()).toThrow(/nested/);
  });

  test('whatever the bytes: a value, or a reason', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
        try {
          new ValueReader(Buffer.from(random)).read();
        } catch (error) {
          expect(error).toBeInstanceOf(UndecodableError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('skipping ends where reading does', () => {
    const value = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.string(),
        fc.boolean(),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.string({ minLength: 1 }), tie('tree'), { maxKeys: 4 }),
      ),
    })).tree;
    fc.assert(
      fc.property(value, (written) => {
        const writer = new Writer();
        writer.write(rhea.types.wrap(written));
        const message = writer.toBuffer();
        const [a, b] = [new ValueReader(message), new ValueReader(message)];
        a.read();
        b.skip();
        expect(b.at).toBe(a.at);
        expect(a.at).toBe(message.length);
      }),
    );
  });
});

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

describe('messages', () => {
  const encode = (message: object): AmqpMessage => new AmqpMessage(rhea.message.encode(message as never), 1_000);

  test('several data sections are one body', () => {
    expect(encode({ body: rhea.message.data_sections([Buffer.from('{"a"'), Buffer.from(':1}')]) }).body).toEqual(Buffer.from('{"a":1}'));
  });

  test('several sequences are one list', () => {
    expect(encode({ body: rhea.message.sequence_sections([[1, 2], ['x']]) }).body).toEqual({ tree: [1, 2, 'x'] });
  });

  test('a value stays a value', () => {
    expect(encode({ body: { temps: [1.5] } }).body).toEqual({ tree: new Map([['temps', [1.5]]]) });
    expect(encode({ body: '{"a":1}' }).body).toEqual({ tree: '{"a":1}' });
  });

  test('properties by their names in the standard, own ones before them', () => {
    const message = encode({
      durable: true,
      delivery_count: 3,
      subject: 'line1.temp',
      message_id: 'm-1',
      content_type: 'application/json',
      creation_time: new Date('2026-11-24T08:00:00Z'),
      message_annotations: { 'x-opt-sequence-number': 7 },
      application_properties: { kind: 'status', subject: 'mine' },
      body: 1,
    });
    expect(message.property('kind')).toBe('status');
    expect(message.property('subject')).toBe('mine');
    expect(message.property('message-id')).toBe('m-1');
    expect(message.property('content-type')).toBe('application/json');
    expect(message.property('delivery-count')).toBe(3);
    expect(message.property('creation-time')).toEqual({ timeMs: Date.parse('2026-11-24T08:00:00Z') });
    expect(message.property('nothing')).toBeUndefined();
    expect(message.annotation('x-opt-sequence-number')).toBe(7);
    expect(message.timeMs).toBe(Date.parse('2026-11-24T08:00:00Z'));
  });

  test('seconds that RabbitMQ passes on as milliseconds are put right', () => {
    expect(encode({ creation_time: new Date(1_795_507_200), body: 1 }).timeMs).toBe(1_795_507_200_000);
  });

  test('a section named by its symbol is understood', () => {
    const described = Buffer.concat([bytes('00 a3 10'), Buffer.from('amqp:data:binary'), bytes('a0 02 6869')]);
    expect(new AmqpMessage(described, 0).body).toEqual(Buffer.from('hi'));
  });

  test.for([
    ['empty bytes have no body', '', { tree: null }],
    ['no section', '41', undefined],
    ['text in a data section', '00 53 75 a1 01 61', undefined],
    ['cut short', '00 53 75 b0 00000010 00', undefined],
  ] as const)('%s', ([, hex, body]) => {
    if (body) expect(new AmqpMessage(bytes(hex), 0).body).toEqual(body);
    else expect(() => new AmqpMessage(bytes(hex), 0)).toThrow(UndecodableError);
  });
});
