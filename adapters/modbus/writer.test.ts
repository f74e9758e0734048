import { describe, expect, test } from 'vitest';
import type { RawValue } from '../../model/value.ts';
import { connectContext } from '../../test/contract/adapter.ts';
import { writingContract } from '../../test/contract/writing.ts';
import { modbus } from './adapter.ts';
import { connectModbus } from './connection.ts';
import { startModbusSimulator } from './simulator.ts';
import { observed, registers } from './testcases/points.ts';
import { openSession } from './testcases/session.ts';
import { planWrite } from './write-plan.ts';

const isWrite = (pdu: Uint8Array): boolean => [5, 6, 15, 16, 22].includes(pdu[0]!);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

writingContract(modbus, async () => {
  const simulator = await startModbusSimulator();
  simulator.unit(1).refuse('holding 900');
  let taken = 0;
  let silent = false;
  simulator.behave = ({ pdu }) => {
    if (isWrite(pdu)) taken++;
    return silent ? 'silence' : 'answer';
  };
  return {
    settings: modbus.connection.parse({ host: simulator.host, port: simulator.port, timeout: '200ms' }),
    writes: [
      { point: observed('setpoint', 'holding 200', { type: 'int16' }), raw: -1201 },
      { point: observed('float', 'holding 210', { type: 'float32', byteOrder: 'CDAB' }), raw: 120.1 },
      { point: observed('batch', 'holding 220', { type: 'uint64' }), raw: 1_311_768_468_603_649_775n },
      { point: observed('heater', 'coil 4'), raw: true },
      { point: observed('valves', 'coil 10', { length: 10 }), raw: [true, false, true, true, false, false, false, false, true, true] },
      { point: observed('recipe', 'holding 230', { type: 'string', length: 4 }), raw: 'TOFFEE' },
      { point: observed('curve', 'holding 240', { type: 'int16', length: 3 }), raw: [1, -2, 3] },
    ],
    refused: { point: observed('unmapped', 'holding 900'), raw: 1 },
    misfit: { point: observed('small', 'holding 201', { type: 'int16' }), raw: 40_000 },
    taken: () => taken,
    goSilent: () => {
      silent = true;
    },
    cutLink: () => simulator.close(),
    [Symbol.asyncDispose]: () => simulator.close(),
  };
});

describe('what goes over the wire', () => {
  test.for<[string, string, Record<string, unknown>, RawValue, 'auto' | 'single' | 'multiple', string, string]>([
    ['one coil, function 5', 'coil 4', {}, true, 'auto', '050004ff00', '050004ff00'],
    ['the same, off', 'coil 4', {}, false, 'single', '0500040000', '0500040000'],
    ['the same, function 15', 'coil 4', {}, true, 'multiple', '0f000400010101', '0f00040001'],
    ['several coils', 'coil 19', { length: 10 }, [true, false, true, true, false, false, true, true, true, false], 'auto', '0f0013000a02cd01', '0f0013000a'], // biome-ignore format: the example of the standard, §6.11
    ['one register, function 6', 'holding 1', {}, 3, 'auto', '0600010003', '0600010003'],
    ['the same, function 16', 'holding 1', {}, 3, 'multiple', '100001000102' + '0003', '1000010001'], // biome-ignore format: one row
    [
      'a float, always one request',
      'holding 100',
      { type: 'float32', byteOrder: 'CDAB' },
      230.4,
      'auto',
      '10006400020466664366',
      '1000640002',
    ],
    ['a signed one', 'holding 2', { type: 'int16' }, -1, 'auto', '060002ffff', '060002ffff'],
    ['bcd', 'holding 2', { type: 'bcd16' }, 1234, 'auto', '0600021234', '0600021234'],
  ])('%s', ([, at, own, raw, choice, pdu, echo]) => {
    const plan = planWrite(observed('p', at, own).address, raw, choice);
    expect(typeof plan === 'string' ? plan : [hex(plan.pdu), hex(plan.echo)]).toEqual([pdu, echo]);
  });

  test.for<[string, string, Record<string, unknown>, RawValue, 'auto' | 'single', RegExp]>([
    ['an input register', 'input 1', {}, 1, 'auto', /^input cannot be written/],
    ['half a value', 'holding 1', { type: 'uint32' }, 1, 'single', /the machine would see half a value/],
    ['a number beyond the type', 'holding 1', {}, 65_536, 'auto', /range/],
    ['BCD of five digits', 'holding 1', { type: 'bcd16' }, 12_345, 'auto', /does not fit 4 BCD digits/],
    ['text that is too long', 'holding 1', { type: 'string', length: 2 }, 'TOFFEE', 'auto', /6 bytes do not fit 2 registers/],
    ['a fraction', 'holding 1', {}, 1.5, 'auto', /not a whole number/],
    ['a text for a number', 'holding 1', {}, '1', 'auto', /uint16 takes a number/],
    ['a number for a bit', 'coil 1', {}, 1, 'auto', /bool takes true or false/],
    ['one value for a list', 'holding 1', { length: 3 }, 1, 'auto', /it is a list of 3 values, not one/],
    ['a shorter list', 'holding 1', { length: 3 }, [1, 2], 'auto', /a list of 3 values, not of 2/],
    ['a list for one value', 'holding 1', {}, [1], 'auto', /one value, not a list/],
    ['a date that is none', 'holding 1', { type: 'datetime-unix32' }, 'soon', 'auto', /\w/],
    ['more registers than a request carries', 'holding 1', { type: 'string', length: 124 }, 'x', 'auto', /124 registers do not fit/],
  ])('refused: %s', ([, at, own, raw, choice, why]) => {
    expect(planWrite(observed('p', at, own).address, raw, choice)).toMatch(why);
  });
});

const connectTo = (port: number, over: object = {}) =>
  connectModbus(
    modbus.connection.parse({ host: '127.0.0.1', port, timeout: '200ms', ...over }),
    connectContext('/nowhere'),
    new AbortController().signal,
  );
const setpoint = observed('setpoint', 'holding 200');

test.for<[number, string, RegExp]>([
  [1, 'refused', /exception 1 \(illegal function\).*functionCodes: \{ write: multiple \}/],
  [2, 'refused', /exception 2 \(illegal data address\) for holding 200/],
  [3, 'refused', /exception 3/],
  [6, 'refused', /exception 6 \(device busy\)/],
  [10, 'refused', /exception 10/],
  // It may be done later, half, or by a machine that the gateway cannot hear.
  [4, 'unknown', /exception 4/],
  [5, 'unknown', /exception 5/],
  [11, 'unknown', /exception 11/],
])('exception %i is %s', async ([code, outcome, reason]) => {
  await using simulator = await startModbusSimulator();
  simulator.unit(1).exception = code;
  await using connection = await connectTo(simulator.port);
  expect(await connection.write!(setpoint, 7, new AbortController().signal)).toEqual({ outcome, reason: expect.stringMatching(reason) });
});

test('an answer that echoes another value is not believed', async () => {
  await using simulator = await startModbusSimulator();
  simulator.behave = ({ pdu }) => (isWrite(pdu) ? [{ pdu: Uint8Array.of(6, 0, 200, 0, 99) }] : 'answer');
  await using connection = await connectTo(simulator.port);
  expect(await connection.write!(setpoint, 7, new AbortController().signal)).toMatchObject({ outcome: 'unknown' });
});

test('a late answer to one write is never taken for that of the next', async () => {
  await using simulator = await startModbusSimulator();
  let writes = 0;
  simulator.behave = ({ pdu }) => (isWrite(pdu) && writes++ === 0 ? [{ pdu, afterMs: 300 }] : 'silence');
  await using connection = await connectTo(simulator.port);
  const { signal } = new AbortController();
  expect(await connection.write!(setpoint, 7, signal)).toMatchObject({ outcome: 'unknown' });
  expect(await connection.write!(setpoint, 7, signal)).toMatchObject({ outcome: 'unknown' });
  expect(connection.counters().lateFrames).toBe(1);
});

test('goes before the polls of all units on the wire', async () => {
  await using simulator = await startModbusSimulator({ units: [1, 2, 3] });
  const order: string[] = [];
  simulator.behave = ({ unitId, pdu }) => {
    order.push(isWrite(pdu) ? 'write' : `read ${unitId}`);
    return [{ pdu: simulator.unit(unitId).answer(pdu), afterMs: 20 }];
  };
  const points = [1, 2, 3].flatMap((unitId) => registers(0, 4, { unitId }, 20));
  await using session = await openSession(simulator, points, { oneRequestPerPoint: true, timeout: '1s' });
  await session.until(() => order.length > 8);
  const before = order.length;
  const written = session.connection.write!(observed('s', 'holding 200', { unitId: 3 }), 7, new AbortController().signal);
  expect(await written).toEqual({ outcome: 'done' });
  // One request may have been under way, and one answer be on its way back.
  expect(order.indexOf('write') - before).toBeLessThanOrEqual(1);
});

test('what waits behind a slow answer can still be called back, and what was sent cannot', async () => {
  await using simulator = await startModbusSimulator();
  simulator.behave = ({ pdu }) => [{ pdu: simulator.unit(1).answer(pdu), afterMs: 60 }];
  await using connection = await connectTo(simulator.port, { timeout: '1s' });
  const stop = new AbortController();
  const first = connection.write!(setpoint, 1, stop.signal);
  const second = connection.write!(setpoint, 2, stop.signal);
  stop.abort();
  await expect(second).rejects.toMatchObject({
    code: 'modbus-not-sent',
    message: expect.stringMatching(/nothing was written to holding 200 of unit 1/),
  });
  expect(await first).toEqual({ outcome: 'done' });
  expect(simulator.unit(1).get('holding 200')).toBe(1);
});

test('nothing is sent to a unit that is silent and parked', async () => {
  await using simulator = await startModbusSimulator({ units: [1, 2] });
  simulator.unit(2).silent = true;
  await using session = await openSession(simulator, [observed('a', 'holding 0', { unitId: 2 }), observed('b', 'holding 0')], {
    timeout: '50ms',
  });
  await session.until(() => session.connection.counters().parkedUnits === 1);
  const { signal } = new AbortController();
  await expect(session.connection.write!(observed('s', 'holding 1', { unitId: 2 }), 1, signal)).rejects.toMatchObject({
    code: 'modbus-not-sent',
  });
});
