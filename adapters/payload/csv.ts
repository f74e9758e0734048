import { createRequire } from 'node:module';
import { decodeText } from './text.ts';
import { UndecodableError } from './undecodable.ts';

/** A CSV body: the columns by name where the first row names them, and the rows, oldest first as they stand. */
export interface CsvBody {
  readonly columns: ReadonlyMap<string, number> | undefined;
  readonly rows: readonly (readonly string[])[];
}

type Parse = (text: string, options: object) => string[][];
let parse: Parse | undefined;

/** Loaded when the first CSV body comes; checking a mapping without one needs none of it. */
function parser(): Parse {
  parse ??= (createRequire(import.meta.url)('csv-parse/sync') as { parse: Parse }).parse;
  return parse;
}

/** RFC 4180 with any separator; CRLF or LF; blank lines are left out, blanks around unquoted fields too. */
export function decodeCsv(bytes: Uint8Array, separator: string, header: boolean): CsvBody {
  const text = decodeText(bytes);
  let rows: string[][];
  try {
    rows = parser()(text, {
      delimiter: separator,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: separator.trim() !== '',
      max_record_size: text.length + 1,
    });
  } catch (error) {
    const { lines, bytes: offset } = error as { lines?: number; bytes?: number };
    const what = (error as Error).message.replace(/^[^:]*: /, '');
    throw new UndecodableError(
      `not CSV: ${what}${lines === undefined ? '' : ` (line ${lines})`}`,
      offset,
      'A quote within a quoted field is written twice',
    );
  }
  if (!header) return { columns: undefined, rows };
  const names = rows.shift();
  if (!names) throw new UndecodableError('not CSV: the body is empty, not even a header', 0);
  const columns = new Map<string, number>();
  for (const [i, name] of names.entries()) {
    if (columns.has(name) && name !== '') throw new UndecodableError(`not CSV: two columns are called "${name}"`, 0);
    columns.set(name, i);
  }
  return { columns, rows };
}
