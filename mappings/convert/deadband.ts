import type { Scalar, Value } from '../../model/value.ts';
import type { Deadband } from '../equipment.ts';
import { compare, decimalOf, parseDecimal, type Rational, rational, subtract } from './rational.ts';

/** Doubles miss decimals by up to half a unit in the last place each; 20.3 − 20.1 must still reach 0.2. */
const slack = 1.2e-16;

/** A deadband of so many engineering units. Numbers must move by `width` or more; anything else leaves when it differs at all. */
export function deadbandOf(width: number): Deadband {
  const exact = decimalOf(width);
  const scalarMoved = (reported: Scalar, value: Scalar): boolean => {
    if (typeof reported === 'number' && typeof value === 'number') {
      const moved = Math.abs(value - reported);
      return moved !== 0 && moved + (Math.abs(reported) + Math.abs(value)) * slack >= width;
    }
    if (reported === value) return false;
    const [a, b] = [exactly(reported), exactly(value)];
    if (!a || !b) return true;
    const difference = subtract(a, b);
    return compare(difference.n < 0n ? rational(-difference.n, difference.d) : difference, exact) >= 0;
  };
  return {
    width,
    exceeded(reported: Value, value: Value): boolean {
      if (typeof reported !== 'object' || typeof value !== 'object') {
        return typeof reported === 'object' || typeof value === 'object' || scalarMoved(reported, value);
      }
      return reported.length !== value.length || reported.some((element, i) => scalarMoved(element, value[i] as Scalar));
    },
  };
}

/** Numbers, 64-bit integers and decimals as text; undefined for what is no number. */
function exactly(value: Scalar): Rational | undefined {
  if (typeof value === 'bigint') return rational(value);
  if (typeof value === 'number') return Number.isFinite(value) ? decimalOf(value) : undefined;
  return typeof value === 'string' ? parseDecimal(value) : undefined;
}
