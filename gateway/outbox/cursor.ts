import type { CursorCounters, NextOptions, OutboxBatch, OutboxCursor } from './contract.ts';
import { Deliveries } from './deliveries.ts';
import { maxMarkLength } from './destinations.ts';
import type { Ledger, Way } from './ledger.ts';
import type { FoundPosition, Item, LogBatch, LostPart, Position, ToWorker } from './messages.ts';

/** What a cursor asks of the outbox. */
export interface CursorEvents {
  readonly post: (message: ToWorker) => void;
  /** Counts it for everybody, tells it once. */
  readonly lost: (part: LostPart) => void;
  /** Counts it and tells it. */
  readonly rejected: (way: Way, batch: LogBatch, reason: string, readings: number | undefined) => void;
  readonly acknowledged: (destination: string, lastSequence: number) => void;
  /** The position has moved. */
  readonly moved: () => void;
  /** Time of the oldest reading that is not on disk yet. */
  readonly oldestInMemoryMs: () => number | undefined;
}

/** One destination: its account, what it is given, and its mark. */
export class Cursor implements OutboxCursor {
  readonly #ledger: Ledger;
  readonly #way: Way;
  readonly #events: CursorEvents;
  readonly #deliveries: Deliveries;
  #mark: string | undefined;

  /** `index` is that of the settings, by which the worker knows it. */
  constructor(ledger: Ledger, index: number, found: FoundPosition, events: CursorEvents) {
    this.#ledger = ledger;
    this.#way = ledger.ways[index]!;
    this.#events = events;
    this.#mark = found.mark;
    this.#deliveries = new Deliveries(this.#way.track, {
      read: (request) => events.post({ kind: 'read', destination: index, ...request }),
      credit: (bytes) => events.post({ kind: 'credit', destination: index, bytes }),
      lost: events.lost,
      passed: (part) => {
        ledger.advance(this.#way, part.lastSequence, part.readingsThrough, part.toMs);
        events.moved();
      },
    });
  }

  next(options: NextOptions, signal: AbortSignal): Promise<OutboxBatch | undefined> {
    return this.#deliveries.next(options, signal);
  }

  acknowledge(batch: OutboxBatch, mark?: string): void {
    if (mark !== undefined && mark.length > maxMarkLength) throw new RangeError(`a mark has at most ${maxMarkLength} characters`);
    if (!this.#deliveries.holds(batch)) return;
    this.#mark = mark ?? this.#mark;
    this.#events.acknowledged(this.#way.name, batch.lastSequence);
    this.#deliveries.acknowledge(batch);
  }

  rewind(): void {
    this.#deliveries.rewind();
  }

  reject(batch: OutboxBatch, reason: string, part: { readonly readings?: number; readonly mark?: string } = {}): void {
    const rejected = this.#deliveries.reject(batch);
    if (!rejected) return;
    this.#mark = part.mark ?? this.#mark;
    this.#events.rejected(this.#way, rejected, reason, part.readings);
    this.#deliveries.settle();
  }

  get mark(): string | undefined {
    return this.#mark;
  }

  counters(): CursorCounters {
    return { ...this.#ledger.countersOf(this.#way), oldestMs: this.#oldestMs() };
  }

  #oldestMs(): number | undefined {
    const { sequence, seenMs } = this.#way.track;
    const inHand = this.#deliveries.oldestMs;
    if (inHand !== undefined) return inHand;
    const segment = this.#ledger.segmentOf(sequence + 1);
    if (segment) return Math.min(Math.max(segment.fromMs, seenMs), segment.toMs);
    return this.#events.oldestInMemoryMs();
  }

  /** From the worker. */
  served(epoch: number, items: readonly Item[]): void {
    this.#deliveries.served(epoch, items);
  }

  /** The account was moved on: a part of the log went. */
  skipped(): void {
    this.#deliveries.skipped();
  }

  position(): Position {
    const { name, required, track } = this.#way;
    const mark = this.#mark === undefined ? {} : { mark: this.#mark };
    return { name, required, head: track.sequence, headReadings: track.readings, ...mark };
  }

  close(): void {
    this.#deliveries.close();
  }
}
