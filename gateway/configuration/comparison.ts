import type { Adapter } from '../../adapters/contract.ts';
import { compileSet } from '../mapping-set.ts';
import { formatPlan, planReload } from '../reload-plan.ts';
import type { RuntimeSettings } from './runtime-settings.ts';
import type { Snapshot } from './snapshot.ts';
import type { ConfigurationStore } from './store.ts';
import { unifiedDiff } from './unified-diff.ts';

/** Two snapshots side by side. */
export interface Comparison {
  readonly from: number | undefined;
  readonly to: number;
  /** Unified diffs of the files that differ, settings last; empty: they are equal. */
  readonly files: readonly { readonly file: string; readonly diff: string }[];
  /** What it means for the machines. */
  readonly plan: readonly string[];
}

/** `to` is the one in force unless given, `from` the one before `to`. Undefined where one of them is not there. */
export async function compareSnapshots(
  store: ConfigurationStore,
  from: number | undefined,
  to: number | undefined,
  adapters: readonly Adapter[],
): Promise<Comparison | undefined> {
  const after = to === undefined ? store.current : store.find(to);
  const before = from === undefined ? store.snapshots.findLast(({ number }) => number < (after?.number ?? 0)) : store.find(from);
  if (!after || (from !== undefined && !before)) return undefined;
  const [old, now] = [await filesOf(store, before), await filesOf(store, after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].toSorted();
  const files = names.flatMap((file) => {
    const [a, b] = [old.get(file), now.get(file)];
    if (a === b) return [];
    const covered = a === undefined ? coveredBy(file, old) : undefined;
    return [{ file, diff: covered === undefined ? unifiedDiff(file, a, b) : unifiedDiff(file, old.get(covered), b, covered) }];
  });
  const [a, b] = [settingsText(before?.settings), settingsText(after.settings)];
  if (a !== b) files.push({ file: 'settings', diff: unifiedDiff('settings', a, b) });
  const plan = formatPlan(planReload(equipmentOf(old, adapters), equipmentOf(now, adapters)));
  return { from: before?.number, to: after.number, files, plan };
}

const remoteFolder = 'remote/';

/** A file that was sent and is new says most beside the local one of its name, which it stands in for. */
function coveredBy(file: string, old: ReadonlyMap<string, string>): string | undefined {
  if (!file.startsWith(remoteFolder)) return undefined;
  const name = file.slice(remoteFolder.length);
  return [...old.keys()].find((other) => !other.startsWith(remoteFolder) && other.split('/').at(-1) === name);
}

/** Texts by the name that people see: the path of a local file, `remote/NAME` for one that was sent. */
async function filesOf(store: ConfigurationStore, snapshot: Snapshot | undefined): Promise<Map<string, string>> {
  if (!snapshot) return new Map();
  const texts = await store.textsOf(snapshot);
  const named = [
    ...Object.entries(snapshot.local),
    ...Object.entries(snapshot.remote).map(([name, sha256]): [string, string] => [`${remoteFolder}${name}`, sha256]),
  ];
  return new Map(named.map(([name, sha256]) => [name, texts.get(sha256) ?? `(the text ${sha256} is damaged)\n`]));
}

function equipmentOf(files: ReadonlyMap<string, string>, adapters: readonly Adapter[]) {
  const isRemote = (file: string): boolean => file.startsWith(remoteFolder);
  const part = (remote: boolean): Map<string, string> => new Map([...files].filter(([file]) => isRemote(file) === remote));
  return compileSet(part(false), part(true), adapters, { text: () => undefined }).equipment;
}

function settingsText(settings: RuntimeSettings = {}): string {
  const lines = [settings.log && `log.level: ${settings.log.level}`, settings.batchFor && `batchFor: ${settings.batchFor}`];
  return lines.map((line) => (line ? `${line}\n` : '')).join('');
}
