/** What a part of an expression is. `texts` is a set of words, such as the flags of an alarm word; `unknown` is known to the machine alone. */
export type Kind = 'number' | 'truth' | 'text' | 'texts' | 'unknown';

/** What an expression may know of a point before a value came. */
export interface ExpressionPoint {
  readonly kind: Kind;
  /** All words that it can show (`enum`, named bits): comparing with any other is a mistake. */
  readonly words?: readonly string[];
}

/** For messages: `a number`. */
export const kindNouns: Readonly<Record<Kind, string>> = {
  number: 'a number',
  truth: 'true or false',
  text: 'a text',
  texts: 'a set of words',
  unknown: 'known to the machine alone',
};

/** Something wrong with an expression. `from` and `to` are the part at fault, counted from 0. */
export interface ExpressionProblem {
  readonly rule: 'expression-syntax' | 'expression-type' | 'expression-word' | 'expression-size' | 'unknown-point';
  readonly from: number;
  readonly to: number;
  readonly message: string;
  readonly hint?: string;
}
