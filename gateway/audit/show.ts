import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { readLine } from './chain.ts';
import type { AuditEntry, AuditKind } from './entry.ts';
import { linesOf, type Segment, segmentsOf } from './segments.ts';

/** What must hold for an entry to be shown; texts are found anywhere, in any case. */
export interface AuditFilter {
  readonly kind?: readonly AuditKind[];
  readonly who?: string;
  readonly target?: string;
  readonly outcome?: string;
  /** Epoch milliseconds, inclusive. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Entries above this number. */
  readonly after?: number;
}

/** The entries that fit, in order. Lines that are not sound are left out; `verify` names them. */
export async function* entriesOf(folder: string, filter: AuditFilter = {}): AsyncGenerator<AuditEntry> {
  const segments = await segmentsOf(folder);
  for (const [i, segment] of segments.entries()) {
    const next = segments[i + 1];
    if (filter.after !== undefined && next && (await beginsAt(next)) <= filter.after + 1) continue;
    const { lines, torn } = await linesOf(segment);
    for (const line of [...lines, torn]) {
      const read = readLine(line);
      if ('entry' in read && fits(read.entry, filter)) yield read.entry;
    }
  }
}

/** Number of the first entry of a file; one that cannot be told is not skipped to. */
async function beginsAt({ file }: Segment): Promise<number> {
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const read = readLine(line);
    return 'entry' in read ? read.entry.sequence : Number.POSITIVE_INFINITY;
  }
  return Number.POSITIVE_INFINITY;
}

function fits(entry: AuditEntry, { kind, who, target, outcome, sinceMs, untilMs, after }: AuditFilter): boolean {
  const has = (text: string, part: string | undefined): boolean => part === undefined || text.toLowerCase().includes(part.toLowerCase());
  const timeMs = Date.parse(entry.time);
  return (
    (kind === undefined || kind.includes(entry.kind)) &&
    has(entry.who, who) &&
    has(entry.target, target) &&
    (outcome === undefined || entry.outcome === outcome) &&
    (sinceMs === undefined || timeMs >= sinceMs) &&
    (untilMs === undefined || timeMs <= untilMs) &&
    (after === undefined || entry.sequence > after)
  );
}
