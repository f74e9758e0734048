import { QueryError } from './language.ts';

export type TokenKind = 'word' | 'name' | 'text' | 'number' | 'sign' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** A text without its quotes, a `[[name]]` without its brackets; else as written. */
  readonly text: string;
  /** First character is 1. */
  readonly position: number;
}

/** Longest query that IoT Hub takes, in characters. */
export const longestQuery = 8192;

const space = /\s+/y;
const word = /[A-Za-z_$][A-Za-z0-9_$]*/y;
const bracketed = /\[\[([^\]]+)\]\]/y;
const quoted = /'((?:[^']|'')*)'/y;
const number = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const sign = /<=|>=|!=|<>|[=<>()[\],.*+\-/%]/y;

/** The words and signs of a query, closed by one of kind `end`. Throws QueryError. */
export function tokensOf(text: string): readonly Token[] {
  if (text.length > longestQuery) {
    throw new QueryError(`a query has at most ${longestQuery} characters, this one has ${text.length}`, longestQuery + 1);
  }
  const tokens: Token[] = [];
  let at = 0;
  const take = (form: RegExp): RegExpExecArray | null => {
    form.lastIndex = at;
    return form.exec(text);
  };
  while (at < text.length) {
    const blank = take(space);
    if (blank) {
      at += blank[0].length;
      continue;
    }
    const position = at + 1;
    const found = read(take, position) ?? fail(text, at);
    tokens.push({ kind: found.kind, text: found.text, position });
    at += found.length;
  }
  tokens.push({ kind: 'end', text: '', position: text.length + 1 });
  return tokens;
}

function read(take: (form: RegExp) => RegExpExecArray | null, position: number) {
  const name = take(bracketed);
  if (name) return { kind: 'name', text: name[1] as string, length: name[0].length } as const;
  const text = take(quoted);
  if (text) return { kind: 'text', text: (text[1] as string).replaceAll("''", "'"), length: text[0].length } as const;
  const plain = take(word);
  if (plain) return { kind: 'word', text: plain[0], length: plain[0].length } as const;
  const digits = take(number);
  if (digits) {
    if (!Number.isFinite(Number(digits[0]))) throw new QueryError(`${digits[0]} is too large a number`, position);
    return { kind: 'number', text: digits[0], length: digits[0].length } as const;
  }
  const mark = take(sign);
  return mark && ({ kind: 'sign', text: mark[0], length: mark[0].length } as const);
}

function fail(text: string, at: number): never {
  const character = text[at];
  if (character === "'") throw new QueryError("this text has no closing quote; a quote inside is written twice: 'it''s'", at + 1);
  if (character === '"') throw new QueryError("texts stand in single quotes: 'leeds'", at + 1);
  throw new QueryError(`${JSON.stringify(character)} has no meaning here`, at + 1);
}
