/** A stretch of the log, measured both ways: in sequence numbers, and in readings over the life of the outbox. */
export interface Extent {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Readings in the log before it, and up to its end. */
  readonly readingsBefore: number;
  readonly readingsThrough: number;
}

export const readingsIn = (extents: readonly Extent[]): number =>
  extents.reduce((sum, { readingsBefore, readingsThrough }) => sum + Math.max(0, readingsThrough - readingsBefore), 0);

/**
 * One way through the log, of a destination or of the log itself: how far everything is finished, and what behind that is lost already.
 * Readings have a place of their own in the log, so that parts of any size can be taken out of each other and each reading counts once.
 */
export class Track {
  #sequence: number;
  #readings: number;
  #seenMs: number;
  /** Behind the position, in order, apart from each other. Nearly always empty. */
  #lost: Extent[] = [];
  #acked = 0;
  #dropped = 0;
  readonly #droppedBy: Record<string, number> = {};

  constructor(sequence: number, readings: number, seenMs = Number.NEGATIVE_INFINITY) {
    this.#seenMs = seenMs;
    this.#sequence = sequence;
    this.#readings = readings;
  }

  /** Everything up to this sequence number is finished. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Readings in the log up to there. */
  get readings(): number {
    return this.#readings;
  }

  /** Time of the last reading that is finished; -Infinity when nobody knows. */
  get seenMs(): number {
    return this.#seenMs;
  }

  get acked(): number {
    return this.#acked;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get droppedBy(): Readonly<Record<string, number>> {
    return this.#droppedBy;
  }

  /** What is not finished when the log holds so many readings. */
  pending(readingsThrough: number): number {
    return readingsThrough - this.#readings - readingsIn(this.#lost);
  }

  /** The parts of it that are neither acknowledged nor dropped. */
  open(extent: Extent): Extent[] {
    const { lastSequence, readingsThrough } = extent;
    const parts: Extent[] = [];
    let firstSequence = Math.max(extent.firstSequence, this.#sequence + 1);
    let readingsBefore = Math.max(extent.readingsBefore, this.#readings);
    for (const lost of this.#lost) {
      if (lost.lastSequence < firstSequence) continue;
      if (lost.firstSequence > lastSequence) break;
      if (lost.firstSequence > firstSequence)
        parts.push({ firstSequence, lastSequence: lost.firstSequence - 1, readingsBefore, readingsThrough: lost.readingsBefore });
      firstSequence = lost.lastSequence + 1;
      readingsBefore = lost.readingsThrough;
    }
    if (firstSequence <= lastSequence) parts.push({ firstSequence, lastSequence, readingsBefore, readingsThrough });
    return parts;
  }

  /** Will never arrive. Gives the parts that were open until now. */
  drop(extent: Extent, cause: string): Extent[] {
    const parts = this.forget(extent);
    this.count(readingsIn(parts), cause);
    return parts;
  }

  /** As `drop`, for what a former life has counted. */
  forget(extent: Extent): Extent[] {
    const parts = this.open(extent);
    if (parts.length > 0) this.#lost = [...this.#lost, ...parts].sort((a, b) => a.firstSequence - b.firstSequence);
    return parts;
  }

  /** Dropped without a place in the log. */
  count(readings: number, cause: string): void {
    if (readings === 0) return;
    this.#dropped += readings;
    this.#droppedBy[cause] = (this.#droppedBy[cause] ?? 0) + readings;
  }

  /** Everything up to here is finished; what was not dropped is acknowledged. */
  advance(sequence: number, readings: number, seenMs = Number.NEGATIVE_INFINITY): void {
    if (sequence <= this.#sequence) return;
    const through = Math.max(readings, this.#readings);
    const dropped = this.#lost.length === 0 ? 0 : this.#pass(sequence, through);
    this.#acked += through - this.#readings - dropped;
    this.#sequence = sequence;
    this.#readings = through;
    if (seenMs > this.#seenMs) this.#seenMs = seenMs;
  }

  /** Takes the lost parts up to here off the list; gives their readings. */
  #pass(sequence: number, readings: number): number {
    const before = readingsIn(this.#lost);
    this.#lost = this.#lost
      .filter((lost) => lost.lastSequence > sequence)
      .map((lost) => (lost.firstSequence > sequence ? lost : { ...lost, firstSequence: sequence + 1, readingsBefore: readings }));
    return before - readingsIn(this.#lost);
  }
}

export interface Loser {
  readonly name: string;
  readonly track: Track;
}

/** A stretch that the same destinations have not got. */
export interface Share<Destination> extends Extent {
  readonly losers: readonly Destination[];
}

/** Cuts a stretch where it begins or ceases to be missing to somebody. What nobody misses is left out. */
export function sharesOf<Destination extends Loser>(extent: Extent, destinations: readonly Destination[]): Share<Destination>[] {
  const missing = destinations.map((loser) => ({ loser, parts: loser.track.open(extent) }));
  /** Readings before each sequence number at which something begins or has ended. */
  const edges = new Map<number, number>();
  for (const { firstSequence, lastSequence, readingsBefore, readingsThrough } of missing.flatMap(({ parts }) => parts)) {
    edges.set(firstSequence, readingsBefore);
    edges.set(lastSequence + 1, readingsThrough);
  }
  const cuts = [...edges].sort(([a], [b]) => a - b);
  return cuts.slice(0, -1).flatMap(([firstSequence, readingsBefore], i): Share<Destination>[] => {
    const [next, readingsThrough] = cuts[i + 1]!;
    const losers = missing
      .filter(({ parts }) => parts.some((part) => part.firstSequence <= firstSequence && part.lastSequence >= firstSequence))
      .map(({ loser }) => loser);
    return losers.length === 0 ? [] : [{ firstSequence, lastSequence: next - 1, readingsBefore, readingsThrough, losers }];
  });
}

/** One gap record when nobody gets it, otherwise one for each that does not, with its name. */
export function namesOf(share: Share<Loser>, destinations: readonly Loser[]): readonly (string | undefined)[] {
  return share.losers.length === destinations.length ? [undefined] : share.losers.map(({ name }) => name);
}
