import type { SampleBatch } from '../../model/sample.ts';

interface Waiting {
  readonly batch: SampleBatch;
  readonly dropped: () => void;
}

/** Between polling and the consumer. Bounded: when the consumer falls behind, the oldest batches go, and the next one says how many samples that were. */
export class BatchQueue {
  readonly #most: number;
  #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;
  #lost = 0;
  lostSamples = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** `dropped` is called when the batch never reaches the consumer. */
  push(batch: SampleBatch, dropped: () => void): void {
    if (this.#waiting.length >= this.#most) {
      const oldest = this.#waiting.shift()!;
      this.#lost += oldest.batch.points.length;
      this.lostSamples += oldest.batch.points.length;
      oldest.dropped();
    }
    this.#waiting.push({ batch, dropped });
    this.wake();
  }

  /** All that waits, oldest first. */
  drain(): readonly SampleBatch[] {
    const batches = this.#waiting.map(({ batch }) => batch);
    this.#waiting = [];
    if (this.#lost > 0 && batches[0]) {
      batches[0] = { ...batches[0], lost: [{ reason: 'samples came faster than they were taken', count: this.#lost }] };
      this.#lost = 0;
    }
    return batches;
  }

  /** Resolves at the next push or wake; at once when something waits. */
  wait(): Promise<void> {
    if (this.#waiting.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
