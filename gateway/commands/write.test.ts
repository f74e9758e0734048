import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ModbusSimulator, startModbusSimulator } from '../../adapters/modbus/simulator.ts';
import { startSimulator } from '../../adapters/opcua/simulator.ts';
import type { CompiledPoint } from '../../mappings/equipment.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { AuditLog } from '../audit/log.ts';
import { auditFolder, auditShow, auditVerify } from './audit.ts';
import { typedValue, write } from './write.ts';

let folder: ReturnType<typeof tempFolder>;
let simulator: ModbusSimulator;
let out = '';
let err = '';

beforeEach(async () => {
  folder = tempFolder();
  simulator = await startModbusSimulator();
  simulator.unit(1).set('holding 200', 800);
  simulator.unit(1).set('holding 110', 1);
  writeFileSync(
    join(folder.path, 'cooker.yaml'),
    `equipment: cooker-1
connection: { adapter: modbus, host: 127.0.0.1, port: ${simulator.port}, timeout: 300ms }
points:
  state: { at: holding 110, enum: { 0: stopped, 1: running } }
  setpoint: { at: holding 200, type: int16, scale: 0.1, unit: Cel, write: { min: 40, max: 120, maxStep: 10, onlyWhen: state == "running", readBack: true } }
`,
  );
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await simulator.close();
  folder[Symbol.dispose]();
});

const data = (): string => join(folder.path, 'data');
const run = (value: string, more: object = { yes: true }): Promise<number> =>
  write('cooker-1', 'setpoint', value, { mappings: [join(folder.path, 'cooker.yaml')], data: data(), ...more });

test('writes, reads back, prints and audits', async () => {
  expect(await run('85.5')).toBe(0);
  expect(out).toBe('cooker-1/setpoint: 80 -> 85.5 Cel\ndone: the machine confirmed it and shows it\n');
  expect(simulator.unit(1).get('holding 200')).toBe(855);
  out = '';
  expect(await auditShow({ data: data(), json: true })).toBe(0);
  expect(JSON.parse(out)).toMatchObject([
    { kind: 'write', from: 'command', target: 'cooker-1/setpoint', old: 80, new: 85.5, outcome: 'done' },
  ]);
  out = '';
  expect(await auditVerify({ data: data() })).toBe(0);
  expect(out).toMatch(/1 entry, all as they were written; head 1 [0-9a-f]{64}$/m);
});

test.for<[string, string, object, RegExp]>([
  ['too large a step', '95', { yes: true }, /^refused \(step\): setpoint: from 80 to 95 is a step of 15; maxStep allows 10$/m],
  ['beyond the range', '130', { yes: true }, /^refused \(range\): cooker-1\/setpoint: 130 is above max, 120$/m],
  ['a dry run that is refused', '95', { dryRun: true }, /^dry run: refused \(step\)/m],
])('%s', async ([, value, more, text]) => {
  expect(await run(value, more)).toBe(1);
  expect(out).toMatch(text);
  expect(simulator.unit(1).get('holding 200')).toBe(800);
});

test('the interlock is looked at as the machine is now', async () => {
  simulator.unit(1).set('holding 110', 0);
  expect(await run('85')).toBe(1);
  expect(out).toMatch(/refused \(interlock\): onlyWhen state == "running" does not hold: state is stopped/);
});

test('a dry run sends nothing, and leaves no entry', async () => {
  expect(await run('85', { dryRun: true, json: true })).toBe(0);
  expect(JSON.parse(out)).toEqual({
    equipment: 'cooker-1',
    point: 'setpoint',
    outcome: 'done',
    reason: 'every guard lets it pass; nothing was sent',
    old: 80,
    new: 85,
    dryRun: true,
  });
  expect(simulator.unit(1).get('holding 200')).toBe(800);
  out = '';
  await auditShow({ data: data() });
  expect(out).toBe('nothing was found\n');
});

test('nobody to ask and no --yes: a wrong call, and the machine is not even connected', async () => {
  expect(await run('85', {})).toBe(2);
  expect(err).toMatch(/--yes writes without asking/);
  expect(simulator.accepted).toBe(0);
});

test('while a gateway runs with this data folder, it alone writes', async () => {
  await using _gateway = await AuditLog.open(auditFolder(data()));
  await expect(run('85')).rejects.toMatchObject({ code: 'data-in-use', hint: expect.stringMatching(/--data/) });
  expect(simulator.accepted).toBe(0);
});

test('a machine or point that is not in the files', async () => {
  expect(await write('coker-1', 'setpoint', '1', { mappings: [folder.path], data: data(), yes: true })).toBe(1);
  expect(err).toMatch(/no machine coker-1 in these files; they have cooker-1/);
  expect(await write('cooker-1', 'setpont', '1', { mappings: [folder.path], data: data(), yes: true })).toBe(1);
  expect(out).toMatch(/refused \(point\): there is no point cooker-1\/setpont; did you mean setpoint\?/);
});

test('verify and show say what is wrong with what was asked', async () => {
  await run('85');
  const file = join(auditFolder(data()), 'audit-000001.jsonl');
  const { readFileSync } = await import('node:fs');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"new":85', '"new":58'));
  out = '';
  expect(await auditVerify({ data: data() })).toBe(1);
  expect(out).toMatch(/^error {2}audit-000001\.jsonl:1: it was changed/m);
  expect(await auditShow({ data: data(), since: 'soon' })).toBe(2);
  expect(await auditShow({ data: data(), kind: ['writs'] })).toBe(2);
  expect(err).toMatch(/--since: "soon" is neither a time .* nor an age .*\n--kind: writs is none of write, /);
});

test('an OPC UA server, whose types the mapping does not know', async () => {
  await using server = await startSimulator({
    port: await freePort(),
    folder: folder.path,
    namespace: 'http://candyco/mixer',
    secure: false,
    variables: [
      { id: 'Mixer.Level', type: 'Int16', value: 100, writable: true },
      { id: 'Mixer.Speed', type: 'Float', value: 12.5, writable: true },
      { id: 'Mixer.Mode', type: 'Int32', value: 0, writable: true },
      { id: 'Mixer.Batch', type: 'UInt64', value: 1n, writable: true },
      { id: 'Mixer.Fixed', type: 'Double', value: 1 },
    ],
  });
  writeFileSync(
    join(folder.path, 'mixer.yaml'),
    `equipment: mixer-1
connection: { adapter: opcua, endpoint: "${server.endpoint}" }
points:
  level: { at: /Mixer/Level, scale: 0.1, unit: Cel, write: { maxStep: 50, onlyWhen: mode == "manual" and speed < 20, readBack: true } }
  speed: { at: /Mixer/Speed, write: { readBack: true } }
  mode: { at: /Mixer/Mode, enum: { 0: manual, 1: auto }, write: { readBack: true } }
  batch: { at: /Mixer/Batch, write: { readBack: true } }
  fixed: { at: /Mixer/Fixed, write: { } }
`,
  );
  const set = async (point: string, value: string): Promise<string> => {
    out = '';
    await write('mixer-1', point, value, { mappings: [join(folder.path, 'mixer.yaml')], data: data(), yes: true });
    return out.trim().split('\n').at(-1)!;
  };
  const done = 'done: the machine confirmed it and shows it';
  expect(await set('level', '12.5')).toBe(done);
  expect(await set('level', '12.55')).toMatch(/^refused \(machine\): the node holds Int16; the nearest are 125 and 126$/);
  expect(await set('speed', '120.1')).toBe(done);
  expect(await set('level', '13')).toMatch(/^refused \(interlock\): .* does not hold: mode is manual, speed is 120\.1$/);
  expect(await set('mode', 'auto')).toBe(done);
  expect(await set('batch', '18446744073709551615')).toBe(done);
  expect(await set('fixed', '2')).toMatch(/^refused \(machine\): .*BadNotWritable: the server offers it read-only/);
}, 30_000);

describe('what was typed', () => {
  const point = (over: Partial<CompiledPoint>) => over as CompiledPoint;
  test.for<[string, Partial<CompiledPoint> | undefined, unknown]>([
    ['85.5', { rawType: 'int16' }, 85.5],
    ['-1e3', { rawType: 'float64' }, -1000],
    ['18446744073709551615', { rawType: 'uint64' }, '18446744073709551615'],
    ['true', { rawType: 'bool' }, true],
    ['running', { rawType: 'uint16', valueType: 'string' }, 'running'],
    ['0815', { rawType: 'string' }, '0815'],
    ['true', { rawType: 'string' }, 'true'],
    ['12', undefined, 12],
    ['18446744073709551615', {}, 18_446_744_073_709_551_615n],
    ['[1, 2.5]', { rawType: 'int16' }, [1, 2.5]],
    ['[not a list', { rawType: 'string' }, '[not a list'],
    ['12 °C', { rawType: 'int16' }, '12 °C'],
  ])('%s', ([typed, over, value]) => {
    expect(typedValue(typed, over && point(over))).toEqual(value);
  });
});
