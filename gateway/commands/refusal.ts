import { formatProblems } from '../../mappings/report.ts';
import type { Diagnostics } from '../configuration/diagnostics.ts';

/** What a method that said no says: its sentence, its hint, and the problems of a mapping. */
export function sayRefusal(payload: unknown): void {
  const { message, hint, details } = payload as { message?: string; hint?: string; details?: Diagnostics };
  process.stderr.write(`${message ?? JSON.stringify(payload)}\n${hint === undefined ? '' : `  ${hint}\n`}`);
  if (!details?.problems) return;
  process.stderr.write(`${formatProblems(details.problems)}\n${details.more ? `and ${details.more} more\n` : ''}`);
}
