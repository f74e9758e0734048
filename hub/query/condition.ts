import type { Arithmetic, Comparison, Expression, Literal, Path, Row, TextTest } from './language.ts';

export type Predicate = (row: Row) => boolean;

type Value = (row: Row) => unknown;

/**
 * A condition as a function, built once and asked of many rows.
 *
 * A comparison is true or false, never unknown: with a value that is not there, between values of two types, or with an object it is
 * false, `!=` and `NIN` too; NOT turns it around. Arithmetic that makes no number gives a value that is not there.
 */
export function compileCondition(expression: Expression): Predicate {
  switch (expression.kind) {
    case 'and': {
      const [left, right] = [compileCondition(expression.left), compileCondition(expression.right)];
      return (row) => left(row) && right(row);
    }
    case 'or': {
      const [left, right] = [compileCondition(expression.left), compileCondition(expression.right)];
      return (row) => left(row) || right(row);
    }
    case 'not': {
      const operand = compileCondition(expression.operand);
      return (row) => !operand(row);
    }
    case 'compare': {
      const [left, right] = [compileValue(expression.left), compileValue(expression.right)];
      const holds = comparers[expression.operator];
      return (row) => {
        const [a, b] = [left(row), right(row)];
        return isPrimitive(a) && isPrimitive(b) && kindOf(a) === kindOf(b) && holds(a, b);
      };
    }
    case 'in': {
      const operand = compileValue(expression.operand);
      const values = new Set<unknown>(expression.values);
      const { negated } = expression;
      const kinds = new Set(expression.values.map(kindOf));
      return (row) => {
        const value = operand(row);
        if (!isPrimitive(value)) return false;
        return negated ? kinds.has(kindOf(value)) && !values.has(value) : values.has(value);
      };
    }
    case 'defined': {
      const value = pathReader(expression.path);
      return (row) => value(row) !== undefined;
    }
    case 'text': {
      const [operand, part] = [compileValue(expression.operand), compileValue(expression.part)];
      const holds = textTests[expression.test];
      return (row) => {
        const [text, found] = [operand(row), part(row)];
        return typeof text === 'string' && typeof found === 'string' && holds(text, found);
      };
    }
    default: {
      const value = compileValue(expression);
      return (row) => value(row) === true;
    }
  }
}

/** Reads one property; undefined when it is not there, or when a part of the way is no object. */
export function pathReader(path: Path): Value {
  return (row) => {
    let value: unknown = row;
    for (const name of path) {
      if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined;
      value = (value as Row)[name];
    }
    return value;
  };
}

function compileValue(expression: Expression): Value {
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression;
      return () => value;
    }
    case 'path':
      return pathReader(expression.path);
    case 'negative': {
      const operand = compileValue(expression.operand);
      return (row) => {
        const value = operand(row);
        return typeof value === 'number' ? -value : undefined;
      };
    }
    case 'arithmetic': {
      const [left, right] = [compileValue(expression.left), compileValue(expression.right)];
      const calculate = calculators[expression.operator];
      return (row) => {
        const [a, b] = [left(row), right(row)];
        if (typeof a !== 'number' || typeof b !== 'number') return undefined;
        const result = calculate(a, b);
        return Number.isFinite(result) ? result : undefined;
      };
    }
    default:
      return compileCondition(expression);
  }
}

const kindOf = (value: unknown): string => (value === null ? 'null' : typeof value);

const isPrimitive = (value: unknown): value is Literal => value !== undefined && (value === null || typeof value !== 'object');

/** Null and booleans are equal or not; they have no order. */
const ordered = (value: Literal): value is number | string => typeof value === 'number' || typeof value === 'string';

const comparers: Readonly<Record<Comparison, (a: Literal, b: Literal) => boolean>> = {
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => ordered(a) && ordered(b) && a < b,
  '<=': (a, b) => ordered(a) && ordered(b) && a <= b,
  '>': (a, b) => ordered(a) && ordered(b) && a > b,
  '>=': (a, b) => ordered(a) && ordered(b) && a >= b,
};

const calculators: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

const textTests: Readonly<Record<TextTest, (text: string, part: string) => boolean>> = {
  STARTS_WITH: (text, part) => text.startsWith(part),
  ENDS_WITH: (text, part) => text.endsWith(part),
  CONTAINS: (text, part) => text.includes(part),
};
