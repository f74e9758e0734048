import type { GapBook } from './gaps.ts';
import type { Account, Ledger, Way } from './ledger.ts';
import type { LogBatch, LostPart } from './messages.ts';
import { type Extent, namesOf, readingsIn, type Share, sharesOf } from './track.ts';

interface Times {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Every loss inside the log goes through here: it is counted for whoever had not got it, and told in a gap record that says who that is. */
export class Losses {
  readonly #ledger: Ledger;
  readonly #gaps: GapBook;

  constructor(ledger: Ledger, gaps: GapBook) {
    this.#ledger = ledger;
    this.#gaps = gaps;
  }

  /** The oldest part of the log went, and the gap records in it: what they told goes into younger ones. */
  dropped(segment: Account, cause: string): void {
    this.#tellAgain(segment, segment);
    this.#tell(segment, cause, ({ losers }) => {
      // Not before what was acknowledged of it.
      const seenMs = Math.min(...losers.map(({ track }) => track.seenMs));
      return { fromMs: Math.min(Math.max(segment.fromMs, seenMs), segment.toMs), toMs: segment.toMs };
    });
    this.#ledger.drop(segment, cause);
  }

  /** Found by the reader of one destination, lost for all that have not passed it. Told once, also over restarts. */
  unreadable(part: LostPart): void {
    const { firstSequence, lastSequence, reason } = part;
    const segment = this.#ledger.segmentOf(lastSequence);
    const known = this.#ledger.ways.every(({ track }) => track.open(part).length === 0);
    if (!known && this.#gaps.tellOnce(firstSequence, lastSequence)) {
      if (segment) this.#tellAgain(segment, part);
      const times = Number.isNaN(part.fromMs) && segment ? segment : part;
      this.#tell(part, reason, () => times);
    }
    this.#ledger.drop(part, 'corrupt');
  }

  /**
   * One destination will never take it. Gap records in it that concern it wait for the next real loss, and then name it alone and say
   * `again`: the others have them. `most`: so many of its readings at most, the rest has arrived.
   */
  rejected(way: Way, batch: LogBatch, reason: string, most = Number.POSITIVE_INFINITY): void {
    const { fromMs, toMs, firstSequence, lastSequence, events } = batch;
    const readings = Math.min(most, readingsIn(way.track.open(batch)));
    // Which ones within the batch makes no difference to the accounts.
    const readingsBefore = Math.max(batch.readingsBefore, batch.readingsThrough - most);
    this.#ledger.drop({ ...batch, readingsBefore }, 'rejected', [way]);
    // Small blocks leave joined, also over the end of a segment.
    const gaps = this.#ledger.segments.flatMap((segment) => gapsIn(segment, batch));
    const named = this.#ledger.ways.length === 1 ? undefined : { destination: way.name };
    const loss = { fromMs, toMs, readings, firstSequence, lastSequence, ...named };
    for (const { gap } of gaps)
      if ((gap.destination ?? way.name) === way.name) this.#gaps.park({ ...gap, ...(named && { ...named, again: true }) });
    // The hub's own words name the message, and differ each time; records of the same kind become one.
    if (gaps.length === events || most === 0) this.#gaps.park({ ...loss, reason: 'rejected: records of losses' });
    else this.#gaps.note({ ...loss, reason: `rejected: ${reason}` });
  }

  #tellAgain(segment: Account, part: Extent): void {
    const { head } = this.#ledger;
    for (const { sequence, gap } of gapsIn(segment, part)) if (sequence > head) this.#gaps.note(gap);
  }

  #tell(part: Extent, reason: string, timesOf: (share: Share<Way>) => Times): void {
    const { ways } = this.#ledger;
    for (const share of sharesOf(part, ways)) {
      if (this.#ledger.eventsIn(share) <= 0) continue;
      const { firstSequence, lastSequence } = share;
      const { fromMs, toMs } = timesOf(share);
      const loss = { fromMs, toMs, readings: readingsIn([share]), reason, firstSequence, lastSequence };
      for (const destination of namesOf(share, ways)) this.#gaps.note(destination === undefined ? loss : { ...loss, destination });
    }
  }
}

function gapsIn(segment: Account, { firstSequence, lastSequence }: Extent): Account['gaps'] {
  return segment.gaps.filter(({ sequence }) => sequence >= firstSequence && sequence <= lastSequence);
}
