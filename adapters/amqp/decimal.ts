import type { Tree } from '../payload/contract.ts';

/** Width in bits of the continuing coefficient when the exponent stands first, and the bias of that exponent (IEEE 754-2008 table 3.6). */
const formats = {
  4: { exponentBits: 8, bias: 101, digits: 7 },
  8: { exponentBits: 10, bias: 398, digits: 16 },
  16: { exponentBits: 14, bias: 6176, digits: 34 },
} as const;

/** Plain digits up to this many zeros before or after them; beyond, an exponent. */
const plainZeros = 40;

/**
 * decimal32, decimal64 and decimal128 (AMQP 1.0 part 1 §1.6.13–15). The standard labels all three "using the Binary Integer Decimal encoding",
 * so this is BID, not the densely packed form. A number that a double carries with all its digits comes as a number, any other as its digits.
 */
export function readDecimal(bytes: Uint8Array): Tree {
  const format = formats[bytes.length as keyof typeof formats];
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  const width = bytes.length * 8;
  const negative = bits >> BigInt(width - 1) === 1n;
  const top = Number((bits >> BigInt(width - 6)) & 0x1fn);
  if (top === 0x1f) return Number.NaN;
  if (top === 0x1e) return negative ? -Infinity : Infinity;
  // Two leading ones: the exponent begins two bits later and the coefficient has an implied 100 in front (§3.5.2).
  const shifted = top >= 0x18;
  const coefficientBits = width - 1 - format.exponentBits - (shifted ? 2 : 0);
  const mask = (1n << BigInt(coefficientBits)) - 1n;
  const exponent = Number((bits >> BigInt(coefficientBits)) & ((1n << BigInt(format.exponentBits)) - 1n)) - format.bias;
  let coefficient = (bits & mask) | (shifted ? 4n << BigInt(coefficientBits) : 0n);
  // A coefficient beyond the format's digits is not canonical and counts as zero.
  if (coefficient >= 10n ** BigInt(format.digits)) coefficient = 0n;
  return asTree(negative, coefficient, exponent);
}

function asTree(negative: boolean, coefficient: bigint, exponent: number): Tree {
  if (coefficient === 0n) return 0;
  let digits = coefficient.toString();
  let power = exponent;
  while (digits.endsWith('0')) {
    digits = digits.slice(0, -1);
    power++;
  }
  const text = (negative ? '-' : '') + written(digits, power);
  // 15 significant digits survive the way into a double and back (DBL_DIG).
  if (digits.length <= 15 && Math.abs(power) <= 280) {
    const number = Number(text);
    if (!Number.isInteger(number) || Number.isSafeInteger(number)) return number;
  }
  return { decimal: text };
}

function written(digits: string, power: number): string {
  if (power >= 0 && power <= plainZeros) return digits + '0'.repeat(power);
  const point = digits.length + power;
  if (power < 0 && point > 0) return `${digits.slice(0, point)}.${digits.slice(point)}`;
  if (power < 0 && point > -plainZeros) return `0.${'0'.repeat(-point)}${digits}`;
  return `${digits}E${power}`;
}
