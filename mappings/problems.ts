import type { Problem } from '../model/problem.ts';
import type { Finding } from './language.ts';
import type { Path, YamlDocument } from './yaml/document.ts';

/** Collects what is wrong with one piece of equipment, each with its place in the file. */
export class ProblemList {
  readonly #file: string;
  readonly #document: YamlDocument;
  readonly #seen = new Set<string>();
  readonly all: Problem[] = [];

  constructor(file: string, document: YamlDocument) {
    this.#file = file;
    this.#document = document;
  }

  get refused(): boolean {
    return this.all.some(({ severity }) => severity === 'error');
  }

  /** One mistake in `defaults` touches every point; it is told once. */
  add(path: Path, which: 'key' | 'value', { severity = 'error', inside, ...finding }: Finding): void {
    const place = this.#document.at(path, which, inside);
    const key = `${place.line}:${place.column} ${finding.rule}`;
    if (this.#seen.has(key) && path[0] === 'defaults') return;
    this.#seen.add(key);
    this.all.push({ file: this.#file, ...place, severity, ...finding });
  }

  take(problems: readonly Problem[]): void {
    this.all.push(...problems);
  }
}

export function sorted(problems: readonly Problem[]): Problem[] {
  return problems.toSorted(
    (a, b) =>
      (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) ||
      a.line - b.line ||
      a.column - b.column ||
      (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0),
  );
}
