import { z } from 'zod';
import { formatDuration, parseDuration } from './duration.ts';

const day = 86_400_000;

const refuse = (context: z.RefinementCtx, rule: string, message: string, hint?: string): void =>
  context.addIssue({ code: 'custom', message, params: { rule, hint } });

/** A written duration, `100ms`, `1s`, `5m`, as milliseconds within limits. */
export function duration({ min = 0, max = 365 * day }: { readonly min?: number; readonly max?: number } = {}) {
  return z
    .union([z.string(), z.number()])
    .transform((written, context) => {
      const ms = typeof written === 'string' ? parseDuration(written) : undefined;
      if (typeof written === 'number') refuse(context, 'duration', `${written} has no unit`, `write ${written}s or ${written}ms`);
      else if (ms === undefined)
        refuse(context, 'duration', `"${written}" is not a duration`, 'write a number and a unit: 500ms, 2s, 5m, 1h');
      else if (ms < 0) refuse(context, 'negative-duration', `${written} is negative`, `write ${written.trim().slice(1)}`);
      else if (ms < min) refuse(context, 'absurd-duration', `${written} is too short`, `the shortest is ${formatDuration(min)}`);
      else if (ms > max) refuse(context, 'absurd-duration', `${written} is too long`, `the longest is ${formatDuration(max)}`);
      else return ms;
      return z.NEVER;
    })
    .meta({ expects: 'a duration like 1s', json: { type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*(ms|s|m|h|d)$' } });
}

const finite = z.number();
const bitNumber = z.int().min(0).max(63);

/** Keys of a map that are whole numbers; YAML gives `0x10` as 16. */
const numbered = (what: string) =>
  z.string().refine((key) => /^-?\d{1,20}$/.test(key), { error: ({ input }) => `"${input}" is not ${what}; it must be a whole number` });

const word = z.string().min(1).max(64);

const raw = z
  .union([finite, z.bigint(), z.string(), z.boolean()])
  .meta({ expects: 'a raw value', json: { type: ['number', 'string', 'boolean'] } });

export const unitKey = z
  .union([z.string(), z.strictObject({ from: z.string(), to: z.string() })])
  .meta({ expects: 'a UCUM code, or { from: …, to: … }' })
  .describe('UCUM code of the value that leaves (Cel, kW.h, "1"); { from: "[degF]", to: Cel } converts');

export const writeKey = z
  .strictObject({
    min: finite.optional().describe('Lowest value that may be written, in the unit that leaves'),
    max: finite.optional().describe('Highest value that may be written'),
    maxStep: finite.optional().describe('Largest change against the present value'),
    atMostEvery: duration().optional().describe('Shortest time between two writes'),
    onlyWhen: z.string().min(1).optional().describe('Condition over the points of this machine: state == "running"'),
    readBack: z.boolean().optional().describe('Read the value again after writing, and report what came'),
    expires: duration({ min: 1 }).optional().describe('A command older than this is not carried out'),
  })
  .describe('The point may be written, within these guards; absent: read-only, always');

/** The keys that every adapter's points have. Each is optional here; what must be there is checked with all defaults applied. */
export const pointKeys = {
  at: z
    .string()
    .max(4096)
    .meta({ json: { type: ['string', 'integer'] } })
    .describe("Where the value is, in the adapter's own notation"),
  every: duration({ min: 10, max: 30 * day }).describe('Polling or sampling interval; default 1s'),
  unit: unitKey,
  scale: finite.describe('value = raw × scale + offset, in decimal arithmetic'),
  offset: finite.describe('Added after scaling'),
  round: z.int().min(0).max(15).describe('Decimals kept'),
  enum: z.record(numbered('a raw value'), word).describe('Raw number to word; an unlisted number stays a number and is uncertain'),
  bit: bitNumber.describe('One bit of the raw number, 0 the lowest: true or false'),
  bits: z
    .union([z.tuple([bitNumber, bitNumber]), z.record(numbered('a bit'), word)])
    .meta({ expects: '[first, last], or { 0: name, 3: name }' })
    .describe('[first, last]: a field of the raw number; { 0: a, 3: b }: the names of the flags that are set'),
  invalid: z
    .union([raw, z.array(raw).min(1)])
    .meta({ expects: 'a raw value, or a list of them' })
    .describe('Raw values that mean "no value": quality bad, status BadNoData'),
  range: z.tuple([finite, finite]).describe('Plausible engineering range [lowest, highest]; outside the value is uncertain'),
  deadband: z
    .union([finite, z.string()])
    .transform((written, context) => {
      const percent = typeof written === 'string' ? /^(-?\d+(?:\.\d+)?)\s*%$/.exec(written.trim())?.[1] : undefined;
      if (typeof written === 'string' && percent === undefined) {
        refuse(context, 'bad-value', `"${written}" is not a deadband`, 'write 0.2 in the unit that leaves, or 2% of the range');
        return z.NEVER;
      }
      const size = Number(percent ?? written);
      if (size < 0 || (percent !== undefined && size > 100)) {
        refuse(context, 'out-of-range', size < 0 ? `${written} is negative` : `${written} is more than the whole range`);
        return z.NEVER;
      }
      return { size, percent: percent !== undefined };
    })
    .meta({ expects: '0.2, or 2%', json: { type: ['number', 'string'] } })
    .describe('Smallest change that is reported, against the last reported value: 0.2 in the unit that leaves, 2% of range'),
  atLeastEvery: duration({ min: 10, max: 30 * day }).describe('Report at least so often, though unchanged'),
  staleAfter: duration({ min: 10, max: 365 * day }).describe('Without a sample for so long the point is bad; default 3 × every'),
  write: writeKey,
  description: z.string().max(1000).describe('Free text; travels into the models that are exported'),
} as const;

export type PointKey = keyof typeof pointKeys;
export const commonKeys = Object.keys(pointKeys) as readonly PointKey[];

/** The keys of a point as parsed, defaults applied; durations in milliseconds. */
export type PointKeys = { readonly [K in PointKey]?: z.output<(typeof pointKeys)[K]> };
