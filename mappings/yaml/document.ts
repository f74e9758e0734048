import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseAllDocuments,
  type YAMLMap,
} from 'yaml';
import type { Problem } from '../../model/problem.ts';
import { readPlainYaml } from './plain.ts';
import { exactInteger } from './scalar.ts';
import { slipIn } from './slips.ts';

export type Path = readonly PropertyKey[];
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One YAML document as plain values, and where each of them stands. */
export interface YamlDocument {
  /** Maps as objects in written order, integers beyond 2^53 as bigint. */
  readonly value: unknown;
  /**
   * The place of the value at `path`, or of its key. Where the path leads nowhere, the place of the nearest ancestor,
   * so that a missing key is reported at what it is missing from. `inside` is how many characters within a text are meant.
   */
  at(path: Path, which?: 'key' | 'value', inside?: number): Place;
}

export interface YamlOptions {
  /** Keys whose plain scalars are text as written: `at: 000101` and `unit: 1` are not numbers. */
  readonly textKeys?: ReadonlySet<string>;
  /** Rule of a key written twice under the named key, where it is not `duplicate-key`. */
  readonly duplicateRules?: Readonly<Record<string, string>>;
}

export interface YamlResult {
  readonly documents: readonly YamlDocument[];
  readonly problems: readonly Problem[];
}

/** Values that aliases may unfold to; a file of ten lines can ask for billions. */
const mostUnfolded = 100_000;
/** Characters that the library may be given: it takes some 300 bytes of memory for each, and a gateway must not die of a file. */
const largestUnusual = 3_000_000;
/** Syntax errors shown; the first is the cause, the rest usually follow from it. */
const mostSyntaxProblems = 5;

/** Reads all documents of a text. With syntax errors there are problems and no documents. Empty documents have value null. */
export function parseYaml(file: string, text: string, options: YamlOptions = {}): YamlResult {
  const plain = readPlainYaml(text, options.textKeys ?? new Set());
  if (typeof plain === 'number') return text.length > largestUnusual ? tooLarge(file, text, plain) : parseAnyYaml(file, text, options);
  const place = placesIn(text);
  const at: YamlDocument['at'] = (path, which = 'value', inside = 0) => place(within(text, plain.offset(path, which), inside));
  return { documents: [{ value: plain.value, at }], problems: [] };
}

/** Where the `inside`th character of the scalar at `offset` stands; its beginning where that cannot be told (block text, escapes, several lines). */
function within(text: string, offset: number, inside: number): number {
  const quote = text[offset];
  if (inside === 0 || quote === '|' || quote === '>') return offset;
  let at = quote === '"' || quote === "'" ? offset + 1 : offset;
  for (let left = inside; left > 0; left--) {
    if (text[at] === '\n' || text[at] === undefined || (quote === '"' && text[at] === '\\')) return offset;
    at += quote === "'" && text.startsWith("''", at) ? 2 : 1;
  }
  return at;
}

function tooLarge(file: string, text: string, offset: number): YamlResult {
  const message = `a file of ${(text.length / 1e6).toFixed(0)} MB is read as plain YAML only, and this line is not`;
  const hint = 'correct or simplify this line (no block text, anchors or escapes), or split the file: a folder of mappings is loaded whole';
  return { documents: [], problems: [{ file, ...placesIn(text)(offset), severity: 'error', rule: 'file-too-large', message, hint }] };
}

/** Offsets to lines and columns. (The library's own counter misses line ends within what it could not read.) */
function placesIn(text: string): (offset: number) => Place {
  let starts: number[] | undefined;
  return (offset) => {
    if (!starts) {
      starts = [0];
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
    }
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: Math.min(offset, text.length) - (starts[low] as number) + 1 };
  };
}

/** The same by the library alone. */
export function parseAnyYaml(file: string, text: string, options: YamlOptions = {}): YamlResult {
  const problems: Problem[] = [];
  const place = placesIn(text);
  let parsed: Document.Parsed[];
  try {
    // Duplicate keys are our own check: the library's compares each key with each other.
    const result = parseAllDocuments(text, { uniqueKeys: false, prettyErrors: false, version: '1.2' });
    parsed = Array.isArray(result) ? result : [];
  } catch (error) {
    // The library recurses; nothing that a person wrote nests thousands deep.
    if (!(error instanceof RangeError)) throw error;
    const message = 'this is nested too deeply to be a mapping';
    return { documents: [], problems: [{ file, line: 1, column: 1, severity: 'error', rule: 'yaml-syntax', message }] };
  }
  const slips = slipsIn(file, text, parsed, place);
  if (slips.length > 0) return { documents: [], problems: slips };
  for (const { errors } of parsed) {
    const exhausted = errors.filter(({ code }) => code === 'RESOURCE_EXHAUSTION').slice(0, 1);
    for (const error of (exhausted.length > 0 ? exhausted : errors).slice(0, Math.max(0, mostSyntaxProblems - problems.length))) {
      problems.push({ file, ...place(error.pos[0]), severity: 'error', rule: 'yaml-syntax', ...explained(error.code, error.message) });
    }
  }
  if (problems.length > 0) return { documents: [], problems };
  const documents = parsed.map((document): YamlDocument => {
    const reader = new Reader(options, (offset, rule, message, hint) =>
      problems.push({ file, ...place(offset), severity: 'error', rule, message, ...(hint && { hint }) }),
    );
    const value = reader.value(document.contents);
    return { value, at: (path, which, inside = 0) => place(within(text, offsetOf(document, path, which ?? 'value'), inside)) };
  });
  return { documents, problems };
}

/** Slips of the pen on the lines that have errors, one a line. The other errors follow from them. */
function slipsIn(file: string, text: string, parsed: readonly Document.Parsed[], place: (offset: number) => Place): Problem[] {
  const slips = new Map<number, Problem>();
  for (const { pos, code } of parsed.flatMap(({ errors }) => errors.slice(0, 100))) {
    if (slips.size >= mostSyntaxProblems) break;
    const here = text.lastIndexOf('\n', pos[0] - 1) + 1;
    // What is never closed is noticed on the next line.
    const begins = code === 'BAD_INDENT' && here > 0 ? [here, text.lastIndexOf('\n', here - 2) + 1] : [here];
    for (const begin of begins) {
      const end = text.indexOf('\n', begin);
      const slip = slipIn(text.slice(begin, end < 0 ? text.length : end));
      const { line } = place(begin);
      if (!slip || slips.has(line)) continue;
      const { column, ...words } = slip;
      slips.set(line, { file, line, column: column + 1, severity: 'error', rule: 'yaml-syntax', ...words });
    }
  }
  return [...slips.values()];
}

type Found = (offset: number, rule: string, message: string, hint?: string) => void;

/** From nodes to plain values. Reports what YAML allows and a mapping must not have. */
class Reader {
  readonly #options: YamlOptions;
  readonly #found: Found;
  readonly #anchors = new Map<string, Node>();
  readonly #sizes = new Map<Node, number>();
  readonly #open = new Set<Node>();
  #count = 0;
  #unfolded = 0;

  constructor(options: YamlOptions, found: Found) {
    this.#options = options;
    this.#found = found;
  }

  /** `under` is the key whose value this is. */
  value(node: unknown, under?: string): unknown {
    this.#count++;
    if (isScalar(node)) {
      if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
      const { value, source } = node;
      return typeof value === 'number' && source ? exactInteger(source, value) : value;
    }
    if (isMap(node)) return this.#measured(node, () => this.#map(node.items, under));
    if (isSeq(node)) return this.#measured(node, () => node.items.map((item) => this.value(item)));
    if (isAlias(node)) return this.#alias(node);
    return null;
  }

  #measured<T>(node: Node, read: () => T): T {
    if (node.anchor === undefined) return read();
    this.#anchors.set(node.anchor, node);
    const before = this.#count;
    this.#open.add(node);
    const value = read();
    this.#open.delete(node);
    this.#sizes.set(node, this.#count - before);
    return value;
  }

  #map(items: readonly Pair[], under: string | undefined): object {
    const result: Record<string, unknown> = {};
    const seen = new Set<string>();
    for (const pair of items) {
      if (!isPair(pair)) continue;
      const key = isScalar(pair.key) ? pair.key : undefined;
      const offset = (pair.key as Node | null)?.range?.[0] ?? 0;
      if (key === undefined || key.value === null) {
        this.#found(offset, 'yaml-key', 'a key must be a word or a number', 'put quotes around a key that holds brackets or braces');
        continue;
      }
      const name = String(key.value);
      if (seen.has(name)) {
        const rule = (under === undefined ? undefined : this.#options.duplicateRules?.[under]) ?? 'duplicate-key';
        this.#found(offset, rule, `${name} is written twice here; only one of them could count`, 'remove or rename one');
        continue;
      }
      seen.add(name);
      if (name === '__proto__') {
        this.#found(offset, 'bad-name', '"__proto__" is not a name that can be used');
        continue;
      }
      const { value } = pair;
      const asWritten = isScalar(value) && typeof value.value !== 'string' && value.value !== null && this.#options.textKeys?.has(name);
      result[name] = asWritten && value.source !== undefined ? value.source : this.value(value, name);
    }
    return result;
  }

  #alias(alias: Alias): unknown {
    const node = this.#anchors.get(alias.source);
    const offset = alias.range?.[0] ?? 0;
    if (!node || this.#open.has(node)) {
      this.#found(offset, 'yaml-alias', `*${alias.source} ${node ? 'contains itself' : 'names no anchor'}`);
      return null;
    }
    const size = this.#sizes.get(node) ?? 1;
    this.#count += size;
    this.#unfolded += size;
    if (this.#unfolded > mostUnfolded) {
      if (this.#unfolded - size <= mostUnfolded) {
        this.#found(offset, 'yaml-alias', `the aliases of this file unfold to more than ${mostUnfolded} values`, 'write the values out');
      }
      return null;
    }
    return this.value(node);
  }
}

const pairs = new WeakMap<YAMLMap, Map<string, Pair>>();

function pairOf(map: YAMLMap, key: string): Pair | undefined {
  let known = pairs.get(map);
  if (!known) {
    known = new Map();
    // The first of two equal keys is the one whose value counts; the second is a problem of its own.
    for (const pair of map.items) if (isScalar(pair.key) && !known.has(String(pair.key.value))) known.set(String(pair.key.value), pair);
    pairs.set(map, known);
  }
  return known.get(key);
}

/** Offset of the value or key at `path`; of its nearest ancestor that exists otherwise. */
function offsetOf(document: Document.Parsed, path: Path, which: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? document.range[0];
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
      continue;
    }
    if (!isMap(node)) return offset;
    const pair = pairOf(node, String(step));
    if (!pair) return offset;
    const keyOffset = (pair.key as Node).range?.[0] ?? offset;
    const value = pair.value as Node | null;
    const isEmpty = value?.range == null || (isScalar(value) && value.source === '' && value.range[0] === value.range[1]);
    offset = (which === 'key' && depth === path.length - 1) || isEmpty ? keyOffset : (value?.range?.[0] ?? keyOffset);
    node = value;
  }
  return offset;
}

/** The library's messages in an engineer's words, where ours are clearer. */
function explained(code: string, message: string): { message: string; hint?: string } {
  const text = message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? message;
  switch (code) {
    case 'RESOURCE_EXHAUSTION':
      return { message: 'this is nested too deeply to be a mapping' };
    case 'UNEXPECTED_TOKEN': {
      const found = /: ("(?:[^"\\]|\\.)*")$/.exec(text)?.[1];
      const shown = found && found.length > 30 ? `${found.slice(0, 27)}…"` : found;
      return {
        message: shown ? `${shown} does not belong here` : text,
        hint: 'something before it is not closed, or a colon or comma is missing',
      };
    }
    case 'TAB_AS_INDENT':
      return { message: 'a tab indents this line', hint: 'YAML indents with spaces; set your editor to insert spaces' };
    case 'BAD_INDENT':
      if (text.startsWith('Flow'))
        return { message: 'a { or [ that was opened above is not closed', hint: 'close it, with } or ], on its own line' };
      return { message: text, hint: 'keys of one level stand in one column' };
    case 'BAD_DQ_ESCAPE':
      return { message: text, hint: 'in double quotes a backslash is written twice; in single quotes it is itself' };
    case 'MISSING_CHAR':
      return { message: text, hint: 'a bracket, brace or quote is not closed, or a comma is missing' };
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      return { message: text, hint: 'put quotes around text that holds ": "' };
    default:
      return { message: text };
  }
}
