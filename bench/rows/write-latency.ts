import { join } from 'node:path';
import { startModbusSimulator } from '../../adapters/modbus/simulator.ts';
import { tooBusy, watchLoad } from '../harness/machine.ts';
import { startProcess } from '../harness/process.ts';
import type { EntryResult, RowResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { bench, node, scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

const limitMs = 50;

interface Times {
  readonly p50: number;
  readonly p99: number;
}

/** How much later than the bare round trips a desired change has reached the machine, past all guards, on disk, read back. */
export const writeLatency: Row = {
  name: 'write-latency',
  title: 'from a desired change to the confirmed Modbus write, with guards, journal, audit log and read-back',
  async run(options): Promise<RowResult> {
    const count = options.quick ? 100 : 1_000;
    const contestants = [
      { name: 'two requests on a bare socket', role: 'limit', kind: 'bare', runs: [] as Times[] },
      { name: 'write path', role: 'ours', kind: 'path', runs: [] as Times[] },
    ] as const;
    let busy: string | undefined;
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
      for (const { name, kind, runs } of contestants) {
        options.progress(`${name}, ${repeat} of ${options.repeats}`);
        using folder = scratch();
        await using simulator = await startModbusSimulator();
        const watch = watchLoad();
        const self = process.cpuUsage();
        await using child = startProcess(
          node,
          [join(bench, 'contestants', 'write-latency.ts'), kind, String(simulator.port), String(count), folder.path],
          { name },
        );
        const times = JSON.parse((await child.line(/^\[.*\]$/m, 120_000))[0]) as number[];
        const own = process.cpuUsage(self);
        // What the child used is gone with it by now; it is small, and counts as the neighbours'.
        busy ??= tooBusy(watch.stop((own.user + own.system) / 1e6));
        runs.push(percentiles(times));
      }
    }
    const entries = contestants.map(({ name, role, runs }): EntryResult => {
      const figures = { 'p50 ms': median(runs.map(({ p50 }) => p50)), 'p99 ms': median(runs.map(({ p99 }) => p99)) };
      return { name, role, figures, spread: spread(runs.map(({ p50 }) => p50)), repeats: runs.length, runs };
    });
    const [bare, path] = contestants;
    const value = median(path.runs.map(({ p99 }, i) => p99 - bare.runs[i]!.p50));
    const text = `p99 ≤ ${limitMs} ms over the bare round trips`;
    // A neighbour can only make it slower, so a bar that is passed is passed.
    const bar =
      busy && value > limitMs
        ? { text, value, holds: undefined, reason: `machine busy: ${busy}` }
        : { text, value, holds: value <= limitMs };
    return {
      row: this.name,
      title: this.title,
      entries,
      bars: [bar],
      notes: [`${count} writes, 5 ms apart; two flushes to the disk each: the intent before, the audit entry after`],
    };
  },
};

function percentiles(times: readonly number[]): Times {
  const sorted = times.toSorted((a, b) => a - b);
  return { p50: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]! };
}
