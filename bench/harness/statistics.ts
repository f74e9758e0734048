export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Highest less lowest, as a part of the median: 0.1 means the repeats lie within ten percent of it. */
export function spread(numbers: readonly number[]): number {
  return numbers.length < 2 ? 0 : (Math.max(...numbers) - Math.min(...numbers)) / median(numbers);
}
