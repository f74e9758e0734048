import { createHash } from 'node:crypto';
import type { AuditEntry, AuditRecord } from './entry.ts';
import { redacted } from './redact.ts';

/** Before the first entry. */
export const genesis = '0'.repeat(64);

/** End of the chain: what the next entry is tied to. */
export interface Head {
  readonly sequence: number;
  readonly hash: string;
}

const mark = ',"hash":"';
const tail = /,"hash":"([0-9a-f]{64})"\}$/;

/** The entry and its line, without the line end. The hash covers the bytes of the line itself, so that not even a space can change. */
export function chained(record: AuditRecord, head: Head, timeMs: number): { readonly entry: AuditEntry; readonly line: string } {
  const { kind, action, who, from, target, old, new: now, outcome, reason, details } = redacted(record);
  const body = {
    sequence: head.sequence + 1,
    time: new Date(timeMs).toISOString(),
    kind,
    action,
    who,
    from,
    target,
    old,
    new: now,
    outcome,
    reason,
    details,
    previous: head.hash,
  };
  const text = JSON.stringify(body).slice(0, -1);
  const hash = hashOf(text);
  const line = `${text}${mark}${hash}"}`;
  return { entry: JSON.parse(line) as AuditEntry, line };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The hash that a line shows, right or wrong; undefined for a line that is no whole entry. */
export function shownHash(line: string): string | undefined {
  return tail.exec(line)?.[1];
}

/** What a line turned out to be. */
export type Read = { readonly entry: AuditEntry } | { readonly wrong: string };

export function readLine(line: string): Read {
  const hash = shownHash(line);
  if (hash === undefined) return { wrong: 'it is no entry' };
  if (hashOf(line.slice(0, -(mark.length + hash.length + 2))) !== hash) return { wrong: 'it was changed: its hash does not fit' };
  try {
    return { entry: JSON.parse(line) as AuditEntry };
  } catch {
    return { wrong: 'it is no JSON' };
  }
}
