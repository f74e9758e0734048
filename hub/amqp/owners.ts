/** One reader of a partition that has said how strongly it claims it. */
export interface Owner {
  /** `com.microsoft:epoch`; undefined: it shares. */
  readonly epoch: number | undefined;
  /** Another one has taken its place. */
  stolen(by: number): void;
}

/**
 * Who reads a partition for a consumer group. A reader with an epoch is alone: those before it that have a lower one, or none, are let go;
 * a newcomer with a lower one, or none, is turned away.
 */
export class Owners {
  readonly #readers = new Map<string, Set<Owner>>();

  /** Adds a reader, or says why not. */
  add(group: string, partition: string, owner: Owner): Disposable | { readonly refused: string } {
    const key = JSON.stringify([group.toLowerCase(), partition]);
    const readers = this.#readers.get(key) ?? new Set();
    const highest = Math.max(...[...readers].map(({ epoch }) => epoch ?? Number.NEGATIVE_INFINITY));
    if (Number.isFinite(highest) && (owner.epoch ?? Number.NEGATIVE_INFINITY) < highest) {
      return {
        refused: `a reader with epoch ${highest} has partition ${partition} of group ${group}, this one has ${owner.epoch ?? 'none'}`,
      };
    }
    if (owner.epoch !== undefined) {
      const before = [...readers];
      readers.clear();
      for (const reader of before) reader.stolen(owner.epoch);
    }
    readers.add(owner);
    this.#readers.set(key, readers);
    return {
      [Symbol.dispose]: () => {
        readers.delete(owner);
        if (readers.size === 0 && this.#readers.get(key) === readers) this.#readers.delete(key);
      },
    };
  }
}
