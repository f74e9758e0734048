import { isAbsolute, relative } from 'node:path';
import type { Problem } from '../model/problem.ts';
import type { SampleResult } from './samples/run.ts';

/**
 * Problems for people, one a line in aligned columns:
 * `mappings/cooker-1.yaml:17:31  error  unknown-value   byteOrder: "CBAD" is not a byte order; did you mean CDAB?`
 */
export function formatProblems(problems: readonly Problem[], folder = process.cwd()): string {
  const rows = problems.map((problem) => [placeOf(problem, folder), problem.severity, problem.rule, textOf(problem)] as const);
  const width = (column: 0 | 1 | 2): number => Math.max(0, ...rows.map((row) => row[column].length));
  const [place, severity, rule] = [width(0), width(1), width(2)];
  return rows.map((row) => `${row[0].padEnd(place)}  ${row[1].padEnd(severity)}  ${row[2].padEnd(rule)}  ${row[3]}`).join('\n');
}

/** Message and hint in one sentence, or two where the hint begins one. */
export function textOf({ message, hint }: Pick<Problem, 'message' | 'hint'>): string {
  if (!hint) return message;
  return `${message}${/^\p{Lu}\p{Ll}+ /u.test(hint) ? '. ' : '; '}${hint}`;
}

function placeOf({ file, line, column }: Pick<Problem, 'file' | 'line' | 'column'>, folder: string): string {
  const near = relative(folder, file);
  return `${isAbsolute(file) && !near.startsWith('..') && near !== '' ? near : file}:${line}:${column}`;
}

/** Sample results for people: one line for each that passed, the whole way from raw to result for each that did not. */
export function formatSamples(results: readonly SampleResult[], folder = process.cwd()): string {
  return results
    .map((result) => {
      const head = `${result.passed ? 'ok    ' : 'FAILED'}  ${result.equipment}  ${result.sample}  ${result.point}`;
      if (result.passed) return `${head} = ${result.actual}`;
      return `${head}\n        at        ${placeOf(result, folder)}\n        expected  ${result.expected}\n        came out  ${result.actual}\n        because   ${result.trace}`;
    })
    .join('\n');
}
