import { shortestFloat32 } from '../../model/float32.ts';
import type { Scalar, ValueType } from '../../model/value.ts';
import { identity, isIdentity, type Linear } from '../convert/linear.ts';
import type { Meaning } from '../convert/meaning.ts';
import { decimalOf } from '../convert/rational.ts';
import type { PointKey } from '../keys.ts';
import { integerLimits, integerShape, kindNouns, rawKind } from './kinds.ts';
import type { PointContext } from './point-source.ts';
import { compileUnit } from './unit.ts';

export interface CompiledMeaning {
  readonly meaning: Meaning;
  /** UCUM code of the value that leaves. */
  readonly unit: string | undefined;
  /** True when the value that leaves is a number, or may be one. */
  readonly numeric: boolean;
  readonly linear: Linear;
  /** Of the value that leaves, where it can be known before one came. */
  readonly valueType: ValueType | undefined;
}

/** From the keys of a point to what its raw values mean; says what contradicts itself or the raw type. */
export function compileMeaning(point: PointContext, rawType: ValueType | undefined): CompiledMeaning {
  const { keys } = point;
  const field = compileField(point, rawType);
  const flags = field === undefined ? compileFlags(point, rawType) : undefined;
  const words = compileEnum(point, rawType, field, flags !== undefined);
  const raw = rawKind(rawType);
  const what = flags ? 'a set of flags' : words ? 'an enum' : field?.single ? 'a bit' : field ? 'a field of bits' : kindNouns[raw];
  const scalable = !flags && !words && !field && (raw === 'integer' || raw === 'float' || raw === 'unknown');
  const numeric = scalable || (field !== undefined && !field.single && !words);

  const usable = (key: PointKey, rule: string, applies: boolean): boolean => {
    if (keys[key] === undefined || applies) return keys[key] !== undefined;
    if (point.written(key)) point.report(key, { rule, message: `${key}: ${point.name} is ${what}, not a number`, hint: `remove ${key}` });
    return false;
  };
  const scale = usable('scale', 'scale-misplaced', scalable) ? (keys.scale as number) : 1;
  const offset = usable('offset', 'scale-misplaced', scalable) ? (keys.offset as number) : 0;
  const round = usable('round', 'numbers-only', scalable) ? keys.round : undefined;
  const range = usable('range', 'numbers-only', numeric) ? keys.range : undefined;
  usable('deadband', 'numbers-only', numeric);
  if (scale === 0)
    point.report('scale', { rule: 'scale-zero', message: 'scale: 0 makes every value the same', hint: 'write the factor of the manual' });
  if (range && range[0] > range[1]) {
    const message = `range: the lowest, ${range[0]}, is above the highest, ${range[1]}`;
    point.report('range', { rule: 'range-order', message, hint: `write [${range[1]}, ${range[0]}]` });
  }
  const scaled: Linear = { factor: decimalOf(scale), offset: decimalOf(offset) };
  const { unit, linear } = compileUnit(point, scaled, scalable, numeric, what);
  const meaning: Meaning = {
    ...(keys.invalid !== undefined && { invalid: compileInvalid(point, rawType) }),
    ...(field && { field }),
    ...(flags && { flags }),
    ...(words && { enum: words }),
    ...(scalable && !isIdentity(linear) && { linear }),
    ...(scalable && unit !== undefined && { measured: true as const }),
    ...(round !== undefined && { round }),
    ...(range && { range }),
  };
  return { meaning, unit, numeric, linear: scalable ? linear : identity, valueType: typeOfValue(meaning, rawType) };
}

function typeOfValue({ flags, enum: words, field, linear }: Meaning, rawType: ValueType | undefined): ValueType | undefined {
  if (flags) return undefined;
  if (words) return 'string';
  if (field) return field.single ? 'bool' : 'uint32';
  if (!linear) return rawType;
  return rawType === 'int64' || rawType === 'uint64' || rawType === 'decimal' ? 'decimal' : 'float64';
}

/** Bits need a whole number; `what` is `bit` or `bits`. False when this point has none to look at. */
function bitsApply(point: PointContext, key: 'bit' | 'bits', rawType: ValueType | undefined): boolean {
  const kind = rawKind(rawType);
  if (point.keys[key] === undefined) return false;
  if (kind === 'integer' || kind === 'unknown') return true;
  if (point.written(key)) {
    const hint = kind === 'bool' ? `remove ${key}: the value is one bit already` : 'give the point an integer type, such as uint16';
    point.report(key, { rule: 'bits-misplaced', message: `${key}: the raw value of ${point.name} is ${kindNouns[kind]}`, hint });
  }
  return false;
}

function fitsType(point: PointContext, key: 'bit' | 'bits', bit: number, rawType: ValueType | undefined): void {
  const width = integerShape(rawType)?.bits;
  if (width === undefined || bit < width) return;
  point.report(key, {
    rule: 'bit-outside-type',
    message: `${key}: ${rawType} has no bit ${bit}`,
    hint: `the bits of ${rawType} are 0 to ${width - 1}`,
  });
}

function compileField(point: PointContext, rawType: ValueType | undefined): Meaning['field'] {
  const { bit, bits } = point.keys;
  const single = bitsApply(point, 'bit', rawType);
  if (single && bits !== undefined && point.written('bit') === point.written('bits')) {
    point.report('bits', { rule: 'conflicting-keys', message: 'bit and bits are both given', hint: 'keep one of them' });
  }
  if (single && bit !== undefined && !(point.written('bits') && !point.written('bit'))) {
    fitsType(point, 'bit', bit, rawType);
    return { first: bit, last: bit, single: true };
  }
  if (!Array.isArray(bits) || !bitsApply(point, 'bits', rawType)) return undefined;
  const [first, last] = bits as [number, number];
  if (first > last) {
    point.report('bits', {
      rule: 'range-order',
      message: `bits: the first, ${first}, is above the last, ${last}`,
      hint: `write [${last}, ${first}]`,
    });
    return undefined;
  }
  fitsType(point, 'bits', last, rawType);
  return { first, last, single: false };
}

function compileFlags(point: PointContext, rawType: ValueType | undefined): Meaning['flags'] {
  const { bits } = point.keys;
  if (bits === undefined || Array.isArray(bits) || !bitsApply(point, 'bits', rawType)) return undefined;
  const flags: [bit: number, name: string][] = [];
  for (const [key, name] of Object.entries(bits as Record<string, string>)) {
    const bit = Number(key);
    if (bit < 0 || bit > 63)
      point.report(['bits', key], { rule: 'bit-outside-type', message: `bits: there is no bit ${key}`, hint: 'bits are counted 0 to 63' });
    else {
      fitsType(point, 'bits', bit, rawType);
      flags.push([bit, name]);
    }
  }
  if (Object.keys(bits).length === 0)
    point.report('bits', { rule: 'wrong-length', message: 'bits: no flag is named', hint: 'write { 0: a, 3: b }' });
  return flags.toSorted((a, b) => a[0] - b[0]);
}

function compileEnum(point: PointContext, rawType: ValueType | undefined, field: Meaning['field'], flags: boolean): Meaning['enum'] {
  const written = point.keys.enum;
  if (written === undefined) return undefined;
  const kind = rawKind(rawType);
  const integer = kind === 'integer' || kind === 'bool' || kind === 'unknown';
  if (flags || !integer) {
    if (point.written('enum')) {
      const message = flags ? 'enum and named bits are both given' : `enum: the raw value of ${point.name} is ${kindNouns[kind]}`;
      const hint = flags ? 'keep one of them' : 'give the point an integer type, such as uint16';
      point.report('enum', { rule: flags ? 'conflicting-keys' : 'enum-misplaced', message, hint });
    }
    return undefined;
  }
  const limits = field
    ? ([0n, 2n ** BigInt(field.last - field.first + 1) - 1n] as const)
    : kind === 'bool'
      ? ([0n, 1n] as const)
      : integerLimits(rawType);
  const words = new Map<bigint, string>();
  for (const [key, word] of Object.entries(written)) {
    const number = BigInt(key);
    words.set(number, word);
    if (limits && (number < limits[0] || number > limits[1])) {
      const where = field ? `${field.last - field.first + 1} bits hold` : `${rawType} holds`;
      point.report(['enum', key], {
        rule: 'enum-outside-type',
        message: `enum: ${number} never comes, ${where} ${limits[0]} to ${limits[1]}`,
      });
    }
  }
  if (words.size === 0)
    point.report('enum', { rule: 'wrong-length', message: 'enum: no word is given', hint: 'write { 0: stopped, 1: running }' });
  return words;
}

function compileInvalid(point: PointContext, rawType: ValueType | undefined): Scalar[] {
  const written = point.keys.invalid;
  const list = Array.isArray(written);
  const values: Scalar[] = list ? written : [written as Scalar];
  return values.map((value, i) => {
    const problem = invalidProblem(value, rawType);
    if (problem) point.report(list ? ['invalid', i] : 'invalid', problem);
    return rawType === 'float32' && typeof value === 'number' ? shortestFloat32(Math.fround(value)) : value;
  });
}

function invalidProblem(value: Scalar, rawType: ValueType | undefined): { rule: string; message: string; hint?: string } | undefined {
  const kind = rawKind(rawType);
  const number = typeof value === 'number' || typeof value === 'bigint';
  const fits = {
    bool: typeof value === 'boolean',
    integer: number,
    float: number,
    text: typeof value === 'string',
    bytes: false,
    datetime: typeof value === 'string',
    unknown: true,
  }[kind];
  if (!fits) {
    return {
      rule: 'invalid-outside-type',
      message: `invalid: ${JSON.stringify(typeof value === 'bigint' ? String(value) : value)} never comes, the raw value is ${kindNouns[kind]}`,
    };
  }
  const limits = integerLimits(rawType);
  if (!limits || !number) {
    if (rawType !== 'float32' || !number || Number.isFinite(Math.fround(Number(value)))) return undefined;
    return { rule: 'invalid-outside-type', message: `invalid: ${value} does not fit float32` };
  }
  if (typeof value === 'number' && !Number.isInteger(value))
    return { rule: 'invalid-outside-type', message: `invalid: ${value} never comes, ${rawType} is a whole number` };
  const whole = BigInt(value);
  if (whole >= limits[0] && whole <= limits[1]) return undefined;
  const size = limits[1] - limits[0] + 1n;
  // 0xFFFF in a manual beside a signed value is -1, and -1 beside an unsigned one 65535.
  const meant = whole > limits[1] ? whole - size : whole + size;
  const plausible = meant >= limits[0] && meant <= limits[1];
  return {
    rule: 'invalid-outside-type',
    message: `invalid: ${value} never comes, ${rawType} holds ${limits[0]} to ${limits[1]}`,
    ...(plausible && { hint: `the same bits read as ${rawType} are ${meant}` }),
  };
}
