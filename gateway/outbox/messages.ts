import type { GapRecord } from './contract.ts';

/** A gap record on its way: the id keeps a restart from telling it twice. */
export interface StoredGap extends GapRecord {
  readonly id: number;
}

/** What the main thread wants to survive a restart, beside the log itself. */
export interface Saved {
  /** Everything up to this sequence number is finished: acknowledged or dropped. */
  readonly head: number;
  /** Readings in the log up to `head`, counted like `readingsBefore`. */
  readonly headReadings: number;
  /** Not yet in the log, in order. */
  readonly gaps: readonly StoredGap[];
  readonly lastGapId: number;
  /** Ranges of sequence numbers above `head` whose loss is already in a gap record. */
  readonly told: readonly (readonly [first: number, last: number])[];
}

/** Blocks that are committed together. The texts lie in memory that both threads see; the sender leaves it alone until the answer. */
export interface Group {
  readonly id: number;
  readonly firstSequence: number;
  readonly memory: SharedArrayBuffer;
  /** For each block: where its text starts and ends in `memory`, and how many events it has. */
  readonly blocks: readonly number[];
  readonly gaps: readonly (StoredGap | undefined)[];
  /** For each event: bytes, readings, fromMs, toMs. */
  readonly table: Float64Array;
}

export interface ReadOptions {
  readonly maxBodyBytes: number;
  readonly compressed: boolean;
}

/** One batch as it leaves the log. */
export interface LogBatch {
  readonly segment: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly events: number;
  readonly readings: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly body: Uint8Array<ArrayBuffer>;
  /** `body` is empty: it lies here in the memory of the group that was just committed. */
  readonly inGroup?: readonly [start: number, end: number];
  readonly encoding: 'utf-8' | 'zstd';
  /** Readings in the log up to the end of this batch. */
  readonly readingsThrough: number;
}

/** A part of the log that cannot be read any more. */
export interface LostPart {
  /** Absent when the segment itself is gone. */
  readonly segment: number | undefined;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly events: number;
  readonly readings: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: string;
  readonly readingsThrough: number;
}

export type Item = { readonly batch: LogBatch } | { readonly lost: LostPart };

/** Items for the read request that carried this epoch. */
export interface Served {
  readonly epoch: number;
  readonly items: readonly Item[];
}

export interface SegmentState {
  readonly number: number;
  readonly bytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly pendingReadings: number;
  readonly pendingEvents: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly writtenMs: number;
  /** Gap records inside that are not finished, by their own sequence number. */
  readonly gaps: readonly { readonly sequence: number; readonly gap: StoredGap }[];
}

export interface Opened {
  /** Random, made with the folder: tells one life of a gateway's outbox from the next. */
  readonly id: string;
  readonly segments: readonly SegmentState[];
  readonly lost: readonly LostPart[];
  readonly nextSequence: number;
  readonly saved: Saved;
}

export type StuckCause = 'limit' | 'disk-full' | 'disk-error';

export interface LogSettings {
  readonly folder: string;
  readonly maxSizeBytes: number;
  readonly segmentBytes: number;
}

export type ToWorker =
  | { readonly kind: 'append'; readonly group: Group; readonly writtenMs: number }
  | { readonly kind: 'save'; readonly saved: Saved; readonly remove: readonly number[] }
  /** Try the stuck group again. */
  | { readonly kind: 'retry' }
  /** Forget the stuck group. */
  | { readonly kind: 'refuse' }
  | { readonly kind: 'read'; readonly epoch: number; readonly from: number; readonly options: ReadOptions; readonly credit: number }
  | { readonly kind: 'credit'; readonly bytes: number }
  | { readonly kind: 'roll' }
  | { readonly kind: 'close'; readonly saved: Saved };

export type FromWorker =
  | { readonly kind: 'opened'; readonly opened: Opened }
  | { readonly kind: 'failed'; readonly code: string | undefined; readonly message: string }
  | {
      readonly kind: 'committed';
      readonly group: number;
      readonly segment: number;
      readonly bytes: number;
      readonly fresh: Served | undefined;
    }
  | { readonly kind: 'stuck'; readonly group: number; readonly cause: StuckCause; readonly message: string }
  | ({ readonly kind: 'items' } & Served)
  | { readonly kind: 'closed' };
