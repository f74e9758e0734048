import { join } from 'node:path';
import { median, spread } from '../harness/statistics.ts';
import { bench } from '../harness/tools.ts';
import { probed } from './probed.ts';
import type { Row } from './row.ts';

const modules = 200;
const boundMs = 50;

interface Times {
  readonly coldRead: number;
  readonly coldPlan: number;
  readonly warmRead: number;
  readonly warmPlan: number;
  readonly kB: number;
}

/** What a manifest for a whole plant costs before anything moves: the first time in a process, as for `dragoman plan`, and in one that runs. */
export const plan: Row = {
  name: 'plan',
  title: `a manifest of ${modules} modules, every second with a new image: read and planned, milliseconds`,
  async run(options) {
    const { runs, busy } = await probed<Times>(join(bench, 'servers/plan-probe.ts'), [String(modules)], options);
    const cold = runs.map(({ coldRead, coldPlan }) => coldRead + coldPlan);
    const warm = runs.map(({ warmRead, warmPlan }) => warmRead + warmPlan);
    const entry = (name: string, all: readonly number[], alone: readonly number[]) => ({
      name,
      role: 'ours' as const,
      figures: { 'ms read and planned': median(all), 'ms planned alone': median(alone) },
      spread: spread(all),
      repeats: options.repeats,
      runs,
    });
    const bar = (text: string, value: number) =>
      // A neighbour can only make it slower, so a bar that is passed is passed.
      busy && value >= boundMs
        ? { text, value, holds: undefined, reason: `machine busy: ${busy}` }
        : { text, value, holds: value < boundMs };
    return {
      row: this.name,
      title: this.title,
      entries: [
        entry(
          'first time in its process',
          cold,
          runs.map(({ coldPlan }) => coldPlan),
        ),
        entry(
          'again and again',
          warm,
          runs.map(({ warmPlan }) => warmPlan),
        ),
      ],
      bars: [bar(`< ${boundMs} ms, first time in its process`, median(cold)), bar(`< ${boundMs} ms, again and again`, median(warm))],
      notes: [`a manifest of ${Math.round(median(runs.map(({ kB }) => kB)))} kB; each module has create options, env, a route and a twin`],
    };
  },
};
