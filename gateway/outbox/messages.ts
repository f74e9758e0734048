import type { DestinationSettings, GapRecord } from './contract.ts';
import type { Extent } from './track.ts';

/** A gap record on its way: the id keeps a restart from telling it twice. */
export interface StoredGap extends GapRecord {
  readonly id: number;
}

/** How far one destination is, as it survives a restart. */
export interface Position extends DestinationSettings {
  /** Everything up to this sequence number is finished: acknowledged or dropped. */
  readonly head: number;
  /** Readings in the log up to `head`, counted like `readingsBefore`. */
  readonly headReadings: number;
  /** Given with the last acknowledgement. */
  readonly mark?: string;
}

/** What the main thread wants to survive a restart, beside the log itself. */
export interface Saved {
  /** In the order of the settings. */
  readonly destinations: readonly Position[];
  /** Not yet in the log, in order. */
  readonly gaps: readonly StoredGap[];
  readonly lastGapId: number;
  /** Ranges of sequence numbers that not everybody has passed, whose loss is already in a gap record. */
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

/** From which sequence number on, and how many bytes of bodies may come ahead of the consumer. */
export interface ReadRequest {
  readonly epoch: number;
  readonly from: number;
  readonly options: ReadOptions;
  readonly credit: number;
}

/** One batch as it leaves the log. It lies within one segment. */
export interface LogBatch extends Extent {
  readonly events: number;
  readonly readings: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly body: Uint8Array<ArrayBuffer>;
  /** `body` is empty: it lies here in the memory of the group that was just committed. */
  readonly inGroup?: readonly [start: number, end: number];
  readonly encoding: 'utf-8' | 'zstd';
}

/** A part of the log that cannot be read any more, as a whole, also where somebody has passed some of it. */
export interface LostPart extends Extent {
  /** NaN when nobody knows: those of its segment serve. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: string;
}

export type Item = { readonly batch: LogBatch } | { readonly lost: LostPart };

/** Items for the read request of this destination that carried this epoch. */
export interface Served {
  readonly destination: number;
  readonly epoch: number;
  readonly items: readonly Item[];
}

/** What was committed a moment ago, for all that wait for it in the same form. */
export interface Fresh {
  readonly readers: readonly { readonly destination: number; readonly epoch: number }[];
  readonly items: readonly Item[];
}

export interface SegmentState extends Extent {
  readonly number: number;
  readonly bytes: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly writtenMs: number;
  /** Gap records inside that not everybody has passed, by their own sequence number. */
  readonly gaps: readonly { readonly sequence: number; readonly gap: StoredGap }[];
}

/** Found to be missing at start. */
export interface FoundLoss extends LostPart {
  /** It has its gap record from a former life, and was counted there. */
  readonly told: boolean;
}

export interface FoundPosition extends Position {
  /** Readings that it had not got, beyond the end of what is left of the log. */
  readonly torn: number;
  /** Time of the last reading up to `head`; -Infinity when the log does not have it any more. */
  readonly seenMs: number;
}

export interface Opened {
  /** Random, made with the folder: tells one life of a gateway's outbox from the next. */
  readonly id: string;
  readonly segments: readonly SegmentState[];
  /** Ranges of sequence numbers inside the log that no event has: groups that the disk refused. */
  readonly holes: readonly (readonly [first: number, last: number])[];
  readonly lost: readonly FoundLoss[];
  readonly destinations: readonly FoundPosition[];
  /** Readings that only destinations had not got that are no longer in the settings. */
  readonly removed: number;
  readonly nextSequence: number;
  /** Readings in the log up to its end. */
  readonly readings: number;
  readonly saved: Saved;
}

export type StuckCause = 'limit' | 'disk-full' | 'disk-error';

export interface LogSettings {
  readonly folder: string;
  readonly destinations: readonly DestinationSettings[];
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
  | ({ readonly kind: 'read'; readonly destination: number } & ReadRequest)
  | { readonly kind: 'credit'; readonly destination: number; readonly bytes: number }
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
      readonly fresh: readonly Fresh[];
    }
  | { readonly kind: 'stuck'; readonly group: number; readonly cause: StuckCause; readonly message: string }
  | ({ readonly kind: 'items' } & Served);
