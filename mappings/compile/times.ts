import { formatDuration } from '../duration.ts';
import type { PointContext } from './point-source.ts';

export interface Times {
  readonly everyMs: number;
  readonly staleAfterMs: number;
  readonly atLeastEveryMs: number | undefined;
}

const defaultEveryMs = 1_000;
/** For a machine that sends by itself and of which nobody said how often. */
const silenceMs = 300_000;

/** The three durations of a point, each sensible beside the others. */
export function compileTimes(point: PointContext, pushes: boolean): Times {
  const unsaid = pushes && point.keys.every === undefined ? silenceMs : undefined;
  const { every: everyMs = defaultEveryMs, staleAfter, atLeastEvery } = point.keys;
  if (staleAfter !== undefined && staleAfter <= everyMs) {
    point.report('staleAfter', {
      rule: 'stale-too-soon',
      message: `staleAfter: ${formatDuration(staleAfter)} is over before the next sample comes, every is ${formatDuration(everyMs)}`,
      hint: `write ${formatDuration(3 * everyMs)}, or leave it out`,
    });
  }
  if (atLeastEvery !== undefined && atLeastEvery < everyMs) {
    point.report('atLeastEvery', {
      rule: 'heartbeat-too-often',
      severity: 'warn',
      message: `atLeastEvery: ${formatDuration(atLeastEvery)} is shorter than every, ${formatDuration(everyMs)}; there is nothing new to report in between`,
      hint: `write ${formatDuration(everyMs)} or more`,
    });
  }
  return { everyMs, staleAfterMs: staleAfter ?? unsaid ?? 3 * everyMs, atLeastEveryMs: atLeastEvery };
}
