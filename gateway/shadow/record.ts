import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../configuration/durable-file.ts';
import { ShadowRule } from './rule.ts';
import { PointStatistics } from './statistics.ts';
import { Traffic } from './traffic.ts';

/** `finished`: its time is over and a person decides. `failed`: it can be promoted no more, the reason says why. */
export const shadowStates = ['running', 'finished', 'promoted', 'dropped', 'failed'] as const;
export type ShadowState = (typeof shadowStates)[number];

/** A shadow run as it is kept on disk: enough to go on after a restart, and to read the result months later. */
export const ShadowRecord = z.strictObject({
  id: z.int().min(1),
  /** Name that the file gets when it is promoted. */
  file: z.string(),
  text: z.string(),
  note: z.string().optional(),
  who: z.string(),
  from: z.string(),
  startedMs: z.number(),
  endedMs: z.number().optional(),
  state: z.enum(shadowStates),
  reason: z.string().optional(),
  /** Time that the gateway ran with it, and of that the time in which values came of all its machines. */
  elapsedMs: z.number(),
  observedMs: z.number(),
  /** Restarts of the gateway that it went on after. */
  interruptions: z.int(),
  rule: ShadowRule,
  /** By equipment: what it was compared with, and what came out, by point. */
  machines: z.record(
    z.string(),
    z.strictObject({ baseHash: z.string(), statistics: z.record(z.string(), PointStatistics), traffic: Traffic.optional() }),
  ),
  /** The report, once it is over: the statistics are not kept then. */
  result: z.unknown().optional(),
  /** The configuration that it became. */
  snapshot: z.int().optional(),
});
export type ShadowRecord = z.infer<typeof ShadowRecord>;

const mostRecords = 30;

/** One file a run, `data/shadow/000003.json`; the oldest go. */
export class ShadowRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Oldest first; what cannot be read is left out. */
  async load(): Promise<ShadowRecord[]> {
    const records: ShadowRecord[] = [];
    for (const name of (await readdir(this.#folder).catch(() => [])).toSorted()) {
      if (!/^\d{6,}\.json$/.test(name)) continue;
      try {
        records.push(ShadowRecord.parse(JSON.parse(await readFile(join(this.#folder, name), 'utf8'))));
      } catch {
        // Damaged, or of another version: a result that is lost, nothing that must run.
      }
    }
    return records;
  }

  /** `text` is a ShadowRecord as JSON. */
  async save(id: number, text: string): Promise<void> {
    await writeDurably(join(this.#folder, nameOf(id)), text);
    const names = (await readdir(this.#folder)).filter((name) => /^\d{6,}\.json$/.test(name)).toSorted();
    for (const name of names.slice(0, -mostRecords)) if (name !== nameOf(id)) await unlink(join(this.#folder, name)).catch(() => {});
  }
}

function nameOf(id: number): string {
  return `${String(id).padStart(6, '0')}.json`;
}
