import { describe, expect, test } from 'vitest';
import { modbus } from '../adapters/modbus/adapter.ts';
import { opcua } from '../adapters/opcua/adapter.ts';
import { compileMapping } from '../mappings/load.ts';

const languages = [modbus, opcua];
const check = (text: string) => compileMapping('m.yaml', text, languages);
const rulesOf = (text: string): string[] => check(text).problems.map(({ rule }) => rule);

/** The example of the mapping language, word for word. */
const cooker = `# yaml-language-server: $schema=./mapping.schema.json
equipment: cooker-1                          # unique in this gateway
path: candyco/leeds/kitchen/line-1           # ISA-95: enterprise/site/area/line[/cell]
description: Jacketed cooker, 2009, no Ethernet of its own, behind a serial gateway

connection:
  adapter: modbus                            # modbus | opcua | amqp | mqtt | http | any installed adapter
  host: 10.20.0.31
  unitId: 1
  timeout: 1s

defaults:                                    # any point key; a point may override it
  every: 1s
  byteOrder: ABCD

points:
  jacket_temperature: { at: holding 100, type: float32, byteOrder: CDAB, unit: Cel, deadband: 0.2, range: [0, 180] }
  motor_current:      { at: holding 102, type: uint16, scale: 0.1, unit: A, invalid: [0xFFFF] }
  state:              { at: holding 110, type: uint16, enum: { 0: stopped, 1: running, 9: fault } }
  overheat:           { at: holding 111, bit: 3 }
  heater_enable:      { at: coil 4, write: { } }
  setpoint:
    at: holding 200
    type: int16
    scale: 0.1
    unit: Cel
    write: { min: 40, max: 120, maxStep: 10, atMostEvery: 5s, onlyWhen: state == "running", readBack: true, expires: 30s }

samples:                                     # the mapping tests itself: raw -> expected
  - name: manual p. 14, example 2
    given: { holding 100: [0xE979, 0x42F6], holding 110: 1 }
    expect: { jacket_temperature: 123.456, state: running }
`;

test('the example of the mapping language is accepted, and its sample holds', () => {
  const { equipment, problems, samples } = check(cooker);
  expect(problems).toEqual([]);
  expect(equipment[0]?.points).toHaveLength(6);
  expect(samples.map(({ passed, trace }) => [passed, trace])).toEqual([
    [true, 'holding 100 = 0xE979 0x42F6, float32 CDAB -> raw 123.456 float32 -> range 0 to 180 ok -> 123.456 Cel'],
    [true, 'holding 110 = 0x0001, uint16 -> raw 1 uint16 -> enum 1 = running -> "running"'],
  ]);
});

test('a wrong byte order fails the sample, with the way from registers to value', () => {
  const { equipment, problems } = check(cooker.replace('byteOrder: CDAB, ', ''));
  expect(equipment).toEqual([]);
  expect(problems).toMatchObject([
    {
      rule: 'sample-failed',
      line: 32,
      message: expect.stringContaining('should be 123.456'),
      hint: expect.stringContaining('0xE979 0x42F6, float32 ABCD'),
    },
  ]);
});

const machine = (connection: string, points: string): string => `equipment: m-1\nconnection: { ${connection} }\npoints:\n${points}\n`;
const modbusMachine = (points: string, more = ''): string => machine(`adapter: modbus, host: h${more}`, points);
const opcuaMachine = (points: string): string => machine('adapter: opcua, endpoint: "opc.tcp://h:4840"', points);

describe('mistakes that each have their own rule', () => {
  test.for<[string, string, string]>([
    ['unknown key', 'unknown-key', modbusMachine('  a: { at: holding 1, tpye: uint16 }')],
    ['wrong type', 'wrong-type', modbusMachine('  a: { at: holding 1, scale: "0.1" }')],
    ['unknown enum word', 'unknown-value', modbusMachine('  a: { at: holding 1, byteOrder: CBAD }')],
    [
      'duplicate equipment',
      'duplicate-equipment',
      `${modbusMachine('  a: { at: holding 1 }')}---\n${modbusMachine('  a: { at: holding 1 }')}`,
    ],
    ['duplicate point', 'duplicate-point', modbusMachine('  a: { at: holding 1 }\n  a: { at: holding 2 }')],
    ['overlap', 'overlap', modbusMachine('  a: { at: holding 110, type: float32 }\n  b: { at: holding 111, type: uint32 }')],
    ['address beyond 65535', 'address-range', modbusMachine('  a: { at: holding 65536 }')],
    ['type over the end', 'address-end', modbusMachine('  a: { at: holding 65535, type: float32 }')],
    ['quantity', 'quantity-limit', modbusMachine('  a: { at: holding 1, type: string, length: 200 }')],
    ['unit id', 'unit-id', modbusMachine('  a: { at: holding 1 }', ', unitId: 300')],
    ['port', 'port', modbusMachine('  a: { at: holding 1 }', ', port: 70000')],
    ['Modicon-looking', 'modicon-number', modbusMachine('  a: { at: holding 40001 }')],
    ['ns= without URI', 'namespace-index', opcuaMachine('  a: { at: "ns=2;s=x" }')],
    ['negative duration', 'negative-duration', modbusMachine('  a: { at: holding 1, every: -1s }')],
    ['absurd duration', 'absurd-duration', modbusMachine('  a: { at: holding 1, every: 400d }')],
    ['scale on a bit', 'scale-misplaced', modbusMachine('  a: { at: holding 1, bit: 3, scale: 0.1 }')],
    ['scale on a coil', 'scale-misplaced', modbusMachine('  a: { at: coil 1, scale: 0.1 }')],
    ['scale on an enum of unknown type', 'scale-misplaced', opcuaMachine('  a: { at: "nsu=u;s=x", enum: { 0: a }, scale: 0.1 }')],
    ['unknown unit', 'unknown-unit', modbusMachine('  a: { at: holding 1, unit: kWh }')],
    ['range', 'range-order', modbusMachine('  a: { at: holding 1, range: [5, 1] }')],
    ['percent without range', 'deadband-without-range', modbusMachine('  a: { at: holding 1, deadband: 2% }')],
    ['invalid outside the type', 'invalid-outside-type', modbusMachine('  a: { at: holding 1, type: int16, invalid: [0xFFFF] }')],
    ['guard', 'write-never-passes', modbusMachine('  a: { at: holding 1, write: { min: 5, max: 1 } }')],
    ['YAML syntax', 'yaml-syntax', modbusMachine('  a: { at: holding 1')],
  ])('%s: %s', ([, rule, text]) => {
    expect(rulesOf(text)).toEqual(rule === 'duplicate-equipment' ? [rule, rule] : [rule]);
  });
});

test('a Modicon address needs no table word and keeps its zeros', () => {
  const { equipment, problems } = check(modbusMachine('  a: { at: 40101 }\n  b: { at: 00005 }', ', addressing: modicon'));
  expect(problems).toEqual([]);
  expect(equipment[0]?.points.map(({ address }) => address)).toMatchObject([
    { table: 'holding', start: 100 },
    { table: 'coil', start: 4 },
  ]);
});
