/** One part at work: its value for these inputs; undefined: not known, and then nothing that needs it is known either. */
export type Run = (inputs: readonly unknown[]) => unknown;

const number = (value: unknown): value is number => typeof value === 'number';
const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);

const calculations: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};
const orders = {
  '<': (a: number, b: number) => a < b,
  '<=': (a: number, b: number) => a <= b,
  '>': (a: number, b: number) => a > b,
  '>=': (a: number, b: number) => a >= b,
} as const;

export const numeric = {
  /** A division by zero, and what grows beyond a double, is not known. */
  binary(operator: string, left: Run, right: Run): Run {
    const calculate = calculations[operator]!;
    return (inputs) => {
      const [a, b] = [left(inputs), right(inputs)];
      return number(a) && number(b) ? finite(calculate(a, b)) : undefined;
    };
  },
  negative(of: Run): Run {
    return (inputs) => {
      const value = of(inputs);
      return number(value) ? 0 - value : undefined;
    };
  },
  order(operator: keyof typeof orders, left: Run, right: Run): Run {
    const compare = orders[operator];
    return (inputs) => {
      const a = left(inputs);
      const b = right(inputs);
      return number(a) && number(b) ? compare(a, b) : undefined;
    };
  },
};

/** Equal values of one kind. Two kinds, which only a point of unknown kind can bring together, are not comparable. */
export function equal(left: Run, right: Run, negated: boolean): Run {
  return (inputs) => {
    const a = left(inputs);
    const b = right(inputs);
    if (a === undefined || typeof a !== typeof b || typeof a === 'object') return undefined;
    return (a === b) !== negated;
  };
}

const truth = (value: unknown): value is boolean => typeof value === 'boolean';

/** From left to right: what decides alone decides, as in `total > 0 and good / total > 0.9`. */
export const logic = {
  and:
    (left: Run, right: Run): Run =>
    (inputs) => {
      const a = left(inputs);
      if (a === false) return false;
      const b = a === true ? right(inputs) : undefined;
      return truth(b) ? b : undefined;
    },
  or:
    (left: Run, right: Run): Run =>
    (inputs) => {
      const a = left(inputs);
      if (a === true) return true;
      const b = a === false ? right(inputs) : undefined;
      return truth(b) ? b : undefined;
    },
  not:
    (of: Run): Run =>
    (inputs) => {
      const value = of(inputs);
      return truth(value) ? !value : undefined;
    },
  within:
    (word: Run, words: Run): Run =>
    (inputs) => {
      const [a, b] = [word(inputs), words(inputs)];
      return typeof a === 'string' && Array.isArray(b) ? b.includes(a) : undefined;
    },
  choose:
    (test: Run, yes: Run, no: Run): Run =>
    (inputs) => {
      const decided = test(inputs);
      return truth(decided) ? (decided ? yes : no)(inputs) : undefined;
    },
};
