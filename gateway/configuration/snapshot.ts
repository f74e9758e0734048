import { hash } from 'node:crypto';
import { z } from 'zod';
import { RuntimeSettings } from './runtime-settings.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const byPath = z.record(z.string(), digest);

/** What stands for a local file: as long as the file is as it was then, this text is read instead; null: none is. */
const pin = z.strictObject({ while: digest.nullable(), use: digest.nullable() });
export type Pin = z.infer<typeof pin>;

/** One configuration that was put in force, with who and when. All files by the digest of their text. */
export const Snapshot = z.strictObject({
  number: z.int().min(1),
  time: z.iso.datetime(),
  /** `file` for an edit on the disk, the name the hub or the local user gave, `rule` for a shadow run that promoted itself. */
  who: z.string(),
  /** How it came: desired properties, a method, a command, the disk, a shadow run. */
  from: z.string(),
  note: z.string().optional(),
  parent: z.int().optional(),
  /** Over local, remote and settings: equal digest, equal configuration. */
  digest,
  /** Of the local files, by path below the folder of dragoman.yaml: the text that ran. */
  local: byPath,
  /** By file name. */
  remote: byPath,
  pins: z.record(z.string(), pin),
  settings: RuntimeSettings,
  /** What the twin asked for last: its word counts when it changes, not each time it is heard. */
  asked: z.strictObject({ files: byPath.optional(), settings: RuntimeSettings.optional() }),
  /** What it changed for the machines, as a reload says it. */
  plan: z.array(z.string()),
});
export type Snapshot = z.infer<typeof Snapshot>;

/** The part that can be put in force again. */
export type State = Pick<Snapshot, 'local' | 'remote' | 'pins' | 'settings' | 'asked'>;

export const emptyState: State = { local: {}, remote: {}, pins: {}, settings: {}, asked: {} };

export function digestOfState({ local, remote, settings }: Pick<State, 'local' | 'remote' | 'settings'>): string {
  const sorted = (map: Readonly<Record<string, string>>): unknown => Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return hash('sha256', JSON.stringify([sorted(local), sorted(remote), settings.log?.level, settings.batchFor]), 'hex');
}

/** Every text that a snapshot needs. */
export function digestsOf({ local, remote, pins, asked }: State): string[] {
  const used = Object.values(pins).flatMap(({ use }) => use ?? []);
  return [...Object.values(local), ...Object.values(remote), ...used, ...Object.values(asked.files ?? {})];
}
