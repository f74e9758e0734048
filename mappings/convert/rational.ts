/** An exact fraction: `d` positive, in lowest terms. Mapping files hold decimal numbers; a double would blur them. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

function gcd(a: bigint, b: bigint): bigint {
  let x = a < 0n ? -a : a;
  let y = b;
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** n / d in lowest terms. `d` must not be 0. */
export function rational(n: bigint, d = 1n): Rational {
  const sign = d < 0n ? -1n : 1n;
  const divisor = gcd(n, d * sign) * sign;
  return { n: n / divisor, d: d / divisor };
}

export const add = (a: Rational, b: Rational): Rational => rational(a.n * b.d + b.n * a.d, a.d * b.d);
export const subtract = (a: Rational, b: Rational): Rational => rational(a.n * b.d - b.n * a.d, a.d * b.d);
export const multiply = (a: Rational, b: Rational): Rational => rational(a.n * b.n, a.d * b.d);
export const divide = (a: Rational, b: Rational): Rational => rational(a.n * b.d, a.d * b.n);
/** Negative, zero or positive as a is below, at or above b. */
export function compare(a: Rational, b: Rational): number {
  const difference = a.n * b.d - b.n * a.d;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** `-12.5e-3` as an exact fraction; undefined when it is not a decimal number. Exponents beyond ±400 are none we would meet. */
export function parseDecimal(text: string): Rational | undefined {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!match) return undefined;
  const fraction = match[3] ?? '';
  const exponent = Number(match[4] ?? 0) - fraction.length;
  if (Math.abs(exponent) > 800) return undefined;
  const digits = BigInt(`${match[2]}${fraction}`) * (match[1] === '-' ? -1n : 1n);
  return exponent >= 0 ? rational(digits * 10n ** BigInt(exponent)) : rational(digits, 10n ** BigInt(-exponent));
}

/** A finite double at its shortest decimal digits, the ones a person sees and means: 0.1 is one tenth. */
export function decimalOf(value: number | bigint): Rational {
  if (typeof value === 'bigint') return rational(value);
  const exact = parseDecimal(String(value));
  if (!exact) throw new RangeError(`${value} is not a finite number`);
  return exact;
}

/** The nearest double. Infinity when it is beyond all of them. */
export function toNumber({ n, d }: Rational): number {
  if (n === 0n) return 0;
  // 25 digits and a sticky one decide every rounding the way the full quotient would.
  const digits = String(n < 0n ? -n : n).length - String(d).length;
  const shift = 25 - digits;
  const top = shift > 0 ? n * 10n ** BigInt(shift) : n;
  const bottom = shift < 0 ? d * 10n ** BigInt(-shift) : d;
  const quotient = top / bottom;
  return Number(`${quotient}${top % bottom === 0n ? 0 : 1}e${-shift - 1}`);
}

/** Decimals that 1/d needs when written out; undefined when it never ends. */
export function decimalsOf(d: bigint): number | undefined {
  let rest = d;
  let twos = 0;
  let fives = 0;
  for (; rest % 2n === 0n; twos++) rest /= 2n;
  for (; rest % 5n === 0n; fives++) rest /= 5n;
  return rest === 1n ? Math.max(twos, fives) : undefined;
}

/** n / 10^decimals without trailing zeros: 9007199254740993, 2 is `90071992547409.93`. */
export function decimalText(n: bigint, decimals: number): string {
  const sign = n < 0n ? '-' : '';
  const digits = String(n < 0n ? -n : n).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '');
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** For messages: exact where the decimals end, else the nearest double. */
export function formatRational(value: Rational): string {
  const decimals = decimalsOf(value.d);
  if (decimals === undefined || decimals > 20) return String(toNumber(value));
  return decimalText((value.n * 10n ** BigInt(decimals)) / value.d, decimals);
}

/** n / d to the nearest integer, halves away from zero, as on paper. `d` positive. */
export function roundedQuotient(n: bigint, d: bigint): bigint {
  const quotient = n / d;
  const rest = n % d;
  if ((rest < 0n ? -rest : rest) * 2n < d) return quotient;
  return n < 0n ? quotient - 1n : quotient + 1n;
}
