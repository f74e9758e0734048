import type { NextOptions, OutboxBatch } from './contract.ts';
import type { Item, LogBatch, LostPart, ReadRequest } from './messages.ts';

/** Bytes of bodies that the worker may send ahead of the consumer. */
const windowBytes = 2 * 1024 * 1024;

export interface DeliveryEvents {
  readonly read: (request: ReadRequest) => void;
  readonly credit: (bytes: number) => void;
  /** The reader came to a part that cannot be read. */
  readonly lost: (part: LostPart) => void;
  /** Everything up to the end of this part is finished; the head must be behind it when this returns. */
  readonly passed: (part: LogBatch | LostPart) => void;
}

interface Entry {
  readonly part: LogBatch | LostPart;
  finished: boolean;
}

/** What one destination was given and what it finished, in order. */
export class Deliveries {
  readonly #position: { readonly sequence: number };
  readonly #events: DeliveryEvents;
  #options: NextOptions | undefined;
  #epoch = 0;
  #ready: Item[] = [];
  #spent = 0;
  #handed: Entry[] = [];
  #skip: (LogBatch | LostPart)[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  /** `position` is kept by the accounts: everything up to its sequence number is finished. */
  constructor(position: { readonly sequence: number }, events: DeliveryEvents) {
    this.#position = position;
    this.#events = events;
  }

  /** Time of the oldest batch in memory that is not finished. */
  get oldestMs(): number | undefined {
    const handed = this.#handed.find((entry) => !entry.finished)?.part;
    if (handed) return handed.fromMs;
    const ready = this.#ready.find((item) => 'batch' in item && item.batch.lastSequence > this.#position.sequence);
    return ready && 'batch' in ready ? ready.batch.fromMs : undefined;
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
      if (this.#wake === wake) this.#wake = undefined;
    }
    return undefined;
  }

  /** Starts reading after what was handed out, with a new epoch: what is under way from before is not wanted any more. */
  #request(options: NextOptions): void {
    this.#options = { maxBodyBytes: options.maxBodyBytes, compressed: options.compressed };
    this.#epoch++;
    this.#ready = [];
    this.#spent = 0;
    const from = Math.max(this.#position.sequence, this.#handed.at(-1)?.part.lastSequence ?? 0) + 1;
    this.#events.read({ epoch: this.#epoch, from, options: this.#options, credit: windowBytes });
  }

  #accept(item: Item): LogBatch | undefined {
    if ('lost' in item) {
      if (item.lost.lastSequence <= this.#position.sequence) return undefined;
      this.#events.lost(item.lost);
      this.#handed.push({ part: item.lost, finished: true });
      this.#advance();
      return undefined;
    }
    const { batch } = item;
    this.#spent += batch.body.byteLength;
    if (this.#spent >= windowBytes / 2) {
      this.#events.credit(this.#spent);
      this.#spent = 0;
    }
    // Dropped while it waited here.
    if (batch.lastSequence <= this.#position.sequence) return undefined;
    if (this.#skip.some((part) => part.firstSequence <= batch.firstSequence && part.lastSequence >= batch.lastSequence)) {
      this.#handed.push({ part: batch, finished: true });
      this.#advance();
      return undefined;
    }
    this.#handed.push({ part: batch, finished: false });
    return batch;
  }

  served(epoch: number, items: readonly Item[]): void {
    if (epoch !== this.#epoch || items.length === 0) return;
    this.#ready.push(...items);
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Is under way: was handed out, and nothing has finished or rewound it since. */
  holds(batch: OutboxBatch): boolean {
    return this.#handed.some((entry) => entry.part === batch);
  }

  /** Finishes it and those before it. */
  acknowledge(batch: OutboxBatch): void {
    const through = this.#handed.findIndex((entry) => entry.part === batch);
    for (let i = 0; i <= through; i++) this.#handed[i]!.finished = true;
    this.#advance();
  }

  /** Undefined when the batch is not (or not any more) under way. To be settled when it is counted. */
  reject(batch: OutboxBatch): LogBatch | undefined {
    const entry = this.#handed.find((e) => e.part === batch);
    if (!entry || entry.finished) return undefined;
    entry.finished = true;
    return entry.part as LogBatch;
  }

  settle(): void {
    this.#advance();
  }

  #advance(): void {
    let passed = 0;
    while (this.#handed[passed]?.finished) passed++;
    if (passed === 0) return;
    const { part } = this.#handed[passed - 1]!;
    this.#handed.splice(0, passed);
    this.#events.passed(part);
  }

  /** The position was moved from outside: what is under way up to there is not waited for. */
  skipped(): void {
    while (this.#handed[0] && this.#handed[0].part.lastSequence <= this.#position.sequence) this.#handed.shift();
    this.#advance();
  }

  rewind(): void {
    // What was rejected while an earlier batch was still under way must not go again.
    this.#skip = [...this.#skip, ...this.#handed.filter((entry) => entry.finished).map((entry) => entry.part)];
    this.#skip = this.#skip.filter((part) => part.lastSequence > this.#position.sequence);
    this.#handed = [];
    if (this.#options) this.#request(this.#options);
  }

  close(): void {
    this.#closed = true;
    this.#ready = [];
    this.#wakeUp();
  }
}
