import { setTimeout as sleep } from 'node:timers/promises';
import { type Load, watchLoad } from './machine.ts';
import type { BenchProcess } from './process.ts';

/** Who takes part: the limit that nobody can pass, a peer from elsewhere, or us. */
export type Role = 'limit' | 'peer' | 'ours';

export interface Contestant {
  readonly name: string;
  readonly role: Role;
  /** Resolves when values flow. */
  start(): Promise<Running>;
}

/** Something whose use of the machine is shown. */
export type Measured = Pick<BenchProcess, 'name' | 'usage'>;

/** One contestant at work. Only `process` is measured; `helpers` (its hub, its counter) are shown beside it. */
export interface Running extends AsyncDisposable {
  readonly process: BenchProcess;
  readonly helpers?: readonly Measured[];
  /** Values so far, as the contestant counts them. */
  values(): Promise<number>;
  /** Values so far, as the far end counts them. */
  delivered?(): Promise<number>;
  /** Running totals that go into the report as differences over the window (late polls, requests, commits). */
  totals?(): Promise<Readonly<Record<string, number>>>;
}

export interface Window {
  readonly warmMs: number;
  readonly windowMs: number;
}

/** The part of what waits that is measured: what comes before `from` is warm-up. */
export interface Span {
  readonly from: number;
  readonly to: number;
  /** What a slow one has not done by then is not waited for. */
  readonly withinMs: number;
}

export interface Measurement {
  readonly seconds: number;
  readonly values: number;
  readonly delivered: number | undefined;
  readonly cpuSeconds: number;
  /** CPU seconds per million values. */
  readonly cpuPerMillion: number;
  /** Of one core. */
  readonly cpuPercent: number;
  readonly rssMB: number;
  readonly peakMB: number;
  /** Percent of one core, of the load generator, the hub and whatever else takes part. */
  readonly helpers: Readonly<Record<string, number>>;
  readonly totals: Readonly<Record<string, number>>;
  readonly load: Load;
}

export interface Entry {
  readonly name: string;
  readonly role: Role;
  readonly runs: readonly Measurement[];
}

/** Runs all contestants in turn, `repeats` times over, so that whatever the neighbours do falls on all alike. */
export async function contest(
  contestants: readonly Contestant[],
  generators: readonly Measured[],
  repeats: number,
  window: Window | Span,
  progress: (text: string) => void,
): Promise<Entry[]> {
  const runs = new Map<Contestant, Measurement[]>(contestants.map((contestant) => [contestant, []]));
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const contestant of contestants) {
      progress(`${contestant.name}, ${repeat} of ${repeats}`);
      await using running = await contestant.start();
      runs
        .get(contestant)!
        .push('from' in window ? await measureSpan(running, generators, window) : await measure(running, generators, window));
    }
  }
  return contestants.map((contestant) => ({ name: contestant.name, role: contestant.role, runs: runs.get(contestant)! }));
}

export async function measure(running: Running, generators: readonly Measured[], window: Window): Promise<Measurement> {
  await sleep(window.warmMs);
  return measureDuring(running, generators, () => sleep(window.windowMs));
}

/** For a contestant that works off what waits for it: from about its `from`th value to its `to`th. */
export async function measureSpan(running: Running, generators: readonly Measured[], { from, to, withinMs }: Span): Promise<Measurement> {
  const endMs = performance.now() + withinMs;
  const reached = async (value: number): Promise<void> => {
    while ((await running.values()) < value && performance.now() < endMs) await sleep(50);
  };
  await reached(from);
  if ((await running.values()) >= to) throw new Error(`${running.process.name} was through with ${to} before it could be measured`);
  const measured = await measureDuring(running, generators, () => reached(to));
  return { ...measured, load: { ...measured.load, flatOut: true } };
}

async function measureDuring(running: Running, generators: readonly Measured[], wait: () => Promise<unknown>): Promise<Measurement> {
  const helpers = [...generators, ...(running.helpers ?? [])];
  const before = await look(running, helpers);
  const watch = watchLoad();
  const self = process.cpuUsage();
  await wait();
  const after = await look(running, helpers);
  const own = process.cpuUsage(self);
  const seconds = (after.atMs - before.atMs) / 1000;
  const cpuSeconds = after.usage.cpuSeconds - before.usage.cpuSeconds;
  const values = after.values - before.values;
  const helperSeconds = helpers.map((_, at) => after.helpers[at]! - before.helpers[at]!);
  return {
    seconds,
    values,
    delivered: after.delivered === undefined ? undefined : after.delivered - before.delivered!,
    cpuSeconds,
    cpuPerMillion: (cpuSeconds / values) * 1e6,
    cpuPercent: (cpuSeconds / seconds) * 100,
    rssMB: after.usage.rssMB,
    peakMB: after.usage.peakMB,
    helpers: Object.fromEntries(helpers.map((helper, at) => [helper.name, (helperSeconds[at]! / seconds) * 100])),
    totals: Object.fromEntries(Object.entries(after.totals).map(([name, total]) => [name, total - (before.totals[name] ?? 0)])),
    load: watch.stop(cpuSeconds + helperSeconds.reduce((sum, s) => sum + s, 0) + (own.user + own.system) / 1e6),
  };
}

async function look(running: Running, helpers: readonly Measured[]) {
  const values = await running.values();
  const usage = running.process.usage();
  const atMs = performance.now();
  return {
    values,
    usage,
    atMs,
    delivered: await running.delivered?.(),
    totals: (await running.totals?.()) ?? {},
    helpers: helpers.map((helper) => helper.usage().cpuSeconds),
  };
}
