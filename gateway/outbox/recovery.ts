import { closeSync, fstatSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type BlockHeader, type EventEntry, entriesOf, gapOf, headerBytes } from './block.ts';
import type { FoundLoss, SegmentState, StoredGap } from './messages.ts';
import { FileWindow, scan, segmentName, segmentNumber } from './segment.ts';
import type { State } from './state-file.ts';
import type { Extent } from './track.ts';

/** What the log knows of a segment. Readings are counted over the life of the outbox, like `readingsBefore` of a block. */
export interface LogSegment extends Extent {
  readonly number: number;
  bytes: number;
  firstSequence: number;
  lastSequence: number;
  readingsBefore: number;
  readingsThrough: number;
}

/** Where somebody stands: the sequence number is what was saved, the readings follow from the log. */
export interface Mark {
  readonly sequence: number;
  readonly readings: number;
  /** Time of the last reading up to there, as far as the log still has it. */
  readonly seenMs?: number;
}

export interface Recovered {
  readonly segments: readonly LogSegment[];
  readonly states: readonly SegmentState[];
  readonly holes: readonly (readonly [first: number, last: number])[];
  readonly lost: readonly FoundLoss[];
  /** What is behind it comes again when nothing is saved. */
  readonly start: Mark;
  /** For each head that was given, in their order. */
  readonly heads: readonly Mark[];
  readonly nextSequence: number;
  readonly nextOrdinal: number;
  readonly readings: number;
  /** Highest id of a gap record found in the log. */
  readonly lastGapId: number;
  /** Where the last segment must be cut off, once the state file knows of the loss. */
  readonly cut: { readonly path: string; readonly bytes: number } | undefined;
}

/** Without a state file nothing says how far the numbers had gone beyond a log that may have lost its end. */
const jumpWithoutState = 1_000_000;

/**
 * Reads the folder as a crash, a torn write or a person left it. Changes one thing only: it removes segments that the state file
 * says are finished. Every sound block stays, whatever lies before it.
 */
export function recover(folder: string, state: State | undefined, heads: readonly Mark[]): Recovered {
  const numbers = segmentNumbers(folder);
  for (const number of numbers.filter((n) => state !== undefined && n < state.firstSegment)) unlinkSync(pathOf(folder, number));
  const walk = new Walk(
    state,
    heads.map((head) => new Head(head)),
  );
  const present = numbers.filter((n) => state === undefined || n >= state.firstSegment);
  for (const number of present) walk.segment(folder, number, number === present.at(-1));
  return walk.result(present);
}

export function segmentNumbers(folder: string): number[] {
  return readdirSync(folder)
    .map(segmentNumber)
    .filter((n) => n !== undefined)
    .sort((a, b) => a - b);
}

const pathOf = (folder: string, number: number): string => join(folder, segmentName(number));

/** Finds how many readings lie in the log up to a sequence number. What was saved with it only counts where the log has a gap there. */
class Head {
  readonly sequence: number;
  #readings: number;
  #most = Number.POSITIVE_INFINITY;
  #seenMs = Number.NEGATIVE_INFINITY;

  constructor({ sequence, readings }: Mark) {
    this.sequence = sequence;
    this.#readings = readings;
  }

  /** Blocks in order. */
  pass(header: BlockHeader, meta: () => Uint8Array): void {
    if (header.firstSequence > this.sequence) {
      this.#most = Math.min(this.#most, header.readingsBefore);
      return;
    }
    const within = header.lastSequence > this.sequence;
    const passed = within ? firstOf(header, meta, this.sequence + 1 - header.firstSequence) : [header];
    const through = passed.reduce((sum, { readings }) => sum + readings, header.readingsBefore);
    if (within) this.#most = this.#readings = through;
    else this.#readings = Math.max(this.#readings, through);
    this.#seenMs = passed.at(-1)?.toMs ?? this.#seenMs;
  }

  mark(readingsInLog: number): Mark {
    return { sequence: this.sequence, readings: Math.min(this.#readings, this.#most, readingsInLog), seenMs: this.#seenMs };
  }
}

/** The first events of a block; none when its table is damaged, then all of it comes again. */
function firstOf(header: BlockHeader, meta: () => Uint8Array, events: number): readonly EventEntry[] {
  try {
    return entriesOf(header, meta()).slice(0, events);
  } catch {
    return [];
  }
}

/** Goes through all blocks in order and keeps account of what is there, what is missing and what is finished. */
class Walk {
  readonly #state: State | undefined;
  readonly #heads: readonly Head[];
  readonly #segments: LogSegment[] = [];
  readonly #states: SegmentState[] = [];
  readonly #lost: FoundLoss[] = [];
  readonly #holes: [number, number][] = [];
  /** Everybody has passed it. */
  #head: number | undefined;
  #headReadings: number;
  #start: Mark | undefined;
  #previous: BlockHeader | undefined;
  #missingBefore = false;
  #tailDamaged = false;
  #lastGapId = 0;
  #cut: Recovered['cut'];

  constructor(state: State | undefined, heads: readonly Head[]) {
    this.#state = state;
    this.#heads = heads;
    this.#head = state?.head;
    this.#headReadings = state?.headReadings ?? 0;
  }

  segment(folder: string, number: number, last: boolean): void {
    const path = pathOf(folder, number);
    const fd = openSync(path, 'r');
    try {
      const size = fstatSync(fd).size;
      const file = new FileWindow(fd);
      this.#missingBefore ||= number > (this.#segments.at(-1)?.number ?? (this.#state?.firstSegment ?? number) - 1) + 1;
      const tally = new Tally(number);
      let bytes = 0;
      for (const found of scan(file, size, last)) {
        if ('damage' in found) {
          if (last && found.damage.to === size) this.#tailDamaged = true;
          continue;
        }
        const { header, offset } = found;
        bytes = offset + header.totalBytes;
        this.#block(header, () => file.piece(offset + headerBytes, header.metaBytes), tally);
      }
      if (last && bytes < size) this.#cut = { path, bytes };
      const segment = tally.segment(last ? bytes : size, this.#end());
      this.#segments.push(segment);
      this.#states.push(tally.state(segment));
    } finally {
      closeSync(fd);
    }
  }

  #block(header: BlockHeader, meta: () => Uint8Array, tally: Tally): void {
    const previous = this.#previous;
    this.#head ??= header.firstSequence - 1;
    const skipped = previous ? header.ordinal !== previous.ordinal + 1 : this.#missingBefore || header.readingsBefore > this.#headReadings;
    if (skipped) this.#missing(header.firstSequence - 1, header.readingsBefore, header.fromMs);
    else if (previous && header.firstSequence > previous.lastSequence + 1)
      this.#holes.push([previous.lastSequence + 1, header.firstSequence - 1]);
    this.#start ??= { sequence: header.firstSequence - 1, readings: header.readingsBefore };
    for (const head of this.#heads) head.pass(header, meta);
    this.#missingBefore = false;
    this.#previous = header;
    this.#lastGapId = Math.max(this.#lastGapId, header.lastGapId);
    tally.add(header, meta, this.#head);
  }

  /** Everything between the end so far and `lastSequence` is gone. */
  #missing(lastSequence: number, readingsThrough: number, untilMs: number, reason = 'corrupt'): void {
    const end = this.#end();
    if (lastSequence <= end.sequence) return;
    const told = this.#state?.told.some(([first, last]) => first <= end.sequence + 1 && last >= lastSequence) ?? false;
    this.#lost.push({
      firstSequence: end.sequence + 1,
      lastSequence,
      readingsBefore: end.readings,
      readingsThrough: Math.max(readingsThrough, end.readings),
      fromMs: Math.min(end.toMs ?? untilMs, untilMs),
      toMs: untilMs,
      reason,
      told,
    });
  }

  #end(): { sequence: number; readings: number; toMs: number | undefined } {
    const p = this.#previous;
    return {
      sequence: Math.max(p?.lastSequence ?? 0, this.#head ?? 0),
      readings: Math.max(p ? p.readingsBefore + p.readings : 0, this.#headReadings),
      toMs: p?.toMs,
    };
  }

  result(present: readonly number[]): Recovered {
    const state = this.#state;
    const end = this.#end();
    const nextOrdinal = (this.#previous?.ordinal ?? -1) + 1;
    const cutShort =
      state !== undefined &&
      ((nextOrdinal < state.nextOrdinal && end.sequence < state.durableThrough) || (present.at(-1) ?? 0) < state.activeSegment);
    let nextSequence = Math.max(end.sequence, state?.durableThrough ?? 0) + 1;
    if (this.#tailDamaged || cutShort || (state === undefined && present.length > 0)) {
      // The numbers behind the damage may have been seen by the hub: none of them is given out again.
      const through = state ? Math.max(state.reservedThrough, end.sequence) : end.sequence + jumpWithoutState;
      this.#missing(through, state?.durableReadings ?? 0, Date.now(), 'torn-tail');
      nextSequence = through + 1;
    }
    const readings = this.#previous
      ? this.#previous.readingsBefore + this.#previous.readings
      : Math.max(end.readings, state?.durableReadings ?? 0);
    return {
      segments: this.#segments,
      states: this.#states,
      holes: this.#holes,
      lost: this.#lost,
      start: this.#start ?? { sequence: nextSequence - 1, readings },
      heads: this.#heads.map((head) => head.mark(readings)),
      nextSequence,
      // They go on where the log ends: a step would look like a lost block at the next start.
      nextOrdinal: this.#previous ? nextOrdinal : (state?.nextOrdinal ?? 0),
      readings,
      lastGapId: this.#lastGapId,
      cut: this.#cut,
    };
  }
}

/** What there is to know of one segment; times of what not everybody has passed. */
class Tally {
  readonly #number: number;
  #first: BlockHeader | undefined;
  #last: BlockHeader | undefined;
  #fromMs = Number.POSITIVE_INFINITY;
  #toMs = Number.NEGATIVE_INFINITY;
  readonly #gaps: { sequence: number; gap: StoredGap }[] = [];

  constructor(number: number) {
    this.#number = number;
  }

  add(header: BlockHeader, meta: () => Uint8Array, head: number): void {
    this.#first ??= header;
    this.#last = header;
    if (header.lastSequence <= head) return;
    this.#fromMs = Math.min(this.#fromMs, header.fromMs);
    this.#toMs = Math.max(this.#toMs, header.toMs);
    if (!header.gap) return;
    try {
      this.#gaps.push({ sequence: header.firstSequence, gap: gapOf(meta()) });
    } catch {
      // The block is damaged; that is told when it is read.
    }
  }

  segment(bytes: number, end: { sequence: number; readings: number }): LogSegment {
    return {
      number: this.#number,
      bytes,
      firstSequence: this.#first?.firstSequence ?? end.sequence + 1,
      lastSequence: this.#last?.lastSequence ?? end.sequence,
      readingsBefore: this.#first?.readingsBefore ?? end.readings,
      readingsThrough: this.#last ? this.#last.readingsBefore + this.#last.readings : end.readings,
    };
  }

  state(segment: LogSegment): SegmentState {
    return { ...segment, fromMs: this.#fromMs, toMs: this.#toMs, writtenMs: this.#last?.writtenMs ?? 0, gaps: this.#gaps };
  }
}
