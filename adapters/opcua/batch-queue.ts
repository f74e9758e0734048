import type { SampleBatch } from '../../model/sample.ts';

/** Batches between the wire and the one who observes. Bounded by its filler: it asks `values` before it fetches more. */
export class BatchQueue {
  readonly #batches: SampleBatch[] = [];
  #values = 0;
  #wake: (() => void) | undefined;
  #failure: Error | undefined;
  #closed = false;
  /** Called when a batch was taken, so that a filler who waits may go on. */
  onTaken: () => void = () => {};

  /** Values that wait. */
  get values(): number {
    return this.#values;
  }

  push(batch: SampleBatch): void {
    if (this.#closed) return;
    this.#batches.push(batch);
    this.#values += batch.points.length;
    this.#signal();
  }

  /** What waits is still handed out; then `next` rejects with this. The first failure counts. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#signal();
  }

  close(): void {
    this.#closed = true;
    this.#signal();
  }

  /** The next batch, or undefined once closed. */
  async next(): Promise<SampleBatch | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      const batch = this.#batches.shift();
      if (batch) {
        this.#values -= batch.points.length;
        this.onTaken();
        return batch;
      }
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #signal(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
