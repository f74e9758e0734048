import type { Value } from '../../model/value.ts';

export const auditKinds = ['write', 'writes', 'configuration', 'trust', 'deployment', 'log'] as const;
/** What was done: one write, the master switch of writing, … `log` is about the audit log itself. */
export type AuditKind = (typeof auditKinds)[number];

/** What is to be written down. Values are plain JSON; secrets in them are blotted out before anything reaches the disk. */
export interface AuditRecord {
  readonly kind: AuditKind;
  /** What was done, in a word or two: `write`, `writes off`, `rollback`, `trust certificate`. */
  readonly action: string;
  /** Who asked: a person, a hub, a rule. */
  readonly who: string;
  /** From where: `method`, `desired`, `command`, an address. */
  readonly from: string;
  /** On what: `cooker-1/setpoint`, a fingerprint, the number of a snapshot. */
  readonly target: string;
  readonly old?: AuditValue;
  readonly new?: AuditValue;
  /** `done`, `refused`, `failed`, `unknown`. */
  readonly outcome: string;
  readonly reason?: string;
  /** Anything else that explains it; few and short. */
  readonly details?: { readonly [name: string]: AuditValue };
}

export type AuditValue = Value | null | readonly AuditValue[] | { readonly [key: string]: AuditValue };

/** As it stands in the log: numbered from 1, dated, and chained to the one before. */
export interface AuditEntry extends AuditRecord {
  readonly sequence: number;
  /** RFC 3339, UTC. */
  readonly time: string;
  /** Hash of the entry before; of the first one 64 zeros. */
  readonly previous: string;
  /** SHA-256, hex, over the line up to here. */
  readonly hash: string;
}
