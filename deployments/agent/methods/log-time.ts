import { AgentRefusal } from './refusal.ts';

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
const part = /(\d+)\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)(?![a-z])/gi;

/**
 * A moment as callers write it: a time ago (`1d`, `90m`, `2 days 3 hours`), RFC 3339, or seconds since 1970. Answers seconds since 1970; throws a
 * refusal that names the key.
 */
export function readMoment(key: string, value: string | number, nowMs: number): number {
  const text = String(value).trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const ago = durationOf(text);
  if (ago !== undefined) return Math.floor(nowMs / 1000) - ago;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(time)) return time / 1000;
  throw new AgentRefusal(
    400,
    `${key}: "${text.slice(0, 60)}" is no time; write 90m, "2 days 3 hours", 2026-11-24T08:00:00Z or seconds since 1970`,
  );
}

/** Seconds; undefined when it is no duration. */
function durationOf(text: string): number | undefined {
  if (!/^\d/.test(text) || text.replaceAll(part, '').trim() !== '') return undefined;
  return [...text.matchAll(part)].reduce((sum, [, count, unit]) => sum + Number(count) * secondsOf[unit![0]!.toLowerCase()]!, 0);
}
