import { isAbsolute, relative } from 'node:path';
import type { Problem } from '../../model/problem.ts';

/** Problems as they stand in the twin and in answers to methods: bounded, most serious first. */
export interface Diagnostics {
  readonly errors: number;
  readonly warnings: number;
  readonly problems: readonly Problem[];
  /** How many more there are. */
  readonly more?: number;
}

/** A string of a twin has at most 4096 bytes, all of it 32 KB; the whole must leave room for others. */
const [mostProblems, mostChars] = [15, 200];

export function diagnosticsOf(problems: readonly Problem[], base: string): Diagnostics {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const warnings = problems.filter(({ severity }) => severity !== 'error');
  const shown = [...errors, ...warnings].slice(0, mostProblems);
  const more = problems.length - shown.length;
  return {
    errors: errors.length,
    warnings: warnings.length,
    problems: shown.map(({ file, line, column, severity, rule, message, hint }) => ({
      file: cut(isAbsolute(file) ? relative(base, file) : file),
      line,
      column,
      severity,
      rule,
      message: cut(message),
      ...(hint !== undefined && { hint: cut(hint) }),
    })),
    ...(more > 0 && { more }),
  };
}

function cut(text: string): string {
  return text.length <= mostChars ? text : `${text.slice(0, mostChars - 1)}…`;
}
