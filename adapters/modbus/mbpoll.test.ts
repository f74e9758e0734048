import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { capability, titled } from '../../test/support/capabilities.ts';
import { type ModbusSimulator, startModbusSimulator } from './simulator.ts';

const mbpoll = capability('mbpoll');

/** mbpoll counts from 0 with `-0` and polls once with `-1`. */
async function run(simulator: ModbusSimulator, args: readonly string[], values: readonly string[] = []): Promise<string> {
  const once_ = values.length === 0 ? ['-1'] : [];
  const all = ['-m', 'tcp', '-p', String(simulator.port), '-0', ...once_, ...args, simulator.host, '--', ...values];
  const child = spawn('mbpoll', all, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return out + err;
}

const shown = (output: string): string[] => [...output.matchAll(/^\[\d+\]:\s*(.*?)\s*$/gm)].map((match) => match[1]!);

describe.skipIf(!mbpoll.ok)(titled('our simulator as mbpoll (libmodbus) sees it', mbpoll), () => {
  let simulator: ModbusSimulator;
  beforeEach(async () => {
    simulator = await startModbusSimulator();
    const unit = simulator.unit();
    unit.set('holding 100', 123.456, { type: 'float32' });
    unit.set('holding 110', [1, 2, 65_535], { type: 'uint16' });
    unit.set('input 7', 4711);
    unit.set('coil 3', [true, false, true]);
    unit.set('discrete 20', true);
    unit.refuse('holding 200');
  });
  afterEach(() => simulator[Symbol.asyncDispose]());

  test.for<[string, string[], string[]]>([
    ['holding registers', ['-t', '4', '-r', '110', '-c', '2'], ['1', '2']],
    ['a float', ['-t', '4:float', '-B', '-r', '100', '-c', '1'], ['123.456']],
    ['input registers', ['-t', '3', '-r', '7', '-c', '1'], ['4711']],
    ['coils', ['-t', '0', '-r', '3', '-c', '3'], ['1', '0', '1']],
    ['discrete inputs', ['-t', '1', '-r', '19', '-c', '3'], ['0', '1', '0']],
  ])('%s', async ([, args, values]) => {
    expect(shown(await run(simulator, args))).toEqual(values);
  });

  test.for<[string, string[], RegExp]>([
    ['an address that does not exist', ['-t', '4', '-r', '199', '-c', '3'], /Illegal data address/],
    ['a machine that has broken down', ['-t', '3', '-r', '7', '-c', '1'], /Slave device or server failure/],
  ])('%s', async ([, args, message]) => {
    if (args[1] === '3') simulator.unit().exception = 4;
    expect(await run(simulator, args)).toMatch(message);
  });

  test('what it writes is there', async () => {
    expect(await run(simulator, ['-t', '4', '-r', '300'], ['17', '18', '19'])).toMatch(/Written 3 references/);
    expect([300, 301, 302].map((at) => simulator.unit().get(`holding ${at}`))).toEqual([17, 18, 19]);
    expect(await run(simulator, ['-t', '0', '-r', '4'], ['1'])).toMatch(/Written 1 references/);
    expect(simulator.unit().get('coil 4')).toBe(1);
  });
});
