/** Delays of one kind of failure: grows from `minMs` by about 0.62 × `stepMs` × (2ⁿ − 1), never above `maxMs`. All in milliseconds. */
export interface BackoffPolicy {
  readonly minMs: number;
  readonly stepMs: number;
  readonly maxMs: number;
  /** The first wait after a success is at most this long (a random part of it), because most losses are over at once. */
  readonly firstMs?: number;
}

/** A link that is gone: at once, then 0.1 s, 0.16 s, 0.3 s … 30 s. Constants of the Azure device SDK, cap for a gateway that never gives up. */
export const normalBackoff: BackoffPolicy = { minMs: 100, stepMs: 100, maxMs: 30_000, firstMs: 100 };
/** Throttled by the hub, or a person must change something (key, clock, certificate): 10 s, 13 s, 19 s … 60 s. */
export const slowBackoff: BackoffPolicy = { minMs: 10_000, stepMs: 5_000, maxMs: 60_000 };

export interface BackoffOptions {
  readonly normal?: BackoffPolicy;
  /** For errors whose `retry` is not `with-backoff`, and for the code `hub-throttled`. */
  readonly slow?: BackoffPolicy;
  /** 0 … 1, exclusive of 1. */
  readonly random?: () => number;
}

export interface Backoff {
  /** Milliseconds to wait before the next attempt, given what the last one failed with. */
  next(error?: unknown): number;
  /** Call when the other side has proven that it works (first acknowledged message, first sample), not at the mere connect. */
  reset(): void;
}

/** Upper and lower end of the random factor on each step: 1 − 0.5 and 1 − 0.25, so that a fleet does not come back in step. */
const jitter = { low: 0.5, high: 0.75 } as const;

/**
 * How long to wait before trying again. Both kinds of failure count their own attempts, so that one refused password
 * after an hour without a link does not start at the cap. The cap is jittered too.
 */
export function backoff({ normal = normalBackoff, slow = slowBackoff, random = Math.random }: BackoffOptions = {}): Backoff {
  const attempts = { normal: 0, slow: 0 };
  return {
    next(error) {
      const kind = isSlow(error) ? 'slow' : 'normal';
      return delay(kind === 'slow' ? slow : normal, attempts[kind]++, random);
    },
    reset() {
      attempts.normal = 0;
      attempts.slow = 0;
    },
  };
}

/** `attempt` counts from 0. */
function delay(policy: BackoffPolicy, attempt: number, random: () => number): number {
  const growing = attempt - (policy.firstMs === undefined ? 0 : 1);
  if (growing < 0) return Math.round((policy.firstMs ?? 0) * random());
  const factor = jitter.low + (jitter.high - jitter.low) * random();
  // 2 ** 30 steps are far beyond any cap; without the bound, days of attempts would reach Infinity.
  const grown = policy.minMs + (2 ** Math.min(growing, 30) - 1) * policy.stepMs * factor;
  if (grown < policy.maxMs) return Math.round(grown);
  return Math.round(policy.maxMs * (1 - 0.2 * random()));
}

function isSlow(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { retry, code } = error as { retry?: unknown; code?: unknown };
  return retry === 'after-fix' || retry === 'never' || code === 'hub-throttled';
}
