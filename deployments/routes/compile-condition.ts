import { suggestion } from '../../mappings/nearest.ts';
import type { BinaryOperator, Expression, Kind, Reference } from './expression.ts';
import { functions, type RouteFunction } from './functions.ts';
import type { Scope, Value } from './scope.ts';
import { RouteError } from './tokens.ts';

export type Evaluate = (scope: Scope) => Value;

interface Compiled {
  readonly kind: Kind;
  readonly evaluate: Evaluate;
}

/** A condition as a function of the message. Throws a RouteError where types cannot fit. */
export function compileCondition(expression: Expression): Evaluate {
  const { kind, evaluate } = compile(expression);
  if (kind === 'bool' || kind === 'any' || kind === 'undefined') return evaluate;
  throw new RouteError(expression.column, `a condition is true or false, this is ${phrase(kind)}`, 'compare it with something');
}

function compile(expression: Expression): Compiled {
  switch (expression.type) {
    case 'literal':
      return { kind: kindOf(expression.value), evaluate: () => expression.value };
    case 'reference':
      return { kind: expression.reference.from === 'body' ? 'any' : 'string', evaluate: read(expression.reference) };
    case 'unary': {
      const wanted = expression.operator === 'NOT' ? 'bool' : 'number';
      const { evaluate } = want(expression.operand, wanted, expression.operator);
      return wanted === 'bool'
        ? { kind: 'bool', evaluate: (scope) => notOf(evaluate(scope)) }
        : { kind: 'number', evaluate: (scope) => minusOf(evaluate(scope)) };
    }
    case 'binary':
      return binary(expression.operator, expression);
    default:
      return call(expression);
  }
}

/** Names in lower case are made once, here. */
function read(reference: Reference): Evaluate {
  if (reference.from === 'body') {
    const { path } = reference;
    return (scope) => scope.body(path);
  }
  const { name } = reference;
  const lower = name.toLowerCase();
  if (reference.from === 'property') return (scope) => scope.property(name, lower);
  if (reference.only) return (scope) => scope.system(name, lower);
  return (scope) => scope.property(`$${name}`, `$${lower}`) ?? scope.system(name, lower);
}

const notOf = (value: Value): Value => (typeof value === 'boolean' ? !value : undefined);
const minusOf = (value: Value): Value => (typeof value === 'number' ? -value : undefined);

function want(expression: Expression, kind: Kind, of: string): Compiled {
  const compiled = compile(expression);
  if (compiled.kind === kind || compiled.kind === 'any' || compiled.kind === 'undefined') return compiled;
  throw mismatch(expression, compiled.kind, `${of} takes ${phrase(kind)}, this is ${phrase(compiled.kind)}`, kind);
}

function mismatch(expression: Expression, found: Kind, message: string, wanted: Kind): RouteError {
  const isProperty = expression.type === 'reference' && expression.reference.from !== 'body';
  const hint =
    wanted === 'number' && found === 'string' && isProperty
      ? `properties are texts: as_number(${nameOf(expression.reference)})`
      : wanted === 'bool' && isProperty
        ? `properties are texts: ${nameOf(expression.reference)} = 'true'`
        : wanted === 'bool'
          ? 'brackets say what belongs together: NOT (a = b)'
          : undefined;
  return new RouteError(expression.column, message, hint);
}

export function nameOf(reference: Reference): string {
  if (reference.from === 'body') return reference.text;
  if (reference.from === 'property') return reference.name;
  return reference.only ? `{$${reference.name}}` : `$${reference.name}`;
}

const numeric: Readonly<Partial<Record<BinaryOperator, (a: number, b: number) => number>>> = {
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
};

function binary(operator: BinaryOperator, { left, right, column }: Extract<Expression, { type: 'binary' }>): Compiled {
  const arithmetic = numeric[operator];
  if (arithmetic) {
    const [a, b] = [want(left, 'number', operator).evaluate, want(right, 'number', operator).evaluate];
    return { kind: 'number', evaluate: (scope) => ofNumbers(arithmetic, a(scope), b(scope)) };
  }
  if (operator === '||') {
    const [a, b] = [want(left, 'string', operator).evaluate, want(right, 'string', operator).evaluate];
    return { kind: 'string', evaluate: (scope) => joined(a(scope), b(scope)) };
  }
  if (operator === 'AND' || operator === 'OR') {
    const [a, b] = [want(left, 'bool', operator).evaluate, want(right, 'bool', operator).evaluate];
    const deciding = operator === 'OR';
    return { kind: 'bool', evaluate: (scope) => logical(deciding, a, b, scope) };
  }
  const [a, b] = [compile(left), compile(right)];
  if (operator === '??') return { kind: a.kind === b.kind ? a.kind : 'any', evaluate: (scope) => a.evaluate(scope) ?? b.evaluate(scope) };
  return compared(operator, left, right, a, b, column);
}

/** What is no number on the way (a division by 0) has no value. */
function ofNumbers(arithmetic: (a: number, b: number) => number, a: Value, b: Value): Value {
  if (typeof a !== 'number' || typeof b !== 'number') return undefined;
  const result = arithmetic(a, b);
  return Number.isNaN(result) ? undefined : result;
}

const joined = (a: Value, b: Value): Value => (typeof a === 'string' && typeof b === 'string' ? a + b : undefined);

/** Three values: what decides alone decides, whatever the other side is. */
function logical(deciding: boolean, left: Evaluate, right: Evaluate, scope: Scope): Value {
  const a = left(scope);
  if (a === deciding) return deciding;
  const b = right(scope);
  if (b === deciding) return deciding;
  return typeof a === 'boolean' && typeof b === 'boolean' ? !deciding : undefined;
}

function compared(operator: BinaryOperator, left: Expression, right: Expression, a: Compiled, b: Compiled, column: number): Compiled {
  const open = (kind: Kind): boolean => kind === 'any' || kind === 'undefined' || kind === 'null';
  if (a.kind !== b.kind && !open(a.kind) && !open(b.kind)) {
    const [text, wanted] = a.kind === 'string' ? [left, b.kind] : [right, a.kind];
    const message = `${phrase(a.kind)} is compared with ${phrase(b.kind)}`;
    throw mismatch(text, 'string', message, wanted);
  }
  const ordered = operator !== '=' && operator !== '!=';
  for (const { kind } of ordered ? [a, b] : [])
    if (kind === 'bool' || kind === 'null') throw new RouteError(column, `${phrase(kind)} is neither less nor more`, 'use = or !=');
  const [x, y] = [a.evaluate, b.evaluate];
  if (operator === '=') return { kind: 'bool', evaluate: (scope) => equal(x(scope), y(scope)) };
  if (operator === '!=') return { kind: 'bool', evaluate: (scope) => notOf(equal(x(scope), y(scope))) };
  return { kind: 'bool', evaluate: (scope) => inOrder(operator, x(scope), y(scope)) };
}

/** Values of different types are neither equal nor different; null is a value of its own. */
function equal(a: Value, b: Value): Value {
  if (a === undefined || b === undefined) return undefined;
  if (a === null || b === null) return a === b;
  return typeof a === typeof b ? a === b : undefined;
}

function inOrder(operator: BinaryOperator, a: Value, b: Value): Value {
  const comparable = (typeof a === 'number' && typeof b === 'number') || (typeof a === 'string' && typeof b === 'string');
  if (!comparable) return undefined;
  if (operator === '<') return a! < b!;
  if (operator === '<=') return a! <= b!;
  return operator === '>' ? a! > b! : a! >= b!;
}

function call({ name, operands, column }: Extract<Expression, { type: 'call' }>): Compiled {
  if (name === 'twin_change_includes') return twinChange(operands, column);
  const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (!known)
    throw new RouteError(column, `there is no function ${name}`, suggestion(name, [...Object.keys(functions), 'twin_change_includes']));
  const { least, most, gives } = known;
  if (operands.length < least || operands.length > most) {
    const many = least === most ? String(least) : `${least} to ${most}`;
    throw new RouteError(column, `${name} takes ${many} value${most === 1 ? '' : 's'}, ${operands.length} stand here`);
  }
  const evaluated = operands.map((operand, index) => takenBy(name, known, operand, index));
  return { kind: gives, evaluate: (scope) => called(known, evaluated, scope) };
}

function takenBy(name: string, { takes }: RouteFunction, operand: Expression, index: number): Evaluate {
  const kind = takes[Math.min(index, takes.length - 1)]!;
  return kind === 'any' ? compile(operand).evaluate : want(operand, kind, name).evaluate;
}

function called({ takes, call: run }: RouteFunction, operands: readonly Evaluate[], scope: Scope): Value {
  const values = operands.map((evaluate) => evaluate(scope));
  const fits = values.every((value, index) => {
    const kind = takes[Math.min(index, takes.length - 1)]!;
    return kind === 'any' || kindOf(value) === kind;
  });
  return fits ? (run as (...all: Value[]) => Value)(...values) : undefined;
}

function twinChange(operands: readonly Expression[], column: number): Compiled {
  const [operand] = operands;
  const path = operand && pathIn(operand);
  if (operands.length !== 1 || path === undefined)
    throw new RouteError(column, 'twin_change_includes takes one path', "write twin_change_includes('properties.reported.temperature')");
  return { kind: 'bool', evaluate: (scope) => scope.changes(path) };
}

function pathIn(operand: Expression): readonly string[] | undefined {
  if (operand.type === 'literal' && typeof operand.value === 'string') return operand.value.split('.');
  return operand.type === 'reference' && operand.reference.from === 'property' ? [operand.reference.name] : undefined;
}

function kindOf(value: Value): Kind {
  if (value === null) return 'null';
  const type = typeof value;
  return type === 'boolean' ? 'bool' : (type as Kind);
}

const phrases: Readonly<Record<Kind, string>> = {
  string: 'a text',
  number: 'a number',
  bool: 'true or false',
  null: 'null',
  undefined: 'undefined',
  any: 'a value of the body',
};
const phrase = (kind: Kind): string => phrases[kind];
