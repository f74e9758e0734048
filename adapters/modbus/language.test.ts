import { describe, expect, test } from 'vitest';
import type { Finding, PlacedPoint } from '../../mappings/language.ts';
import { modbus } from './adapter.ts';
import { rules } from './rules.ts';
import type { ModbusSettings } from './settings.ts';
import type { ModbusAddress } from './types.ts';

const settings = (over: object = {}): ModbusSettings => modbus.connection.parse({ host: '10.0.0.4', ...over });

interface Compiled {
  readonly address: ModbusAddress | undefined;
  readonly rawType: string | undefined;
  readonly findings: (Finding & { readonly key: string })[];
}

function compile(at: string | undefined, own: Record<string, unknown> = {}, connection: object = {}, write = false): Compiled {
  const findings: Compiled['findings'] = [];
  const parsed = modbus.point.parse(own);
  const source = { name: 'p', at, own: parsed, settings: settings(connection), everyMs: 1000, write, bits: false };
  const out = modbus.compilePoint(source, (key, finding) => findings.push({ key, ...finding }));
  return { address: out?.address, rawType: out?.rawType, findings };
}

describe('at', () => {
  test.for<[string, string, object, string]>([
    ['decimal', 'holding 100', {}, 'holding 100'],
    ['hex', 'input 0x1F', {}, 'input 31'],
    ['coil', 'coil 4', {}, 'coil 4'],
    ['discrete', 'discrete 65535', {}, 'discrete 65535'],
    ['one-based', 'holding 1', { addressing: 'one-based' }, 'holding 0'],
    ['modicon five digits', '40101', { addressing: 'modicon' }, 'holding 100'],
    ['modicon six digits', '465536', { addressing: 'modicon' }, 'holding 65535'],
    ['modicon coil', '00005', { addressing: 'modicon' }, 'coil 4'],
    ['modicon with the table word', 'input 30001', { addressing: 'modicon' }, 'input 0'],
    ['a number as it is, said aloud', 'holding 40001', { addressing: 'protocol' }, 'holding 40001'],
    ['SunSpec base, which is no Modicon number', 'holding 40000', {}, 'holding 40000'],
    ['not of this table', 'input 40001', {}, 'input 40001'],
  ])('%s', ([, at, connection, place]) => {
    const { address, findings } = compile(at, {}, connection);
    expect(findings).toEqual([]);
    expect(`${address?.table} ${address?.start}`).toBe(place);
  });

  test('a Modicon-looking number is taken as written, with both readings', () => {
    const { address, findings } = compile('holding 40001');
    expect(address?.start).toBe(40001);
    expect(findings).toMatchObject([{ rule: 'modicon-number', severity: 'warn', key: 'at' }]);
    expect(findings[0]?.message).toMatch(/40001.*holding 0/);
    expect(findings[0]?.hint).toMatch(/first holding register.*addressing: modicon/);
  });

  test.for<[string, string, Record<string, unknown>, object, string, string]>([
    ['table misspelt', 'holdng 1', {}, {}, 'at', 'bad-address'],
    ['no table', '100', {}, {}, 'at', 'bad-address'],
    ['no number', 'holding', {}, {}, 'at', 'bad-address'],
    ['negative', 'holding -1', {}, {}, 'at', 'bad-address'],
    ['beyond the end', 'holding 65536', {}, {}, 'at', 'address-range'],
    ['zero where one-based', 'holding 0', {}, { addressing: 'one-based' }, 'at', 'address-range'],
    ['modicon of another table', 'input 40001', {}, { addressing: 'modicon' }, 'at', 'bad-address'],
    ['modicon 40000', '40000', {}, { addressing: 'modicon' }, 'at', 'address-range'],
    ['modicon of four digits', '4001', {}, { addressing: 'modicon' }, 'at', 'bad-address'],
    ['modicon 2xxxx', '20001', {}, { addressing: 'modicon' }, 'at', 'bad-address'],
    ['a float over the end', 'holding 65535', { type: 'float32' }, {}, 'at', 'address-end'],
    ['a text without length', 'holding 1', { type: 'string' }, {}, 'length', 'length'],
    ['a text too long', 'holding 1', { type: 'string', length: 126 }, {}, 'length', 'quantity-limit'],
    [
      'a text longer than the machine allows',
      'holding 1',
      { type: 'string', length: 20 },
      { maxRegisters: 16 },
      'length',
      'quantity-limit',
    ],
    ['length zero', 'holding 1', { type: 'string', length: 0 }, {}, 'length', 'length'],
    ['half an array', 'holding 1', { type: 'float32', length: 3 }, {}, 'length', 'length'],
    ['length on a date', 'holding 1', { type: 'datetime-s7', length: 2 }, {}, 'length', 'length'],
    ['64-bit order at 32 bit', 'holding 1', { type: 'float32', byteOrder: 'GHEFCDAB' }, {}, 'byteOrder', 'byte-order-width'],
    ['16-bit order at 32 bit', 'holding 1', { type: 'uint32', byteOrder: 'BA' }, {}, 'byteOrder', 'byte-order-width'],
    ['a number in a coil', 'coil 1', { type: 'uint16' }, {}, 'type', 'bit-table-type'],
    ['broadcast on a serial line', 'holding 1', { unitId: 0 }, { host: undefined, serial: { path: '/dev/x' } }, 'unitId', 'unit-id'],
  ])('%s', ([, at, own, connection, key, rule]) => {
    const { address, findings } = compile(at, own, connection);
    expect(findings).toMatchObject([{ key, rule }]);
    expect(address).toBeUndefined();
  });

  test('write on a read-only table', () => {
    expect(compile('input 1', {}, {}, true).findings).toMatchObject([{ key: 'write', rule: 'write-read-only-table' }]);
    expect(compile('discrete 1', {}, {}, true).findings).toMatchObject([{ key: 'write', rule: 'write-read-only-table' }]);
    const single = { functionCodes: { write: 'single' } };
    expect(compile('holding 1', { type: 'float32' }, single, true).findings).toMatchObject([{ key: 'write', rule: 'write-in-parts' }]);
    expect(compile('holding 1', { type: 'string', length: 124 }, {}, true).findings).toMatchObject([
      { key: 'write', rule: 'write-in-parts', message: expect.stringMatching(/124 registers/) },
    ]);
    expect(compile('holding 1', {}, single, true).findings).toEqual([]);
    expect(compile('holding 1', {}, {}, true).findings).toEqual([]);
  });

  test('text with swapped words is read so, with a warning', () => {
    const { address, findings } = compile('holding 1', { type: 'string', length: 4, byteOrder: 'CDAB' });
    expect(address?.byteOrder).toBe('CDAB');
    expect(findings).toMatchObject([{ rule: 'text-word-order', severity: 'warn' }]);
  });

  test.for<[string, Record<string, unknown>, Partial<ModbusAddress>, string]>([
    ['coil 1', {}, { type: 'bool', count: 1, array: false }, 'bool'],
    ['coil 1', { length: 8 }, { type: 'bool', count: 8, array: true }, 'bool'],
    ['coil 1', { byteOrder: 'CDAB' }, { byteOrder: 'ABCD' }, 'bool'],
    ['holding 1', {}, { type: 'uint16', count: 1 }, 'uint16'],
    ['holding 1', { type: 'float32', length: 2 }, { count: 2, array: false }, 'float32'],
    ['holding 1', { type: 'float32', length: 6 }, { count: 6, array: true }, 'float32'],
    ['holding 1', { type: 'bcd32' }, { count: 2 }, 'uint32'],
    ['holding 1', { type: 'mod10k' }, { count: 2, array: false }, 'int32'],
    ['holding 1', { type: 'mod10k', length: 4 }, { count: 4, array: false }, 'int64'],
    ['holding 1', { type: 'string', length: 4 }, { count: 4, array: false }, 'string'],
    ['holding 1', { unitId: 7 }, { unitId: 7 }, 'uint16'],
  ])('%s %o', ([at, own, expected, rawType]) => {
    const compiled = compile(at, own);
    expect(compiled.findings).toEqual([]);
    expect(compiled.address).toMatchObject(expected);
    expect(compiled.rawType).toBe(rawType);
  });
});

describe('connection', () => {
  test('has the defaults of the field', () => {
    expect(settings()).toMatchObject({ port: 502, unitId: 1, timeout: 1000, framing: 'tcp', maxRegisters: 125, maxGap: 0, maxInFlight: 1 });
    const line = modbus.connection.parse({ serial: { path: '/dev/ttyUSB0' } });
    expect(line).toMatchObject({ framing: 'rtu', serial: { baudRate: 19200, parity: 'even', dataBits: 8, stopBits: 1 } });
  });

  test.for<[string, object, string]>([
    ['both wires', { host: 'h', serial: { path: '/dev/x' } }, 'host-or-serial'],
    ['no wire', {}, 'host-or-serial'],
    ['tcp over serial', { serial: { path: '/dev/x' }, framing: 'tcp' }, 'framing'],
    ['rtu over host', { host: 'h', framing: 'rtu' }, 'framing'],
    ['rtu with 7 bits', { serial: { path: '/dev/x', dataBits: 7 } }, 'framing'],
    ['pipelining on a line', { host: 'h', framing: 'rtu-over-tcp', maxInFlight: 2 }, 'framing'],
    ['broadcast', { serial: { path: '/dev/x' }, unitId: 0 }, 'unit-id'],
    ['unit id 256', { host: 'h', unitId: 256 }, 'unit-id'],
    ['port 0', { host: 'h', port: 0 }, 'port'],
    ['port 65536', { host: 'h', port: 65536 }, 'port'],
    ['126 registers', { host: 'h', maxRegisters: 126 }, 'quantity-limit'],
    ['negative timeout', { host: 'h', timeout: '-1s' }, 'negative-duration'],
    ['no unit', { host: 'h', timeout: '1000' }, 'duration'],
    ['absurd timeout', { host: 'h', timeout: '7d' }, 'absurd-duration'],
  ])('%s', ([, written, rule]) => {
    const result = modbus.connection.safeParse(written);
    expect(result.success).toBe(false);
    expect(result.error?.issues).toMatchObject([{ code: 'custom', params: { rule } }]);
  });
});

const placed = (name: string, at: string, own: Record<string, unknown> = {}): PlacedPoint<ModbusAddress> => ({
  name,
  address: compile(at, own).address!,
  rawType: undefined,
  everyMs: 1000,
});

test.for<[string, PlacedPoint<ModbusAddress>[], string[]]>([
  ['a word inside a float', [placed('a', 'holding 110', { type: 'float32' }), placed('b', 'holding 111')], ['b']],
  [
    'the same registers as float and integer',
    [placed('a', 'holding 110', { type: 'float32' }), placed('b', 'holding 110', { type: 'uint32' })],
    ['b'],
  ],
  ['shifted by one', [placed('b', 'holding 111', { type: 'uint32' }), placed('a', 'holding 110', { type: 'uint32' })], ['b']],
  [
    'a long text and a number far inside',
    [placed('t', 'holding 0', { type: 'string', length: 20 }), placed('a', 'holding 3'), placed('b', 'holding 19')],
    ['a', 'b'],
  ],
  [
    'other byte order',
    [placed('a', 'holding 1', { type: 'uint32' }), placed('b', 'holding 1', { type: 'uint32', byteOrder: 'CDAB' })],
    ['b'],
  ],
  ['bits of one word', [placed('a', 'holding 1'), placed('b', 'holding 1'), placed('c', 'holding 1', { type: 'int16' })], []],
  ['equal 32-bit addresses', [placed('a', 'holding 1', { type: 'uint32' }), placed('b', 'holding 1', { type: 'uint32' })], []],
  ['neighbours', [placed('a', 'holding 1', { type: 'uint32' }), placed('b', 'holding 3')], []],
  ['another unit', [placed('a', 'holding 1', { type: 'uint32' }), placed('b', 'holding 2', { unitId: 2 })], []],
  ['another table', [placed('a', 'holding 1', { type: 'uint32' }), placed('b', 'input 2')], []],
  ['bytes over everything', [placed('a', 'holding 0', { type: 'bytes', length: 9 }), placed('b', 'holding 2', { type: 'float32' })], []],
])('overlap: %s', ([, points, at]) => {
  const found: string[] = [];
  modbus.checkEquipment?.(points, settings(), (point, _key, finding) => {
    expect(finding.rule).toBe('overlap');
    found.push(point);
  });
  expect(found).toEqual(at);
});

describe('samples', () => {
  const points = [
    placed('jacket_temperature', 'holding 100', { type: 'float32', byteOrder: 'CDAB' }),
    placed('state', 'holding 110'),
    placed('heater', 'coil 4'),
    placed('other', 'holding 110', { unitId: 3 }),
  ];
  const run = (given: Record<string, unknown>) => {
    const findings: string[] = [];
    const map = modbus.sample(given, points, settings(), (entry, f) => findings.push(`${entry}: ${f.rule}`));
    return {
      values: Object.fromEntries([...map].map(([name, s]) => [name, s.raw])),
      shown: map.get('jacket_temperature')?.shown,
      findings,
    };
  };

  test('decode by the codec of the wire', () => {
    const { values, shown, findings } = run({ 'holding 100': [0xe979, 0x42f6], 'coil 4': true });
    expect(values).toEqual({ jacket_temperature: 123.456, heater: true });
    expect(shown).toBe('holding 100 = 0xE979 0x42F6, float32 CDAB');
    expect(findings).toEqual([]);
  });

  test('may be for one unit', () => {
    expect(run({ 'unit 3 holding 110': 5 }).values).toEqual({ other: 5 });
    expect(run({ 'holding 110': 5, 'unit 3 holding 110': 6 }).values).toEqual({ state: 5, other: 6 });
  });

  test.for<[Record<string, unknown>, string]>([
    [{ 'holding 100': 1 }, 'holding 100: sample-incomplete'],
    [{ 'holding 110': 70000 }, 'holding 110: sample-value'],
    [{ 'holding 110': 'x' }, 'holding 110: sample-value'],
    [{ 'coil 4': 2 }, 'coil 4: sample-value'],
    [{ 'holding 110': [1, 2], 'holding 111': 3 }, 'holding 111: sample-value'],
    [{ 'hold 110': 1 }, 'hold 110: bad-address'],
  ])('%o', ([given, finding]) => {
    expect(run(given).findings).toContain(finding);
  });
});

test('every rule is explained', () => {
  for (const [id, entry] of Object.entries(rules)) {
    expect(id).toMatch(/^[a-z-]+$/);
    expect(entry.meaning.length, id).toBeGreaterThan(20);
    expect(entry.cure.length, id).toBeGreaterThan(10);
  }
});
