import type { RawValue, Scalar, ValueType } from '../../model/value.ts';
import { enumStep, fieldStep, invalidTest } from '../convert/integers.ts';
import { applyExactly, identity, linearMap } from '../convert/linear.ts';
import type { Meaning } from '../convert/meaning.ts';
import { decimalOf, formatRational } from '../convert/rational.ts';
import type { Converted } from '../equipment.ts';
import type { PointKeys } from '../keys.ts';
import { showValue } from './expectation.ts';

/**
 * The way from a raw value to what leaves, for people: `raw 2304 uint16 -> x 0.1 = 230.4 -> range 0 to 300 ok -> 230.4 V`.
 * `out` is what the converter really gave; the steps before it explain it.
 */
export function traceConversion(
  raw: RawValue | undefined,
  rawType: ValueType | undefined,
  meaning: Meaning,
  keys: PointKeys,
  unit: string | undefined,
  out: Converted,
): string {
  const steps = [raw === undefined ? 'no raw value' : `raw ${showValue(raw)}${rawType === undefined ? '' : ` ${rawType}`}`];
  if (raw !== undefined && typeof raw !== 'object') steps.push(...scalarSteps(raw, meaning, keys));
  return [...steps, showResult(out, unit)].join(' -> ');
}

export function showResult({ value, type, quality, state }: Converted, unit: string | undefined): string {
  const shown =
    value === undefined
      ? ''
      : `${type === 'decimal' || type === 'datetime' ? value : showValue(value)}${unit === undefined || unit === '1' ? '' : ` ${unit}`}`;
  if (quality === 'good') return shown;
  const why = `${quality} ${state?.status.name ?? ''}${state?.reason ? ` (${state.reason})` : ''}`;
  return shown === '' ? why : `${shown}, ${why}`;
}

function scalarSteps(raw: Scalar, meaning: Meaning, keys: PointKeys): string[] {
  if (meaning.invalid && invalidTest(meaning.invalid)(raw)) return ['listed in invalid'];
  if (typeof raw === 'number' && !Number.isFinite(raw)) return [];
  if (meaning.flags) return ['names of the set bits'];
  if (meaning.field || meaning.enum) return wordSteps(raw, meaning);
  return typeof raw === 'number' || typeof raw === 'bigint' ? numberSteps(raw, meaning, keys) : [];
}

function wordSteps(raw: Scalar, { field, enum: words }: Meaning): string[] {
  const steps: string[] = [];
  let bits: Scalar = raw;
  if (field) {
    const found = fieldStep(field)(raw);
    if (found === undefined) return steps;
    bits = found;
    steps.push(`${field.single ? `bit ${field.first}` : `bits ${field.first} to ${field.last}`} = ${bits}`);
  }
  if (words) steps.push(`enum ${Number(bits)} = ${enumStep(words)(bits) ?? 'not listed'}`);
  return steps;
}

function numberSteps(raw: number | bigint, { linear, round, range }: Meaning, keys: PointKeys): string[] {
  const steps: string[] = [];
  let exact = decimalOf(raw);
  const step = (shown: string, next: typeof exact): void => {
    exact = next;
    steps.push(`${shown} = ${formatRational(exact)}`);
  };
  if (linear) {
    const { scale, offset, unit } = keys;
    if (scale !== undefined && scale !== 1) step(`x ${scale}`, applyExactly({ ...identity, factor: decimalOf(scale) }, exact));
    if (offset !== undefined && offset !== 0)
      step(offset < 0 ? `- ${-offset}` : `+ ${offset}`, applyExactly({ ...identity, offset: decimalOf(offset) }, exact));
    if (typeof unit === 'object') step(`${unit.from} to ${unit.to}`, applyExactly(linear, decimalOf(raw)));
  }
  if (round !== undefined) {
    const value =
      typeof raw === 'bigint' ? linearMap(linear ?? identity, round).bigint(raw) : linearMap(linear ?? identity, round).number(raw);
    steps.push(`round ${round} = ${value}`);
    if (Number.isFinite(Number(value))) exact = decimalOf(Number(value));
  }
  if (range) {
    const value = Number(formatRational(exact));
    steps.push(`range ${range[0]} to ${range[1]} ${value < range[0] || value > range[1] ? 'exceeded' : 'ok'}`);
  }
  return steps;
}
