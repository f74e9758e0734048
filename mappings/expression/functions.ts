import { identity, linearMap } from '../convert/linear.ts';
import type { Run } from './operations.ts';

interface ExpressionFunction {
  /** Fewest and most numbers it takes. */
  readonly takes: readonly [number, number];
  make(given: readonly Run[]): Run;
}

/** Numbers in, a number out; not known when one of them is not. */
function ofNumbers(calculate: (numbers: number[]) => number): (given: readonly Run[]) => Run {
  return (given) => (inputs) => {
    const numbers: number[] = [];
    for (const one of given) {
      const value = one(inputs);
      if (typeof value !== 'number') return undefined;
      numbers.push(value);
    }
    const result = calculate(numbers);
    return Number.isFinite(result) ? result : undefined;
  };
}

const roundings = Array.from({ length: 16 }, (_, decimals) => linearMap(identity, decimals));

/** What may be called by name. */
export const functions: Readonly<Record<string, ExpressionFunction>> = {
  min: { takes: [2, 16], make: ofNumbers((numbers) => Math.min(...numbers)) },
  max: { takes: [2, 16], make: ofNumbers((numbers) => Math.max(...numbers)) },
  abs: { takes: [1, 1], make: ofNumbers(([value]) => Math.abs(value!)) },
  /** Halves away from zero, as `round` of a point does; a second number says how many decimals, 0 to 15. */
  round: { takes: [1, 2], make: ofNumbers(([value, decimals = 0]) => roundings[decimals]?.number(value!) ?? Number.NaN) },
};
