import type { Scalar } from '../../model/value.ts';
import type { Meaning } from './meaning.ts';

/** A step from a whole number to its meaning; undefined when the raw value is no whole number, or no listed one. */
type IntegerStep<T> = (raw: Scalar) => T | undefined;

/** One bit, or the bits `first` to `last`, as a number (a bigint above 53 bits). Negative numbers are read in two's complement. */
export function fieldStep({ first, last, single }: NonNullable<Meaning['field']>): IntegerStep<number | bigint | boolean> {
  const width = last - first + 1;
  const mask = (1n << BigInt(width)) - 1n;
  const shift = BigInt(first);
  const divisor = 2 ** first;
  const size = 2 ** width;
  return (raw) => {
    if (typeof raw === 'number') {
      if (!Number.isSafeInteger(raw)) return undefined;
      const shifted = Math.floor(raw / divisor);
      if (width <= 53) {
        const bits = shifted - Math.floor(shifted / size) * size;
        return single ? bits === 1 : bits;
      }
    }
    if (typeof raw !== 'bigint' && typeof raw !== 'number') return undefined;
    const bits = (BigInt(raw) >> shift) & mask;
    if (single) return bits === 1n;
    return width > 53 ? bits : Number(bits);
  };
}

/** Lists kept per point; a device that toggles more flags than that at random is not one we meet. */
const mostLists = 256;

/** The names of the flags that are set, lowest bit first. Equal sets are the same frozen list. */
export function flagsStep(flags: NonNullable<Meaning['flags']>): IntegerStep<readonly string[]> {
  const bits = flags.map(([bit]) => 1n << BigInt(bit));
  const mask = bits.reduce((all, bit) => all | bit, 0n);
  const narrow = mask < 2n ** 31n ? Number(mask) : undefined;
  const lists = new Map<number | bigint, readonly string[]>();
  const listOf = (set: bigint): readonly string[] =>
    Object.freeze(flags.filter((_, i) => (set & (bits[i] as bigint)) !== 0n).map(([, name]) => name));
  return (raw) => {
    if (typeof raw !== 'bigint' && !(typeof raw === 'number' && Number.isSafeInteger(raw))) return undefined;
    const set = narrow !== undefined && typeof raw === 'number' ? raw & narrow : BigInt(raw) & mask;
    const key = narrow === undefined ? set : Number(set);
    const known = lists.get(key);
    if (known) return known;
    const list = listOf(BigInt(set));
    if (lists.size < mostLists) lists.set(key, list);
    return list;
  };
}

/** The word of a number; booleans count as 0 and 1. */
export function enumStep(words: NonNullable<Meaning['enum']>): IntegerStep<string> {
  const byNumber = new Map<number, string>();
  for (const [number, word] of words) if (Number.isSafeInteger(Number(number))) byNumber.set(Number(number), word);
  return (raw) => (typeof raw === 'bigint' ? words.get(raw) : byNumber.get(Number(raw)));
}

/** True for raw values that mean "no value". Numbers equal whatever type they came as. */
export function invalidTest(invalid: readonly Scalar[]): (raw: Scalar) => boolean {
  const texts = new Set(invalid.filter((value) => typeof value === 'string'));
  const booleans = new Set(invalid.filter((value) => typeof value === 'boolean'));
  const numbers = new Set(invalid.filter((value) => typeof value === 'number' || typeof value === 'bigint').map(Number));
  const bigs = new Set(invalid.filter((value) => typeof value === 'bigint' || Number.isSafeInteger(value)).map((value) => BigInt(value)));
  return (raw) => {
    switch (typeof raw) {
      case 'number':
        return numbers.has(raw);
      case 'bigint':
        return bigs.has(raw);
      case 'string':
        return texts.has(raw);
      default:
        return booleans.has(raw);
    }
  };
}
