import type { ValueType } from '../../model/value.ts';
import { applyExactly, inverse, type Linear } from '../convert/linear.ts';
import { compare, decimalOf, formatRational, type Rational, rational } from '../convert/rational.ts';
import type { WriteGuard } from '../equipment.ts';
import { integerLimits } from './kinds.ts';
import type { CompiledMeaning } from './meaning.ts';
import type { PointContext } from './point-source.ts';

const bounds = ['min', 'max', 'maxStep'] as const;

/** The guard of a writable point; says when no value, or not the written bounds, can ever pass. */
export function compileWrite(
  point: PointContext,
  { meaning, numeric, linear }: CompiledMeaning,
  rawType: ValueType | undefined,
): WriteGuard | undefined {
  const { write } = point.keys;
  if (write === undefined) return undefined;
  if (meaning.field || meaning.flags) {
    const message = `write: ${point.name} is part of a raw number, and writing it would overwrite the rest`;
    point.report('write', {
      rule: 'write-on-bits',
      message,
      hint: 'write the whole number by a point of its own, or use the command word or coil that the manual names',
    });
  }
  if (!numeric) {
    for (const key of bounds) {
      if (write[key] !== undefined) {
        point.report(['write', key], { rule: 'numbers-only', message: `${key}: ${point.name} is not a number`, hint: `remove ${key}` });
      }
    }
  } else checkBounds(point, write, linear, rawType);
  const { atMostEvery, expires, ...rest } = write;
  return {
    ...rest,
    ...(atMostEvery !== undefined && { atMostEveryMs: atMostEvery }),
    ...(expires !== undefined && { expiresMs: expires }),
  };
}

function checkBounds(
  point: PointContext,
  write: { min?: number; max?: number; maxStep?: number },
  linear: Linear,
  rawType: ValueType | undefined,
): void {
  const { min, max, maxStep } = write;
  const never = (key: 'min' | 'max' | 'maxStep', message: string, hint?: string): void =>
    point.report(['write', key], { rule: 'write-never-passes', message, ...(hint && { hint }) });
  if (maxStep !== undefined && maxStep <= 0)
    never('maxStep', `maxStep: ${maxStep} forbids every change`, 'write the largest change that is allowed');
  if (min !== undefined && max !== undefined && min > max) {
    never('min', `min: ${min} is above max, ${max}; no value can pass`, `write min: ${max}, max: ${min}`);
    return;
  }
  const { range } = point.keys;
  if (range && range[0] <= range[1] && ((min !== undefined && min > range[1]) || (max !== undefined && max < range[0]))) {
    never(
      min !== undefined && min > range[1] ? 'min' : 'max',
      `every value that may be written is outside the range, ${range[0]} to ${range[1]}`,
      'check write and range',
    );
    return;
  }
  const limits = integerLimits(rawType);
  if (!limits || linear.factor.n === 0n) return;
  // What the machine can hold, in the unit that leaves; a negative scale turns it round.
  const ends = limits.map((limit) => applyExactly(linear, rational(limit))).toSorted(compare) as [Rational, Rational];
  const shown = `${formatRational(ends[0])} to ${formatRational(ends[1])}`;
  if ((min !== undefined && compare(decimalOf(min), ends[1]) > 0) || (max !== undefined && compare(decimalOf(max), ends[0]) < 0)) {
    never(
      min !== undefined && compare(decimalOf(min), ends[1]) > 0 ? 'min' : 'max',
      `${rawType} holds ${shown} here; no value that may be written fits`,
      'check scale, type and bounds',
    );
    return;
  }
  for (const [key, bound] of [
    ['min', min],
    ['max', max],
  ] as const) {
    if (bound === undefined) continue;
    const exact = decimalOf(bound);
    if (compare(exact, ends[0]) >= 0 && compare(exact, ends[1]) <= 0) continue;
    const message = `${key}: ${bound} does not fit ${rawType}, which holds ${shown} here`;
    point.report(['write', key], { rule: 'write-outside-type', severity: 'warn', message, hint: 'writing such a value will be refused' });
  }
  if (min !== undefined && max !== undefined && !holdsStep(min, max, linear)) {
    never(
      'min',
      `between min, ${min}, and max, ${max}, there is no value that ${rawType} can hold: its step is ${formatRational(positive(linear.factor))}`,
    );
  }
  const step = positive(linear.factor);
  if (maxStep !== undefined && maxStep > 0 && compare(decimalOf(maxStep), step) < 0) {
    never(
      'maxStep',
      `maxStep: ${maxStep} is smaller than the step of the machine, ${formatRational(step)}`,
      `write ${formatRational(step)} or more`,
    );
  }
}

const positive = (value: Rational): Rational => (value.n < 0n ? rational(-value.n, value.d) : value);

/** True when some whole raw number lies between the two. */
function holdsStep(min: number, max: number, linear: Linear): boolean {
  const back = inverse(linear);
  const [low, high] = [min, max].map((bound) => applyExactly(back, decimalOf(bound))).toSorted(compare) as [Rational, Rational];
  const floor = (value: Rational): bigint => (value.n >= 0n ? value.n / value.d : -((-value.n + value.d - 1n) / value.d));
  return floor(high) * low.d >= low.n;
}
