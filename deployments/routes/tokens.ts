/** What is wrong with a route, at a column of its text that counts from 1. */
export class RouteError extends Error {
  readonly column: number;
  readonly hint: string | undefined;

  constructor(column: number, message: string, hint?: string) {
    super(message);
    this.column = column;
    this.hint = hint;
  }
}

export type Token =
  | { readonly kind: 'number'; readonly value: number; readonly column: number; readonly text: string }
  | { readonly kind: 'string'; readonly value: string; readonly column: number; readonly text: string }
  /** `name`, `$name`, `{$name}`, `$body.a[0]`; keywords are names, too. */
  | { readonly kind: 'name' | 'system' | 'only-system' | 'body'; readonly column: number; readonly text: string }
  | { readonly kind: 'sign'; readonly column: number; readonly text: string }
  | { readonly kind: 'end'; readonly column: number; readonly text: '' };

const space = /\s+/y;
const hex = /0[xX][0-9A-Fa-f]+/y;
const real = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const name = /[A-Za-z_][A-Za-z0-9_]*/y;
const body = /\$body(?![A-Za-z0-9_])(?:\.[A-Za-z_][A-Za-z0-9_-]*|\[\d+\])*/iy;
const system = /\$[A-Za-z_][A-Za-z0-9_]*/y;
const onlySystem = /\{\s*\$[A-Za-z_][A-Za-z0-9_]*\s*\}/y;
const sign = /<=|>=|!=|<>|\|\||\?\?|[-+*/%<>=(),]/y;

const escapes: Readonly<Record<string, string>> = { '"': '"', "'": "'", '\\': '\\', n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', '/': '/' };

/** The words of a condition, the end last. `offset` is where it begins in the text of the route. */
export function tokensOf(text: string, offset: number): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    at += take(space)?.length ?? 0;
    if (at >= text.length) break;
    const column = offset + at + 1;
    const token = wordAt(text, at, column, take);
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: 'end', column: offset + text.length + 1, text: '' });
  return tokens;
}

function wordAt(text: string, at: number, column: number, take: (pattern: RegExp) => string | undefined): Token {
  const first = text[at]!;
  if (first === '"' || first === "'") return quoted(text, at, column);
  const digits = take(hex) ?? take(real);
  if (digits !== undefined) return { kind: 'number', value: numberOf(digits, column), column, text: digits };
  const path = take(body);
  if (path !== undefined) return { kind: 'body', column, text: path };
  const own = take(system);
  if (own !== undefined) return { kind: 'system', column, text: own };
  const only = take(onlySystem);
  if (only !== undefined) return { kind: 'only-system', column, text: only };
  const word = take(name);
  if (word !== undefined) return { kind: 'name', column, text: word };
  const mark = take(sign);
  if (mark !== undefined) return { kind: 'sign', column, text: mark };
  const hint = { '&': 'write AND', '|': 'write OR', '!': 'write NOT, or != to compare' }[first];
  throw new RouteError(column, `"${first}" has no meaning here`, hint);
}

function numberOf(text: string, column: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && /^[0-9a-fx]+$/i.test(text))
    throw new RouteError(column, `${text} is beyond 2^53 and cannot be compared exactly`, 'send such numbers as texts and compare texts');
  return value;
}

function quoted(text: string, start: number, column: number): Token {
  const quote = text[start]!;
  let value = '';
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]!;
    if (character === quote) return { kind: 'string', value, column, text: text.slice(start, at + 1) };
    if (character !== '\\') {
      value += character;
      continue;
    }
    at++;
    const code = /^u([0-9A-Fa-f]{4})/.exec(text.slice(at, at + 5));
    const simple = escapes[text[at] ?? ''];
    if (code) {
      value += String.fromCharCode(Number.parseInt(code[1]!, 16));
      at += 4;
    } else if (simple !== undefined) value += simple;
    else throw new RouteError(column + at - start - 1, `\\${text[at] ?? ''} is no escape`, 'write \\\\ for a backslash');
  }
  throw new RouteError(column, 'this text has no end', `a ${quote} is missing`);
}
