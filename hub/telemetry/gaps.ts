import { openReader } from './reader.ts';
import { type Explanation, findHoles, type Hole, type Range } from './sequences.ts';

/** The account of one gateway's events: what arrived, what is missing, what it said it lost. */
export interface StreamAccount {
  readonly device: string;
  /** The gateway: `/candyco/leeds/gw-leeds-1`. */
  readonly source: string;
  /** One life of the gateway's outbox; empty when its event ids do not tell. */
  readonly epoch: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly events: number;
  /** Events that came more than once; stored once. */
  readonly duplicates: number;
  /** Sequence numbers that did not arrive, in order; those without a reason are unexplained. */
  readonly missing: readonly Hole[];
  /** Losses the gateway stated that have no sequence numbers: events that never got one. */
  readonly unnumbered: readonly Omit<Explanation, 'first' | 'last'>[];
}

export function readAccounts(folder: string): readonly StreamAccount[] {
  using reader = openReader(folder);
  const ranges = reader.db.prepare(
    'SELECT first, last, first_ms AS firstMs, last_ms AS lastMs FROM ranges WHERE stream = ? ORDER BY first',
  );
  const losses = reader.db.prepare(
    'SELECT first, last, from_ms AS fromMs, to_ms AS toMs, readings, reason FROM losses WHERE stream = ? ORDER BY id',
  );
  return reader.db
    .prepare('SELECT * FROM streams ORDER BY device, source, id')
    .all()
    .map((stream) => {
      const arrived = ranges.all(stream.id as number) as unknown as Range[];
      const stated = losses.all(stream.id as number) as unknown as (Explanation & { first: number | null; last: number | null })[];
      const numbered = stated.filter(({ first, last }) => first !== null && last !== null);
      return {
        device: stream.device as string,
        source: stream.source as string,
        epoch: stream.epoch as string,
        firstSequence: arrived[0]?.first ?? 0,
        lastSequence: arrived.at(-1)?.last ?? 0,
        events: arrived.reduce((sum, { first, last }) => sum + last - first + 1, 0),
        duplicates: stream.duplicates as number,
        missing: findHoles(arrived, numbered),
        unnumbered: stated
          .filter(({ first, last }) => first === null || last === null)
          .map(({ fromMs, toMs, readings, reason }) => ({ fromMs, toMs, readings, reason })),
      };
    });
}

export const unexplained = (account: StreamAccount): readonly Hole[] => account.missing.filter(({ reason }) => reason === undefined);
