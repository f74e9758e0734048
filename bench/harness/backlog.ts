import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { basename, join } from 'node:path';
import { startProcess } from './process.ts';
import { bench, node } from './tools.ts';

/** An outbox full of readings, made once and copied for each run. */
export interface Backlog {
  readonly readings: number;
  readonly bytesOnDisk: number;
  /** Machines and registers of `modbusMappings` that it comes from, each new every second. */
  readonly machines: number;
  readonly registers: number;
  /** Puts a copy where a gateway with this folder will find it. */
  copyTo(folder: string): void;
}

/** What a gateway with `machines` of `registers` @ 1 Hz keeps while its hub is away for `seconds`. */
export async function makeBacklog(folder: string, seconds: number, machines: number, registers: number): Promise<Backlog> {
  const outbox = join(mkdtempSync(join(folder, 'backlog-')), 'outbox');
  const script = join(bench, 'servers', 'outbox-writer.ts');
  await using writer = startProcess(node, [script, outbox, ...[seconds, machines, registers].map(String)], { name: 'outbox writer' });
  const readings = Number((await writer.line(/^readings (\d+)\n/m, 300_000))[1]);
  const bytesOnDisk = Number((await writer.line(/^bytes (\d+)\n/m))[1]);
  return {
    readings,
    bytesOnDisk,
    machines,
    registers,
    copyTo(target) {
      mkdirSync(join(target, 'data'), { recursive: true });
      cpSync(outbox, join(target, 'data', 'outbox'), { recursive: true, filter: (path) => !basename(path).startsWith('lock') });
    },
  };
}
