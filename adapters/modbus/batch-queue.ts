import type { SampleBatch } from '../../model/sample.ts';

/** Between polling and the consumer. Bounded: when the consumer falls behind, the oldest batches go, and the next one says how many samples that were. */
export class BatchQueue {
  readonly #most: number;
  #batches: SampleBatch[] = [];
  #wake: (() => void) | undefined;
  #lost = 0;
  lostSamples = 0;

  constructor(most: number) {
    this.#most = most;
  }

  push(batch: SampleBatch): void {
    if (this.#batches.length >= this.#most) {
      const dropped = this.#batches.shift()!.points.length;
      this.#lost += dropped;
      this.lostSamples += dropped;
    }
    this.#batches.push(batch);
    this.wake();
  }

  /** All that waits, oldest first. */
  drain(): readonly SampleBatch[] {
    const batches = this.#batches;
    this.#batches = [];
    if (this.#lost > 0 && batches[0]) {
      batches[0] = { ...batches[0], lost: [{ reason: 'samples came faster than they were taken', count: this.#lost }] };
      this.#lost = 0;
    }
    return batches;
  }

  /** Resolves at the next push or wake; at once when something waits. */
  wait(): Promise<void> {
    if (this.#batches.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
