import type { Scalar, Value } from '../../model/value.ts';
import { parseDecimal, toNumber } from '../convert/rational.ts';
import { check } from './check.ts';
import type { ExpressionPoint, ExpressionProblem, Kind } from './kinds.ts';
import { isProblem, parse } from './parse.ts';

/** A condition or formula over the latest values of a machine's points: `jacket_temperature > 130 and state == "running"`. */
export interface Expression {
  /** As written. */
  readonly text: string;
  /** Names of the points in it, each once. */
  readonly uses: readonly string[];
  /** What comes out, where it can be known. */
  readonly kind: Kind;
  /**
   * `values` in the order of `uses`; undefined for a point that has none, or none that may be trusted. Undefined comes out when one is
   * undefined or of another kind than the mapping says, for a division by zero, and for a number that a double cannot carry:
   * never false or 0 in place of "not known". Does not throw.
   */
  evaluate(values: readonly (Value | undefined)[]): Scalar | undefined;
}

/** Compiles and type-checks; all problems at once. */
export function compileExpression(
  text: string,
  points: ReadonlyMap<string, ExpressionPoint>,
): { readonly expression: Expression } | { readonly problems: readonly ExpressionProblem[] } {
  const node = parse(text);
  if (isProblem(node)) return { problems: [node] };
  const { problems, kind, run, uses } = check(node, text, points);
  if (problems.length > 0) return { problems };
  const kinds = uses.map((name) => points.get(name)?.kind ?? 'unknown');
  const inputs: unknown[] = new Array(uses.length);
  return {
    expression: {
      text,
      uses,
      kind,
      evaluate(values) {
        for (let i = 0; i < kinds.length; i++) {
          const input = inputOf(values[i], kinds[i]!);
          if (input === undefined) return undefined;
          inputs[i] = input;
        }
        const result = run(inputs);
        return Array.isArray(result) ? undefined : (result as Scalar | undefined);
      },
    },
  };
}

/** The value as the closures take it; undefined when it is not what the mapping says, or a double would blur it. */
function inputOf(value: Value | undefined, kind: Kind): unknown {
  if (kind === 'number' || typeof value === 'bigint') return numberOf(value);
  if (kind === 'unknown') return typeof value === 'number' && !Number.isFinite(value) ? undefined : value;
  if (kind === 'texts') return Array.isArray(value) ? value : undefined;
  return typeof value === (kind === 'truth' ? 'boolean' : 'string') ? value : undefined;
}

function numberOf(value: Value | undefined): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
  if (typeof value !== 'string') return undefined;
  // A decimal that left as text because a double would blur it; one that a double carries is taken.
  const exact = parseDecimal(value);
  if (!exact) return undefined;
  const number = toNumber(exact);
  return Number.isFinite(number) && value.replace(/^-?0*\.?0*|\./g, '').length <= 15 ? number : undefined;
}
