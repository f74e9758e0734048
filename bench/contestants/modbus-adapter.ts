/**
 * Ours, cut to the bone: the Modbus adapter observes every register as a point of its own and what it yields is counted.
 *
 * usage: node modbus-adapter.ts REGISTERS PERIOD_MS PORT…
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectContext, ObservedPoint } from '../../adapters/contract.ts';
import { modbus } from '../../adapters/modbus/adapter.ts';

const [registers = 0, periodMs = 1000, ...ports] = process.argv.slice(2).map(Number);
const stateFolder = mkdtempSync(join(tmpdir(), 'dragoman-bench-state-'));
process.on('exit', () => rmSync(stateFolder, { recursive: true, force: true }));
process.on('SIGTERM', () => process.exit(0));

const quiet = (): void => {};
const loud = (fields: object, message: string): void => console.error(message, fields);
const context = (equipment: string): ConnectContext => ({
  equipment,
  stateFolder,
  log: { debug: quiet, info: quiet, warn: loud, error: loud },
  secret: () => Promise.reject(new Error('no secrets here')),
});
const never = new AbortController().signal;
const runtime = await modbus.load();
let count = 0;
let bad = 0;
let machinesSeen = 0;

async function observe(port: number): Promise<() => Readonly<Record<string, number>>> {
  const settings = modbus.connection.parse({ host: '127.0.0.1', port, unitId: 1 });
  const own = modbus.point.parse({ type: 'uint16' });
  const points = Array.from({ length: registers }, (_, at): ObservedPoint<never> => {
    const source = { name: `p${at}`, at: `holding ${at}`, own, settings, everyMs: periodMs, write: false, bits: false };
    const compiled = modbus.compilePoint(source, (_key, finding) => {
      throw new Error(finding.message);
    });
    return { name: source.name, address: compiled!.address as never, rawType: 'uint16', everyMs: periodMs, staleAfterMs: periodMs * 3 };
  });
  const connection = await runtime.connect(settings, context(`machine-${port}`), never);
  void (async () => {
    let seen = 0;
    for await (const batch of connection.observe(points, never)) {
      const before = seen;
      seen += batch.points.length;
      count += batch.points.length;
      if (batch.states) for (let k = 0; k < batch.points.length; k++) if (batch.states[k] !== undefined) bad++;
      if (before < registers && seen >= registers && ++machinesSeen === ports.length) process.stdout.write('ready\n');
    }
  })();
  return () => connection.counters();
}

const counters = await Promise.all(ports.map(observe));
process.on('SIGUSR2', () => {
  const sum = (name: string): number => counters.reduce((total, of) => total + (of()[name] ?? 0), 0);
  process.stdout.write(`late ${sum('latePolls')}\nbad ${bad}\ncount ${count}\n`);
});
