import { TwinAgent } from '../../gateway/twin/agent.ts';
import { type MachineTally, reportPlant } from '../../gateway/twin/plant-summary.ts';
import { MemoryHub } from '../../gateway/twin/testing/memory-hub.ts';
import { listLog } from '../../gateway/twin/testing/support.ts';
import { sectionSize } from '../../twin/limits.ts';

/**
 * 10 000 points on 20 machines, each with a new value every second and one in a hundred with another quality, and what is said of them to a
 * twin at a hub in the same process. Arguments: mode, folder, milliseconds to warm up, milliseconds to measure. Ends with `result {…}`.
 */
const [mode = 'nothing', folder = '', warmMs = '1000', windowMs = '5000'] = process.argv.slice(2);
const [machines, pointsEach, slices] = [20, 500, 10];

const values = Array.from({ length: machines }, () => new Float64Array(pointsEach));
const qualities = Array.from({ length: machines }, () => new Uint8Array(pointsEach));
const tallies = (): MachineTally[] =>
  qualities.map((ofMachine, m) => {
    const bad = ofMachine.reduce((sum, quality) => sum + quality, 0);
    return { id: `machine-${m}`, points: pointsEach, good: pointsEach - bad, uncertain: 0, bad };
  });

const hub = new MemoryHub();
const agent = new TwinAgent({ folder, log: listLog() });
if (mode !== 'nothing') await agent.attach(hub.connect());
if (mode === 'summary') reportPlant(agent, tallies, () => ({ connected: true }));

const reportedOf: Readonly<Record<string, number>> = { nothing: 0, summary: 0, 'a thousand': 50, 'each point': pointsEach };
const reported = reportedOf[mode] ?? 0;
let slice = 0;
const ticker = setInterval(() => {
  slice = (slice + 1) % slices;
  for (let m = 0; m < machines; m++) {
    for (let p = slice; p < pointsEach; p += slices) {
      values[m]![p] = values[m]![p]! + 0.5;
      qualities[m]![p] = Math.random() < 0.01 ? 1 : 0;
      if (p < reported) agent.report(['values', `m${m}p${p}`], values[m]![p]);
    }
  }
}, 1_000 / slices);

const pause = (ms: string): Promise<void> => new Promise((resolve) => setTimeout(resolve, Number(ms)));
await pause(warmMs);
const [cpu, began, first] = [process.cpuUsage(), performance.now(), hub.patches.length];
await pause(windowMs);
const { user, system } = process.cpuUsage(cpu);
const seconds = (performance.now() - began) / 1_000;
const patches = hub.patches.slice(first);
const result = {
  cpuPercent: (user + system) / 10_000 / seconds,
  patchesPerSecond: patches.length / seconds,
  largestPatchBytes: Math.max(0, ...patches.map(({ patch }) => Buffer.byteLength(JSON.stringify(patch)))),
  sectionBytes: sectionSize(hub.reported.properties),
  rssMB: process.memoryUsage.rss() / 2 ** 20,
};
clearInterval(ticker);
process.stdout.write(`result ${JSON.stringify(result)}\n`, () => process.exit());
