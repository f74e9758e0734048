/**
 * Work by name, one at a time, lowest version first. Work that waits is superseded by a newer version of the same name;
 * work that runs is left to finish.
 */
export class Lane {
  readonly #work: (name: string, version: number) => Promise<void>;
  readonly #waiting = new Map<string, number>();
  #running: Promise<void> | undefined;
  #closed = false;

  /** `work` must not reject. */
  constructor(work: (name: string, version: number) => Promise<void>) {
    this.#work = work;
  }

  waitsFor(name: string): boolean {
    return this.#waiting.has(name);
  }

  add(name: string, version: number): void {
    if (this.#closed) return;
    // A new place in the order: its old version will never run.
    this.#waiting.delete(name);
    this.#waiting.set(name, version);
    this.#running ??= this.#run();
  }

  remove(name: string): void {
    this.#waiting.delete(name);
  }

  /** Nothing more is begun; resolves when what runs has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    await this.#running;
  }

  async #run(): Promise<void> {
    // What is added in this turn belongs together: the lowest version of it all goes first.
    await Promise.resolve();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const [name, version] = next;
      this.#waiting.delete(name);
      await this.#work(name, version);
    }
    this.#running = undefined;
  }

  #next(): [string, number] | undefined {
    let lowest: [string, number] | undefined;
    for (const entry of this.#waiting) if (lowest === undefined || entry[1] < lowest[1]) lowest = entry;
    return lowest;
  }
}
