import { type Path, type Place, parseYaml, type YamlDocument } from '../../mappings/yaml/document.ts';
import type { Problem } from '../../model/problem.ts';

export type Group = Readonly<Record<string, unknown>>;

/** One document of a file, and a place in it; what is found there is said with line and column. */
export class Spot {
  readonly #file: string;
  readonly #document: YamlDocument;
  readonly #problems: Problem[];
  readonly path: Path;
  readonly value: unknown;

  constructor(file: string, document: YamlDocument, problems: Problem[], path: Path, value: unknown) {
    this.#file = file;
    this.#document = document;
    this.#problems = problems;
    this.path = path;
    this.value = value;
  }

  /** As a group of keys; nothing there is an empty one. */
  get group(): Group {
    return isGroup(this.value) ? this.value : {};
  }

  at(...steps: readonly (string | number)[]): Spot {
    let value = this.value;
    for (const step of steps)
      value = isGroup(value) || Array.isArray(value) ? (value as Record<string | number, unknown>)[step] : undefined;
    return new Spot(this.#file, this.#document, this.#problems, [...this.path, ...steps], value);
  }

  /** The entries of a list; none where nothing stands. */
  each(...steps: readonly string[]): Spot[] {
    const list = this.at(...steps);
    return Array.isArray(list.value) ? list.value.map((_, index) => list.at(index)) : [];
  }

  /** The text here; anything else but nothing is an error. */
  text(): string | undefined {
    if (this.value === undefined || this.value === null) return undefined;
    if (typeof this.value === 'string') return this.value;
    if (typeof this.value === 'number' || typeof this.value === 'boolean') return String(this.value);
    this.error('wrong-type', `${String(this.path.at(-1))}: a text is expected`);
    return undefined;
  }

  /** The JSON object that a text here holds. */
  json(): Group | undefined {
    const text = this.text();
    if (text === undefined || text.trim() === '') return undefined;
    try {
      const value: unknown = JSON.parse(text);
      if (isGroup(value)) return value;
      this.error('json-syntax', `${String(this.path.at(-1))}: the text of a JSON object is expected`);
    } catch (error) {
      this.error(
        'json-syntax',
        `${String(this.path.at(-1))}: this is not JSON: ${(error as Error).message}`,
        'put the JSON in single quotes',
      );
    }
    return undefined;
  }

  /** Keys that are not among these are said to do nothing. */
  only(known: readonly string[]): void {
    for (const key of Object.keys(this.group))
      if (!known.includes(key))
        this.at(key).warn('not-carried', `${key} has no meaning for a gateway and is not carried over`, undefined, 'key');
  }

  place(which?: 'key' | 'value'): Place {
    return this.#document.at(this.path, which);
  }

  error(rule: string, message: string, hint?: string, which?: 'key' | 'value'): void {
    this.#problems.push({ file: this.#file, ...this.place(which), severity: 'error', rule, message, ...(hint !== undefined && { hint }) });
  }

  warn(rule: string, message: string, hint?: string, which?: 'key' | 'value'): void {
    this.#problems.push({ file: this.#file, ...this.place(which), severity: 'warn', rule, message, ...(hint !== undefined && { hint }) });
  }
}

export const isGroup = (value: unknown): value is Group => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The documents of one file, by kind and name. */
export interface Documents {
  readonly workloads: readonly Spot[];
  readonly configMaps: ReadonlyMap<string, Spot>;
  readonly secrets: ReadonlyMap<string, Spot>;
}

export function readDocuments(file: string, text: string, problems: Problem[]): Documents {
  const parsed = parseYaml(file, text);
  problems.push(...parsed.problems);
  const [workloads, configMaps, secrets] = [[] as Spot[], new Map<string, Spot>(), new Map<string, Spot>()];
  for (const document of parsed.documents) {
    if (document.value === null || document.value === undefined) continue;
    const spot = new Spot(file, document, problems, [], document.value);
    const { kind } = spot.group;
    const name = String(spot.at('metadata', 'name').value ?? '');
    if (kind === 'Deployment' || kind === 'Pod') workloads.push(spot);
    else if (kind === 'ConfigMap') configMaps.set(name, spot);
    else if (kind === 'Secret') secrets.set(name, spot);
    else if (typeof kind === 'string') spot.warn('not-carried', `a ${kind} has no meaning for a gateway and is not carried over`);
    else spot.error('no-kind', 'kind is missing', 'Deployment, Pod, ConfigMap and Secret are understood');
  }
  return { workloads, configMaps, secrets };
}
