import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tooBusy, watchLoad } from '../harness/machine.ts';
import { manyFiles } from '../harness/mappings.ts';
import type { Bar, EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { node, root, scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

/** How long an engineer waits for `dragoman check` over a whole plant. */
export const check: Row = {
  name: 'check',
  title: '`dragoman check` of a folder of 100 files with 10 000 points, seconds',
  async run(options) {
    using folder = scratch();
    const mappings = join(folder.path, 'mappings');
    mkdirSync(mappings);
    for (const [file, text] of Object.entries(manyFiles(100))) writeFileSync(join(mappings, file), text);
    const contestants = [
      { name: 'bare Node', role: 'limit', args: ['-e', '0'] },
      { name: 'bin/dragoman.js check, from sources', role: 'ours', args: [join(root, 'bin', 'dragoman.js'), 'check', mappings] },
      { name: 'compiled check', role: 'ours', args: [options.compiled(), 'check', mappings] },
    ] as const;
    const times: number[][] = contestants.map(() => []);
    let queue = 0;
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
      for (const [at, { name, args }] of contestants.entries()) {
        options.progress(`${name}, ${repeat} of ${options.repeats}`);
        const watch = watchLoad();
        await sleep(1_000);
        queue = Math.max(queue, watch.stop(0).otherCores);
        const began = performance.now();
        const run = spawnSync(node, [...args], { encoding: 'utf8' });
        if (run.status !== 0)
          throw new Error(`${name} ended with ${run.status}:\n${run.stdout.slice(0, 2000)}${run.stderr.slice(0, 2000)}`);
        times[at]!.push((performance.now() - began) / 1000);
      }
    }
    const entries = contestants.map(({ name, role }, at): EntryResult => {
      const figures = { s: median(times[at]!) };
      return { name, role, figures, spread: spread(times[at]!), repeats: options.repeats, runs: times[at]! };
    });
    const busy = tooBusy({ totalCores: 0, otherCores: queue, runnable: 0 });
    const bar = (at: number): Bar => {
      const value = median(times[at]!);
      const text = `< 2 s, ${contestants[at]!.name}`;
      // A neighbour can only make it slower, so a bar that is passed is passed.
      return busy && value >= 2 ? { text, value, holds: undefined, reason: `machine busy: ${busy}` } : { text, value, holds: value < 2 };
    };
    return { row: this.name, title: this.title, entries, bars: [bar(1), bar(2)], notes: ['every file has samples, which run too'] };
  },
};
