import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../adapters/contract.ts';
import { partEnding } from '../../deployments/whole-file.ts';
import { Blobs } from './blobs.ts';
import { writeDurably } from './durable-file.ts';
import { digestOfState, digestsOf, emptyState, Snapshot, type State } from './snapshot.ts';

export interface Authorship {
  readonly who: string;
  readonly from: string;
  readonly note?: string;
}

const mostSnapshots = 50;

/**
 * The numbered snapshots of a gateway: `snapshots/000042.json`, their texts by digest in `files`. Writing the snapshot is the one
 * moment at which a configuration comes into force: a kill before it leaves the old one, a kill after it the new one.
 */
export class ConfigurationStore {
  readonly folder: string;
  readonly blobs: Blobs;
  #snapshots: readonly Snapshot[] = [];
  readonly #listeners = new Set<(snapshot: Snapshot) => void>();
  #texts: ReadonlyMap<string, string> = new Map();
  #highest = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.blobs = new Blobs(join(folder, 'files'));
  }

  /** A folder that is not there has no snapshots. What cannot be read is passed over, and said. */
  static async open(folder: string, log?: Pick<Log, 'warn'>): Promise<ConfigurationStore> {
    const store = new ConfigurationStore(folder);
    const snapshots: Snapshot[] = [];
    for (const name of await readdir(store.#snapshotFolder).catch(() => [])) {
      const number = Number(/^(\d{6,})\.json$/.exec(name)?.[1]);
      if (!number) continue;
      store.#highest = Math.max(store.#highest, number);
      const snapshot = await readSnapshot(join(store.#snapshotFolder, name), number);
      if (snapshot) snapshots.push(snapshot);
      else log?.warn({ snapshot: number }, 'a configuration snapshot is damaged and is passed over');
    }
    store.#snapshots = snapshots.toSorted((a, b) => a.number - b.number);
    await store.#findCurrent(log);
    return store;
  }

  get #snapshotFolder(): string {
    return join(this.folder, 'snapshots');
  }

  /** Oldest first; the last one is in force. */
  get snapshots(): readonly Snapshot[] {
    return this.#snapshots;
  }

  get current(): Snapshot | undefined {
    return this.#snapshots.at(-1);
  }

  get state(): State {
    return this.current ?? emptyState;
  }

  /** Texts of the one in force, by digest. */
  get texts(): ReadonlyMap<string, string> {
    return this.#texts;
  }

  find(number: number): Snapshot | undefined {
    return this.#snapshots.find((snapshot) => snapshot.number === number);
  }

  /** Texts of any one, by digest; those that are damaged are missing. */
  textsOf(state: State): Promise<Map<string, string>> {
    return this.blobs.all(digestsOf(state));
  }

  /** Called with each snapshot once it is on disk. A listener must not throw. */
  onCommit(listener: (snapshot: Snapshot) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Puts a state in force. `texts` are those that may be new. Durable when it resolves. */
  async commit(state: State, texts: Iterable<string>, by: Authorship, plan: readonly string[]): Promise<Snapshot> {
    for (const text of texts) await this.blobs.put(text);
    const snapshot: Snapshot = {
      number: this.#highest + 1,
      time: new Date().toISOString(),
      who: by.who,
      from: by.from,
      ...(by.note !== undefined && { note: by.note }),
      ...(this.current && { parent: this.current.number }),
      digest: digestOfState(state),
      local: state.local,
      remote: state.remote,
      pins: state.pins,
      settings: state.settings,
      asked: state.asked,
      plan: [...plan],
    };
    await writeDurably(this.#fileOf(snapshot.number), `${JSON.stringify(snapshot, undefined, 1)}\n`);
    this.#highest = snapshot.number;
    this.#snapshots = [...this.#snapshots, snapshot];
    this.#texts = await this.textsOf(snapshot);
    await this.#trim();
    for (const listener of this.#listeners) listener(snapshot);
    return snapshot;
  }

  #fileOf(number: number): string {
    return join(this.#snapshotFolder, `${String(number).padStart(6, '0')}.json`);
  }

  async #trim(): Promise<void> {
    const old = this.#snapshots.slice(0, -mostSnapshots);
    if (old.length === 0) return;
    for (const { number } of old) await unlink(this.#fileOf(number)).catch(() => {});
    this.#snapshots = this.#snapshots.slice(-mostSnapshots);
    await this.blobs.sweep(new Set(this.#snapshots.flatMap(digestsOf)));
  }

  /** The newest one whose texts are all there; newer ones are not offered any more, their numbers are not used again. */
  async #findCurrent(log: Pick<Log, 'warn'> | undefined): Promise<void> {
    while (this.current) {
      const texts = await this.textsOf(this.current);
      if (neededBy(this.current).every((sha256) => texts.has(sha256))) {
        this.#texts = texts;
        return;
      }
      log?.warn({ snapshot: this.current.number }, 'a file of a configuration snapshot is damaged; the one before it is used');
      this.#snapshots = this.#snapshots.slice(0, -1);
    }
  }
}

/** Without these it cannot run; local files are on the disk themselves. */
function neededBy({ remote, pins }: State): string[] {
  return [...Object.values(remote), ...Object.values(pins).flatMap(({ use }) => use ?? [])];
}

async function readSnapshot(path: string, number: number): Promise<Snapshot | undefined> {
  try {
    const snapshot = Snapshot.parse(JSON.parse(await readFile(path, 'utf8')));
    return snapshot.number === number ? snapshot : undefined;
  } catch {
    return undefined;
  }
}

/** Removes what a kill in the middle of a write left. */
export async function removeParts(folder: string): Promise<void> {
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    if (name.endsWith(partEnding)) await unlink(join(folder, name)).catch(() => {});
  }
}
