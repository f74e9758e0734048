import { join } from 'node:path';
import type { EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { bench } from '../harness/tools.ts';
import { probed } from './probed.ts';
import type { Row } from './row.ts';

const routes = 50;

interface Rates {
  readonly parse: number;
  readonly bySource: number;
  readonly byProperty: number;
  readonly byBody: number;
  readonly wants: number;
}

/** What finding the targets of one message costs, on one core; beside it, reading its body once. */
export const routesRow: Row = {
  name: 'routes',
  title: `a message of 300 bytes against ${routes} routes, on one core`,
  async run(options) {
    const seconds = options.quick ? 0.2 : 2;
    const { runs, busy } = await probed<Rates>(join(bench, 'servers/route-probe.ts'), [String(routes), String(seconds)], options);
    const entry = (name: string, role: EntryResult['role'], unit: string, of: keyof Rates): EntryResult => {
      const all = runs.map((run) => run[of]);
      return { name, role, figures: { [unit]: median(all) }, spread: spread(all), repeats: options.repeats, runs: all };
    };
    return {
      row: this.name,
      title: this.title,
      entries: [
        entry('JSON.parse of the body', 'limit', 'messages/s', 'parse'),
        entry('a source for each route, one matches', 'ours', 'messages/s', 'bySource'),
        entry('all look at a property, one matches', 'ours', 'messages/s', 'byProperty'),
        entry('all look into the body, half of them match', 'ours', 'messages/s', 'byBody'),
        entry('wants', 'ours', 'questions/s', 'wants'),
      ],
      bars: [],
      notes: busy ? [`machine busy: ${busy}; the figures are lower than they would be`] : [],
    };
  },
};
