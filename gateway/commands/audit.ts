import { join, resolve } from 'node:path';
import { parseDuration } from '../../mappings/duration.ts';
import { type AuditEntry, type AuditKind, auditKinds } from '../audit/entry.ts';
import { type AuditFilter, entriesOf } from '../audit/show.ts';
import { verify } from '../audit/verify.ts';
import { table } from './table.ts';

interface AuditOptions {
  readonly data: string;
  readonly json?: boolean;
}

export interface AuditShowOptions extends AuditOptions {
  readonly kind?: readonly string[];
  readonly who?: string;
  readonly target?: string;
  readonly outcome?: string;
  /** A time (2026-11-24T08:00Z) or an age (2h). */
  readonly since?: string;
  readonly until?: string;
  /** Only so many of the latest. */
  readonly last?: string;
}

export const auditFolder = (data: string): string => join(resolve(data), 'audit');

/** `dragoman audit verify`: 0 when every line is as it was written. */
export async function auditVerify({ data, json }: AuditOptions): Promise<number> {
  const folder = auditFolder(data);
  const verdict = await verify(folder);
  const sound = verdict.problems.length === 0;
  if (json) process.stdout.write(`${JSON.stringify({ folder, ...verdict }, undefined, 2)}\n`);
  else {
    for (const note of verdict.notes) process.stdout.write(`note   ${note}\n`);
    for (const problem of verdict.problems) process.stdout.write(`error  ${problem}\n`);
    const { entries, head, problems } = verdict;
    if (entries === 0 && sound) process.stdout.write(`${folder}: no entries yet\n`);
    else if (sound)
      process.stdout.write(
        `${folder}: ${count(entries, 'entry', 'entries')}, all as they were written; head ${head.sequence} ${head.hash}\n`,
      );
    else process.stdout.write(`${folder}: ${count(entries, 'entry', 'entries')}, ${count(problems.length, 'problem', 'problems')}\n`);
  }
  return sound ? 0 : 1;
}

const count = (n: number, one: string, more: string): string => `${n} ${n === 1 ? one : more}`;

/** `dragoman audit show`: 2 when a filter cannot be understood. */
export async function auditShow(options: AuditShowOptions): Promise<number> {
  const filter = filterOf(options);
  if (typeof filter === 'string') {
    process.stderr.write(`${filter}\n`);
    return 2;
  }
  const last = options.last === undefined ? Number.POSITIVE_INFINITY : Number(options.last);
  const kept: AuditEntry[] = [];
  for await (const entry of entriesOf(auditFolder(options.data), filter)) {
    kept.push(entry);
    if (kept.length > last) kept.shift();
  }
  if (options.json) process.stdout.write(`[${kept.map((entry) => JSON.stringify(entry)).join(',\n')}]\n`);
  else if (kept.length === 0) process.stdout.write('nothing was found\n');
  else process.stdout.write(`${table(['', 'time', 'who', 'from', 'what', 'on', 'old', 'new', 'outcome', ''], kept.map(rowOf))}\n`);
  return 0;
}

function filterOf({ kind, who, target, outcome, since, until, last }: AuditShowOptions): AuditFilter | string {
  const unknown = kind?.find((one) => !(auditKinds as readonly string[]).includes(one));
  if (unknown !== undefined) return `--kind: ${unknown} is none of ${auditKinds.join(', ')}`;
  if (last !== undefined && !(Number(last) >= 1)) return `--last: "${last}" is not a number`;
  const [sinceMs, untilMs] = [since, until].map((text) => (text === undefined ? undefined : timeOf(text)));
  if (Number.isNaN(sinceMs)) return `--since: "${since}" is neither a time (2026-11-24T08:00Z) nor an age (2h)`;
  if (Number.isNaN(untilMs)) return `--until: "${until}" is neither a time (2026-11-24T08:00Z) nor an age (2h)`;
  return {
    ...(kind && { kind: kind as readonly AuditKind[] }),
    ...(who !== undefined && { who }),
    ...(target !== undefined && { target }),
    ...(outcome !== undefined && { outcome }),
    ...(sinceMs !== undefined && { sinceMs }),
    ...(untilMs !== undefined && { untilMs }),
  };
}

function timeOf(text: string): number {
  const age = parseDuration(text);
  return age === undefined ? Date.parse(text) : Date.now() - age;
}

function rowOf({ sequence, time, who, from, kind, action, target, old, new: now, outcome, reason }: AuditEntry): string[] {
  const text = (value: unknown): string => {
    const shown = value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
    return shown.length > 40 ? `${shown.slice(0, 39)}…` : shown;
  };
  return [
    String(sequence),
    time,
    who,
    from,
    action === kind ? kind : `${kind}: ${action}`,
    target,
    text(old),
    text(now),
    outcome,
    reason ?? '',
  ];
}
