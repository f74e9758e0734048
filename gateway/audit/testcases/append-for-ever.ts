import { AuditLog } from '../log.ts';

/** Appends until it is killed; prints rounds, and the number of the last entry that was confirmed. */
const log = await AuditLog.open(process.argv[2]!);
for (let i = 0; ; i++) {
  const entries = await Promise.all(
    Array.from({ length: 1 + (i % 4) }, () =>
      log.append({
        kind: 'write',
        action: 'write',
        who: 'test',
        from: 'test',
        target: `t${i}`,
        outcome: 'done',
        details: { filler: 'x'.repeat(500) },
      }),
    ),
  );
  process.stdout.write(`${i} ${entries.at(-1)!.sequence}\n`);
}
