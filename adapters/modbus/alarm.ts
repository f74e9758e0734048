/**
 * One timer for many moments: it goes off at the earliest that was asked for. Does not keep the process alive.
 * Rings only after the event loop has looked at its sockets once more: after a stall the answer may be waiting there already,
 * and timers come first, which would call it late, or send the next request before a late one was taken in.
 */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #ringing: NodeJS.Immediate | undefined;
  #atMs = 0;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings at `atMs` on the monotonic clock, or earlier when an earlier moment was asked for and has not come. */
  at(atMs: number): void {
    if (this.#ringing || (this.#timer && this.#atMs <= atMs)) return;
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#ringing = setImmediate(() => {
          this.#ringing = undefined;
          this.#ring();
        });
      },
      Math.max(1, Math.ceil(atMs - performance.now())),
    ).unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#ringing);
    this.#timer = undefined;
    this.#ringing = undefined;
  }
}
