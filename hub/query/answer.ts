import { compileCondition, pathReader } from './condition.ts';
import type { Aggregate, Column, Query, Row } from './language.ts';

/**
 * The answer to a query over `rows`, in their order, one by one: who stops asking stops the search. Groups come in the order of
 * their first row, and only after all rows have been seen.
 */
export function* answer(query: Query, rows: Iterable<Row>): Generator<Row> {
  const matches = query.where && compileCondition(query.where);
  const { columns, top = Number.POSITIVE_INFINITY } = query;
  const matching = function* (): Generator<Row> {
    for (const row of rows) if (!matches || matches(row)) yield row;
  };
  let left = top;
  for (const row of shaped(query, columns, matching())) {
    yield row;
    if (--left <= 0) return;
  }
}

/** What an answer is made of decides how it is read: whole twins keep their type, everything else is raw. */
export const isAggregated = ({ columns, groupBy }: Query): boolean =>
  groupBy.length > 0 || (columns !== '*' && columns.some(({ kind }) => kind === 'aggregate'));

function shaped(query: Query, columns: Query['columns'], rows: Iterable<Row>): Iterable<Row> {
  if (columns === '*') return rows;
  return isAggregated(query) ? grouped(query, columns, rows) : projected(columns, rows);
}

function* projected(columns: readonly Column[], rows: Iterable<Row>): Generator<Row> {
  const readers = columns.map(({ name, path }) => ({ name, read: pathReader(path ?? []) }));
  for (const row of rows) yield record(readers.map(({ name, read }) => [name, read(row)]));
}

function* grouped({ groupBy }: Query, columns: readonly Column[], rows: Iterable<Row>): Generator<Row> {
  const keys = groupBy.map(pathReader);
  const groups = new Map<string, { readonly sample: Row; readonly tallies: readonly Tally[] }>();
  const fresh = (sample: Row) => ({ sample, tallies: columns.map(tallyOf) });
  for (const row of rows) {
    // A property that is not there is a group of its own, and no text of JSON.
    const key = keys.map((read) => JSON.stringify(read(row)) ?? '-').join('\n');
    let group = groups.get(key);
    if (!group) {
      group = fresh(row);
      groups.set(key, group);
    }
    for (const tally of group.tallies) tally.add(row);
  }
  // Without GROUP BY there is one answer, also about nothing.
  if (groups.size === 0 && keys.length === 0) groups.set('', fresh({}));
  for (const { sample, tallies } of groups.values()) {
    const cells = columns.map(({ kind, name, path }, index): [string, unknown] =>
      kind === 'path' ? [name, pathReader(path)(sample)] : [name, tallies[index]?.result()],
    );
    yield record(cells);
  }
}

interface Tally {
  add(row: Row): void;
  /** Undefined when there was no number to take it of. */
  result(): number | undefined;
}

function tallyOf(column: Column): Tally {
  if (column.kind === 'path') return { add() {}, result: () => undefined };
  const read = pathReader(column.path ?? []);
  let [count, sum, least, most] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const results: Readonly<Record<Aggregate, () => number | undefined>> = {
    COUNT: () => count,
    SUM: () => (count > 0 ? sum : undefined),
    AVG: () => (count > 0 ? sum / count : undefined),
    MIN: () => (count > 0 ? least : undefined),
    MAX: () => (count > 0 ? most : undefined),
  };
  return {
    add(row) {
      if (column.aggregate === 'COUNT') {
        count++;
        return;
      }
      const value = read(row);
      if (typeof value !== 'number') return;
      count++;
      sum += value;
      least = Math.min(least, value);
      most = Math.max(most, value);
    },
    result: results[column.aggregate],
  };
}

/** What is not there has no key; `__proto__` is a name like any other. */
const record = (cells: readonly (readonly [string, unknown])[]): Row =>
  Object.fromEntries(cells.filter(([, value]) => value !== undefined));
