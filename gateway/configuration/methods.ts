import { z } from 'zod';
import { type Caller, type Method, MethodRefusal, type Methods } from '../methods/methods.ts';
import { mostTextBytes } from './desired.ts';
import { answerOf } from './remote.ts';
import type { ChangeOutcome, ConfigurationService } from './service.ts';
import type { Snapshot } from './snapshot.ts';
import type { Authorship } from './store.ts';

const method = <Input>(made: Method<Input>): Method<Input> => made;
const number = z.int().min(1);
/** Direct methods take 128 KB both ways. */
const mostDiffChars = 90_000;

/** config.history, config.diff, config.rollback, config.apply. */
export function addConfigurationMethods(methods: Methods, service: ConfigurationService): void {
  methods.add(
    method({
      name: 'config.history',
      summary: 'The configurations that were in force, newest first: { last: 20 }',
      input: z.strictObject({ last: z.int().min(1).max(50).default(20) }),
      handle: async ({ last }) => ({ snapshots: service.store.snapshots.slice(-last).reverse().map(shortOf) }),
    }),
  );
  methods.add(
    method({
      name: 'config.diff',
      summary: 'What changed between two snapshots; left out: what the newest one changed: { from: 4, to: 6 }',
      input: z.strictObject({ from: number.optional(), to: number.optional() }),
      async handle({ from, to }) {
        const found = await service.diff(from, to);
        if (!found) throw new MethodRefusal(404, 'snapshot-unknown', 'there is no such snapshot', { hint: 'config.history lists them' });
        let left = mostDiffChars;
        const files = found.files.map(({ file, diff }) => {
          const shown = diff.slice(0, left);
          left -= shown.length;
          return { file, diff: shown, ...(shown.length < diff.length && { cut: true }) };
        });
        return { ...found, files };
      },
    }),
  );
  methods.add(
    method({
      name: 'config.rollback',
      summary: 'Puts an older snapshot in force again, as a new one: { snapshot: 4 }',
      input: z.strictObject({ snapshot: number, note: z.string().max(200).optional() }),
      handle: async ({ snapshot, note }, caller) => resultOf(await service.rollback(snapshot, by(caller, note)), service.base),
    }),
  );
  methods.add(
    method({
      name: 'config.apply',
      summary: 'Puts mapping files in force: { files: { "cooker-1.yaml": "equipment: …" or null to remove it } }',
      input: z.strictObject({
        files: z.record(
          z.string().regex(/^(?!dragoman\.)[A-Za-z0-9][A-Za-z0-9_-]{0,95}\.ya?ml$/),
          z.string().max(mostTextBytes).nullable(),
        ),
        allowNoMachines: z.boolean().optional(),
        note: z.string().max(200).optional(),
      }),
      async handle({ files, allowNoMachines, note }, caller) {
        const change = { files: new Map(Object.entries(files)), ...(allowNoMachines !== undefined && { allowNoMachines }) };
        return resultOf(await service.apply(change, by(caller, note)), service.base);
      },
    }),
  );
}

export function by({ who, from }: Caller, note?: string): Authorship {
  return { who, from: from === 'hub' ? 'method' : 'command', ...(note !== undefined && { note }) };
}

/** A refusal is a 409 with the diagnostics. */
export function resultOf(outcome: ChangeOutcome, base: string): unknown {
  const { status: _, ...answer } = answerOf(outcome, base);
  if (outcome.state === 'refused') throw new MethodRefusal(409, 'config-refused', outcome.reason, { details: answer.diagnostics });
  return { ...answer, ...(outcome.state === 'applied' && { plan: outcome.snapshot.plan.slice(0, 50) }) };
}

/** One snapshot in a line or two, for lists and for the twin. */
export function shortOf({ number: snapshot, time, who, from, note, plan, digest, local, remote }: Snapshot) {
  const files = { local: Object.keys(local).length, remote: Object.keys(remote).length };
  return { snapshot, time, who, from, ...(note !== undefined && { note }), change: plan.at(-1) ?? '', files, digest: digest.slice(0, 12) };
}
