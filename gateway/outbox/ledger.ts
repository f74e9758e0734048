import type { CursorCounters, OutboxCounters } from './contract.ts';
import type { FoundPosition, Opened, SegmentState, StoredGap } from './messages.ts';
import { stateBytes } from './state-file.ts';
import { type Extent, Track } from './track.ts';

/** A segment of the log as the accounts see it. */
export interface Account extends Extent {
  readonly number: number;
  bytes: number;
  lastSequence: number;
  readingsThrough: number;
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

/** The account of one destination. */
export interface Way {
  readonly name: string;
  readonly required: boolean;
  readonly track: Track;
  /** Readings that this life found for it, those that turned out to be lost included. */
  readonly found: number;
}

type Place = Pick<FoundPosition, 'head' | 'headReadings' | 'torn'> & { readonly seenMs?: number };

/**
 * Where every reading is: in memory on its way to the disk, pending in the log, acknowledged or dropped; for the log and for each destination.
 * `queued = acked + dropped + pending` holds after every call. What happens before the disk happens to all alike and is counted once.
 */
export class Ledger {
  readonly segments: Account[];
  readonly ways: readonly Way[];
  readonly #required: readonly Track[];
  /** The log's own account: acknowledged is what all required destinations have, dropped what one of them will not get. */
  readonly #log: Omit<Way, 'name' | 'required'>;
  readonly #recovered: number;
  /** Numbers inside the log that no event has. */
  #holes: (readonly [first: number, last: number])[];
  #endSequence: number;
  #endReadings: number;
  /** Offered to the log in this life, taken or not. */
  #offered = 0;
  #notTaken = 0;
  readonly #notTakenBy: Record<string, number> = {};
  #memoryReadings = 0;
  #memoryEvents = 0;
  #bytes = stateBytes;
  #commits = 0;

  /** `ageMs` gives how long ago a block was written, from the wall clock in it. */
  constructor(opened: Opened, monotonicMs: number, ageMs: (writtenMs: number) => number) {
    this.segments = opened.segments.map((s) => account(s, monotonicMs - ageMs(s.writtenMs)));
    for (const s of this.segments) this.#bytes += s.bytes;
    this.#holes = [...opened.holes];
    this.#endSequence = this.segments.at(-1)?.lastSequence ?? 0;
    this.#endReadings = opened.readings;
    this.ways = opened.destinations.map(({ name, required, ...place }) => {
      return { name, required, ...this.#start(opened, place) };
    });
    this.#required = this.ways.filter((way) => way.required).map(({ track }) => track);
    const required = opened.destinations.filter((one) => one.required);
    const head = Math.min(...required.map((one) => one.head));
    const headReadings = Math.min(...required.map((one) => one.headReadings));
    const torn = Math.max(...required.map((one) => one.torn));
    const log = this.#start(opened, { head, headReadings, torn });
    this.#recovered = log.track.pending(this.#endReadings);
    if (opened.removed > 0) log.track.count(opened.removed, 'removed');
    this.#log = { track: log.track, found: log.found + opened.removed };
  }

  #start(opened: Opened, { head, headReadings, torn, seenMs }: Place): Omit<Way, 'name' | 'required'> {
    const track = new Track(head, headReadings, seenMs);
    for (const loss of opened.lost) {
      if (loss.reason === 'torn-tail') continue;
      if (loss.told) track.forget(loss);
      else track.drop(loss, loss.reason);
    }
    if (torn > 0) track.count(torn, 'torn-tail');
    return { track, found: track.pending(this.#endReadings) + track.dropped };
  }

  get bytesOnDisk(): number {
    return this.#bytes;
  }

  /** Everybody has passed it. */
  get head(): number {
    return Math.min(...this.ways.map(({ track }) => track.sequence));
  }

  /** All required ones have passed it. */
  get requiredHead(): number {
    return this.#log.track.sequence;
  }

  /** Refused before it got a number. */
  turnedAway(readings: number, cause: string): void {
    this.#offered += readings;
    this.#refuse(readings, cause);
  }

  queued(readings: number): void {
    this.#offered += readings;
    this.#memoryReadings += readings;
    this.#memoryEvents++;
  }

  refused(portion: Portion, cause: string): void {
    this.#memoryReadings -= portion.readings;
    this.#memoryEvents -= portion.events;
    this.#refuse(portion.readings, cause);
  }

  #refuse(readings: number, cause: string): void {
    this.#notTaken += readings;
    this.#notTakenBy[cause] = (this.#notTakenBy[cause] ?? 0) + readings;
  }

  committed(portion: Portion, number: number, bytes: number, monotonicMs: number): void {
    const { firstSequence, lastSequence, readings, events, fromMs, toMs } = portion;
    this.#commits++;
    this.#memoryReadings -= readings;
    this.#memoryEvents -= events;
    this.#bytes += bytes;
    if (firstSequence > this.#endSequence + 1) this.#holes.push([this.#endSequence + 1, firstSequence - 1]);
    let segment = this.segments.at(-1);
    if (segment?.number !== number) {
      const readingsBefore = this.#endReadings;
      const range = { firstSequence, lastSequence, readingsBefore, readingsThrough: readingsBefore };
      segment = account({ number, bytes: 0, ...range, fromMs, toMs, gaps: [] }, monotonicMs);
      this.segments.push(segment);
    }
    this.#endSequence = lastSequence;
    this.#endReadings += readings;
    segment.bytes += bytes;
    // Nothing in it is waited for any more: the times are those of what is.
    segment.fromMs = segment.lastSequence <= this.head ? fromMs : Math.min(segment.fromMs, fromMs);
    segment.toMs = Math.max(segment.toMs, toMs);
    segment.lastSequence = lastSequence;
    segment.readingsThrough = this.#endReadings;
    segment.lastWrittenMs = monotonicMs;
    segment.gaps.push(...portion.gaps);
  }

  /** Everything up to here is finished by this destination. */
  advance(way: Way, sequence: number, readings: number, seenMs?: number): void {
    way.track.advance(sequence, readings, seenMs);
    if (!way.required) return;
    let [least, leastReadings] = [sequence, readings];
    for (const track of this.#required) {
      least = Math.min(least, track.sequence);
      leastReadings = Math.min(leastReadings, track.readings);
    }
    this.#log.track.advance(least, leastReadings);
  }

  /** These destinations will never get what they have not got of it. */
  drop(extent: Extent, cause: string, losers: readonly Way[] = this.ways): void {
    for (const { track, required } of losers) {
      const parts = track.drop(extent, cause);
      if (required) for (const part of parts) this.#log.track.drop(part, cause);
    }
  }

  /** Gone from the disk; who was before its end goes on behind it. */
  removed(segment: Account): void {
    this.#bytes -= segment.bytes;
    this.segments.splice(this.segments.indexOf(segment), 1);
    for (const way of this.ways) this.advance(way, segment.lastSequence, segment.readingsThrough);
    if (this.#holes.length > 0) this.#holes = this.#holes.filter(([, last]) => last > this.head);
  }

  /** The segment that holds this number. */
  segmentOf(sequence: number): Account | undefined {
    return this.segments.find((s) => s.lastSequence >= sequence);
  }

  /** Numbers in it that events have. */
  eventsIn({ firstSequence, lastSequence }: Pick<Extent, 'firstSequence' | 'lastSequence'>): number {
    let events = lastSequence - firstSequence + 1;
    for (const [first, last] of this.#holes) events -= Math.max(0, Math.min(last, lastSequence) - Math.max(first, firstSequence) + 1);
    return events;
  }

  #counted({
    track,
    found,
  }: Omit<Way, 'name' | 'required'>): Pick<CursorCounters, 'queued' | 'acked' | 'dropped' | 'pending' | 'droppedBy'> {
    const droppedBy = { ...track.droppedBy };
    for (const [cause, readings] of Object.entries(this.#notTakenBy)) droppedBy[cause] = (droppedBy[cause] ?? 0) + readings;
    return {
      queued: found + this.#offered,
      acked: track.acked,
      dropped: track.dropped + this.#notTaken,
      pending: track.pending(this.#endReadings) + this.#memoryReadings,
      droppedBy,
    };
  }

  countersOf(way: Way): Omit<CursorCounters, 'oldestMs'> {
    return { ...this.#counted(way), position: way.track.sequence };
  }

  counters(): Omit<OutboxCounters, 'nextSequence' | 'gaps'> {
    const all = { firstSequence: 0, lastSequence: this.#endSequence, readingsBefore: 0, readingsThrough: this.#endReadings };
    const onDisk = this.#log.track.open(all).reduce((sum, part) => sum + this.eventsIn(part), 0);
    return {
      ...this.#counted(this.#log),
      recovered: this.#recovered,
      pendingEvents: this.#memoryEvents + onDisk,
      bytesOnDisk: this.#bytes,
      commits: this.#commits,
    };
  }
}

function account(state: Omit<SegmentState, 'writtenMs'>, writtenMs: number): Account {
  const { number, bytes, firstSequence, lastSequence, readingsBefore, readingsThrough, fromMs, toMs } = state;
  const range = { firstSequence, lastSequence, readingsBefore, readingsThrough };
  return { number, bytes, ...range, fromMs, toMs, gaps: [...state.gaps], firstWrittenMs: writtenMs, lastWrittenMs: writtenMs };
}
