/** What a query may ask of, and how many rows it may hold: `SELECT … FROM devices | devices.modules | devices.jobs`. */
export const collections = ['devices', 'devices.modules', 'devices.jobs'] as const;
export type Collection = (typeof collections)[number];

/** A document that is asked: a twin with its identity's fields, or a job of a device. */
export type Row = Readonly<Record<string, unknown>>;

/** The segments of `tags.site` or `configurations.[[press-line]].status`; the first in the spelling of the documents. */
export type Path = readonly string[];

export const comparisons = ['=', '!=', '<', '<=', '>', '>='] as const;
export type Comparison = (typeof comparisons)[number];

export const arithmetic = ['+', '-', '*', '/', '%'] as const;
export type Arithmetic = (typeof arithmetic)[number];

export const textTests = ['STARTS_WITH', 'ENDS_WITH', 'CONTAINS'] as const;
export type TextTest = (typeof textTests)[number];

export type Literal = string | number | boolean | null;

export type Expression =
  | { readonly kind: 'literal'; readonly value: Literal }
  | { readonly kind: 'path'; readonly path: Path }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'negative'; readonly operand: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'arithmetic'; readonly operator: Arithmetic; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'in'; readonly negated: boolean; readonly operand: Expression; readonly values: readonly Literal[] }
  | { readonly kind: 'defined'; readonly path: Path }
  | { readonly kind: 'text'; readonly test: TextTest; readonly operand: Expression; readonly part: Expression };

export const aggregates = ['COUNT', 'SUM', 'AVG', 'MIN', 'MAX'] as const;
export type Aggregate = (typeof aggregates)[number];

/** One column of the answer. `COUNT` has no path. */
export type Column =
  | { readonly kind: 'path'; readonly path: Path; readonly name: string }
  | { readonly kind: 'aggregate'; readonly aggregate: Aggregate; readonly path: Path | undefined; readonly name: string };

export interface Query {
  readonly columns: '*' | readonly Column[];
  /** Most rows of the whole answer, over all its pages. */
  readonly top: number | undefined;
  readonly from: Collection;
  readonly where: Expression | undefined;
  readonly groupBy: readonly Path[];
}

/** A query that cannot be understood: what was found, where, what could stand there. */
export class QueryError extends Error {
  /** First character is 1. */
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message} (character ${position})`);
    this.name = 'QueryError';
    this.position = position;
  }
}
