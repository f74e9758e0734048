import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ModbusSimulator, startModbusSimulator } from '../../adapters/modbus/simulator.ts';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { entriesOf } from '../audit/show.ts';
import { verify } from '../audit/verify.ts';

const script = join(import.meta.dirname, 'testcases', 'write-until-killed.ts');

/** Values that reached the machine, in order. */
function watchWrites(simulator: ModbusSimulator): number[] {
  const values: number[] = [];
  simulator.behave = ({ pdu }) => {
    if (pdu[0] === 6) values.push((pdu[3]! << 8) | pdu[4]!);
    return 'answer';
  };
  return values;
}

test('killed at any moment and asked everything again: no write is done twice, and the audit log is whole', async () => {
  using folder = tempFolder();
  await using simulator = await startModbusSimulator();
  const values = watchWrites(simulator);
  for (const killAt of [3, 9, 10, 17]) {
    const child = startChild(process.execPath, [script, folder.path, String(simulator.port), '200']);
    await child.line(new RegExp(`^${killAt} `), 15_000);
    child.process.kill('SIGKILL');
    await child.exited;
  }
  await using last = startChild(process.execPath, [script, folder.path, String(simulator.port), '40']);
  await last.line(/^end$/, 15_000);
  await last.exited;
  expect(values).toEqual([...new Set(values)]);
  expect(values.at(-1)).toBeGreaterThanOrEqual(40);
  expect(last.output()).toMatch(/^1 done repeated$/m);
  expect((await verify(join(folder.path, 'audit'))).problems).toEqual([]);
}, 60_000);

test('killed between sending and the answer: unknown afterwards, read back, told in the audit log, never sent again', async () => {
  using folder = tempFolder();
  await using simulator = await startModbusSimulator();
  let sent = 0;
  const { promise: reached, resolve } = Promise.withResolvers<void>();
  simulator.unit(1).set('holding 200', 77);
  simulator.behave = ({ pdu }) => {
    if (pdu[0] !== 6) return 'answer';
    sent++;
    resolve();
    return 'silence';
  };
  const first = startChild(process.execPath, [script, folder.path, String(simulator.port), '1']);
  await reached;
  first.process.kill('SIGKILL');
  await first.exited;
  await using second = startChild(process.execPath, [script, folder.path, String(simulator.port), '1']);
  await second.line(/^end$/, 15_000);
  await second.exited;
  expect(second.output()).toMatch(/^1 unknown repeated$/m);
  expect(sent).toBe(1);
  const [entry] = await Array.fromAsync(entriesOf(join(folder.path, 'audit'), { kind: ['write'] }));
  expect(entry).toMatchObject({
    target: 'cooker-1/setpoint',
    new: 1,
    outcome: 'unknown',
    details: { readBack: 77 },
    reason: expect.stringMatching(/was stopped before the answer came; the machine shows 77 now/),
  });
}, 30_000);
