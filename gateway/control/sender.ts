import type { WriteResult } from '../../adapters/contract.ts';
import { NotConnectedError } from '../../model/error.ts';
import type { Value } from '../../model/value.ts';
import type { Clock } from '../pipeline.ts';
import type { WriteReport } from './contract.ts';
import type { SendHistory } from './history.ts';
import { type Job, refused } from './job.ts';
import { readBack } from './read-back.ts';
import type { Admitted } from './static-guards.ts';

/** Timers know no longer times. */
const longestTimerMs = 2 ** 31 - 1;

/** Sends what every guard let pass, once, and finds out what came of it. */
export class Sender {
  readonly #history: SendHistory;
  readonly #clock: Clock;
  readonly #stop: AbortSignal;

  constructor(history: SendHistory, clock: Clock, stop: AbortSignal) {
    this.#history = history;
    this.#clock = clock;
    this.#stop = stop;
  }

  /** `old` is the latest good value. Never rejects for what the machine or the link does. */
  async send(job: Job, { target, point, guard, raw }: Admitted, old: Value | undefined): Promise<WriteReport> {
    const { request } = job;
    const value = request.value;
    const leftMs = Math.ceil(job.deadlineMono - this.#clock.monotonicMs());
    if (leftMs <= 0) return refused({ guard: 'expired', reason: 'its time ran out before it could be sent' }, value);
    const expired = AbortSignal.timeout(Math.min(leftMs, longestTimerMs));
    const before = this.#history.get(request.equipment, request.point);
    this.#history.set(request.equipment, request.point, { mono: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs(), values: [value] });
    let result: WriteResult;
    try {
      result = await target.withConnection(async (connection) => {
        if (!connection.write) return { outcome: 'refused', reason: 'the adapter of this machine cannot write' };
        return connection.write(point, raw, AbortSignal.any([expired, this.#stop]));
      });
    } catch (error) {
      if (!(error instanceof NotConnectedError))
        return this.#afterUnknown(job, target, point, `the adapter failed: ${(error as Error).message}`, old);
      // Nothing left the gateway.
      this.#history.set(request.equipment, request.point, before);
      if (this.#stop.aborted) return refused({ guard: 'shutdown', reason: 'the gateway is stopping; nothing was sent' }, value);
      if (expired.aborted) return refused({ guard: 'expired', reason: 'its time ran out before it could be sent' }, value);
      return { outcome: 'failed', guard: 'connection', reason: `nothing was written: ${error.message}`, new: value };
    }
    if (result.outcome === 'refused') {
      this.#nowHolds(job, before?.values ?? []);
      return refused({ guard: 'machine', reason: result.reason ?? 'the machine refused it' }, value);
    }
    if (result.outcome === 'unknown') return this.#afterUnknown(job, target, point, result.reason ?? 'the machine did not answer', old);
    const confirmed = result.reason ? `the machine confirmed it: ${result.reason}` : 'the machine confirmed it';
    if (!guard.readBack) return { outcome: 'done', reason: confirmed, new: value };
    const shows = await readBack(target, point, value, 'done', this.#stop);
    const there = shows.value === undefined ? {} : { readBack: shows.value };
    if (shows.matches) return { outcome: 'done', reason: `${confirmed} and shows it`, new: value, ...there };
    if (shows.value === undefined) {
      return { outcome: 'unknown', guard: 'read-back', reason: `${confirmed}, but it could not be read back: ${shows.reason}`, new: value };
    }
    this.#nowHolds(job, [shows.value]);
    return { outcome: 'failed', guard: 'read-back', reason: `${confirmed}, but still shows ${shows.value}`, new: value, ...there };
  }

  /** It may have been taken, or be taken yet. It is looked at, and never sent again. */
  async #afterUnknown(
    job: Job,
    target: Admitted['target'],
    point: Admitted['point'],
    why: string,
    old: Value | undefined,
  ): Promise<WriteReport> {
    const value = job.request.value;
    const shows = await readBack(target, point, value, 'unknown', this.#stop);
    // Until the next reading either may be there.
    this.#nowHolds(job, [value, ...(shows.value === undefined ? (old === undefined ? [] : [old]) : [shows.value])]);
    if (shows.value === undefined)
      return { outcome: 'unknown', reason: `${why}; and it could not be read back: ${shows.reason}`, new: value };
    if (shows.matches) return { outcome: 'done', reason: `${why}; but the machine shows the value`, new: value, readBack: shows.value };
    return {
      outcome: 'unknown',
      reason: `${why}; the machine shows ${shows.value}, and may still take it`,
      new: value,
      readBack: shows.value,
    };
  }

  #nowHolds({ request }: Job, values: readonly Value[]): void {
    const sent = this.#history.get(request.equipment, request.point);
    if (sent) this.#history.set(request.equipment, request.point, { ...sent, wallMs: this.#clock.wallMs(), values });
  }
}
