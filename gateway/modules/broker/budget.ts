/** Bytes that may be on their way to one receiver, whichever of its queues they come from: one that does not read gets no more of them. */
export class Budget {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #used = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** 0: nothing may go now. What goes may be larger than the room: one message always fits. */
  get room(): number {
    return Math.max(0, this.#limit - this.#used);
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.room === 0 || this.#waiting.size === 0) return;
    const calls = [...this.#waiting];
    this.#waiting.clear();
    for (const call of calls) call();
  }

  /** Calls back once. */
  onceRoom(call: () => void): void {
    this.#waiting.add(call);
  }
}
