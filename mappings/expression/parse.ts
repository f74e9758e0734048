import { createRequire } from 'node:module';
import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import type { ExpressionProblem } from './kinds.ts';
import { namePrefix, translate } from './tokens.ts';

/** A parsed expression, in our own words; `from` and `to` are its place in the written text. */
export type Node = { readonly from: number; readonly to: number } & (
  | { readonly is: 'literal'; readonly value: number | boolean | string }
  | { readonly is: 'point'; readonly name: string }
  | { readonly is: 'call'; readonly name: string; readonly given: readonly Node[] }
  | { readonly is: 'operator'; readonly operator: string; readonly operands: readonly Node[] }
  | { readonly is: 'list'; readonly elements: readonly Node[] }
);

/** Longer than any condition that a person could still check. */
export const longestText = 1_000;
const limits = { maxAstNodes: 200, maxDepth: 24, maxListElements: 64, maxMapEntries: 0, maxCallArguments: 16 };

interface Parser {
  parse(text: string): { readonly ast: ASTNode };
}
let parser: Parser | undefined;

/** The library is needed only where a mapping has an expression; loading it takes as long as checking a thousand points. */
function celParser(): Parser {
  if (!parser) {
    const { Environment: Cel } = createRequire(import.meta.url)('@marcbachmann/cel-js') as { Environment: typeof Environment };
    parser = new Cel({ unlistedVariablesAreDyn: true, limits });
  }
  return parser;
}

/** Raised within this file, and turned into the answer of `parse`. */
class Refusal extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** Reads the grammar of CEL, and of it only what a condition needs. */
export function parse(written: string): Node | ExpressionProblem {
  const end = written.length;
  if (end > longestText)
    return { rule: 'expression-size', from: longestText, to: end, message: `it has ${end} characters, at most ${longestText} are read` };
  const translated = translate(written);
  const place = (from: number, to: number) => ({
    from: translated.place(from),
    to: Math.max(translated.place(to), translated.place(from)),
  });
  try {
    return nodeOf(celParser().parse(translated.text).ast, place);
  } catch (error) {
    if (error instanceof Refusal) return error.problem;
    const { code, summary, range } = error as { code?: string; summary?: string; range?: { start: number; end: number } };
    if (code === undefined || range === undefined) throw error;
    return { ...place(range.start, range.end), ...explained(code, summary ?? '', written, translated.place(range.start)) };
  }
}

export function isProblem(parsed: Node | ExpressionProblem): parsed is ExpressionProblem {
  return 'rule' in parsed;
}

function explained(code: string, summary: string, written: string, at: number): Pick<ExpressionProblem, 'rule' | 'message' | 'hint'> {
  const rest = written.slice(at).trim();
  const where = rest === '' ? 'at its end' : `at: ${rest.length > 24 ? `${rest.slice(0, 24)}…` : rest}`;
  const syntax = (message: string, hint?: string) => ({ rule: 'expression-syntax' as const, message, ...(hint && { hint }) });
  if (code === 'limit_exceeded')
    return {
      rule: 'expression-size',
      message: `it is too long or nested too deeply (${summary})`,
      hint: 'split it, or leave brackets out',
    };
  if (/^=(?!=)/.test(rest)) return syntax(`one = sets nothing here, ${where}`, 'write == to compare');
  if (/^<>/.test(rest) || /<$/.test(written.slice(0, at).trim())) return syntax(`it cannot be read ${where}`, 'write != for "is not"');
  if (/^&|^\|/.test(rest)) return syntax(`it cannot be read ${where}`, 'write and, or');
  if (code === 'unterminated_string' || code === 'newline_in_string')
    return syntax(`a text is not closed ${where}`, 'add the missing quote');
  if (rest === '') return syntax('it is incomplete, something is missing at its end', 'write it to the end, or close the bracket');
  return syntax(`it cannot be read ${where}`, 'write comparisons joined by and, or: temperature > 130 and state == "running"');
}

type PlaceOf = (from: number, to: number) => { readonly from: number; readonly to: number };

const operators = new Set(['&&', '||', '!_', '-_', '==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%', '?:', 'in']);

function nodeOf(ast: ASTNode, placeOf: PlaceOf): Node {
  const place = placeOf(ast.start, ast.end);
  const refuse = (message: string, hint?: string): never => {
    throw new Refusal({ rule: 'expression-syntax', ...place, message, ...(hint && { hint }) });
  };
  const args = ast.args as unknown;
  const operands = (): Node[] => (Array.isArray(args) ? args : [args]).map((one) => nodeOf(one as ASTNode, placeOf));
  const op: string = ast.op;
  if (op === 'value') return { ...place, is: 'literal', value: literal(args, refuse) };
  if (op === 'id') return { ...place, is: 'point', name: String(args).slice(namePrefix.length) };
  if (op === 'list') return { ...place, is: 'list', elements: operands() };
  if (op === 'call') {
    const [name, given] = args as [string, ASTNode[]];
    return { ...place, is: 'call', name: name.slice(namePrefix.length), given: given.map((one) => nodeOf(one, placeOf)) };
  }
  if (operators.has(op)) return { ...place, is: 'operator', operator: op, operands: operands() };
  if (op === '.' || op === 'rcall') return refuse('a point has no parts and no methods', 'write the name of the point alone');
  if (op === '[]') return refuse('elements of a list cannot be picked here', 'give the element a point of its own');
  return refuse('this is not part of the language');
}

function literal(value: unknown, refuse: (message: string, hint?: string) => never): number | boolean | string {
  if (typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return value;
  if (typeof value !== 'bigint') return refuse('a literal is a number, a text in quotes, true or false');
  const number = Number(value);
  if (!Number.isSafeInteger(number)) return refuse(`${value} has more digits than a number carries exactly`, 'at most 9007199254740991');
  return number;
}
