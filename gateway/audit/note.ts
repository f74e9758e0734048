import { join } from 'node:path';
import { z } from 'zod';
import { callGateway } from '../api/access.ts';
import { MethodRefusal, type Methods } from '../methods/methods.ts';
import { type AuditRecord, auditKinds } from './entry.ts';
import { AuditLog } from './log.ts';

const Note = z.strictObject({
  kind: z.enum(auditKinds),
  action: z.string().max(100),
  who: z.string().max(200),
  from: z.string().max(200),
  target: z.string().max(500),
  outcome: z.string().max(100),
  reason: z.string().max(1_000).optional(),
});

/** `audit.note`, for commands on this machine while the gateway has the log. A hub may not write what others did. */
export function addAuditMethod(methods: Methods, log: AuditLog): void {
  methods.add({
    name: 'audit.note',
    summary: 'Writes down what a command on this machine did; not for a hub',
    input: Note,
    async handle({ reason, ...note }, { from }) {
      if (from !== 'local') throw new MethodRefusal(409, 'audit-local', 'only commands on the machine itself may write into its audit log');
      const { sequence } = await log.append({ ...note, ...(reason !== undefined && { reason }) });
      return { sequence };
    },
  });
}

/** Writes down what a command did, in the log of the gateway whether it runs or not. Rejects when neither way is open. */
export async function noteFromCommand(dataFolder: string, record: AuditRecord): Promise<void> {
  let log: AuditLog;
  try {
    log = await AuditLog.open(join(dataFolder, 'audit'));
  } catch (cause) {
    const { status } = await callGateway(dataFolder, 'audit.note', record);
    if (status >= 300) throw cause;
    return;
  }
  try {
    await log.append(record);
  } finally {
    await log[Symbol.asyncDispose]();
  }
}
