import type { NextOptions, OutboxBatch } from './contract.ts';
import type { Item, LogBatch, LostPart, Served, ToWorker } from './messages.ts';

/** Bytes of bodies that the worker may send ahead of the consumer. */
const windowBytes = 2 * 1024 * 1024;

export interface DeliveryEvents {
  readonly post: (message: ToWorker) => void;
  /** Counted exactly once for each batch. */
  readonly acked: (batch: LogBatch) => void;
  /** The reader came to a part that cannot be read. */
  readonly lost: (part: LostPart) => void;
  readonly moved: () => void;
}

interface Entry {
  readonly part: LogBatch | LostPart;
  finished: boolean;
}

/**
 * What the one consumer was given and what it finished. `head` is the cursor: everything up to it is done.
 * More destinations would each have a `Deliveries` and a reader of their own; segments go when the last head has passed them.
 */
export class Deliveries {
  readonly #events: DeliveryEvents;
  #head: number;
  #headReadings: number;
  #options: NextOptions | undefined;
  #epoch = 0;
  #ready: Item[] = [];
  #spent = 0;
  #handed: Entry[] = [];
  #skip: (LogBatch | LostPart)[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(head: number, headReadings: number, events: DeliveryEvents) {
    this.#head = head;
    this.#headReadings = headReadings;
    this.#events = events;
  }

  get head(): number {
    return this.#head;
  }

  get headReadings(): number {
    return this.#headReadings;
  }

  async next(options: NextOptions, signal: AbortSignal): Promise<OutboxBatch | undefined> {
    const known = this.#options;
    if (known?.maxBodyBytes !== options.maxBodyBytes || known.compressed !== options.compressed) this.#request(options);
    while (!signal.aborted && !this.#closed) {
      const item = this.#ready.shift();
      if (item) {
        const batch = this.#accept(item);
        if (batch) return batch;
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      const earlier = this.#wake;
      this.#wake = () => {
        earlier?.();
        resolve();
      };
      signal.addEventListener('abort', this.#wake, { once: true });
      const wake = this.#wake;
      await promise;
      signal.removeEventListener('abort', wake);
    }
    return undefined;
  }

  /** Starts reading after what was handed out, with a new epoch: what is under way from before is not wanted any more. */
  #request(options: NextOptions): void {
    this.#options = { maxBodyBytes: options.maxBodyBytes, compressed: options.compressed };
    this.#epoch++;
    this.#ready = [];
    this.#spent = 0;
    const from = Math.max(this.#head, this.#handed.at(-1)?.part.lastSequence ?? 0) + 1;
    this.#events.post({ kind: 'read', epoch: this.#epoch, from, options: this.#options, credit: windowBytes });
  }

  #accept(item: Item): LogBatch | undefined {
    if ('lost' in item) {
      if (item.lost.lastSequence <= this.#head) return undefined;
      this.#events.lost(item.lost);
      this.#handed.push({ part: item.lost, finished: true });
      this.#advance();
      return undefined;
    }
    const { batch } = item;
    this.#spent += batch.body.byteLength;
    if (this.#spent >= windowBytes / 2) {
      this.#events.post({ kind: 'credit', bytes: this.#spent });
      this.#spent = 0;
    }
    // Dropped while it waited here.
    if (batch.lastSequence <= this.#head) return undefined;
    if (this.#skip.some((part) => part.firstSequence <= batch.firstSequence && part.lastSequence >= batch.lastSequence)) {
      this.#handed.push({ part: batch, finished: true });
      this.#advance();
      return undefined;
    }
    this.#handed.push({ part: batch, finished: false });
    return batch;
  }

  served({ epoch, items }: Served): void {
    if (epoch !== this.#epoch || items.length === 0) return;
    this.#ready.push(...items);
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  acknowledge(batch: OutboxBatch): void {
    if (!this.#handed.some((entry) => entry.part === batch)) return;
    for (const entry of this.#handed) {
      if (!entry.finished) this.#events.acked(entry.part as LogBatch);
      entry.finished = true;
      if (entry.part === batch) break;
    }
    this.#advance();
  }

  /** Undefined when the batch is not (or not any more) under way. */
  reject(batch: OutboxBatch): LogBatch | undefined {
    const entry = this.#handed.find((e) => e.part === batch);
    if (!entry || entry.finished) return undefined;
    entry.finished = true;
    return entry.part as LogBatch;
  }

  /** After a reject was counted. */
  settle(): void {
    this.#advance();
  }

  #advance(): void {
    let passed = 0;
    while (this.#handed[passed]?.finished) passed++;
    if (passed === 0) return;
    const { lastSequence, readingsThrough } = this.#handed[passed - 1]!.part;
    this.#handed.splice(0, passed);
    this.skipTo(lastSequence, readingsThrough);
  }

  /** Everything up to here is finished, acknowledged or not. */
  skipTo(lastSequence: number, readingsThrough: number): void {
    this.#head = Math.max(this.#head, lastSequence);
    this.#headReadings = Math.max(this.#headReadings, readingsThrough);
    while (this.#handed[0] && this.#handed[0].part.lastSequence <= this.#head) this.#handed.shift();
    this.#events.moved();
  }

  rewind(): void {
    // What was rejected while an earlier batch was still under way must not go again.
    this.#skip = [...this.#skip, ...this.#handed.filter((entry) => entry.finished).map((entry) => entry.part)];
    this.#skip = this.#skip.filter((part) => part.lastSequence > this.#head);
    this.#handed = [];
    if (this.#options) this.#request(this.#options);
  }

  close(): void {
    this.#closed = true;
    this.#ready = [];
    this.#wakeUp();
  }
}
