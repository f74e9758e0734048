import type { Scalar } from '../../model/value.ts';

/** First and last index, both included, of one dimension. */
interface Span {
  readonly first: number;
  readonly last: number;
}

function parseSpans(index: string): Span[] {
  return index.split(',').map((part) => {
    const [first = 0, last = first] = part.split(':').map(Number);
    return { first, last };
  });
}

/** Takes a part of an array; undefined where nothing of it lies inside. */
export type Slicer = (values: readonly Scalar[], dimensions: readonly number[] | undefined) => readonly Scalar[] | Scalar | undefined;

/**
 * The part that `index` names: `3` is one element, `2:5` four of them, `0:1,2` of a matrix whose values stand row by row.
 * Cut here and not by the server: some ignore the range that a client asks for and send the whole, which would then pass for the part.
 */
export function compileSlicer(index: string): Slicer {
  const spans = parseSpans(index);
  const isElement = !index.includes(':');
  return (values, dimensions) => {
    const sizes = spans.length === 1 ? [values.length] : dimensions;
    if (sizes?.length !== spans.length) return undefined;
    if (spans.some(({ first }, d) => first >= sizes[d]!)) return undefined;
    if (spans.length === 1) {
      const { first, last } = spans[0]!;
      return isElement ? values[first] : values.slice(first, last + 1);
    }
    const parts = offsets(spans, sizes).map((offset) => values[offset]!);
    return isElement ? parts[0] : parts;
  };
}

function offsets(spans: readonly Span[], sizes: readonly number[]): number[] {
  let found = [0];
  for (const [d, { first, last }] of spans.entries()) {
    const size = sizes[d]!;
    const end = Math.min(last, size - 1);
    found = found.flatMap((base) => Array.from({ length: end - first + 1 }, (_, i) => base * size + first + i));
  }
  return found;
}
