import type { Tree } from './contract.ts';
import { exactNumber } from './numbers.ts';
import { UndecodableError } from './undecodable.ts';

/** Deeper than this is no message of a machine but an attack on the parser. */
export const maxDepth = 64;

/**
 * JSON (RFC 8259) with exact numbers, and with a reason and a place for what is wrong with it. Slower than JSON.parse, which is why it
 * reads only the texts that need it. Beyond the standard it takes NaN, Infinity and -Infinity, as Python writes them; a key that
 * comes twice in one object is refused, because readers differ in which one they mean.
 * `mark`: bytes before the text, which offsets count.
 */
export function parseExactJson(text: string, mark = 0): Tree {
  const parser = new Parser(text, mark);
  return parser.document();
}

const literals: readonly (readonly [string, Tree])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
];

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  readonly #mark: number;

  constructor(text: string, mark: number) {
    this.#text = text;
    this.#mark = mark;
  }

  document(): Tree {
    this.#blank();
    if (this.#at === this.#text.length) throw this.#wrong('the body is empty');
    const value = this.#value();
    this.#blank();
    if (this.#at < this.#text.length) throw this.#wrong(`${this.#here()} after the end of the JSON value`);
    return value;
  }

  #value(): Tree {
    const c = this.#text[this.#at];
    if (c === '{') return this.#nested(() => this.#object());
    if (c === '[') return this.#nested(() => this.#array());
    if (c === '"') return this.#string();
    for (const [word, value] of literals) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #nested(read: () => Tree): Tree {
    if (++this.#depth > maxDepth) throw this.#wrong(`more than ${maxDepth} levels of nesting`);
    this.#at++;
    const value = read();
    this.#depth--;
    return value;
  }

  #object(): Tree {
    const members = new Map<string, Tree>();
    this.#blank();
    if (this.#take('}')) return members;
    for (;;) {
      this.#blank();
      const keyAt = this.#at;
      if (this.#text[keyAt] !== '"') throw this.#wrong(`${this.#here()} where a key in double quotes is expected`);
      const key = this.#string();
      if (members.has(key)) throw this.#wrong(`the key "${shorten(key)}" comes twice in one object`, keyAt);
      this.#blank();
      if (!this.#take(':')) throw this.#wrong(`${this.#here()} where a colon is expected`);
      this.#blank();
      members.set(key, this.#value());
      this.#blank();
      if (this.#take('}')) return members;
      if (!this.#take(',')) throw this.#wrong(`${this.#here()} where a comma or } is expected`);
    }
  }

  #array(): Tree {
    const elements: Tree[] = [];
    this.#blank();
    if (this.#take(']')) return elements;
    for (;;) {
      this.#blank();
      elements.push(this.#value());
      this.#blank();
      if (this.#take(']')) return elements;
      if (!this.#take(',')) throw this.#wrong(`${this.#here()} where a comma or ] is expected`);
    }
  }

  #string(): string {
    const text = this.#text;
    let from = ++this.#at;
    let built = '';
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code === 0x22) {
        built += text.slice(from, this.#at++);
        return built;
      }
      if (Number.isNaN(code)) throw this.#wrong('the body ends within a text');
      if (code < 0x20) throw this.#wrong('a control character within a text');
      if (code !== 0x5c) {
        this.#at++;
        continue;
      }
      built += text.slice(from, this.#at) + this.#escape();
      from = this.#at;
    }
  }

  #escape(): string {
    const c = this.#text[this.#at + 1] ?? '';
    const simple = escapes[c];
    if (simple !== undefined) {
      this.#at += 2;
      return simple;
    }
    const hex = c === 'u' ? /^[0-9a-fA-F]{4}/.exec(this.#text.slice(this.#at + 2, this.#at + 6))?.[0] : undefined;
    if (hex === undefined) throw this.#wrong('a backslash that begins no escape');
    this.#at += 6;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }

  #number(): Tree {
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const source = pattern.exec(this.#text)?.[0];
    if (source === undefined) throw this.#wrong(`${this.#here()} where a value is expected`);
    // BigInt and toPrecision are quadratic in the digits; no machine counts that far.
    if (source.length > 1100) throw this.#wrong(`a number of ${source.length} characters`);
    this.#at += source.length;
    return exactNumber(source);
  }

  #blank(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.#at++;
    }
  }

  #take(c: string): boolean {
    if (this.#text[this.#at] !== c) return false;
    this.#at++;
    return true;
  }

  #here(): string {
    const c = this.#text[this.#at];
    return c === undefined ? 'the body ends' : `"${c}"`;
  }

  /** The offset is told in bytes, as tools that show the body count. */
  #wrong(what: string, at = this.#at): UndecodableError {
    return new UndecodableError(`not JSON: ${what}`, this.#mark + Buffer.byteLength(this.#text.slice(0, at)));
  }
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
