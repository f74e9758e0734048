import type { Kind } from './expression.ts';
import type { Value } from './scope.ts';

export interface RouteFunction {
  /** Of the operands; the last one repeats when there may be more. */
  readonly takes: readonly (Kind | 'any')[];
  readonly least: number;
  readonly most: number;
  readonly gives: Kind;
  /** Operands have the types of `takes`; whoever calls has made sure of that. */
  readonly call: (...operands: never[]) => Value;
}

const ofNumber = (call: (n: number) => number): RouteFunction => ({ takes: ['number'], least: 1, most: 1, gives: 'number', call });
const ofTexts = (call: (a: string, b: string) => boolean | number, gives: Kind): RouteFunction => ({
  takes: ['string', 'string'],
  least: 2,
  most: 2,
  gives,
  call,
});
const ofAny = (call: (value: Value) => Value, gives: Kind): RouteFunction => ({ takes: ['any'], least: 1, most: 1, gives, call });

/** All functions of conditions but `twin_change_includes`, which asks for a path and not for a value. */
export const functions: Readonly<Record<string, RouteFunction>> = {
  abs: ofNumber(Math.abs),
  exp: ofNumber(Math.exp),
  square: ofNumber((n) => n * n),
  ceiling: ofNumber(Math.ceil),
  floor: ofNumber(Math.floor),
  sign: ofNumber(Math.sign),
  sqrt: ofNumber(Math.sqrt),
  power: { takes: ['number', 'number'], least: 2, most: 2, gives: 'number', call: (a: number, b: number) => a ** b },
  as_number: ofAny(asNumber, 'number'),
  is_bool: ofAny((value) => typeof value === 'boolean', 'bool'),
  is_defined: ofAny((value) => value !== undefined, 'bool'),
  is_null: ofAny((value) => value === null, 'bool'),
  is_number: ofAny((value) => typeof value === 'number', 'bool'),
  is_string: ofAny((value) => typeof value === 'string', 'bool'),
  concat: { takes: ['string'], least: 2, most: 64, gives: 'string', call: (...texts: string[]) => texts.join('') },
  length: { takes: ['string'], least: 1, most: 1, gives: 'number', call: (text: string) => text.length },
  lower: { takes: ['string'], least: 1, most: 1, gives: 'string', call: (text: string) => text.toLowerCase() },
  upper: { takes: ['string'], least: 1, most: 1, gives: 'string', call: (text: string) => text.toUpperCase() },
  substring: { takes: ['string', 'number', 'number'], least: 2, most: 3, gives: 'string', call: substring },
  index_of: ofTexts((text, part) => text.indexOf(part), 'number'),
  starts_with: ofTexts((text, part) => text.startsWith(part), 'bool'),
  ends_with: ofTexts((text, part) => text.endsWith(part), 'bool'),
  contains: ofTexts((text, part) => text.includes(part), 'bool'),
};

const decimal = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/;

function asNumber(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && decimal.test(value) ? Number(value) : undefined;
}

/** Beyond the text there is nothing, which is undefined and not the empty text. */
function substring(text: string, start: number, length = text.length - start): string | undefined {
  const inside = Number.isInteger(start) && Number.isInteger(length) && start >= 0 && length >= 0 && start + length <= text.length;
  return inside ? text.slice(start, start + length) : undefined;
}
