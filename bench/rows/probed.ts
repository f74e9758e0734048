import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tooBusy, watchLoad } from '../harness/machine.ts';
import { node } from '../harness/tools.ts';
import type { RunOptions } from './row.ts';

export interface Probed<T> {
  readonly runs: readonly T[];
  /** Why the figures may be worse than they would be: what the neighbours did in the second before each run. */
  readonly busy: string | undefined;
}

/** Runs a program that measures itself and prints one line of JSON, in a new process for each repeat. */
export async function probed<T>(program: string, args: readonly string[], options: RunOptions): Promise<Probed<T>> {
  const runs: T[] = [];
  let otherCores = 0;
  for (let repeat = 1; repeat <= options.repeats; repeat++) {
    options.progress(`${basename(program, '.ts')}, ${repeat} of ${options.repeats}`);
    const watch = watchLoad();
    await sleep(1_000);
    otherCores = Math.max(otherCores, watch.stop(0).otherCores);
    const { status, stdout, stderr } = spawnSync(node, [program, ...args], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${basename(program)} ended with ${status}:\n${stderr.slice(0, 2000)}`);
    runs.push(JSON.parse(stdout) as T);
  }
  return { runs, busy: tooBusy({ totalCores: 0, otherCores, runnable: 0 }) };
}
