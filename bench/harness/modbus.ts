import { join } from 'node:path';
import type { Contestant } from './contest.ts';
import { type BenchProcess, startProcess } from './process.ts';
import { answers, bench, compileLibmodbusLoop, debianPython, node } from './tools.ts';

/** The bank of machines that every Modbus row reads: `machines` ports with `registers` each. */
export interface ModbusBank extends AsyncDisposable {
  readonly server: BenchProcess;
  readonly ports: readonly number[];
  readonly registers: number;
}

export async function startModbusBank(machines: number, registers: number): Promise<ModbusBank> {
  const server = startProcess(node, [join(bench, 'servers', 'modbus-server.ts'), String(machines), String(registers)], {
    name: 'Modbus server',
  });
  const ports = (await server.line(/^ready (.*)\n/m))[1]!.split(' ').map(Number);
  return { server, ports, registers, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** The loop that only reads: in C where it can be built, else on a bare socket. */
export function readingLimit(bank: ModbusBank, periodMs: number, folder: string): { contestant: Contestant; note?: string } {
  const program = compileLibmodbusLoop(folder);
  if (program) return { contestant: loop(`libmodbus loop (C)${often(periodMs)}`, 'limit', [program], bank, periodMs) };
  return {
    contestant: loop(
      `bare socket loop (Node)${often(periodMs)}`,
      'limit',
      [node, join(bench, 'contestants', 'socket-loop.ts')],
      bank,
      periodMs,
    ),
    note: 'no C compiler or no libmodbus-dev: the limit is the bare socket loop in Node',
  };
}

/** Part of a name: nothing for once a second. */
export const often = (periodMs: number): string => (periodMs === 1000 ? '' : ` @ ${1000 / periodMs} Hz`);

/** Everyone else who can be run here. */
export function readingPeers(bank: ModbusBank, periodMs: number): { contestants: Contestant[]; notes: string[] } {
  const serial = loop('modbus-serial loop', 'peer', [node, join(bench, 'contestants', 'modbus-serial-loop.ts')], bank, periodMs);
  if (!answers(debianPython, ['-c', 'import pymodbus'])) {
    return { contestants: [serial], notes: ['pymodbus is not installed (python3-pymodbus): not run'] };
  }
  const python = loop('pymodbus loop', 'peer', [debianPython, join(bench, 'contestants', 'pymodbus-loop.py')], bank, periodMs);
  return { contestants: [serial, python], notes: [] };
}

export function bareSocketLoop(bank: ModbusBank, periodMs: number): Contestant {
  return loop('bare socket loop (Node)', 'peer', [node, join(bench, 'contestants', 'socket-loop.ts')], bank, periodMs);
}

/** A program that takes REGISTERS PERIOD_MS PORT…, says `ready`, and answers SIGUSR2 with its count. */
export function loop(
  name: string,
  role: Contestant['role'],
  command: readonly string[],
  bank: ModbusBank,
  periodMs: number,
  env?: Readonly<Record<string, string>>,
): Contestant {
  return {
    name,
    role,
    async start() {
      const [program = '', ...args] = [...command, String(bank.registers), String(periodMs), ...bank.ports.map(String)];
      const started = startProcess(program, args, { name, ...(env ? { env } : {}) });
      await started.line(/^ready\n/m);
      return { process: started, values: () => started.count(), [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
    },
  };
}
