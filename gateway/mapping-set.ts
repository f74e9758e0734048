import type { Adapter } from '../adapters/contract.ts';
import type { CompiledEquipment } from '../mappings/equipment.ts';
import { compileMapping, compileMappings, readMappings } from '../mappings/load.ts';
import type { Problem } from '../model/problem.ts';
import type { LastGood } from './last-good.ts';

export interface MappingSet {
  readonly equipment: readonly CompiledEquipment[];
  readonly problems: readonly Problem[];
  readonly files: readonly string[];
  /** Files whose present text is refused and whose last good text is used instead. */
  readonly fallbacks: readonly string[];
  /** The text that each file runs with. */
  readonly texts: ReadonlyMap<string, string>;
}

/** Mapping files that do not come from the folders of `dragoman.yaml`: what a hub, a shadow run or a rollback put in force. */
export interface ManagedMappings {
  /** Files from elsewhere, by the path under which problems name them. A machine that is in them and in a local file is taken from here. */
  readonly remote: ReadonlyMap<string, string>;
  /** What stands for the local files, given as they are on the disk. */
  local(texts: ReadonlyMap<string, string | Problem>): ReadonlyMap<string, string | Problem>;
}

const nothingManaged: ManagedMappings = { remote: new Map(), local: (texts) => texts };

/**
 * The mappings as they shall run: each file as it is, or, where it is refused, as it last was good.
 * A file that is gone takes its machines with it; a file that is bad changes nothing.
 */
export async function loadMappingSet(
  paths: readonly string[],
  adapters: readonly Adapter[],
  lastGood: LastGood,
  managed: ManagedMappings = nothingManaged,
): Promise<MappingSet> {
  const set = await readMappingSet(paths, adapters, lastGood, managed);
  await lastGood.save(set.texts);
  return set;
}

/** The same, for a look: what was good last stays as it is. */
export async function readMappingSet(
  paths: readonly string[],
  adapters: readonly Adapter[],
  lastGood: Pick<LastGood, 'text'>,
  managed: ManagedMappings = nothingManaged,
): Promise<MappingSet> {
  const { texts, problems } = await readMappings(paths);
  // With mappings from elsewhere, a folder without any is no mistake.
  const listed = managed.remote.size === 0 ? problems : problems.filter(({ rule }) => rule !== 'no-files');
  return compileSet(managed.local(texts), managed.remote, adapters, lastGood, listed);
}

/** Local and remote files are judged apart, so that a duplicate between them is no error; the remote one wins and a warning says so. */
export function compileSet(
  local: ReadonlyMap<string, string | Problem>,
  remote: ReadonlyMap<string, string>,
  adapters: readonly Adapter[],
  lastGood: Pick<LastGood, 'text'>,
  listed: readonly Problem[] = [],
): MappingSet {
  const ours = withFallbacks(remote, adapters, lastGood, []);
  const theirs = withFallbacks(local, adapters, lastGood, listed);
  const fileOf = new Map(ours.equipment.map(({ id, file }) => [id, file]));
  const covered = theirs.equipment.filter(({ id }) => fileOf.has(id));
  return {
    equipment: [...theirs.equipment.filter(({ id }) => !fileOf.has(id)), ...ours.equipment],
    problems: [...theirs.problems, ...covered.map(({ id, file }) => covering(id, file, fileOf.get(id)!)), ...ours.problems],
    files: [...theirs.files, ...ours.files],
    fallbacks: [...theirs.fallbacks, ...ours.fallbacks],
    texts: new Map([...theirs.texts, ...ours.texts]),
  };
}

function covering(id: string, file: string, remote: string): Problem {
  const message = `equipment: ${id} also comes from ${remote}, which was sent to this gateway and is used instead`;
  const hint = 'remove one of them; dragoman config history says who sent it';
  return { file, line: 1, column: 1, severity: 'warn', rule: 'remote-wins', message, hint };
}

function withFallbacks(
  given: ReadonlyMap<string, string | Problem>,
  adapters: readonly Adapter[],
  lastGood: Pick<LastGood, 'text'>,
  listed: readonly Problem[],
): MappingSet {
  const result = compileMappings(given, adapters, listed);
  const bad = new Set(result.problems.filter((problem) => problem.severity === 'error').map((problem) => problem.file));
  const equipment = [...result.equipment];
  const taken = new Set(equipment.map(({ id }) => id));
  const texts = new Map<string, string>();
  const fallbacks: string[] = [];
  for (const [file, now] of given) {
    const text = bad.has(file) ? lastGood.text(file) : now;
    if (typeof text !== 'string') continue;
    texts.set(file, text);
    if (!bad.has(file)) continue;
    const before = compileMapping(file, text, adapters).equipment.filter(({ id }) => !taken.has(id));
    for (const one of before) taken.add(one.id);
    equipment.push(...before);
    if (before.length > 0) fallbacks.push(file);
  }
  return { equipment, problems: result.problems, files: result.files, fallbacks, texts };
}
