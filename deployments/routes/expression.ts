/** Types as they are known before any message: what a body holds is only known then. */
export type Kind = 'string' | 'number' | 'bool' | 'null' | 'undefined' | 'any';

export type Reference =
  | { readonly from: 'property'; readonly name: string }
  | { readonly from: 'system'; readonly name: string; readonly only: boolean }
  | { readonly from: 'body'; readonly path: readonly (string | number)[]; readonly text: string };

export type UnaryOperator = '-' | 'NOT';
export type BinaryOperator = '*' | '/' | '%' | '+' | '-' | '||' | '<' | '<=' | '>' | '>=' | '=' | '!=' | 'AND' | 'OR' | '??';

/** A condition as it was read. */
export type Expression =
  | { readonly type: 'literal'; readonly value: string | number | boolean | null | undefined; readonly column: number }
  | { readonly type: 'reference'; readonly reference: Reference; readonly column: number }
  | { readonly type: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression; readonly column: number }
  | {
      readonly type: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly column: number;
    }
  | { readonly type: 'call'; readonly name: string; readonly operands: readonly Expression[]; readonly column: number };
