import type { z } from 'zod';
import type { Problem } from '../../model/problem.ts';
import { type Path, type Place, parseYaml, type YamlDocument, type YamlOptions } from './document.ts';
import { findingsOf } from './issues.ts';

export interface CheckedYaml<T> {
  /** Undefined when there are errors. */
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
  /** Where a value or key stands, for checks that follow. */
  at(path: Path, which?: 'key' | 'value'): Place;
}

/** Reads one YAML document and holds it against a schema. All problems at once, each with its place. */
export function checkYaml<T>(file: string, text: string, schema: z.ZodType<T>, options?: YamlOptions): CheckedYaml<T> {
  const { documents, problems } = parseYaml(file, text, options);
  const [document, second] = documents;
  const start = { line: 1, column: 1 };
  const refused = (...more: Problem[]): CheckedYaml<T> => ({
    value: undefined,
    problems: [...problems, ...more],
    at: (path, which) => document?.at(path, which) ?? start,
  });
  if (problems.length > 0) return refused();
  if (!document || document.value === null) {
    return refused({ file, ...start, severity: 'error', rule: 'empty-file', message: 'the file is empty' });
  }
  if (second) {
    return refused({
      file,
      ...second.at([]),
      severity: 'error',
      rule: 'one-document',
      message: 'the file holds more than one YAML document',
    });
  }
  const result = schema.safeParse(document.value);
  if (!result.success) return refused(...schemaProblems(file, document, document.value, result.error.issues, schema, []));
  return { value: result.data, problems, at: document.at };
}

/** Zod's issues as problems; `base` is the path of the value that was checked, within the document. */
export function schemaProblems(
  file: string,
  document: YamlDocument,
  value: unknown,
  issues: readonly z.core.$ZodIssue[],
  schema: z.ZodType,
  base: Path,
): Problem[] {
  return findingsOf(issues, value, schema, base).map(({ path, which, ...finding }) => ({
    file,
    ...document.at([...base, ...path], which),
    severity: 'error' as const,
    ...finding,
  }));
}
