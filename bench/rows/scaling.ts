import { join } from 'node:path';
import { type Entry, type Measurement, measure } from '../harness/contest.ts';
import { startGateway } from '../harness/gateway.ts';
import { startHubEnd } from '../harness/hub-end.ts';
import { modbusMappings, opcuaMappings } from '../harness/mappings.ts';
import { startModbusBank } from '../harness/modbus.ts';
import { startOpcuaBank } from '../harness/opcua.ts';
import { atMost, type EntryResult, entryResult } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';
import { scratch } from '../harness/tools.ts';
import { type Row, type RunOptions, windowOf } from './row.ts';

/** Points @ 1 Hz, each value new, durable to the hub: what does one more point cost? */
export const scaling: Row = {
  name: 'scaling',
  title: '100 to 100 000 points @ 1 Hz: CPU, and RSS per point',
  async run(options) {
    const modbusSizes = options.quick ? [100, 1_000, 10_000] : [100, 1_000, 10_000, 100_000];
    const opcuaSizes = options.quick ? [100, 1_000] : [100, 1_000, 10_000, 100_000];
    const modbus = await climb(modbusSizes, options, modbusRun);
    const opcua = await climb(opcuaSizes, options, opcuaRun);
    const rss = (run: Measurement): number => run.rssMB;
    const cpu = (run: Measurement): number => run.cpuSeconds / run.seconds;
    const kilobytes = (entries: readonly Entry[], sizes: readonly number[]): number =>
      ((grown(entries.at(-1)!, rss) - grown(entries[0]!, rss)) * 1024) / (sizes.at(-1)! - sizes[0]!);
    const lastTen = (entries: readonly Entry[]): number => grown(entries.at(-1)!, cpu) / grown(entries.at(-2)!, cpu);
    const named = (entries: readonly Entry[], sizes: readonly number[]): EntryResult[] =>
      entries.map((entry, at) => {
        const result = entryResult(entry);
        return { ...result, figures: { ...result.figures, 'points asked': sizes[at]! } };
      });
    return {
      row: this.name,
      title: this.title,
      entries: [...named(modbus, modbusSizes), ...named(opcua, opcuaSizes)],
      bars: [
        atMost('≤ 6× CPU for the last ×10, Modbus', lastTen(modbus), 6, ...modbus.slice(-2)),
        atMost('≤ 2 kB RSS a Modbus point', kilobytes(modbus, modbusSizes), 2),
        atMost('≤ 6× CPU for the last ×10, OPC UA', lastTen(opcua), 6, ...opcua.slice(-2)),
        atMost('≤ 6 kB RSS an OPC UA item', kilobytes(opcua, opcuaSizes), 6),
      ],
      notes: ['RSS a point: (largest − smallest) / points between them, at the end of the window'],
    };
  },
};

const grown = (entry: Entry, pick: (run: Measurement) => number): number => median(entry.runs.map(pick));

/** Sizes in turn, the whole ladder `repeats` times. */
async function climb(
  sizes: readonly number[],
  options: RunOptions,
  run: (size: number, options: RunOptions) => Promise<{ name: string; measurement: Measurement }>,
): Promise<Entry[]> {
  const runs = sizes.map(() => [] as Measurement[]);
  const names: string[] = [];
  for (let repeat = 1; repeat <= options.repeats; repeat++) {
    for (const [at, size] of sizes.entries()) {
      const { name, measurement } = await run(size, options);
      names[at] = name;
      runs[at]!.push(measurement);
    }
  }
  return sizes.map((_, at) => ({ name: names[at]!, role: 'ours', runs: runs[at]! }));
}

async function modbusRun(size: number, options: RunOptions) {
  const name = `Modbus, ${size} points`;
  options.progress(name);
  using folder = scratch();
  const machines = Math.max(1, size / 10_000);
  await using bank = await startModbusBank(machines, size / machines);
  await using hub = await startHubEnd(folder.path, { count: false });
  const mappings = modbusMappings(bank.ports, bank.registers);
  await using gateway = await startGateway({
    name,
    folder: join(folder.path, 'run'),
    mappings,
    points: size,
    hub,
    main: options.compiled(),
  });
  return { name, measurement: await measure(gateway, [bank.server], windowOf(options)) };
}

async function opcuaRun(size: number, options: RunOptions) {
  const name = `OPC UA, ${size} items`;
  options.progress(name);
  using folder = scratch();
  await using bank = await startOpcuaBank(size, 1000, folder.path);
  await using hub = await startHubEnd(folder.path, { count: false });
  const mappings = opcuaMappings(bank.port, size, '1s');
  await using gateway = await startGateway({
    name,
    folder: join(folder.path, 'run'),
    mappings,
    points: size,
    hub,
    main: options.compiled(),
  });
  return { name, measurement: await measure(gateway, [bank.server], windowOf(options)) };
}
