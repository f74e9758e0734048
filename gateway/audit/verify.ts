import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { genesis, type Head, readLine, shownHash } from './chain.ts';
import type { AuditEntry } from './entry.ts';
import { continuedAction, droppedAction, tornHash } from './notes.ts';
import { headFile, linesOf, segmentsOf } from './segments.ts';

export interface Verdict {
  readonly entries: number;
  /** Where the chain ends. */
  readonly head: Head;
  /** What is not as it was written, with its place; empty: every line is. */
  readonly problems: readonly string[];
  /** What is odd and has an innocent explanation. */
  readonly notes: readonly string[];
}

interface Gap {
  readonly first: number;
  readonly last: number;
  /** Its place among the problems. */
  readonly problem: number;
}

/**
 * Looks at every line of the log: changed, removed, reordered and inserted ones are named. Whoever can write the folder can of course write a whole
 * new chain; the hash of the head, kept elsewhere (it leaves with each exported entry), proves that this is the old one.
 */
export async function verify(folder: string): Promise<Verdict> {
  const problems: string[] = [];
  const gaps: Gap[] = [];
  const seen = new Set<number>();
  /** The first entry that is there, if it is not the very first. */
  let start: { readonly where: string; readonly before: number; readonly previous: string } | undefined;
  let startExplained = false;
  const notes: string[] = [];
  let head: Head = { sequence: 0, hash: genesis };
  let entries = 0;
  let unreadable: { readonly where: string; readonly line: string; readonly wrong: string } | undefined;
  const segments = await segmentsOf(folder);
  for (const [i, segment] of segments.entries()) {
    const file = basename(segment.file);
    if (segment.number !== i + (segments[0]?.number ?? 1)) problems.push(`${file}: the file before it is missing`);
    const { lines, torn } = await linesOf(segment);
    for (const [index, line] of lines.entries()) take(`${file}:${index + 1}`, line);
    if (torn === '') continue;
    const where = `${file}:${lines.length + 1}`;
    if (i < segments.length - 1) problems.push(`${where}: the line has no end, and is not the last of the log`);
    else if ('entry' in readLine(torn)) take(where, torn);
    else
      notes.push(
        `${where}: ${torn.length} characters of an entry that was being written when the gateway was stopped; it was never confirmed`,
      );
  }
  if (unreadable) problems.push(`${unreadable.where}: ${unreadable.wrong}`);
  if (start && startExplained)
    notes.push(`${start.where}: the log begins with entry ${start.before + 1}; older ones were dropped, as it notes itself`);
  else if (start) problems.unshift(`${start.where}: ${missing(1, start.before)} removed before it`);
  compareWithHead(await storedHead(folder));
  // What stands elsewhere was not removed; it is named where it stands.
  const moved = new Set(gaps.filter(({ first, last }) => last - first < entries && isThere(first, last)).map(({ problem }) => problem));
  return { entries, head, problems: problems.filter((_, i) => !moved.has(i)), notes };

  function take(where: string, line: string): void {
    const read = readLine(line);
    if ('wrong' in read) {
      if (unreadable) problems.push(`${unreadable.where}: ${unreadable.wrong}`);
      unreadable = { where, line, wrong: read.wrong };
      return;
    }
    const { entry } = read;
    entries++;
    seen.add(entry.sequence);
    if (unreadable && explains(entry, unreadable.line)) {
      notes.push(`${unreadable.where}: an entry that was cut off when the gateway was stopped, noted by the next one`);
      unreadable = undefined;
    }
    // A changed line keeps its place in the chain: the next one is tied to the hash that it shows.
    const shown = unreadable && shownHash(unreadable.line);
    const skipped = unreadable ? 1 : 0;
    if (unreadable) problems.push(`${unreadable.where}: ${unreadable.wrong}`);
    unreadable = undefined;
    if (entries === 1 && entry.sequence > 1 && skipped === 0) {
      start = { where, before: entry.sequence - 1, previous: entry.previous };
      head = { sequence: entry.sequence - 1, hash: entry.previous };
    }
    startExplained ||= start !== undefined && tellsOfDropping(entry, start);
    const expected = head.sequence + 1 + skipped;
    if (entry.sequence < expected)
      problems.push(`${where}: entry ${entry.sequence} stands after entry ${expected - 1}; lines were reordered or repeated`);
    else if (entry.sequence > expected)
      gaps.push({
        first: expected,
        last: entry.sequence - 1,
        problem: problems.push(`${where}: ${missing(expected, entry.sequence - 1)} removed before it`) - 1,
      });
    else if (entry.previous !== (shown ?? head.hash)) problems.push(`${where}: entry ${entry.sequence} is not tied to the one before it`);
    head = { sequence: Math.max(head.sequence, entry.sequence), hash: entry.hash };
  }

  function isThere(first: number, last: number): boolean {
    for (let sequence = first; sequence <= last; sequence++) if (!seen.has(sequence)) return false;
    return true;
  }

  function compareWithHead(stored: Head | undefined): void {
    if (!stored) {
      if (entries > 0) problems.push('head.json is missing');
      return;
    }
    // The head is written after the lines: it may lag behind them, never run ahead.
    if (stored.sequence > head.sequence)
      problems.push(`the end: ${missing(head.sequence + 1, stored.sequence)} removed, head.json knows of them`);
    else if (stored.sequence === head.sequence && stored.hash !== head.hash)
      problems.push('the end: the last entry is not the one that head.json knows');
  }
}

const missing = (first: number, last: number): string => (first === last ? `entry ${first} was` : `entries ${first} to ${last} were`);

/** The note that the log makes when it finds half an entry at its start. */
function explains({ kind, action, details }: AuditEntry, line: string): boolean {
  return shownHash(line) === undefined && kind === 'log' && action === continuedAction && details?.torn === tornHash(line);
}

function tellsOfDropping({ kind, action, details }: AuditEntry, start: { readonly before: number; readonly previous: string }): boolean {
  return kind === 'log' && action === droppedAction && details?.through === start.before && details.hash === start.previous;
}

export async function storedHead(folder: string): Promise<Head | undefined> {
  try {
    const { sequence, hash } = JSON.parse(await readFile(headFile(folder), 'utf8')) as Partial<Head>;
    return typeof sequence === 'number' && typeof hash === 'string' ? { sequence, hash } : undefined;
  } catch {
    return undefined;
  }
}
