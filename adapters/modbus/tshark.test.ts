import { describe, expect, test } from 'vitest';
import { capability, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { startModbusSimulator } from './simulator.ts';
import { observed } from './testcases/points.ts';
import { openSession } from './testcases/session.ts';

const tshark = capability('tshark');

describe.skipIf(!tshark.ok)(titled('what is on the wire, read by Wireshark', tshark), () => {
  test('requests, answers and an exception are well-formed Modbus TCP', async () => {
    await using simulator = await startModbusSimulator();
    simulator.unit().set('holding 100', 4711);
    simulator.unit().refuse('holding 900');
    const filter = `tcp port ${simulator.port}`;
    const fields = ['mbtcp.len', 'mbtcp.unit_id', 'modbus.func_code', 'modbus.exception_code', 'modbus.regval_uint16'];
    const decode = ['-o', `mbtcp.tcp.port:${simulator.port}`, '-Y', 'mbtcp', '-T', 'fields', '-E', 'separator=|'];
    await using capture = startChild('tshark', ['-i', 'lo', '-l', '-f', filter, ...decode, ...fields.flatMap((field) => ['-e', field])]);
    await capture.line(/Capturing on/);
    const points = [observed('good', 'holding 100', {}, 100), observed('bad', 'holding 900', {}, 100)];
    // The capture begins a little after it says so; polls go on until it has seen what we look for.
    await using session = await openSession(simulator, points);
    await session.until(() => session.last('good')?.value === 4711);
    expect(await capture.line(/^6\|/)).toBe('6|1|3||');
    expect(await capture.line(/^5\|/)).toBe('5|1|3||4711');
    expect(await capture.line(/^3\|/)).toBe('3|1|3|2|');
  });
});
