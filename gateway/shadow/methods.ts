import { z } from 'zod';
import { duration } from '../../mappings/keys.ts';
import { mostTextBytes } from '../configuration/desired.ts';
import { by } from '../configuration/methods.ts';
import { type Method, MethodRefusal, type Methods } from '../methods/methods.ts';
import type { ShadowRule } from './rule.ts';
import type { ShadowService } from './service.ts';

const method = <Input>(made: Method<Input>): Method<Input> => made;
const period = duration({ min: 1_000, max: 31 * 86_400_000 });
const one = z.strictObject({ id: z.int().min(1).optional(), note: z.string().max(200).optional() });

/** What `shadow.start` takes; durations as written. */
export const ShadowStartInput = z.strictObject({
  file: z
    .string()
    .regex(/^(?!dragoman\.)[A-Za-z0-9][A-Za-z0-9_-]{0,95}\.ya?ml$/, 'the name of a mapping file, without folders')
    .describe('Name that the file gets when it is promoted'),
  text: z.string().max(mostTextBytes).describe('The candidate: the whole mapping file'),
  for: period.optional().describe('How long to compare; left out: twice promoteAfter, or 1h'),
  promoteAfter: period.optional().describe('Puts itself in force after so long without a difference beyond what is allowed'),
  maxDifference: z
    .union([z.number().min(0), z.record(z.string(), z.number().min(0))])
    .optional()
    .describe('What numbers may differ by: one figure, or one for each point that is named'),
  maxDifferentShare: z.number().min(0).max(1).optional().describe('Share of the samples of a point that may be beyond it'),
  note: z.string().max(200).optional(),
});

const hour = 3_600_000;

export function ruleOf(input: z.output<typeof ShadowStartInput>): ShadowRule {
  const { for: forMs, promoteAfter: promoteAfterMs, maxDifference, maxDifferentShare } = input;
  // Twice the time: one difference at the start is not the end.
  const lasts = forMs ?? (promoteAfterMs === undefined ? hour : 2 * promoteAfterMs);
  if (promoteAfterMs !== undefined && promoteAfterMs > lasts)
    throw new MethodRefusal(400, 'method-input', 'shadow.start: promoteAfter is longer than for; it could never be');
  if (promoteAfterMs === undefined && (maxDifference !== undefined || maxDifferentShare !== undefined))
    throw new MethodRefusal(
      400,
      'method-input',
      'shadow.start: maxDifference and maxDifferentShare belong to promoteAfter, which is not given',
    );
  return {
    forMs: lasts,
    ...(promoteAfterMs !== undefined && { promoteAfterMs }),
    ...(maxDifference !== undefined && { maxDifference }),
    ...(maxDifferentShare !== undefined && { maxDifferentShare }),
  };
}

/** shadow.start, shadow.status, shadow.promote, shadow.drop. */
export function addShadowMethods(methods: Methods, service: ShadowService): void {
  methods.add(
    method({
      name: 'shadow.start',
      summary: 'Compares a new mapping with the one that runs, on the same bytes: { file, text, for: "1h", promoteAfter, maxDifference }',
      input: ShadowStartInput,
      async handle(input, caller) {
        const { file, text, note } = input;
        return service.start({ file, text, rule: ruleOf(input), ...(note !== undefined && { note }) }, by(caller));
      },
    }),
  );
  methods.add(
    method({
      name: 'shadow.status',
      summary: 'What differs so far, by point: { id }; left out: the run that is under way; { all: true }: every run, in short',
      input: z.strictObject({ id: z.int().min(1).optional(), all: z.boolean().optional(), points: z.int().min(1).max(200).default(50) }),
      handle: async ({ id, all, points }) => (all ? { runs: service.reports(1) } : service.report(id, points)),
    }),
  );
  methods.add(
    method({
      name: 'shadow.promote',
      summary: 'Puts the candidate in force: { id }; left out: the run that is under way',
      input: one,
      handle: async ({ id, note }, caller) => service.promote(id, by(caller, note)),
    }),
  );
  methods.add(
    method({
      name: 'shadow.drop',
      summary: 'Ends a shadow run; the mapping that runs goes on: { id }',
      input: one,
      handle: async ({ id, note }, caller) => service.drop(id, by(caller, note)),
    }),
  );
}
