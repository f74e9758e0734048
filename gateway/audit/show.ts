import { readLine } from './chain.ts';
import type { AuditEntry, AuditKind } from './entry.ts';
import { linesOf, segmentsOf } from './segments.ts';

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
  for (const segment of await segmentsOf(folder)) {
    const { lines, torn } = await linesOf(segment);
    for (const line of [...lines, torn]) {
      const read = readLine(line);
      if ('entry' in read && fits(read.entry, filter)) yield read.entry;
    }
  }
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
