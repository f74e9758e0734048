import type { Connection } from '../../adapters/contract.ts';
import type { CompiledPoint } from '../../mappings/equipment.ts';
import type { Reading } from '../../model/reading.ts';
import type { Value } from '../../model/value.ts';

export const writeOrigins = ['desired', 'method', 'rule', 'shim', 'command', 'module'] as const;
export type WriteOrigin = (typeof writeOrigins)[number];

/** From the most to the least urgent; those of one machine wait for each other in this order. */
export const writePriorities = ['urgent', 'normal', 'low'] as const;
export type WritePriority = (typeof writePriorities)[number];

export interface WriteRequest {
  readonly equipment: string;
  readonly point: string;
  /** In the unit that leaves. 64-bit numbers and exact decimals may be text. */
  readonly value: Value;
  /** For the audit: a person, a rule, a hub. */
  readonly who: string;
  readonly from: WriteOrigin;
  /** Idempotency key: what was asked under one key is done once at most, however often it is asked. 1 to 200 characters. */
  readonly key: string;
  /** How long from now it may be carried out. With `deadline` and the mapping's `expires` the earliest counts; without any of them 30 s. */
  readonly expiresMs?: number;
  /** Epoch milliseconds. */
  readonly deadline?: number;
  /** When it was asked for, epoch milliseconds; the mapping's `expires` counts from here. Default: now. */
  readonly askedMs?: number;
  /** Default: `urgent` for rules, else `normal`. */
  readonly priority?: WritePriority;
  /** All guards, and nothing is sent or remembered. */
  readonly dryRun?: boolean;
}

/** What can say no, in the order in which they are asked. */
export const guards = [
  'shutdown', 'request', 'key', 'writes-off', 'equipment', 'point', 'not-allowed', 'value', 'range', 'queue', 'expired', 'rate', 'step', 'interlock',
  'audit', 'journal', 'connection', 'machine', 'read-back',
] as const; // biome-ignore format: a list
export type Guard = (typeof guards)[number];

export interface WriteReport {
  /**
   * `done`: the machine confirmed it (and shows it, where `readBack` asks for that). `refused`: nothing was done, `guard` said no.
   * `failed`: it was to be done and is not in effect. `unknown`: it was sent, and whether the machine took it cannot be told; `readBack` is what is there.
   */
  readonly outcome: 'done' | 'refused' | 'failed' | 'unknown';
  readonly guard?: Guard;
  /** A sentence for the person who asked. */
  readonly reason: string;
  /** Latest good value before. */
  readonly old?: Value;
  readonly new: Value;
  /** What the machine showed afterwards, where it was read. */
  readonly readBack?: Value;
  readonly dryRun?: true;
  /** The answer to an earlier request under the same key. */
  readonly repeated?: true;
}

/** The machines as the write path sees them; the gateway implements it. */
export interface WriteTargets {
  /** Ids of all machines, for hints. */
  ids(): readonly string[];
  find(equipment: string): WriteTarget | undefined;
}

export interface WriteTarget {
  /** As compiled now; a reload gives another target. */
  readonly points: readonly CompiledPoint[];
  /** Latest reading of a point; undefined: none yet. A stale one has bad quality. */
  reading(point: string): Reading | undefined;
  /**
   * Runs `use` with the living connection, which stays the loop's. Rejects with NotConnectedError, with the reason of the loop, when there is none;
   * else as `use` does.
   */
  withConnection<T>(use: (connection: Connection) => Promise<T>): Promise<T>;
}
