import type { CompiledPoint } from '../../mappings/equipment.ts';
import type { SampleBatch } from '../../model/sample.ts';
import type { ShadowPlan } from './plan.ts';
import { PointComparison, type RawSample, type RunClock } from './point-comparison.ts';
import { type ShadowRule, toleranceOf } from './rule.ts';
import type { PointStatistics } from './statistics.ts';
import type { ShadowTap } from './tap.ts';
import { type Traffic, TrafficComparison } from './traffic.ts';

/** What an earlier life of the gateway found out. */
export interface Kept {
  readonly statistics: Readonly<Record<string, PointStatistics>>;
  readonly traffic?: Traffic | undefined;
}

const leastPatienceMs = 5_000;

/** Who is told that a comparison is over before its time. */
export type Ended = (equipment: string, reason: string) => void;

/** One machine under two mappings: takes the batches of the running one and hands each sample to the points that it concerns. */
export class MachineComparison implements ShadowTap {
  readonly plan: ShadowPlan;
  readonly points: readonly CompiledPoint[];
  readonly comparisons: readonly PointComparison[];
  /** By place of the raw sample. */
  readonly #both: (PointComparison[] | undefined)[] = [];
  readonly #running: (PointComparison[] | undefined)[] = [];
  readonly #candidate: (PointComparison[] | undefined)[] = [];
  readonly #ended: Ended;
  readonly #traffic: TrafficComparison;
  readonly #patienceMs: number;
  #heardMono = Number.NEGATIVE_INFINITY;
  #batch = 0;
  #over = false;

  constructor(plan: ShadowPlan, rule: ShadowRule, clock: RunClock, ended: Ended, kept: Kept = { statistics: {} }) {
    this.plan = plan;
    this.points = plan.extra;
    this.#ended = ended;
    const slowest = plan.running.points.reduce((longest, { everyMs }) => Math.max(longest, everyMs), 0);
    this.#patienceMs = Math.max(leastPatienceMs, 3 * slowest);
    this.comparisons = plan.pairs.map((pair) => new PointComparison(pair, toleranceOf(rule, pair.name), clock, kept.statistics[pair.name]));
    this.#traffic = new TrafficComparison(plan, kept.traffic);
    for (const comparison of this.comparisons) {
      const { runningPlace, candidatePlace } = comparison.pair;
      if (runningPlace === candidatePlace) add(this.#both, runningPlace, comparison);
      else {
        if (runningPlace >= 0) add(this.#running, runningPlace, comparison);
        if (candidatePlace >= 0) add(this.#candidate, candidatePlace, comparison);
      }
    }
  }

  accept(batch: SampleBatch): void {
    if (this.#over) return;
    try {
      this.#take(batch);
      this.#traffic.accept(batch);
    } catch (error) {
      this.ended(`the comparison failed by a defect: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Whether values, or proofs that they hold, came a moment ago. */
  isHeard(nowMono: number): boolean {
    return nowMono - this.#heardMono <= this.#patienceMs;
  }

  #take({ points, values, types, states, receivedMs, verified }: SampleBatch): void {
    this.#batch++;
    let heard = verified !== undefined;
    for (let k = 0; k < points.length; k++) {
      const place = points[k]!;
      heard ||= values[k] !== undefined;
      const [both, running, candidate] = [this.#both[place], this.#running[place], this.#candidate[place]];
      if (!both && !running && !candidate) continue;
      const sample: RawSample = { raw: values[k], type: types?.[k], state: states?.[k], receivedMs, batch: this.#batch };
      if (both) for (const comparison of both) comparison.both(sample);
      if (running) for (const comparison of running) comparison.running(sample);
      if (candidate) for (const comparison of candidate) comparison.candidate(sample);
    }
    if (heard) this.#heardMono = performance.now();
  }

  ended(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended(this.plan.running.id, reason);
  }

  /** Nothing that comes counts any more. */
  stop(): void {
    this.#over = true;
  }

  settle(nowMs: number): void {
    for (const comparison of this.comparisons) comparison.settle(nowMs);
    if (!this.#over) this.#traffic.sweep();
  }

  get traffic(): Traffic {
    return this.#traffic.traffic;
  }

  statistics(): Record<string, PointStatistics> {
    return Object.fromEntries(this.comparisons.map(({ pair, statistics }) => [pair.name, statistics]));
  }
}

function add(lists: (PointComparison[] | undefined)[], place: number, comparison: PointComparison): void {
  const list = lists[place];
  if (list) list.push(comparison);
  else lists[place] = [comparison];
}
