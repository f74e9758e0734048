/** What several machines hold together; closed when the last of them lets go. */
export interface Shared {
  /** True when it can serve nobody any more. */
  readonly isGone: boolean;
  close(): Promise<void>;
}

/** One machine's hold on it. */
export interface Lease<T> extends AsyncDisposable {
  readonly shared: T;
}

interface Entry<T> {
  holders: number;
  /** Set once it is open. */
  shared: T | undefined;
  readonly opening: Promise<T>;
  readonly abort: AbortController;
}

/**
 * Opens one thing per key, however many ask. An attempt goes on as long as one of those who wait for it does;
 * its failure is everybody's. What is gone is opened anew for the next who asks.
 */
export class Registry<T extends Shared> {
  readonly #entries = new Map<string, Entry<T>>();

  async lease(key: string, open: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<Lease<T>> {
    const known = this.#entries.get(key);
    const entry = known && !known.shared?.isGone ? known : this.#open(key, open);
    entry.holders++;
    let released: Promise<void> | undefined;
    const release = (): Promise<void> => {
      released ??= this.#release(key, entry);
      return released;
    };
    try {
      return { shared: await orAborted(entry.opening, signal), [Symbol.asyncDispose]: release };
    } catch (error) {
      // Not awaited: an attempt that hangs in the library must not hold back the one who gave up.
      void release();
      throw error;
    }
  }

  #open(key: string, open: (signal: AbortSignal) => Promise<T>): Entry<T> {
    const abort = new AbortController();
    const entry: Entry<T> = { holders: 0, shared: undefined, opening: open(abort.signal), abort };
    this.#entries.set(key, entry);
    entry.opening.then(
      (shared) => {
        entry.shared = shared;
      },
      () => this.#forget(key, entry),
    );
    return entry;
  }

  async #release(key: string, entry: Entry<T>): Promise<void> {
    if (--entry.holders > 0) return;
    this.#forget(key, entry);
    entry.abort.abort();
    const shared = await entry.opening.catch(() => undefined);
    await shared?.close();
  }

  #forget(key: string, entry: Entry<T>): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
