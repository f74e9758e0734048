import type { BinaryOperator, Expression } from './expression.ts';
import { RouteError, type Token, tokensOf } from './tokens.ts';

/** Brackets and operators inside each other; a hostile route must not exhaust the stack. */
const mostDepth = 64;

/** Loosest first; all of a level bind alike, from the left. */
const levels: readonly (readonly string[])[] = [
  ['??'],
  ['OR'],
  ['AND'],
  ['=', '!=', '<>'],
  ['<', '<=', '>', '>='],
  ['+', '-', '||'],
  ['*', '/', '%'],
];

/** Reads a condition; `offset` is where it begins in the route. Throws a RouteError at the first thing that is wrong. */
export function parseCondition(text: string, offset: number): Expression {
  const reader = new Reader(tokensOf(text, offset));
  const expression = reader.binary(0, 0);
  reader.end();
  return expression;
}

class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #isNext(sign: string): boolean {
    const { kind, text } = this.#next;
    return kind === 'sign' && text === sign;
  }

  #take(): Token {
    return this.#tokens[this.#at++]!;
  }

  end(): void {
    const token = this.#next;
    if (token.kind === 'end') return;
    const hint = token.text === '==' || token.text === '=' ? 'equality is one =' : 'two conditions are joined by AND or OR';
    throw new RouteError(token.column, `"${token.text}" is too much here`, hint);
  }

  binary(level: number, depth: number): Expression {
    if (depth > mostDepth) throw new RouteError(this.#next.column, `more than ${mostDepth} levels inside each other`, 'split the route');
    if (level === levels.length) return this.#unary(depth);
    let left = this.binary(level + 1, depth);
    for (let chain = 0; ; chain++) {
      const operator = this.#operator(levels[level]!);
      if (operator === undefined) return left;
      // A long chain is as deep as a nest for whoever walks it.
      if (chain >= 256) throw new RouteError(this.#next.column, 'more than 256 operators in one row', 'split the route');
      const { column } = this.#take();
      const right = this.binary(level + 1, depth);
      left = { type: 'binary', operator, left, right, column };
    }
  }

  #operator(level: readonly string[]): BinaryOperator | undefined {
    const { kind, text } = this.#next;
    const word = kind === 'name' ? text.toUpperCase() : text;
    if ((kind !== 'sign' && kind !== 'name') || !level.includes(word)) return undefined;
    return (word === '<>' ? '!=' : word) as BinaryOperator;
  }

  #unary(depth: number): Expression {
    const token = this.#next;
    const isNot = token.kind === 'name' && token.text.toUpperCase() === 'NOT';
    if (!isNot && !(token.kind === 'sign' && token.text === '-')) return this.#primary(depth);
    this.#take();
    if (depth >= mostDepth) throw new RouteError(token.column, `more than ${mostDepth} levels inside each other`, 'split the route');
    return { type: 'unary', operator: isNot ? 'NOT' : '-', operand: this.#unary(depth + 1), column: token.column };
  }

  #primary(depth: number): Expression {
    const token = this.#take();
    const { column } = token;
    if (token.kind === 'number' || token.kind === 'string') return { type: 'literal', value: token.value, column };
    if (token.kind === 'body')
      return { type: 'reference', reference: { from: 'body', path: pathOf(token.text), text: token.text }, column };
    if (token.kind === 'system')
      return { type: 'reference', reference: { from: 'system', name: token.text.slice(1), only: false }, column };
    if (token.kind === 'only-system') {
      const name = token.text.replace(/[{}$\s]/g, '');
      return { type: 'reference', reference: { from: 'system', name, only: true }, column };
    }
    if (token.kind === 'name') return this.#named(token, depth);
    if (token.text === '(') {
      const inner = this.binary(0, depth + 1);
      this.#expect(')', column);
      return inner;
    }
    throw new RouteError(
      column,
      token.kind === 'end' ? 'the condition ends too early' : `"${token.text}" cannot stand here`,
      'a value is expected',
    );
  }

  #named({ text, column }: Token, depth: number): Expression {
    const constant = constants.get(text.toLowerCase());
    if (constant) return { type: 'literal', value: constant.value, column };
    if (!this.#isNext('(')) {
      if (/^(and|or|not)$/i.test(text)) throw new RouteError(column, `${text} stands between two conditions`, 'a value is expected');
      return { type: 'reference', reference: { from: 'property', name: text }, column };
    }
    this.#take();
    const operands: Expression[] = [];
    while (!this.#isNext(')')) {
      if (operands.length > 0) this.#expect(',', column);
      operands.push(this.binary(0, depth + 1));
    }
    this.#take();
    return { type: 'call', name: text.toLowerCase(), operands, column };
  }

  #expect(text: string, from: number): void {
    const token = this.#take();
    if (token.kind === 'sign' && token.text === text) return;
    const found = token.kind === 'end' ? 'the condition ends' : `"${token.text}" was found`;
    throw new RouteError(token.column, `${text} is expected, ${found}`, `for what begins in column ${from}`);
  }
}

const constants = new Map<string, { readonly value: boolean | null | undefined }>([
  ['true', { value: true }],
  ['false', { value: false }],
  ['null', { value: null }],
  ['undefined', { value: undefined }],
]);

/** `$body.a.b[0]` as steps. */
function pathOf(text: string): (string | number)[] {
  return [...text.matchAll(/\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+)\]/g)].map(([, key, index]) => key ?? Number(index));
}
