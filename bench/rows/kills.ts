import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { node, root } from '../harness/tools.ts';
import type { Row } from './row.ts';

/** The test of the outbox that kills its writer at random instants, with more kills than it makes by itself. */
export const kills: Row = {
  name: 'kills',
  title: 'outbox: commits lost when the process is killed',
  async run(options) {
    const wanted = options.quick ? 10 : 50;
    options.progress(`${wanted} kills`);
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const run = spawnSync(node, [vitest, 'run', 'gateway/outbox/kill.test.ts'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, DRAGOMAN_KILLS: String(wanted) },
    });
    const holds = run.status === 0 && /\b1 passed, 0 failed/.test(run.stdout);
    return {
      row: this.name,
      title: this.title,
      entries: [{ name: 'outbox writer killed with SIGKILL', role: 'ours', figures: { kills: wanted }, spread: 0, repeats: 1 }],
      bars: [{ text: `no promised event missing, no number twice, after ${wanted} kills`, value: holds ? 0 : Number.NaN, holds }],
      notes: holds ? ['gateway/outbox/kill.test.ts'] : [run.stdout.slice(-2000)],
    };
  },
};
