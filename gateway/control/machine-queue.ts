import { type WritePriority, writePriorities } from './contract.ts';

/** More that wait for one machine are refused: it could not do them within their time. */
const mostWaiting = 100;

/** The writes of one machine: one after the other, the more urgent first, those of one priority in their order. */
export class MachineQueue {
  readonly #lanes = new Map<WritePriority, (() => Promise<void>)[]>(writePriorities.map((one) => [one, []]));
  #waiting = 0;
  #running = false;

  get idle(): boolean {
    return !this.#running;
  }

  /** Resolves with what `run` gives when its turn has come; undefined when too many wait already. */
  add<T>(priority: WritePriority, run: () => Promise<T>): Promise<T> | undefined {
    if (this.#waiting >= mostWaiting) return undefined;
    this.#waiting++;
    return new Promise((resolve, reject) => {
      this.#lanes.get(priority)!.push(() => run().then(resolve, reject));
      if (!this.#running) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#running = true;
    for (let next = this.#take(); next; next = this.#take()) await next();
    this.#running = false;
  }

  #take(): (() => Promise<void>) | undefined {
    for (const lane of this.#lanes.values()) {
      const next = lane.shift();
      if (!next) continue;
      this.#waiting--;
      return next;
    }
    return undefined;
  }
}
