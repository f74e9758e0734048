import { setTimeout as realSleep } from 'node:timers/promises';
import type { AgentClock } from '../contract.ts';

/** Time that passes when a test says so. */
export class ManualClock implements AgentClock {
  #nowMs = Date.UTC(2026, 10, 24, 8);
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  elapsed(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = {
        atMs: this.#nowMs + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', sleeper.wake, { once: true });
    });
  }

  /** All who sleep at most this long wake in their order; whatever they do then has time to be done. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await calm();
      const next = [...this.#sleepers].sort((a, b) => a.atMs - b.atMs)[0];
      if (!next || next.atMs > untilMs) break;
      this.#nowMs = Math.max(next.atMs, this.#nowMs);
      next.wake();
    }
    this.#nowMs = untilMs;
    await calm();
  }

  /** Time runs until the promise settles; at most a day of it. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    const endMs = this.#nowMs + 86_400_000;
    await calm();
    while (!settled && this.#nowMs < endMs) await this.pass(500);
    if (!settled) throw new Error('not settled within a day');
    return promise;
  }
}

/** Files are written for real, and time stands still meanwhile. */
async function calm(): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet++) {
    await realSleep(1);
    if (process.getActiveResourcesInfo().some((one) => /req/i.test(one))) quiet = -1;
  }
}
