import type { Clock } from '../pipeline.ts';
import type { WriteReport, WriteRequest, WriteTargets } from './contract.ts';
import type { Known } from './journal.ts';
import type { Refusal } from './static-guards.ts';

/** Without a word about expiry, nothing is carried out later than this. */
const defaultExpiresMs = 30_000;
/** Nothing waits longer, whatever is asked for. */
const longestExpiresMs = 7 * 86_400_000;
/** A key is remembered for so long beyond its expiry. */
const rememberMs = 86_400_000;

/** A request with its times decided. */
export interface Job {
  readonly request: WriteRequest;
  readonly arrivedMs: number;
  /** Monotonic. */
  readonly deadlineMono: number;
  /** The same by the wall clock, for the journal. */
  readonly untilMs: number;
}

/** The earliest of what the request and the mapping say counts. */
export function jobOf(request: WriteRequest, targets: WriteTargets, clock: Clock): Job {
  const [wall, mono] = [clock.wallMs(), clock.monotonicMs()];
  const target = targets.find(request.equipment);
  const ofMapping = target?.points.find(({ name }) => name === request.point)?.write?.expiresMs;
  const age = Math.max(0, wall - (request.askedMs ?? wall));
  const left = [
    request.expiresMs,
    request.deadline === undefined ? undefined : request.deadline - wall,
    ofMapping === undefined ? undefined : ofMapping - age,
  ].filter((ms) => ms !== undefined);
  const leftMs = left.length > 0 ? Math.min(longestExpiresMs, ...left) : defaultExpiresMs;
  return { request, arrivedMs: wall, deadlineMono: mono + leftMs, untilMs: wall + Math.max(0, leftMs) + rememberMs };
}

export function knownOf({ request, arrivedMs, untilMs }: Job): Omit<Known, 'report' | 'sent'> {
  const { key, equipment, point, value, who, from } = request;
  return { key, equipment, point, value, who, from, atMs: arrivedMs, untilMs };
}

export function refused({ guard, reason }: Refusal, value: WriteRequest['value']): WriteReport {
  return { outcome: 'refused', guard, reason, new: value };
}
