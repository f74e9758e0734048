import { z } from 'zod';
import { formatDuration } from '../../mappings/duration.ts';
import type { PointComparison } from './point-comparison.ts';

/** When a shadow run ends, and when it promotes itself. */
export const ShadowRule = z.strictObject({
  /** Of the time that the gateway runs with it. */
  forMs: z.number().positive(),
  /** Of the time in which values really came. Absent: a person decides. */
  promoteAfterMs: z.number().positive().optional(),
  /** One tolerance for all numbers, or one for each point that is named; others must be equal. */
  maxDifference: z.union([z.number().min(0), z.record(z.string(), z.number().min(0))]).optional(),
  /** Share of pairs of a point that may be beyond it, over the whole run; absent: none, since the last one that was. */
  maxDifferentShare: z.number().min(0).max(1).optional(),
});
export type ShadowRule = z.infer<typeof ShadowRule>;

export function toleranceOf({ maxDifference }: ShadowRule, point: string): { readonly value: number | undefined; readonly named: boolean } {
  if (typeof maxDifference !== 'object') return { value: maxDifference, named: false };
  const value = Object.hasOwn(maxDifference, point) ? maxDifference[point] : undefined;
  return { value, named: value !== undefined };
}

/** Why the rule does not hold yet, a point each; empty: it does. Asked only where there is one. */
export function unmet(rule: ShadowRule, observedMs: number, points: Iterable<PointComparison>): string[] {
  const { promoteAfterMs = Number.POSITIVE_INFINITY, maxDifferentShare } = rule;
  const missing = observedMs < promoteAfterMs ? [`observed for ${roughly(observedMs)} of ${formatDuration(promoteAfterMs)}`] : [];
  return [
    ...missing,
    ...Array.from(points, (point) => (maxDifferentShare ? tooMany(point, maxDifferentShare) : tooLately(point, rule, observedMs))).filter(
      (why) => why !== undefined,
    ),
  ];
}

function tooMany({ pair, statistics }: PointComparison, most: number): string | undefined {
  const without = withoutEvidence(pair, statistics, statistics.good);
  const share = statistics.pairs === 0 ? 0 : statistics.excess / statistics.pairs;
  return (
    without ??
    (share > most ? `${pair.name}: ${percent(share)} of its samples differ by more than allowed, and ${percent(most)} may` : undefined)
  );
}

function tooLately({ pair, statistics }: PointComparison, { promoteAfterMs = 0 }: ShadowRule, observedMs: number): string | undefined {
  const { lastExcessAtMs, goodSinceExcess, good } = statistics;
  if (lastExcessAtMs !== null && observedMs - lastExcessAtMs < promoteAfterMs)
    return `${pair.name}: differed ${roughly(observedMs - lastExcessAtMs)} ago by more than allowed`;
  return withoutEvidence(pair, statistics, lastExcessAtMs === null ? good : goodSinceExcess);
}

/** Nothing new is promoted that was never seen to work. */
function withoutEvidence(
  { name, running, candidate }: PointComparison['pair'],
  { onlyCandidateGood }: PointComparison['statistics'],
  good: number,
): string | undefined {
  // One and the same point cannot differ: an alarm that never came in an hour is in nobody's way.
  if (!candidate || running?.hash === candidate.hash) return undefined;
  if (!running) return onlyCandidateGood > 0 ? undefined : `${name}: is new and never had a good value`;
  return good > 0 ? undefined : `${name}: was never good under both mappings at once, so nothing is known of it`;
}

export function percent(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`;
  const shown = share * 100;
  return `${shown < 0.1 ? '< 0.1' : shown > 99.9 ? '> 99.9' : shown.toFixed(1)} %`;
}

/** For people: two digits of a duration are enough. */
export function roughly(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1_000)}s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)}m`;
  return `${(ms / 3_600_000).toFixed(1)}h`;
}
