/**
 * Whose messages may go now, among the queues of one endpoint that has a way of its own for each: nobody sends what somebody else has something
 * better than, ready to go (0 is the best). Costs nothing with the number of queues, but when the best one has no more.
 */
export class Turns {
  /** What the first message of each queue that can send now has. */
  readonly #claims = new Map<object, number>();
  /** How many claims each priority has. */
  readonly #counts = new Map<number, number>();
  readonly #held = new Map<object, { readonly priority: number; readonly go: () => void }>();
  #looks = false;

  admits(queue: object, priority: number): boolean {
    const own = this.#claims.get(queue);
    for (const [other, count] of this.#counts) if (other < priority && (other !== own || count > 1)) return false;
    return true;
  }

  /** Undefined: it has nothing, or cannot send now; nobody waits for it. */
  claim(queue: object, priority: number | undefined): void {
    const before = this.#claims.get(queue);
    if (before === priority) return;
    if (priority === undefined) this.#claims.delete(queue);
    else {
      this.#claims.set(queue, priority);
      this.#counts.set(priority, (this.#counts.get(priority) ?? 0) + 1);
    }
    if (before !== undefined) this.#less(before);
  }

  /** Calls back once, when this queue may send a message of this priority. The last call counts. */
  onceAdmitted(queue: object, priority: number, go: () => void): void {
    this.#held.set(queue, { priority, go });
  }

  #less(priority: number): void {
    const count = (this.#counts.get(priority) ?? 1) - 1;
    if (count > 0) this.#counts.set(priority, count);
    else this.#counts.delete(priority);
    if (count > 0 || this.#held.size === 0 || this.#looks) return;
    this.#looks = true;
    queueMicrotask(() => this.#look());
  }

  #look(): void {
    this.#looks = false;
    for (const [queue, { priority, go }] of [...this.#held]) {
      if (!this.admits(queue, priority)) continue;
      this.#held.delete(queue);
      go();
    }
  }
}
