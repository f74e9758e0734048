import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { capability, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { startModbusSimulator } from './simulator.ts';
import { observed } from './testcases/points.ts';
import { openSession } from './testcases/session.ts';

const socat = capability('socat');
const mbpoll = capability('mbpoll');
const line = { baudRate: 19_200, parity: 'none', dataBits: 8, stopBits: 1 } as const;

/** A pty pair; socat says twice which pty it has once both are there. */
async function pair(folder: string) {
  const [machine, gateway] = [join(folder, 'machine'), join(folder, 'gateway')];
  const child = startChild('socat', ['-d', '-d', `pty,raw,echo=0,link=${machine}`, `pty,raw,echo=0,link=${gateway}`]);
  await child.line(/starting data transfer loop/);
  return { machine, gateway, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}

describe.skipIf(!socat.ok)(titled('our simulator on a serial line (a pty pair)', socat), () => {
  test.skipIf(!mbpoll.ok)(titled('as mbpoll (libmodbus) sees it', mbpoll), async () => {
    using folder = tempFolder();
    await using ends = await pair(folder.path);
    await using simulator = await startModbusSimulator({ serial: { path: ends.machine, ...line } });
    simulator.unit().set('holding 10', [7, 8, 9]);
    const child = spawn('mbpoll', [
      '-m',
      'rtu',
      '-b',
      '19200',
      '-P',
      'none',
      '-a',
      '1',
      '-0',
      '-r',
      '10',
      '-c',
      '3',
      '-t',
      '4',
      '-1',
      ends.gateway,
    ]);
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
    expect([...output.matchAll(/^\[(\d+)\]:\s*(\d+)/gm)].map(([, at, value]) => `${at}=${value}`)).toEqual(['10=7', '11=8', '12=9']);
  });

  test.for(['rtu', 'ascii'] as const)('two machines and a silent one on one line, %s', async (framing) => {
    using folder = tempFolder();
    await using ends = await pair(folder.path);
    await using simulator = await startModbusSimulator({ serial: { path: ends.machine, ...line }, framing, units: [1, 2] });
    simulator.unit(1).set('holding 5', 231.7, { type: 'float32', byteOrder: 'CDAB' });
    simulator.unit(2).set('input 5', 42);
    const points = [
      observed('one', 'holding 5', { type: 'float32', byteOrder: 'CDAB', unitId: 1 }),
      observed('two', 'input 5', { unitId: 2 }),
      observed('nobody', 'holding 5', { unitId: 3 }),
    ];
    await using session = await openSession({ serial: { path: ends.gateway, ...line }, framing }, points, { timeout: '150ms' });
    await session.until(() => session.of('one').length > 10 && session.of('two').length > 10 && session.of('nobody').length > 0, 8_000);
    expect(session.of('one').every(({ value }) => value === 231.7)).toBe(true);
    expect(session.of('two').every(({ value }) => value === 42)).toBe(true);
    expect(session.last('nobody')?.state?.reason).toMatch(/no answer from unit 3 at .*gateway within 150ms/);
    expect(session.connection.counters()).toMatchObject({ malformedFrames: 0, foreignFrames: 0, connects: 1 });
  });

  test('a line that is in use says so', async () => {
    using folder = tempFolder();
    await using ends = await pair(folder.path);
    await using _simulator = await startModbusSimulator({ serial: { path: ends.machine, ...line } });
    await expect(openSession({ serial: { path: ends.machine, ...line } }, [])).rejects.toMatchObject({
      message: expect.stringMatching(/machine is used by another program/),
      hint: expect.stringMatching(/one owner/),
    });
  });
});

test('serialport loads from its prebuilt binaries, without a compiler', () => {
  const script = "import('serialport').then((m) => console.log(typeof m.SerialPort.binding.open))";
  expect(spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout.trim()).toBe('function');
});

describe('our simulator as the npm library modbus-serial sees it', () => {
  test('values, and an exception as an exception', async () => {
    await using simulator = await startModbusSimulator();
    simulator.unit().set('holding 3', [1, 65_535]);
    simulator.unit().set('coil 1', [true, false, true]);
    simulator.unit().refuse('input 9');
    const { default: modbusSerial } = await import('modbus-serial');
    const client = new (modbusSerial.default ?? modbusSerial)();
    client.setTimeout(1_000);
    await client.connectTCP(simulator.host, { port: simulator.port });
    client.setID(1);
    expect((await client.readHoldingRegisters(3, 2)).data).toEqual([1, 65_535]);
    expect((await client.readCoils(1, 3)).data.slice(0, 3)).toEqual([true, false, true]);
    await expect(client.readInputRegisters(8, 3)).rejects.toMatchObject({ modbusCode: 2 });
    await client.writeRegisters(20, [4, 5]);
    expect(simulator.unit().get('holding 21')).toBe(5);
    if (client.isOpen) await new Promise<void>((resolve) => client.close(() => resolve()));
  });
});
