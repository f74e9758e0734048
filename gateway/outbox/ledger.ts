import type { OutboxCounters } from './contract.ts';
import type { Opened, SegmentState, StoredGap } from './messages.ts';
import { stateBytes } from './state-file.ts';

/** A segment of the log as the accounts see it. */
export interface Account {
  readonly number: number;
  bytes: number;
  readonly firstSequence: number;
  lastSequence: number;
  pendingReadings: number;
  pendingEvents: number;
  fromMs: number;
  toMs: number;
  gaps: { readonly sequence: number; readonly gap: StoredGap }[];
  /** When its first and last block were written, by a clock that does not step; found ones count from their wall clock. */
  readonly firstWrittenMs: number;
  lastWrittenMs: number;
}

/** What a commit adds to a segment. */
export interface Portion {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly readings: number;
  readonly events: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly gaps: readonly { readonly sequence: number; readonly gap: StoredGap }[];
}

/**
 * Where every reading is: in memory on its way to the disk, pending in a segment, acknowledged or dropped.
 * `queued = acked + dropped + pending` holds after every call.
 */
export class Ledger {
  readonly segments: Account[];
  #queued = 0;
  #acked = 0;
  #dropped = 0;
  readonly #droppedBy: Record<string, number> = {};
  readonly #recovered: number;
  #memoryReadings = 0;
  #memoryEvents = 0;
  #diskReadings = 0;
  #diskEvents = 0;
  #bytes = stateBytes;
  commits = 0;

  /** `ageMs` gives how long ago a block was written, from the wall clock in it. */
  constructor(opened: Opened, monotonicMs: number, ageMs: (writtenMs: number) => number) {
    this.segments = opened.segments.map((s) => account(s, monotonicMs - ageMs(s.writtenMs)));
    for (const s of this.segments) {
      this.#diskReadings += s.pendingReadings;
      this.#diskEvents += s.pendingEvents;
      this.#bytes += s.bytes;
    }
    this.#recovered = this.#diskReadings;
    this.#queued = this.#diskReadings;
    for (const part of opened.lost) this.lostBefore(part.readings, part.reason);
  }

  get bytesOnDisk(): number {
    return this.#bytes;
  }

  /** Found to be missing at start: was queued by a former life, and is dropped by this. */
  lostBefore(readings: number, cause: string): void {
    this.#queued += readings;
    this.#drop(readings, cause);
  }

  /** Refused before it got a number. */
  turnedAway(readings: number, cause: string): void {
    this.#queued += readings;
    this.#drop(readings, cause);
  }

  queued(readings: number): void {
    this.#queued += readings;
    this.#memoryReadings += readings;
    this.#memoryEvents++;
  }

  refused(portion: Portion, cause: string): void {
    this.#memoryReadings -= portion.readings;
    this.#memoryEvents -= portion.events;
    this.#drop(portion.readings, cause);
  }

  committed(portion: Portion, number: number, bytes: number, monotonicMs: number): void {
    this.commits++;
    this.#memoryReadings -= portion.readings;
    this.#memoryEvents -= portion.events;
    this.#diskReadings += portion.readings;
    this.#diskEvents += portion.events;
    this.#bytes += bytes;
    let segment = this.segments.at(-1);
    if (segment?.number !== number) {
      const { firstSequence, lastSequence, fromMs, toMs } = portion;
      segment = account(
        { number, bytes: 0, firstSequence, lastSequence, pendingReadings: 0, pendingEvents: 0, fromMs, toMs, gaps: [] },
        monotonicMs,
      );
      this.segments.push(segment);
    }
    segment.bytes += bytes;
    segment.lastSequence = portion.lastSequence;
    segment.fromMs = segment.pendingEvents === 0 ? portion.fromMs : Math.min(segment.fromMs, portion.fromMs);
    segment.toMs = Math.max(segment.toMs, portion.toMs);
    segment.pendingReadings += portion.readings;
    segment.pendingEvents += portion.events;
    segment.lastWrittenMs = monotonicMs;
    segment.gaps.push(...portion.gaps);
  }

  /** Acknowledged, or dropped when there is a cause. Never more than is pending there. Gives the readings that were counted. */
  finished(number: number, part: { readings: number; events: number; lastSequence: number; toMs: number }, cause?: string): number {
    const segment = this.segments.find((s) => s.number === number);
    if (!segment) return 0;
    const readings = Math.min(part.readings, segment.pendingReadings);
    const events = Math.min(part.events, segment.pendingEvents);
    segment.pendingReadings -= readings;
    segment.pendingEvents -= events;
    if (part.toMs > segment.fromMs) segment.fromMs = Math.min(part.toMs, segment.toMs);
    this.#diskReadings -= readings;
    this.#diskEvents -= events;
    if (cause === undefined) this.#acked += readings;
    else this.#drop(readings, cause);
    return readings;
  }

  /** What is still pending there is dropped. */
  dropped(segment: Account, cause: string): void {
    this.#diskReadings -= segment.pendingReadings;
    this.#diskEvents -= segment.pendingEvents;
    this.#drop(segment.pendingReadings, cause);
    this.removed(segment);
  }

  removed(segment: Account): void {
    this.#bytes -= segment.bytes;
    this.segments.splice(this.segments.indexOf(segment), 1);
  }

  #drop(readings: number, cause: string): void {
    this.#dropped += readings;
    this.#droppedBy[cause] = (this.#droppedBy[cause] ?? 0) + readings;
  }

  counters(): Omit<OutboxCounters, 'nextSequence' | 'gaps'> {
    return {
      queued: this.#queued,
      acked: this.#acked,
      dropped: this.#dropped,
      pending: this.#memoryReadings + this.#diskReadings,
      droppedBy: { ...this.#droppedBy },
      recovered: this.#recovered,
      pendingEvents: this.#memoryEvents + this.#diskEvents,
      bytesOnDisk: this.#bytes,
      commits: this.commits,
    };
  }
}

function account(state: Omit<SegmentState, 'writtenMs'>, writtenMs: number): Account {
  const { number, bytes, firstSequence, lastSequence, pendingReadings, pendingEvents, fromMs, toMs } = state;
  const gaps = [...state.gaps];
  return {
    number,
    bytes,
    firstSequence,
    lastSequence,
    pendingReadings,
    pendingEvents,
    fromMs,
    toMs,
    gaps,
    firstWrittenMs: writtenMs,
    lastWrittenMs: writtenMs,
  };
}
