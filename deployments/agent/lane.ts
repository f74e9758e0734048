/** Work that is done one after the other, in the order in which it was asked for. */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  /** Settles as the work does; one that fails does not keep the next from its turn. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Resolves when nothing is under way and nothing waits. */
  async idle(): Promise<void> {
    let seen: Promise<unknown> | undefined;
    while (seen !== this.#last) {
      seen = this.#last;
      await seen;
    }
  }
}

/** All of them, at most `most` at once, in their order; like `Promise.all` otherwise. */
export async function eachAtMost<T>(items: readonly T[], most: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
}
