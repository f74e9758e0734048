import { shortestFloat32 } from '../../model/float32.ts';
import type { RawValue, Scalar, Value, ValueType } from '../../model/value.ts';
import type { Converted, Converter, Inverse, Writable } from '../equipment.ts';
import { inverseEnum } from './inverse-enum.ts';
import { aroundFloat32, aroundFloat64 } from './inverse-floats.ts';
import { applyExactly, identity, inverse } from './linear.ts';
import type { Meaning } from './meaning.ts';
import { decimalOf, formatRational, parseDecimal, type Rational, rational, toNumber } from './rational.ts';

/** Kinds and limits of raw types, as the compiler knows them. */
export interface RawShape {
  readonly type: ValueType | undefined;
  readonly kind: 'bool' | 'integer' | 'float' | 'text' | 'bytes' | 'datetime' | 'unknown';
  readonly limits: readonly [lowest: bigint, highest: bigint] | undefined;
}

/**
 * The way back from a value to the raw one. What comes out reads back as exactly the value that was asked for; a value between two that the machine
 * can hold is refused with both of them, never rounded in silence. A float64 takes the nearest double.
 */
export function inverseOf(meaning: Meaning, shape: RawShape, convert: Converter): Inverse {
  const scalar = scalarInverse(meaning, shape, convert);
  const { linear = identity } = meaning;
  const step = shape.kind === 'integer' && !meaning.enum ? Math.abs(toNumber(linear.factor)) : undefined;
  return {
    step,
    toRaw(value) {
      if (!Array.isArray(value)) return scalar(value as Scalar);
      const raws: Scalar[] = [];
      for (const [i, element] of (value as readonly Scalar[]).entries()) {
        const one = scalar(element);
        if ('refused' in one) return { refused: `element ${i}: ${one.refused}` };
        if (typeof one.raw === 'object') return { refused: `element ${i} cannot stand in a list` };
        raws.push(one.raw);
      }
      return { raw: raws };
    },
  };
}

type ScalarInverse = (value: Scalar) => Writable;

const refuse = (refused: string): Writable => ({ refused });
const shown = (value: Scalar): string => (typeof value === 'string' ? JSON.stringify(value) : String(value));

function scalarInverse(meaning: Meaning, shape: RawShape, convert: Converter): ScalarInverse {
  if (meaning.field || meaning.flags) return () => refuse('it is a part of a raw number, and writing it would overwrite the rest');
  if (meaning.enum) return inverseEnum(meaning.enum, shape.kind === 'bool');
  const numeric = meaning.linear !== undefined || meaning.round !== undefined;
  switch (shape.kind) {
    case 'bool':
      return (value) => (typeof value === 'boolean' ? { raw: value } : refuse(`${shown(value)} is not true or false`));
    case 'integer':
    case 'float':
      return numberInverse(meaning, shape, convert);
    case 'text':
      return (value) => (typeof value === 'string' ? { raw: value } : refuse(`${shown(value)} is not a text`));
    case 'datetime':
      return (value) =>
        typeof value === 'string' && Number.isFinite(Date.parse(value))
          ? { raw: value }
          : refuse(`${shown(value)} is not a date and time; write 2026-11-24T08:00:00Z`);
    case 'bytes':
      return (value) => bytesOf(value) ?? refuse('bytes are written as base64');
    default: {
      // Only the machine knows what it takes; the adapter looks and refuses what does not fit.
      const number = numberInverse(meaning, shape, convert);
      return (value) => (numeric || typeof value === 'number' || typeof value === 'bigint' ? number(value) : { raw: value });
    }
  }
}

function bytesOf(value: Scalar): { readonly raw: RawValue } | undefined {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0) return undefined;
  return { raw: new Uint8Array(Buffer.from(value, 'base64')) };
}

/** Doubles below it lose digits, down to one. */
const smallestNormal = 2 ** -1022;

function numberInverse(meaning: Meaning, shape: RawShape, convert: Converter): ScalarInverse {
  const linear = meaning.linear ?? identity;
  if (linear.factor.n === 0n) return () => refuse('scale 0 cannot be undone');
  const back = inverse(linear);
  const out: Converted = { value: undefined, type: undefined, quality: 'bad', state: undefined };
  /** What the machine would show. */
  const read = (raw: Scalar): Scalar | undefined => convert(raw, shape.type, undefined, out).value as Scalar | undefined;
  const long = shape.type === 'int64' || shape.type === 'uint64' || shape.type === 'decimal' || shape.type === undefined;
  return (value) => {
    const exact = exactly(value, long);
    if (!exact) return refuse(`${shown(value)} is not a number`);
    const wanted = applyExactly(back, exact);
    const { candidates, otherwise } = candidatesFor(wanted, shape, meaning);
    for (const raw of candidates) {
      const shows = read(raw);
      if (shows === undefined && wanted.d === 1n && candidates.length === 1 && otherwise === undefined)
        return refuse(`${shown(value)} is the raw value ${raw}, which means "no value" here`);
      if (shows !== undefined && same(exact, shows)) return { raw };
    }
    if (otherwise !== undefined) return refuse(otherwise);
    if (shape.kind !== 'integer' && shape.type !== 'float32' && meaning.round === undefined) {
      // The nearest double is as near as doubles come, but for the smallest, which carry few digits, and what overflows when it is read.
      const raw = candidates.find((one) => read(one) !== undefined);
      if (raw !== undefined && (typeof raw !== 'number' || Math.abs(raw) >= smallestNormal)) return { raw };
    }
    const near = [...new Set(candidates.map(read).filter((one) => one !== undefined))].toSorted((a, b) => Number(a) - Number(b));
    return refuse(
      near.length === 0
        ? `no value near ${shown(value)} can be held`
        : `${shown(value)} cannot be held exactly; the nearest ${near.length > 1 ? 'are' : 'is'} ${around(near, exact).map(String).join(' and ')}`,
    );
  };

  /** The one below and the one above, where there are both. */
  function around(values: readonly Scalar[], exact: Rational): readonly Scalar[] {
    const wanted = toNumber(exact);
    const below = values.findLast((one) => Number(one) <= wanted);
    const above = values.find((one) => Number(one) > wanted);
    return [below, above].filter((one) => one !== undefined);
  }
}

interface Candidates {
  /** Raw values that might show the wanted one, the nearest first. */
  readonly candidates: readonly Scalar[];
  /** Why it is refused if none of them does. */
  readonly otherwise?: string;
}

function candidatesFor(wanted: Rational, shape: RawShape, { linear = identity }: Meaning): Candidates {
  if (shape.kind === 'integer') {
    const [lowest, highest] = shape.limits!;
    const raws = (whole: readonly bigint[]) => (shape.type === 'int64' || shape.type === 'uint64' ? whole : whole.map(Number));
    const floor = wanted.n >= 0n ? wanted.n / wanted.d : -((-wanted.n + wanted.d - 1n) / wanted.d);
    const fitting = (wanted.d === 1n ? [floor] : [floor, floor + 1n]).filter((raw) => raw >= lowest && raw <= highest);
    if (fitting.length > 0) return { candidates: raws(fitting) };
    const ends = shape.limits!.map((limit) => formatRational(applyExactly(linear, rational(limit))));
    const otherwise = `${shape.type} holds ${(linear.factor.n < 0n ? ends.toReversed() : ends).join(' to ')} here`;
    // What was rounded for showing may lie beyond the end that it was rounded from.
    return { candidates: raws([floor < lowest ? lowest : highest]), otherwise };
  }
  if (shape.type === 'decimal') return { candidates: [formatRational(wanted)] };
  // A whole number beyond 2^53 of a machine that tells its types itself.
  if (shape.type === undefined && wanted.d === 1n && !Number.isSafeInteger(Number(wanted.n))) return { candidates: [wanted.n] };
  const number = toNumber(wanted);
  if (!Number.isFinite(number)) return { candidates: [], otherwise: 'it is larger than any number the machine can hold' };
  if (shape.type !== 'float32') return { candidates: aroundFloat64(number) };
  const near = Math.fround(number);
  if (!Number.isFinite(near)) return { candidates: [], otherwise: 'float32 holds at most ±3.4028235e38 here' };
  return { candidates: aroundFloat32(near).map(shortestFloat32) };
}

function exactly(value: Scalar, text: boolean): Rational | undefined {
  if (typeof value === 'bigint') return rational(value);
  if (typeof value === 'number') return Number.isFinite(value) ? decimalOf(value) : undefined;
  return typeof value === 'string' && text ? parseDecimal(value) : undefined;
}

function same(exact: Rational, shows: Scalar): boolean {
  const other = exactly(shows, true);
  return other !== undefined && other.n * exact.d === exact.n * other.d;
}

/** The same value, however it is written: 5, 5n and "5" of a 64-bit point; lists element by element. */
export function sameValues(a: Value, b: Value, tolerance = 0): boolean {
  if (Array.isArray(a) || Array.isArray(b)) {
    const [left, right] = [a as readonly Scalar[], b as readonly Scalar[]];
    return (
      Array.isArray(a) && Array.isArray(b) && left.length === right.length && left.every((one, i) => sameValues(one, right[i]!, tolerance))
    );
  }
  if (a === b) return true;
  if (typeof a === 'string' && typeof b === 'string' && tolerance === 0) return false;
  const [left, right] = [exactly(a as Scalar, true), exactly(b as Scalar, true)];
  if (!left || !right) return false;
  const difference = toNumber(rational(left.n * right.d - right.n * left.d, left.d * right.d));
  // Doubles miss decimals by a unit in the last place; 0.3 − 0.1 is within 0.2.
  return Math.abs(difference) <= tolerance * (1 + 1e-12);
}
