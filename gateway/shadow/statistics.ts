import { z } from 'zod';

const shownReading = z.strictObject({ value: z.string(), quality: z.string(), status: z.string() });
export type ShownReading = z.infer<typeof shownReading>;

const count = z.int().min(0);

/** What became of one point so far: a fixed size, whatever the number of samples. Differences are candidate minus running. */
export const PointStatistics = z.strictObject({
  /** Pairs of samples that were compared. */
  pairs: count,
  /** … of which both were good: the evidence. */
  good: count,
  /** … of which not of one answer or message, but nearest in time: the machine may have moved in between. */
  apart: count,
  /** Samples of only one side. */
  onlyRunning: count,
  onlyCandidate: count,
  onlyCandidateGood: count,
  /** Pairs that are not equal in value, quality or status. */
  different: count,
  value: count,
  quality: count,
  status: count,
  /** Over pairs whose values are both numbers. */
  numbers: count,
  sumAbsolute: z.number(),
  maxAbsolute: z.number(),
  maxRelative: z.number(),
  /** Smallest and largest difference and ratio: equal ones tell an offset or a factor. */
  difference: z.tuple([z.number(), z.number()]).nullable(),
  ratio: z.tuple([z.number(), z.number()]).nullable(),
  /** Pairs beyond what the rule allows; good pairs since the last of them; when that was, in milliseconds of the run. */
  excess: count,
  goodSinceExcess: count,
  lastExcessAtMs: z.number().nullable(),
  /** The pair that differs most, and when, epoch milliseconds. */
  worst: z.strictObject({ atMs: z.number(), running: shownReading, candidate: shownReading }).nullable(),
  firstDifferentMs: z.number().nullable(),
  lastDifferentMs: z.number().nullable(),
});
export type PointStatistics = z.infer<typeof PointStatistics>;

export function noStatistics(): PointStatistics {
  return {
    pairs: 0,
    good: 0,
    apart: 0,
    onlyRunning: 0,
    onlyCandidate: 0,
    onlyCandidateGood: 0,
    different: 0,
    value: 0,
    quality: 0,
    status: 0,
    numbers: 0,
    sumAbsolute: 0,
    maxAbsolute: 0,
    maxRelative: 0,
    difference: null,
    ratio: null,
    excess: 0,
    goodSinceExcess: 0,
    lastExcessAtMs: null,
    worst: null,
    firstDifferentMs: null,
    lastDifferentMs: null,
  };
}
