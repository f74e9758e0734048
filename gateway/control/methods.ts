import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { duration } from '../../mappings/keys.ts';
import { type Method, MethodRefusal, type Methods } from '../methods/methods.ts';
import { type WriteReport, writePriorities } from './contract.ts';
import type { WritePath } from './write-path.ts';

const method = <Input>(made: Method<Input>): Method<Input> => made;

const value = z.union([z.number(), z.string().max(4_096), z.boolean()], { error: 'a number, a text, true or false' });

/** One write, as a hub, a command or a module asks for it. */
export const WriteInput = z.strictObject({
  equipment: z.string().min(1).max(128),
  point: z.string().min(1).max(128),
  value,
  key: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('What is asked under one key is done once at most; left out: each call is a request of its own'),
  expires: duration({ min: 1, max: 86_400_000 }).optional().describe('How long from now it may be carried out'),
  priority: z.enum(writePriorities).optional(),
  dryRun: z.boolean().optional(),
});

/** `write` and `writes`. */
export function addWriteMethods(methods: Methods, path: WritePath): void {
  methods.add(
    method({
      name: 'write',
      summary: 'Writes one value past all guards: { equipment: "cooker-1", point: "setpoint", value: 95, dryRun: false }',
      input: WriteInput,
      async handle({ equipment, point, value: wanted, key, expires, priority, dryRun }, { who, from, messageId }) {
        const report = await path.write({
          equipment,
          point,
          value: wanted,
          who,
          from: 'method',
          // Request ids of a hub come again; the id of a queued message is its own.
          key: key ?? `${from}-${messageId ?? randomUUID()}`.slice(0, 200),
          ...(expires !== undefined && { expiresMs: expires }),
          ...(priority && { priority }),
          ...(dryRun !== undefined && { dryRun }),
        });
        return answer(report);
      },
    }),
  );
  methods.add(
    method({
      name: 'writes',
      summary: 'Switches all writing off or on, also over restarts: { writes: "off", why: "maintenance" }; left out: how it is',
      input: z.strictObject({ writes: z.enum(['on', 'off']).optional(), why: z.string().max(200).optional() }),
      async handle({ writes, why }, { who, from }) {
        if (writes) await path.switchWrites(writes, who, from === 'hub' ? 'method' : 'command', why);
        const off = path.switch.off();
        return { writes: off ? 'off' : 'on', ...(off && { reason: off.reason }) };
      },
    }),
  );
}

/** Done is 200; a guard's no is 409; what was tried and is not certain is 503. The whole report is given in each case. */
function answer(report: WriteReport): unknown {
  const shown = printable(report);
  if (report.outcome === 'done') return shown;
  const status = report.outcome === 'refused' ? 409 : 503;
  throw new MethodRefusal(status, `write-${report.outcome}`, report.reason, { details: shown });
}

/** 64-bit integers as their digits. */
export function printable(report: WriteReport): Record<string, unknown> {
  return JSON.parse(JSON.stringify(report, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part))) as Record<
    string,
    unknown
  >;
}
