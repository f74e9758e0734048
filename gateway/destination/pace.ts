import { pause } from '../pause.ts';

/** Lets at most so many readings a second through, on average over a second; a batch is never split for it. */
export class Pace {
  readonly #perMs: number;
  readonly #nowMs: () => number;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  constructor(readingsPerSecond: number, nowMs: () => number = () => performance.now()) {
    this.#perMs = readingsPerSecond / 1000;
    this.#nowMs = nowMs;
  }

  /** Milliseconds until the next batch may go. */
  get waitMs(): number {
    return Math.max(0, this.#freeAtMs - this.#nowMs());
  }

  /** A batch of so many readings goes now. */
  took(readings: number): void {
    // What was not used for up to a second may be used at once.
    const from = Math.max(this.#freeAtMs, this.#nowMs() - 1000);
    this.#freeAtMs = from + readings / this.#perMs;
  }

  async room(signal: AbortSignal): Promise<void> {
    for (let ms = this.waitMs; ms > 0 && !signal.aborted; ms = this.waitMs) await pause(ms, signal);
  }
}
