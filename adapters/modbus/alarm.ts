/** One timer for many moments: it goes off at the earliest that was asked for. Does not keep the process alive. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = 0;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings at `atMs` on the monotonic clock, or earlier when an earlier moment was asked for and has not come. */
  at(atMs: number): void {
    if (this.#timer && this.#atMs <= atMs) return;
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#ring();
      },
      Math.max(1, Math.ceil(atMs - performance.now())),
    ).unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
