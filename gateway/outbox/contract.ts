/**
 * The outbox: what was accepted leaves, in order, to every destination, or its loss is said.
 *
 * Numbers: every event gets the next sequence number of this gateway, for ever; a number is never used twice.
 * Invariant, in readings, at any moment, for the log and for each destination: `queued = acked + dropped + pending`
 * (what a restart found counts as queued). The log counts a reading as acked when all required destinations have it, as dropped
 * when one of them will never get it.
 * Destinations do not wait for each other: a segment goes when every required one has passed it, or when size or age say so.
 */
export interface Outbox extends AsyncDisposable {
  /**
   * Takes events in order. `encode` gets the sequence number and gives the whole CloudEvent as JSON text.
   * Returns at once; the promise resolves when the event is on disk (fdatasync), and rejects with a GatewayError
   * (`outbox-full` under refuse-new, `disk-full`) when it was not taken: the loss is then already in the accounts
   * and a gap record will follow as soon as there is room.
   */
  append(event: OutboxEvent): Promise<void>;
  /** The way of one destination through the log; `name` is one of the settings' destinations, the same object each time. */
  cursor(name: string): OutboxCursor;
  counters(): OutboxCounters;
}

/** Reads, in order, what one destination has not got yet. */
export interface OutboxCursor {
  /**
   * The next batch after the last one handed out, or undefined after `signal` aborts; waits while there is nothing.
   * A batch's body is at most `maxBodyBytes` plain bytes (an event is never split; one that is larger stands alone).
   */
  next(options: NextOptions, signal: AbortSignal): Promise<OutboxBatch | undefined>;
  /** The hub has taken over everything up to and including this batch. Batches are acknowledged in order. `mark` becomes the cursor's. */
  acknowledge(batch: OutboxBatch, mark?: string): void;
  /** Hand out again from the first batch that was not acknowledged (the link was lost). */
  rewind(): void;
  /**
   * The hub will never take this batch, or `readings` of its readings: those are counted as dropped (`rejected`), the rest as acked,
   * and a gap record follows. `mark` as with `acknowledge`.
   */
  reject(batch: OutboxBatch, reason: string, part?: { readonly readings: number; readonly mark?: string }): void;
  /** The last mark given with an acknowledgement. Survives a restart together with the position: both are of the same moment. At most 64 characters. */
  readonly mark: string | undefined;
  counters(): CursorCounters;
}

/** Readings; `queued` is what the log took since this destination is known. */
export interface CursorCounters {
  readonly queued: number;
  readonly acked: number;
  readonly dropped: number;
  readonly pending: number;
  /** As for the log, and `overtaken`: the log went on without this destination because it is not required. */
  readonly droppedBy: Readonly<Record<string, number>>;
  /** Everything up to this sequence number is finished. */
  readonly position: number;
  /** Gateway time of the oldest reading it has not got, epoch milliseconds. */
  readonly oldestMs: number | undefined;
}

export interface OutboxEvent {
  readonly encode: (sequence: number) => string;
  /** Number of readings inside; 0 for a gap record. */
  readonly readings: number;
  /** Gateway times of the first and last reading, epoch milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /**
   * The event is the record of a loss that happened before the outbox (readings 0): `settings.encodeGap` writes it instead of `encode`,
   * and like the outbox's own gap records it is never dropped, only merged.
   */
  readonly gap?: GapRecord;
}

export interface NextOptions {
  readonly maxBodyBytes: number;
  /** Hand out the block as stored, zstd-compressed, when it fits; otherwise plain JSON. */
  readonly compressed: boolean;
}

export interface OutboxBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly readings: number;
  readonly fromMs: number;
  /** One event: the JSON object. Several: a JSON array. UTF-8, or zstd of it. */
  readonly body: Uint8Array;
  readonly events: number;
  readonly encoding: 'utf-8' | 'zstd';
}

export interface OutboxCounters {
  /** Readings. */
  readonly queued: number;
  readonly acked: number;
  readonly dropped: number;
  readonly pending: number;
  /** Of `dropped`, by cause: `overflow`, `expired`, `refused`, `disk-full`, `disk-error`, `rejected`, `corrupt`, `torn-tail`, `removed`, `closed`. */
  readonly droppedBy: Readonly<Record<string, number>>;
  readonly recovered: number;
  readonly pendingEvents: number;
  readonly bytesOnDisk: number;
  readonly nextSequence: number;
  readonly commits: number;
  readonly gaps: number;
}

export interface OutboxSettings {
  readonly folder: string;
  /**
   * At least one required. Default: one required, named `hub`. A new name starts at the end of the log, except that the only destination
   * of a log that had one takes its position over; a name that is gone is forgotten, and what only it had not got is dropped (`removed`).
   */
  readonly destinations?: readonly DestinationSettings[];
  readonly maxSizeBytes: number;
  readonly maxAgeMs: number;
  readonly whenFull: 'drop-oldest' | 'refuse-new';
  /** Longest wait before a commit, milliseconds. */
  readonly commitEveryMs: number;
  /** Makes the gap record's CloudEvent. */
  readonly encodeGap: (gap: GapRecord, sequence: number) => string;
  /** Memory for events that wait for a slow disk, bytes; beyond it they are dropped (`overflow`). Default 32 MiB. */
  readonly maxQueueBytes?: number;
  /** For tests. Age is measured by the monotonic clock as far as one life of the process goes. */
  readonly clock?: OutboxClock;
}

export interface DestinationSettings {
  /** Letters, digits, hyphens and underscores. */
  readonly name: string;
  /** The log is kept until this one has it (within size and age). Not required: when all others have it, it may go; that is a loss of this one. */
  readonly required: boolean;
}

export interface OutboxClock {
  wallMs(): number;
  monotonicMs(): number;
}

/** What was lost, when, how much and why; leaves as an event of type `dragoman.gap.v1`. */
export interface GapRecord {
  readonly fromMs: number;
  readonly toMs: number;
  readonly readings: number;
  readonly reason: string;
  /** Sequence numbers that will never arrive, inclusive; absent when the events never got one. */
  readonly firstSequence?: number;
  readonly lastSequence?: number;
  readonly equipment?: string;
  readonly point?: string;
  /** The only destination that lost it, where there are several. */
  readonly destination?: string;
  /** `destination` refused the record that told it first; all others have that one, and count these readings there. */
  readonly again?: true;
}
