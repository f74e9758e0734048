/**
 * The double with the fewest decimals that reads back as the same 32-bit float: 231.7 for 231.6999969482422.
 * `value` must be representable as float32 (as read from the wire); NaN and infinities come back as they are.
 */
export function shortestFloat32(value: number): number {
  if ((Number.isInteger(value) && Math.abs(value) <= 2 ** 24) || !Number.isFinite(value)) return value;
  // Dividing two exactly represented integers rounds correctly, so the quotient prints with at most k decimals.
  // Worth it only where few decimals are enough; very small values need digits counted from the first one.
  for (let k = 1, power = 10; k <= 9 && Math.abs(value) >= 1e-3; k++, power *= 10) {
    const scaled = value * power;
    if (scaled > 9e15 || scaled < -9e15) break;
    const candidate = Math.round(scaled) / power;
    if (Math.fround(candidate) === value && candidate !== 0) return candidate;
  }
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}
