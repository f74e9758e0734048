/** A straight line through samples taken at even distances. */
export interface Trend {
  /** How much the line rises from the first sample to the last. */
  readonly rise: number;
  /** Standard deviation of the samples from the line. */
  readonly noise: number;
  readonly mean: number;
}

/** Least squares. */
export function trendOf(samples: readonly number[]): Trend {
  const count = samples.length;
  const middle = (count - 1) / 2;
  const mean = samples.reduce((sum, value) => sum + value, 0) / count;
  let across = 0;
  let along = 0;
  for (const [at, value] of samples.entries()) {
    across += (at - middle) * (value - mean);
    along += (at - middle) ** 2;
  }
  const slope = across / along;
  const squares = samples.reduce((sum, value, at) => sum + (value - mean - slope * (at - middle)) ** 2, 0);
  return { rise: slope * (count - 1), noise: Math.sqrt(squares / Math.max(1, count - 2)), mean };
}
