import type { Scalar } from '../../model/value.ts';
import type { Linear } from './linear.ts';

/** All that a mapping says about what a raw value means. Plain and comparable; the converter and the trace are made from it. */
export interface Meaning {
  /** Raw values that mean "no value". */
  readonly invalid?: readonly Scalar[];
  /** First and last bit of a field, 0 the least significant; `bit: 3` is [3, 3] and gives a boolean. */
  readonly field?: { readonly first: number; readonly last: number; readonly single: boolean };
  /** Bit number -> name; the value is the list of names whose bit is set. */
  readonly flags?: readonly (readonly [bit: number, name: string])[];
  readonly enum?: ReadonlyMap<bigint, string>;
  /** Scale, offset and unit conversion in one; absent when nothing changes. */
  readonly linear?: Linear;
  /** Decimals kept. */
  readonly round?: number;
  /** Plausible lowest and highest engineering value. */
  readonly range?: readonly [lowest: number, highest: number];
  /** It has a unit: a text such as "22,5" is no value of it. */
  readonly measured?: true;
}

/** Equal text, equal meaning: points that mean the same share one converter. */
export function meaningKey({ invalid, field, flags, enum: words, linear, round, range, measured }: Meaning): string {
  return JSON.stringify([
    invalid?.map((value) => `${typeof value} ${value}`),
    field,
    flags,
    words && [...words].map(([number, word]) => [String(number), word]),
    linear && [linear.factor.n, linear.factor.d, linear.offset.n, linear.offset.d].map(String),
    round,
    range,
    measured,
  ]);
}
