import { nearest } from '../nearest.ts';
import { compose, inverse, type Linear } from './linear.ts';
import { divide, multiply, parseDecimal, type Rational, rational } from './rational.ts';
import { atoms, baseUnits, type Dimension, doubtful, labels, mistakes, prefixes, shifted } from './unit-table.ts';

/** A UCUM code understood: what it measures, and how its values become those of the base units. */
export interface Unit {
  /** Undefined for units that only label a value. */
  readonly dimension: Dimension | undefined;
  readonly toBase: Linear;
}

const nothing: Dimension = [0, 0, 0, 0, 0, 0, 0];
const one = rational(1n);
const zero = rational(0n);

interface Size {
  readonly factor: Rational;
  readonly dimension: Dimension;
}

const cache = new Map<string, Unit | undefined>();

/** Reads a UCUM code (case-sensitive form); undefined when it is none that we know. */
export function parseUnit(code: string): Unit | undefined {
  if (cache.has(code)) return cache.get(code);
  const unit = code.length > 0 && code.length <= 64 && /^[\x21-\x7e]+$/.test(code) ? read(code) : undefined;
  // Codes come from files of people; a map of all of them stays small, but garbage must not fill it.
  if (cache.size < 1_000) cache.set(code, unit);
  return unit;
}

function read(code: string): Unit | undefined {
  const bare = code.replace(/\{[^{}]*\}/g, '');
  const shift = shifted[bare];
  if (shift && Object.hasOwn(shifted, bare)) {
    const factor = rational(shift.times, shift.over);
    const add = parseDecimal(shift.add) as Rational;
    return { dimension: baseUnits.K, toBase: { factor, offset: multiply(add, factor) } };
  }
  if (labels.has(bare)) return { dimension: undefined, toBase: { factor: one, offset: zero } };
  const size = sizeOf(code);
  return size && { dimension: size.dimension, toBase: { factor: size.factor, offset: zero } };
}

/** `term ::= ['/'] component (('.' | '/') component)*`, read from left to right as UCUM §10 has it. */
function sizeOf(code: string): Size | undefined {
  let rest = code;
  let size: Size = { factor: one, dimension: nothing };
  let over = false;
  let first = true;
  while (rest !== '' || first) {
    if (rest.startsWith('/') || rest.startsWith('.')) {
      over = rest[0] === '/';
      if (first && !over) return undefined;
      rest = rest.slice(1);
    } else if (!first) return undefined;
    const token = /^(?:\([^()]*(?:\([^()]*\)[^()]*)*\)|(?:\[[^\][]*\]|\{[^{}]*\}|[^./(){}[\]])+)/.exec(rest)?.[0];
    if (token === undefined) return undefined;
    const component = token.startsWith('(') ? sizeOf(token.slice(1, -1)) : componentOf(token);
    if (!component) return undefined;
    size = over ? per(size, component) : times(size, component);
    rest = rest.slice(token.length);
    first = false;
    over = false;
  }
  return size;
}

function componentOf(token: string): Size | undefined {
  const bare = token.replace(/\{[^{}]*\}/g, '');
  if (bare === '') return token === '' ? undefined : { factor: one, dimension: nothing };
  if (/^\d+$/.test(bare))
    return bare.length <= 20 && BigInt(bare) !== 0n ? { factor: rational(BigInt(bare)), dimension: nothing } : undefined;
  const ten = /^10(?:\*|\^)([+-]?\d{1,2})$/.exec(bare);
  if (ten) return { factor: parseDecimal(`1e${ten[1]}`) as Rational, dimension: nothing };
  const match = /^(.*?[^\d+-])([+-]?\d{1,2})?$/.exec(bare);
  const base = match?.[1] === undefined ? undefined : atomOf(match[1]);
  return base && power(base, Number(match?.[2] ?? 1));
}

function atomOf(symbol: string): Size | undefined {
  const whole = definitionOf(symbol);
  if (whole) return whole;
  for (const [prefix, exponent] of Object.entries(prefixes)) {
    const rest = symbol.slice(prefix.length);
    if (!symbol.startsWith(prefix) || rest === '') continue;
    const takesPrefix = Object.hasOwn(baseUnits, rest) || (Object.hasOwn(atoms, rest) && atoms[rest]?.metric);
    const atom = takesPrefix ? definitionOf(rest) : undefined;
    if (atom) return { factor: multiply(parseDecimal(`1e${exponent}`) as Rational, atom.factor), dimension: atom.dimension };
  }
  return undefined;
}

function definitionOf(symbol: string): Size | undefined {
  if (Object.hasOwn(baseUnits, symbol)) return { factor: one, dimension: baseUnits[symbol] as Dimension };
  const atom = Object.hasOwn(atoms, symbol) ? atoms[symbol] : undefined;
  const of = atom && sizeOf(atom.of);
  return of && { factor: multiply(parseDecimal(atom.value) as Rational, of.factor), dimension: of.dimension };
}

const combine = (a: Dimension, b: Dimension, sign: 1 | -1): Dimension =>
  a.map((exponent, i) => exponent + sign * (b[i] as number)) as unknown as Dimension;
const times = (a: Size, b: Size): Size => ({ factor: multiply(a.factor, b.factor), dimension: combine(a.dimension, b.dimension, 1) });
const per = (a: Size, b: Size): Size => ({ factor: divide(a.factor, b.factor), dimension: combine(a.dimension, b.dimension, -1) });

function power(size: Size, exponent: number): Size {
  let result: Size = { factor: one, dimension: nothing };
  for (let i = 0; i < Math.abs(exponent); i++) result = exponent > 0 ? times(result, size) : per(result, size);
  return result;
}

/** The map from values in one unit to values in another; undefined when they measure different things. */
export function conversion(from: Unit, to: Unit): Linear | undefined {
  if (!from.dimension || !to.dimension || from.dimension.some((exponent, i) => exponent !== to.dimension?.[i])) return undefined;
  return compose(from.toBase, inverse(to.toBase));
}

/** What was probably meant by a code that is none. */
export function likelyUnit(code: string): string | undefined {
  const trimmed = code.trim();
  if (Object.hasOwn(mistakes, trimmed)) return mistakes[trimmed];
  const lower = trimmed.toLowerCase();
  const known = Object.keys(mistakes).find((word) => word.toLowerCase() === lower);
  if (known) return mistakes[known];
  const candidates = [...Object.keys(atoms), ...common, ...Object.keys(shifted)];
  return (
    candidates.find((candidate) => candidate.toLowerCase() === lower) ?? (trimmed.length > 2 ? nearest(trimmed, candidates) : undefined)
  );
}

/** Says what a valid but unlikely code means, and what to write for what was probably meant. */
export function doubt(code: string): readonly [is: string, meant: string] | undefined {
  return Object.hasOwn(doubtful, code) ? doubtful[code] : undefined;
}

const common = [
  'kW',
  'MW',
  'kPa',
  'MPa',
  'hPa',
  'mbar',
  'kW.h',
  'MW.h',
  'mA',
  'kA',
  'mV',
  'kV',
  'kHz',
  'MHz',
  'mm',
  'cm',
  'km',
  'um',
  'kg',
  'mg',
  'mL',
  'hL',
  'm3',
  'm2',
  'm3/h',
  'L/min',
  'L/h',
  'L/s',
  'kg/h',
  't/h',
  'm/s',
  'mm/s',
  'm/min',
  'N.m',
  'kN',
  '{rot}/min',
  'uS/cm',
  'mS/cm',
  'mg/L',
  'g/L',
  'kg/m3',
  'W/m2',
  'ms',
  'V.A',
  'kV.A',
];
