import { createHash } from 'node:crypto';
import { answer } from './answer.ts';
import type { Query, Row } from './language.ts';

export interface Page {
  readonly rows: readonly Row[];
  /** What to come back with for the next page; undefined when this is the last one. */
  readonly continuation: string | undefined;
}

/** A continuation that is none, or one of another query. */
export class ContinuationError extends Error {}

/**
 * One page of an answer. `rows` gives the documents after a key (`undefined`: all) in ascending order of `keyOf`, so that what is
 * created or deleted between two pages neither repeats nor hides the others; groups are counted anew for each page.
 */
export function readPage(
  query: Query,
  source: { readonly after: (key: string | undefined) => Iterable<Row>; readonly keyOf: (row: Row) => string; readonly grouped: boolean },
  page: { readonly text: string; readonly size: number; readonly continuation?: string | undefined },
): Page {
  const from = page.continuation === undefined ? { given: 0 } : readContinuation(page.continuation, page.text);
  const wanted = Math.min(page.size, (query.top ?? Number.POSITIVE_INFINITY) - from.given);
  const rows: Row[] = [];
  let last: string | undefined;
  let more = false;
  const noted = function* (): Generator<Row> {
    for (const row of source.after(source.grouped ? undefined : from.key)) {
      if (rows.length < wanted) last = source.keyOf(row);
      yield row;
    }
  };
  let skip = source.grouped ? from.given : 0;
  for (const row of answer({ ...query, top: undefined }, noted())) {
    if (skip-- > 0) continue;
    more = rows.length >= wanted;
    if (more) break;
    rows.push(row);
  }
  const given = from.given + rows.length;
  if (!more || given >= (query.top ?? Number.POSITIVE_INFINITY)) return { rows, continuation: undefined };
  return { rows, continuation: writeContinuation({ given, key: last }, page.text) };
}

interface Place {
  /** Rows of the pages before. */
  readonly given: number;
  /** Key of the last document of the page before. */
  readonly key?: string | undefined;
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 12);

const writeContinuation = (place: Place, text: string): string =>
  Buffer.from(JSON.stringify({ ...place, query: digestOf(text) })).toString('base64');

function readContinuation(continuation: string, text: string): Place {
  let found: { given?: unknown; key?: unknown; query?: unknown } | null;
  try {
    found = JSON.parse(Buffer.from(continuation, 'base64').toString('utf8'));
  } catch {
    found = null;
  }
  const { given, key, query } = found ?? {};
  if (typeof given !== 'number' || !Number.isSafeInteger(given) || given < 0 || (key !== undefined && typeof key !== 'string')) {
    throw new ContinuationError('the continuation token was not made by this hub; start the query again without it');
  }
  if (query !== digestOf(text)) throw new ContinuationError('the continuation token belongs to another query');
  return { given, key };
}
