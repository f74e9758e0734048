import type { Path } from './document.ts';
import { exactInteger, resolvePlain } from './scalar.ts';

/** Where a key and its value begin in the text; equal where there is no value. */
type Mark = readonly [key: number, value: number];

export interface PlainDocument {
  readonly value: unknown;
  /** Offset of the value or key at `path`, of its nearest ancestor where the path leads nowhere. */
  offset(path: Path, which: 'key' | 'value'): number;
}

/** Thrown inside, caught inside: this text is not plain enough. */
const unusual = new Error('unusual YAML');

/**
 * Reads the plain YAML in which mappings are written: block maps and lists, flow maps and lists within one line, scalars of one line.
 * It is some twenty times faster than the library and leaves no garbage, which a folder of ten thousand points needs.
 * It accepts only what it surely reads as the library does; for everything else, mistakes included, it gives the offset of the line
 * at which it gave up, and the library takes over. A test holds the two against each other.
 */
export function readPlainYaml(text: string, textKeys: ReadonlySet<string>): PlainDocument | number {
  const reader = new PlainReader(text, textKeys, undefined);
  try {
    const value = reader.document();
    let marks: WeakMap<object, Map<string, Mark>> | undefined;
    let marked: unknown;
    return {
      value,
      offset(path, which) {
        // Places are needed only when something is wrong: a second reading notes them.
        if (!marks) {
          marks = new WeakMap();
          marked = new PlainReader(text, textKeys, marks).document();
        }
        return offsetIn(marked, marks, path, which, reader.start);
      },
    };
  } catch (error) {
    if (error === unusual || error instanceof RangeError) return reader.at;
    throw error;
  }
}

function offsetIn(root: unknown, marks: WeakMap<object, Map<string, Mark>>, path: Path, which: 'key' | 'value', start: number): number {
  let offset = start;
  let value = root;
  for (const [depth, step] of path.entries()) {
    if (typeof value !== 'object' || value === null) return offset;
    const mark = marks.get(value)?.get(String(step));
    if (!mark) return offset;
    offset = which === 'key' && depth === path.length - 1 ? mark[0] : mark[1];
    value = (value as Record<string, unknown>)[String(step)];
  }
  return offset;
}

const space = 32;
const [quote, hash, apostrophe, comma, dash, colon] = [34, 35, 39, 44, 45, 58];
const [openList, closeList, openMap, closeMap] = [91, 93, 123, 125];

class PlainReader {
  readonly #text: string;
  readonly #textKeys: ReadonlySet<string>;
  readonly #marks: WeakMap<object, Map<string, Mark>> | undefined;
  /** Where the first key begins. */
  start = 0;
  /** The line at hand: where its content begins, how far it is indented, where it ends. */
  #at = 0;
  #indent = -1;
  #end = 0;
  #next = 0;
  #depth = 0;

  constructor(text: string, textKeys: ReadonlySet<string>, marks: WeakMap<object, Map<string, Mark>> | undefined) {
    this.#text = text;
    this.#textKeys = textKeys;
    this.#marks = marks;
  }

  /** Where the content of the line at hand begins. */
  get at(): number {
    return this.#at;
  }

  document(): unknown {
    if (/[\t\ufeff]|\r(?!\n)|^[%.]/m.test(this.#text)) throw unusual;
    this.#advance();
    if (this.#indent === 0 && this.#content() === '---') this.#advance();
    if (this.#indent < 0) throw unusual;
    this.start = this.#at;
    const value = this.#block();
    // A line that no open map or list takes, for its indentation, is still there.
    if (this.#indent >= 0) throw unusual;
    return value;
  }

  #content(): string {
    return this.#text.slice(this.#at, this.#end);
  }

  /** To the next line that has content; indent −1 at the end. */
  #advance(): void {
    const text = this.#text;
    while (this.#next < text.length) {
      const start = this.#next;
      const newline = text.indexOf('\n', start);
      let end = newline < 0 ? text.length : newline;
      this.#next = end + 1;
      if (end > start && text.charCodeAt(end - 1) === 13) end--;
      let at = start;
      while (at < end && text.charCodeAt(at) === space) at++;
      if (at === end || text.charCodeAt(at) === hash) continue;
      if (at === start && start > 0 && text.startsWith('---', at) && this.#indent >= 0) throw unusual;
      while (text.charCodeAt(end - 1) === space) end--;
      this.#at = at;
      this.#end = end;
      this.#indent = at - start;
      return;
    }
    this.#indent = -1;
  }

  #isItem(): boolean {
    return this.#text.charCodeAt(this.#at) === dash && (this.#at + 1 === this.#end || this.#text.charCodeAt(this.#at + 1) === space);
  }

  #block(): unknown {
    if (++this.#depth > 64) throw unusual;
    const value = this.#isItem() ? this.#list(this.#indent) : this.#map(this.#indent);
    this.#depth--;
    return value;
  }

  #map(indent: number): object {
    const result: Record<string, unknown> = {};
    const marks = this.#newMarks(result);
    while (this.#indent === indent && !this.#isItem()) {
      const keyAt = this.#at;
      const [key, afterKey] = this.#key(keyAt, this.#end, false);
      if (Object.hasOwn(result, key) || key === '__proto__') throw unusual;
      const at = this.#skip(afterKey, this.#end);
      if (at === this.#end || (this.#text.charCodeAt(at) === hash && at > afterKey)) {
        this.#advance();
        const nested = this.#indent > indent || (this.#indent === indent && this.#isItem());
        marks?.set(key, [keyAt, nested ? this.#at : keyAt]);
        result[key] = nested ? (this.#indent > indent ? this.#block() : this.#list(indent)) : null;
      } else {
        marks?.set(key, [keyAt, at]);
        result[key] = this.#inline(at, key);
        this.#advance();
      }
    }
    return result;
  }

  #list(indent: number): unknown[] {
    const result: unknown[] = [];
    const marks = this.#newMarks(result);
    while (this.#indent === indent && this.#isItem()) {
      const at = this.#skip(this.#at + 1, this.#end);
      // An item on lines of its own is rare enough for the library.
      if (at === this.#end || this.#text.charCodeAt(at) === hash) throw unusual;
      marks?.set(String(result.length), [at, at]);
      if (this.#beginsMap(at)) {
        this.#indent += at - this.#at;
        this.#at = at;
        result.push(this.#block());
      } else {
        result.push(this.#inline(at, undefined));
        this.#advance();
      }
    }
    return result;
  }

  /** `- key: value` begins a map on the item's own line; flow collections and lists in lists do not. */
  #beginsMap(at: number): boolean {
    const first = this.#text.charCodeAt(at);
    if (first === openMap || first === openList) return false;
    return /:(?: |$)/.test(this.#text.slice(at, this.#end));
  }

  /** A value that begins and ends on this line, and nothing but a comment after it. */
  #inline(at: number, key: string | undefined): unknown {
    const first = this.#text.charCodeAt(at);
    if (first !== openMap && first !== openList && first !== quote && first !== apostrophe) {
      const rest = this.#text.slice(at, this.#end);
      const comment = rest.indexOf(' #');
      const source = comment < 0 ? rest : rest.slice(0, comment).replace(/ +$/, '');
      if (!plainStart.test(source) || source.includes(': ') || source.endsWith(':')) throw unusual;
      return this.#scalar(source, key);
    }
    const [value, after] = this.#flow(at, this.#end, key);
    const rest = this.#skip(after, this.#end);
    if (rest < this.#end && !(this.#text.charCodeAt(rest) === hash && rest > after)) throw unusual;
    return value;
  }

  /** A value in flow style, and where it ends. */
  #flow(at: number, end: number, key: string | undefined): [unknown, number] {
    const first = this.#text.charCodeAt(at);
    if (first === openMap) return this.#flowMap(at + 1, end);
    if (first === openList) return this.#flowList(at + 1, end);
    if (first === quote || first === apostrophe) return this.#quoted(at, end);
    const after = this.#plainEnd(at, end);
    const source = this.#trimmed(at, after);
    if (!plainStart.test(source)) throw unusual;
    return [this.#scalar(source, key), after];
  }

  #flowMap(start: number, end: number): [object, number] {
    if (++this.#depth > 64) throw unusual;
    const result: Record<string, unknown> = {};
    const marks = this.#newMarks(result);
    let at = this.#skip(start, end);
    while (this.#text.charCodeAt(at) !== closeMap || at >= end) {
      const [key, afterKey] = this.#key(at, end, true);
      if (Object.hasOwn(result, key) || key === '__proto__') throw unusual;
      const valueAt = this.#skip(afterKey, end);
      const [value, after] = this.#flow(valueAt, end, key);
      result[key] = value;
      marks?.set(key, [at, valueAt]);
      at = this.#separator(after, end, closeMap);
    }
    this.#depth--;
    return [result, at + 1];
  }

  #flowList(start: number, end: number): [unknown[], number] {
    if (++this.#depth > 64) throw unusual;
    const result: unknown[] = [];
    const marks = this.#newMarks(result);
    let at = this.#skip(start, end);
    while (this.#text.charCodeAt(at) !== closeList || at >= end) {
      const [value, after] = this.#flow(at, end, undefined);
      marks?.set(String(result.length), [at, at]);
      result.push(value);
      at = this.#separator(after, end, closeList);
    }
    this.#depth--;
    return [result, at + 1];
  }

  /** Past the comma to what follows it, or to the bracket that closes. */
  #separator(after: number, end: number, close: number): number {
    const at = this.#skip(after, end);
    if (at >= end) throw unusual;
    const found = this.#text.charCodeAt(at);
    if (found === close) return at;
    if (found !== comma) throw unusual;
    const next = this.#skip(at + 1, end);
    // A comma before the bracket is legal and rare.
    if (next >= end || this.#text.charCodeAt(next) === close) throw unusual;
    return next;
  }

  /** The key at `at`, and where what follows its colon begins. The colon stands right behind it. */
  #key(at: number, end: number, flow: boolean): [string, number] {
    const first = this.#text.charCodeAt(at);
    let key: string;
    let after: number;
    if (first === quote || first === apostrophe) [key, after] = this.#quoted(at, end);
    else {
      after = flow ? this.#plainEnd(at, end) : this.#blockKeyEnd(at, end);
      const source = this.#text.slice(at, after);
      if (!plainStart.test(source) || source.endsWith(' ')) throw unusual;
      const value = resolvePlain(source);
      if (value === null) throw unusual;
      key = String(typeof value === 'number' ? exactInteger(source, value) : value);
    }
    if (this.#text.charCodeAt(after) !== colon || after >= end) throw unusual;
    const next = after + 1;
    if (next < end && this.#text.charCodeAt(next) !== space) throw unusual;
    return [key, next];
  }

  #blockKeyEnd(at: number, end: number): number {
    for (let i = at; i < end; i++) {
      const code = this.#text.charCodeAt(i);
      if (code === hash && this.#text.charCodeAt(i - 1) === space) throw unusual;
      if (code === colon && (i + 1 === end || this.#text.charCodeAt(i + 1) === space)) return i;
    }
    throw unusual;
  }

  /** A plain scalar in flow style ends at a comma, a bracket, or a colon that a space follows. */
  #plainEnd(at: number, end: number): number {
    for (let i = at; i < end; i++) {
      const code = this.#text.charCodeAt(i);
      if (code === comma || code === closeMap || code === closeList) return i;
      if (code === openMap || code === openList || code === hash) throw unusual;
      if (code === colon) {
        const next = i + 1 < end ? this.#text.charCodeAt(i + 1) : space;
        if (next === space) return i;
        if (next === comma || next === closeMap || next === closeList || next === openMap || next === openList) throw unusual;
      }
    }
    throw unusual;
  }

  /** Quoted text without escapes. */
  #quoted(at: number, end: number): [string, number] {
    const mark = this.#text.charCodeAt(at);
    let close = at + 1;
    while (close < end && this.#text.charCodeAt(close) !== mark) close++;
    if (close >= end || this.#text.charCodeAt(close + 1) === mark) throw unusual;
    const inner = this.#text.slice(at + 1, close);
    if (inner.includes('\\')) throw unusual;
    return [inner, close + 1];
  }

  #scalar(source: string, key: string | undefined): unknown {
    const value = resolvePlain(source);
    if (typeof value === 'string' || value === null) return value;
    if (key !== undefined && this.#textKeys.has(key)) return source;
    return typeof value === 'number' ? exactInteger(source, value) : value;
  }

  #trimmed(from: number, to: number): string {
    let end = to;
    while (end > from && this.#text.charCodeAt(end - 1) === space) end--;
    return this.#text.slice(from, end);
  }

  #skip(from: number, end: number): number {
    let at = from;
    while (at < end && this.#text.charCodeAt(at) === space) at++;
    return at;
  }

  #newMarks(container: object): Map<string, Mark> | undefined {
    if (!this.#marks) return undefined;
    const marks = new Map<string, Mark>();
    this.#marks.set(container, marks);
    return marks;
  }
}

/** Scalars that begin with a letter, digit, `_`, `/`, or a sign or dot with one of them behind it. */
const plainStart = /^(?:[\p{L}\p{N}_/]|[-+.][\p{L}\p{N}_])/u;
