import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startProcess } from '../harness/process.ts';
import type { EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { bench, node, scratch } from '../harness/tools.ts';
import { type Row, windowOf } from './row.ts';

interface Run {
  readonly cpuPercent: number;
  readonly patchesPerSecond: number;
  readonly largestPatchBytes: number;
  readonly sectionBytes: number;
  readonly rssMB: number;
}

/** What the twin costs when everything changes all the time. */
export const twinReported: Row = {
  name: 'twin-reported',
  title: 'Reported properties with 10 000 points that change each second: CPU and patches',
  async run(options) {
    using folder = scratch();
    const { warmMs, windowMs } = windowOf(options);
    const contestants = [
      { name: 'the points alone', role: 'limit', mode: 'nothing' },
      { name: 'summary of the plant', role: 'ours', mode: 'summary' },
      { name: '1 000 of the points, each', role: 'ours', mode: 'a thousand' },
      { name: 'all 10 000, too much for a twin', role: 'ours', mode: 'each point' },
    ] as const;
    const runs: Run[][] = contestants.map(() => []);
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
      for (const [at, { name, mode }] of contestants.entries()) {
        options.progress(`${name}, ${repeat} of ${options.repeats}`);
        const own = join(folder.path, `${at}-${repeat}`);
        mkdirSync(own);
        const args = [join(bench, 'contestants', 'twin-reporter.ts'), mode, own, String(warmMs), String(windowMs)];
        await using running = startProcess(node, args, { name });
        const said = await running.line(/^result (.*)\n/m, warmMs + windowMs + 20_000);
        runs[at]!.push(JSON.parse(said[1]!) as Run);
      }
    }
    const of = (at: number, pick: (run: Run) => number): number => median(runs[at]!.map(pick));
    const entries = contestants.map(({ name, role }, at): EntryResult => {
      return {
        name,
        role,
        figures: {
          'CPU %': of(at, (run) => run.cpuPercent),
          'patches/s': of(at, (run) => run.patchesPerSecond),
          'largest patch B': of(at, (run) => run.largestPatchBytes),
          'section B': of(at, (run) => run.sectionBytes),
          'RSS MB': of(at, (run) => run.rssMB),
        },
        spread: spread(runs[at]!.map((run) => run.cpuPercent)),
        repeats: options.repeats,
        runs: runs[at]!,
      };
    });
    // One more fits into a window that begins just before it.
    const most = 1 + 1_000 / windowMs;
    const patches = Math.max(...contestants.map((_, at) => Math.max(...runs[at]!.map((run) => run.patchesPerSecond))));
    const section = Math.max(...contestants.map((_, at) => Math.max(...runs[at]!.map((run) => run.sectionBytes))));
    return {
      row: this.name,
      title: this.title,
      entries,
      bars: [
        { text: '≤ 1 patch a second', value: patches, holds: patches <= most },
        { text: '≤ 32 KB in the reported section', value: section, holds: section <= 32 * 1024 },
      ],
      notes: [
        'the hub is in the same process and checks every patch by the rules of the service; its part of the CPU is in the figures, a link is not',
        'what is too much for a twin is refused at the gateway, with one line in the log: values are telemetry',
      ],
    };
  },
};
