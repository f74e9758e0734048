import { join, resolve } from 'node:path';
import { loadAdapters } from '../adapters.ts';
import { callGateway } from '../api/access.ts';
import { compareSnapshots } from '../configuration/comparison.ts';
import { shortOf } from '../configuration/methods.ts';
import { ConfigurationStore } from '../configuration/store.ts';
import { sayRefusal } from './refusal.ts';
import { table } from './table.ts';

interface Options {
  readonly data: string;
  readonly json?: boolean;
}

/** `dragoman config history`: from the data folder, also while no gateway runs. */
export async function configHistory(options: Options): Promise<number> {
  const store = await openStore(options);
  const snapshots = store.snapshots.toReversed().map(shortOf);
  if (options.json) process.stdout.write(`${JSON.stringify(snapshots, undefined, 2)}\n`);
  else if (snapshots.length === 0) process.stdout.write(`no snapshots in ${store.folder}: no gateway has run on this data folder yet\n`);
  else {
    const rows = snapshots.map(({ snapshot, time, who, from, note, change }, index) => [
      `${snapshot}${index === 0 ? ' *' : ''}`,
      time,
      who,
      from,
      change,
      note ?? '',
    ]);
    process.stdout.write(`${table(['snapshot', 'time', 'who', 'from', 'change', 'note'], rows)}\n`);
  }
  return 0;
}

/** `dragoman config diff [FROM] [TO]`. 1 when a snapshot is not there, 2 when it is no number. */
export async function configDiff(from: string | undefined, to: string | undefined, options: Options): Promise<number> {
  const numbers = [from, to].map((text) => (text === undefined ? undefined : Number(text)));
  if (numbers.some((number) => number !== undefined && !Number.isInteger(number))) {
    process.stderr.write('a snapshot is a number: dragoman config diff 4 6\n');
    return 2;
  }
  const store = await openStore(options);
  // Adapters of other packages only sharpen the plan; the files are compared without them.
  const found = await compareSnapshots(store, numbers[0], numbers[1], await loadAdapters([], process.cwd()));
  if (!found) {
    process.stderr.write(`there is no such snapshot in ${store.folder}; dragoman config history lists them\n`);
    return 1;
  }
  if (options.json) process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
  else {
    const head = found.from === undefined ? `snapshot ${found.to}, the first` : `snapshot ${found.from} -> ${found.to}`;
    const files = found.files.length === 0 ? 'no file differs\n' : found.files.map(({ diff }) => diff).join('');
    process.stdout.write(`${head}\n${files}\n${found.plan.join('\n')}\n`);
  }
  return 0;
}

/** `dragoman config rollback SNAPSHOT`: asks the running gateway. 1 when it says no. */
export async function configRollback(snapshot: string, options: Options & { note?: string }): Promise<number> {
  const number = Number(snapshot);
  if (!Number.isInteger(number)) {
    process.stderr.write('a snapshot is a number: dragoman config rollback 4\n');
    return 2;
  }
  const payload = { snapshot: number, ...(options.note !== undefined && { note: options.note }) };
  const result = await callGateway(resolve(options.data), 'config.rollback', payload);
  if (options.json) process.stdout.write(`${JSON.stringify(result.payload, undefined, 2)}\n`);
  else if (result.status >= 300) sayRefusal(result.payload);
  else {
    const { snapshot: made, plan = [], message } = result.payload as { snapshot?: number; plan?: readonly string[]; message: string };
    process.stdout.write(`${plan.length > 0 ? plan.join('\n') : message}\nsnapshot ${made} is in force\n`);
  }
  return result.status < 300 ? 0 : 1;
}

function openStore({ data }: Options): Promise<ConfigurationStore> {
  const warn = (fields: object, message: string): void => void process.stderr.write(`${message}: ${JSON.stringify(fields)}\n`);
  return ConfigurationStore.open(join(resolve(data), 'configuration'), { warn });
}
