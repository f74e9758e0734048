import { formatDuration } from '../../mappings/duration.ts';
import { type Ended, MachineComparison } from './machine-comparison.ts';
import type { ShadowPlan } from './plan.ts';
import type { PointComparison } from './point-comparison.ts';
import type { ShadowRecord } from './record.ts';
import { reportOf, type ShadowReport } from './report.ts';
import { unmet } from './rule.ts';

const mostPoints = 200;
/** A computer that slept, or was stopped, observed nothing meanwhile. */
const longestTickMs = 5_000;

export type Verdict = 'promote' | { readonly state: 'finished' | 'failed'; readonly reason: string };

/** A shadow run under way. */
export class LiveRun {
  readonly record: ShadowRecord;
  readonly machines: readonly MachineComparison[];
  #tickedMono = performance.now();
  #stopped = false;

  constructor(record: ShadowRecord, plans: readonly ShadowPlan[], ended: Ended) {
    this.record = record;
    this.machines = plans.map((plan) => {
      return new MachineComparison(plan, record.rule, record, ended, record.machines[plan.running.id]);
    });
  }

  get comparisons(): PointComparison[] {
    return this.machines.flatMap(({ comparisons }) => comparisons);
  }

  /** Time goes on; says when it is over. */
  tick(nowMono: number): Verdict | undefined {
    if (this.#stopped) return undefined;
    const { record } = this;
    const { rule } = record;
    const passed = Math.min(nowMono - this.#tickedMono, longestTickMs);
    record.elapsedMs += passed;
    if (this.machines.every((machine) => machine.isHeard(nowMono))) record.observedMs += passed;
    this.#tickedMono = nowMono;
    for (const machine of this.machines) machine.settle(Date.now());
    if (rule.promoteAfterMs !== undefined && record.observedMs >= rule.promoteAfterMs && this.#unmet().length === 0) return 'promote';
    if (record.elapsedMs < rule.forMs) return undefined;
    if (rule.promoteAfterMs === undefined) return { state: 'finished', reason: 'its time is over; promote or drop it' };
    const [first, ...more] = this.#unmet();
    return {
      state: 'failed',
      reason: `its rule did not hold within ${formatDuration(rule.forMs)}: ${first}${more.length > 0 ? `; and ${more.length} more points` : ''}`,
    };
  }

  #unmet(): string[] {
    return unmet(this.record.rule, this.record.observedMs, this.comparisons);
  }

  /** What comes from now on does not count. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const machine of this.machines) machine.stop();
    this.collect();
  }

  /** Brings the record up to date. */
  collect(): void {
    for (const machine of this.machines) {
      const kept = this.record.machines[machine.plan.running.id]!;
      kept.statistics = machine.statistics();
      kept.traffic = machine.traffic;
    }
  }

  report(most = mostPoints): ShadowReport {
    const machines = this.machines.map(({ plan, comparisons, traffic }) => ({
      equipment: plan.running.id,
      traffic: structuredClone(traffic),
      otherIntervals: plan.pairs.some(({ running, candidate }) => running && candidate && running.everyMs !== candidate.everyMs),
      pairs: comparisons.map(({ pair, statistics }) => ({ facts: pair, statistics })),
    }));
    const judged = this.record.state === 'running' && this.record.rule.promoteAfterMs !== undefined;
    return reportOf(this.record, machines, judged ? this.#unmet() : undefined, most);
  }
}
