import {
  add,
  decimalOf,
  decimalsOf,
  decimalText,
  divide,
  formatRational,
  multiply,
  parseDecimal,
  type Rational,
  rational,
  roundedQuotient,
  toNumber,
} from './rational.ts';

/** value = raw × factor + offset, exactly. Scale, offset and unit conversion of a point are one of these. */
export interface Linear {
  readonly factor: Rational;
  readonly offset: Rational;
}

export const identity: Linear = { factor: rational(1n), offset: rational(0n) };

export function isIdentity({ factor, offset }: Linear): boolean {
  return factor.n === 1n && factor.d === 1n && offset.n === 0n;
}

/** What `second` makes of what `first` made. */
export function compose(first: Linear, second: Linear): Linear {
  return { factor: multiply(first.factor, second.factor), offset: add(multiply(first.offset, second.factor), second.offset) };
}

/** Back from value to raw. The factor must not be 0. */
export function inverse({ factor, offset }: Linear): Linear {
  const back = divide(rational(1n), factor);
  return { factor: back, offset: multiply(rational(-offset.n, offset.d), back) };
}

export function applyExactly({ factor, offset }: Linear, raw: Rational): Rational {
  return add(multiply(raw, factor), offset);
}

/** A linear map made ready for millions of calls. */
export interface LinearMap {
  /** The double nearest to the exact decimal result: 2304 × 0.1 is 230.4. May be infinite, never NaN. */
  number(raw: number): number;
  /** A number where a double carries every digit, else the digits as text. */
  bigint(raw: bigint): number | string;
}

/** The same for decimals written as text, digit by digit; undefined for text that is none. A number where a double carries every digit. */
export function decimalMap(linear: Linear, decimals: number | undefined): (raw: string) => number | string | undefined {
  return (raw) => {
    const exact = parseDecimal(raw);
    if (!exact) return undefined;
    const value = applyExactly(linear, exact);
    const step = 10n ** BigInt(decimals ?? 0);
    const text = formatRational(decimals === undefined ? value : rational(roundedQuotient(value.n * step, value.d), step));
    return text.replace(/^-?0*\.?0*|\./g, '').length <= 15 ? Number(text) : text;
  };
}

const limit = Number.MAX_SAFE_INTEGER;
const fits = (n: bigint): boolean => n <= BigInt(limit) && n >= -BigInt(limit);

/**
 * `decimals`: round to so many, halves away from zero; undefined keeps all.
 * The trick: as long as numerator and denominator are safe integers, ONE division is all the rounding there is,
 * and IEEE 754 says it is correct. What does not fit goes the exact way with bigint.
 */
export function linearMap(linear: Linear, decimals: number | undefined): LinearMap {
  // value = (raw × a + b) / d, all integers.
  const common = rational(linear.factor.d, linear.offset.d);
  const bigD = linear.factor.d * common.d;
  const bigA = linear.factor.n * common.d;
  const bigB = linear.offset.n * common.n;
  const a = Number(bigA);
  const b = Number(bigB);
  const d = Number(bigD);
  const small = fits(bigA) && fits(bigB) && fits(bigD);
  const step = decimals === undefined ? 0 : 10 ** decimals;
  const bigStep = decimals === undefined ? 1n : 10n ** BigInt(decimals);
  const endsAfter = decimalsOf(bigD);
  const toDecimal = endsAfter === undefined ? 1n : 10n ** BigInt(endsAfter) / bigD;
  // Below this numerator the result has at most 15 digits, and a double carries 15 always.
  const carried = endsAfter === undefined ? 0 : 1e15 / Number(toDecimal);

  /** n / d, rounded when asked; NaN when it takes more than doubles to say. */
  function quotient(n: number, d: number): number {
    if (n > limit || n < -limit || d > limit) return Number.NaN;
    if (step === 0) return n / d;
    const scaled = n * step;
    if (scaled > limit || scaled < -limit) return Number.NaN;
    const rest = scaled % d;
    let whole = (scaled - rest) / d;
    if (rest * 2 >= d) whole += 1;
    else if (rest * -2 >= d) whole -= 1;
    return whole / step + 0;
  }

  const decimalA = bigA * toDecimal;
  const decimalB = bigB * toDecimal;

  /** A double of 16 or 17 digits: its digits as a whole number, times a whole number, read back by the language's own correct parser. */
  function exactly(raw: number): number {
    const text = String(raw);
    if (endsAfter !== undefined && decimals === undefined && !text.includes('e')) {
      const dot = text.indexOf('.');
      const places = dot < 0 ? 0 : text.length - dot - 1;
      const digits = BigInt(dot < 0 ? text : text.slice(0, dot) + text.slice(dot + 1));
      const shift = decimalB === 0n ? 0n : decimalB * 10n ** BigInt(places);
      return Number(`${digits * decimalA + shift}e-${places + endsAfter}`) + 0;
    }
    const exact = decimalOf(raw);
    const n = exact.n * bigA + bigB * exact.d;
    const under = exact.d * bigD;
    if (decimals === undefined) return toNumber({ n, d: under });
    return toNumber({ n: roundedQuotient(n * bigStep, under), d: bigStep });
  }

  /** a × raw + b over d for raw = m / power, NaN when a product leaves the safe integers. */
  function fast(m: number, power: number): number {
    const product = m * a;
    const shift = power * b;
    if (product > limit || product < -limit || shift > limit || shift < -limit) return Number.NaN;
    return quotient(product + shift, power * d);
  }

  function number(raw: number): number {
    if (small) {
      let result = Number.NaN;
      if (Number.isInteger(raw)) result = fast(raw, 1);
      else {
        // The fewest decimals that read back as this double are the ones it was written with.
        for (let power = 10; power <= 1e15; power *= 10) {
          const m = Math.round(raw * power);
          if (m > limit || m < -limit) break;
          if (m / power === raw) {
            result = fast(m, power);
            break;
          }
        }
      }
      if (!Number.isNaN(result)) return result;
    }
    return exactly(raw);
  }

  function bigint(raw: bigint): number | string {
    const short = Number(raw);
    if (small && short < limit && short > -limit) {
      const n = short * a + b;
      if (n < carried && n > -carried && Math.abs(short * a) <= limit) {
        const result = quotient(n, d);
        if (!Number.isNaN(result)) return result;
      }
    }
    const n = raw * bigA + bigB;
    if (decimals !== undefined) return shortest(roundedQuotient(n * bigStep, bigD), decimals);
    if (endsAfter === undefined) return toNumber({ n, d: bigD });
    return shortest(n * toDecimal, endsAfter);
  }

  return { number, bigint };
}

/** n / 10^decimals as a number where a double shows exactly these digits, else as text. */
function shortest(n: bigint, decimals: number): number | string {
  const text = decimalText(n, decimals);
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  const shown = decimalOf(value);
  return shown.n * 10n ** BigInt(decimals) === n * shown.d ? value : text;
}
