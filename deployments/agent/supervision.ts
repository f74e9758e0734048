import type { RestartPolicy } from '../contract.ts';

/** How a module came to be in need of a restart. `unhealthy`: it runs, and its HEALTHCHECK says no. */
export type Trouble = 'success' | 'failure' | 'unhealthy';

/** How often a module was restarted since it last ran long enough. */
export interface Restarts {
  readonly count: number;
  readonly lastMs: number | undefined;
}

export const noRestarts: Restarts = { count: 0, lastMs: undefined };

/** As the edge agent has it. */
export const restartLimits = { unitMs: 10_000, longestMs: 300_000, most: 20, settledMs: 600_000 } as const;

export type Verdict =
  /** The policy lets it be. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'restart'; readonly afterMs: number; readonly restarts: Restarts }
  /** Too often: failed until somebody changes or restarts it. */
  | { readonly kind: 'give-up' };

/** What follows from an end (or bad health) of a module that ran `ranMs`. `restarts` of the verdict are those once it was started again. */
export function verdict(policy: RestartPolicy, trouble: Trouble, ranMs: number, before: Restarts, nowMs: number): Verdict {
  if (verdictOfEnd(policy, trouble) === 'leave') return { kind: 'leave' };
  const count = ranMs >= restartLimits.settledMs ? 0 : before.count;
  if (count >= restartLimits.most) return { kind: 'give-up' };
  const afterMs = Math.min(restartLimits.unitMs * 2 ** count, restartLimits.longestMs);
  return { kind: 'restart', afterMs, restarts: { count: count + 1, lastMs: nowMs + afterMs } };
}

/** Whether the policy wants it started again. */
export function verdictOfEnd(policy: RestartPolicy, trouble: Trouble): 'leave' | 'restart' {
  const wanted = { never: false, always: true, 'on-failure': trouble === 'failure', 'on-unhealthy': trouble !== 'success' }[policy];
  return wanted ? 'restart' : 'leave';
}
