import { type Item, parseExpression, type Sequence } from './match-parts.ts';

interface Unsafe {
  readonly message: string;
  readonly hint: string;
}

/** Steps that one search may take at most, about 50 ms. */
const mostSteps = 2 ** 24;
/** However plain the expression, longer texts are not searched. */
const longestInput = 65_536;
/** Choices between ways that begin alike multiply with each other. */
const mostChoices = 64;

/** An expression whose time is bounded: it is searched for in texts of at most `maxInput` characters. */
export interface Match {
  readonly expression: RegExp;
  readonly maxInput: number;
}

export function compileMatch(source: string): Match {
  return { expression: new RegExp(source, 'u'), maxInput: judge(source).maxInput };
}

/** Why an expression of `match` is refused; undefined when it is sound and its time is bounded. */
export function unsafeMatch(source: string): Unsafe | undefined {
  try {
    new RegExp(source, 'u');
  } catch (error) {
    const what = (error as Error).message.replace(/^Invalid regular expression: /, '');
    return { message: `match: ${what}`, hint: 'A literal . ( ) [ ] + * ? needs a backslash before it; other characters have none' };
  }
  return judge(source).unsafe;
}

function judge(source: string): { readonly maxInput: number; readonly unsafe?: Unsafe } {
  const refused = (message: string, hint: string) => ({ maxInput: 0, unsafe: { message: `match: ${message}`, hint } });
  const { alternatives, groups, refusal } = parseExpression(source);
  if (refusal) return refused(refusal.message, refusal.hint);
  if (groups !== 1) {
    return refused(
      `${groups === 0 ? 'there is no group' : `there are ${groups} groups`}; exactly one ( ) marks the value`,
      groups === 0 ? 'Write ([0-9.]+) around the part that is the value' : 'Write (?: ) for the groups that are not the value',
    );
  }
  const cost: Cost = { degree: 0, choices: 1 };
  const overlap = weigh({ alternatives }, 0n, cost);
  if (overlap) return refused(overlap, 'Write out what stands between them, or match fewer characters: [^;]+ in place of .+');
  const anchored = alternatives.every(([first]) => first?.anchor === true);
  // A search from every place, and at each a scan.
  const degree = cost.degree + (anchored ? 1 : 2);
  const maxInput = Math.min(longestInput, Math.floor((mostSteps / cost.choices) ** (1 / degree) + 1e-9));
  if (degree > 3 || cost.choices > mostChoices)
    return refused('too many parts match the same characters', 'Begin with ^, and match fewer characters: [^;]+ in place of .+');
  return { maxInput };
}

interface Cost {
  /** Repetitions whose end is not clear from the next character; each multiplies the steps by the length of the text. */
  degree: number;
  choices: number;
}

/** Adds up what `of` may cost when `next` (a set of characters) can follow it; a text says what makes it unbounded. */
function weigh(of: { readonly alternatives: readonly Sequence[] }, next: bigint, cost: Cost): string | undefined {
  const firsts = of.alternatives.map((sequence) => firstOf(sequence, next));
  if (firsts.some((first, i) => firsts.slice(i + 1).some((other) => (first & other) !== 0n))) cost.choices *= of.alternatives.length;
  for (const sequence of of.alternatives) {
    for (const [i, item] of sequence.entries()) {
      const after = firstOf(sequence.slice(i + 1), next);
      const own = firstOf([{ ...item, min: 1 }], 0n);
      const unclear = (own & after) !== 0n;
      if (item.max > 1 && item.max !== item.min) {
        if (item.alternatives) return 'a group that repeats without a limit is not bounded in time';
        if (unclear) cost.degree++;
      } else if (item.min === 0 && unclear) cost.choices *= 2;
      if (item.alternatives) {
        const found = weigh({ alternatives: item.alternatives }, after, cost);
        if (found !== undefined) return found;
      }
    }
  }
  return undefined;
}

/** The characters that a sequence can begin with; `next` where it can be empty. */
function firstOf(sequence: Sequence, next: bigint): bigint {
  let first = 0n;
  for (const item of sequence) {
    const inner = item.alternatives;
    if (inner) {
      const open = inner.some((each) => each.every(isEmpty));
      for (const each of inner) first |= firstOf(each, 0n);
      if (!open && item.min > 0) return first;
    } else {
      first |= item.set;
      if (item.min > 0 && item.set !== 0n) return first;
    }
  }
  return first | next;
}

function isEmpty(item: Item): boolean {
  return item.min === 0 || (item.alternatives ? item.alternatives.some((each) => each.every(isEmpty)) : item.set === 0n);
}
