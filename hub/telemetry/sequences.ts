/** Sequence numbers that arrived, first to last inclusive, with the event times at both ends (epoch milliseconds). */
export interface Range {
  first: number;
  last: number;
  firstMs: number;
  lastMs: number;
}

/** A stated loss: numbers that will never arrive, and why. */
export interface Explanation {
  readonly first: number;
  readonly last: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly readings: number;
  readonly reason: string;
}

/** Numbers that are missing between some that arrived. */
export interface Hole {
  readonly first: number;
  readonly last: number;
  /** Time of the event before and after it; the gateway's own times when it explained the loss. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Absent: nobody said why. */
  readonly reason?: string;
  /** Given with a reason: readings that were in the lost events. */
  readonly readings?: number;
}

/** Most ranges kept for one gateway; the oldest two become one beyond it, so that a wild counter cannot fill the memory. */
export const maxRanges = 10_000;

/**
 * Notes that `sequence` arrived. False when it had arrived before. `ranges` are sorted and apart from each other by at
 * least one missing number; nearly always the last one grows.
 */
export function note(ranges: Range[], sequence: number, timeMs: number): boolean {
  const last = ranges.at(-1);
  if (last && sequence === last.last + 1) {
    last.last = sequence;
    last.lastMs = timeMs;
    return true;
  }
  const at = position(ranges, sequence);
  const before = ranges[at - 1];
  const after = ranges[at];
  if (before && sequence <= before.last) return false;
  const joinsBefore = before?.last === sequence - 1;
  const joinsAfter = after?.first === sequence + 1;
  if (before && after && joinsBefore && joinsAfter) {
    before.last = after.last;
    before.lastMs = after.lastMs;
    ranges.splice(at, 1);
  } else if (before && joinsBefore) {
    before.last = sequence;
    before.lastMs = timeMs;
  } else if (after && joinsAfter) {
    after.first = sequence;
    after.firstMs = timeMs;
  } else {
    ranges.splice(at, 0, { first: sequence, last: sequence, firstMs: timeMs, lastMs: timeMs });
    if (ranges.length > maxRanges) forgetOldestHole(ranges);
  }
  return true;
}

export function holds(ranges: readonly Range[], sequence: number): boolean {
  const before = ranges[position(ranges, sequence) - 1];
  return before !== undefined && sequence <= before.last;
}

/** Index of the first range that begins after `sequence`. */
function position(ranges: readonly Range[], sequence: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as Range).first <= sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The hole becomes "arrived": a late filler of it would be taken for a duplicate, so only the very oldest goes. */
function forgetOldestHole(ranges: Range[]): void {
  const [oldest, next] = ranges.splice(0, 2) as [Range, Range];
  ranges.unshift({ first: oldest.first, last: next.last, firstMs: oldest.firstMs, lastMs: next.lastMs });
}

/**
 * What is missing between the ranges, in order, cut so that each piece is either explained by one loss record or by none.
 * Numbers before the first that arrived are not missing: they may have gone to another hub.
 */
export function findHoles(ranges: readonly Range[], explanations: readonly Explanation[]): readonly Hole[] {
  const sorted = explanations.toSorted((a, b) => a.first - b.first);
  const holes: Hole[] = [];
  for (let i = 1; i < ranges.length; i++) {
    const [before, after] = [ranges[i - 1] as Range, ranges[i] as Range];
    const [fromMs, toMs] = [before.lastMs, after.firstMs];
    let next = before.last + 1;
    for (const said of sorted) {
      if (said.last < next || said.first >= after.first) continue;
      if (said.first > next) holes.push({ first: next, last: said.first - 1, fromMs, toMs });
      const last = Math.min(said.last, after.first - 1);
      holes.push({
        first: Math.max(next, said.first),
        last,
        fromMs: said.fromMs,
        toMs: said.toMs,
        reason: said.reason,
        readings: said.readings,
      });
      next = last + 1;
    }
    if (next < after.first) holes.push({ first: next, last: after.first - 1, fromMs, toMs });
  }
  return holes;
}
