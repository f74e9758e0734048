import { mkdir, readdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Adapter, Log } from '../../adapters/contract.ts';
import type { CompiledEquipment } from '../../mappings/equipment.ts';
import { readMappings } from '../../mappings/load.ts';
import type { Problem } from '../../model/problem.ts';
import type { LastGood } from '../last-good.ts';
import { type ManagedMappings, type MappingSet, readMappingSet } from '../mapping-set.ts';
import { formatPlan, planReload, type ReloadPlan } from '../reload-plan.ts';
import { digestOf } from './blobs.ts';
import { type Comparison, compareSnapshots } from './comparison.ts';
import { writeDurably } from './durable-file.ts';
import { isRemote, livePins, localName, managedBy, type Places, pinsFor, remotePath } from './managed.ts';
import type { RuntimeSettings } from './runtime-settings.ts';
import { digestOfState, type Snapshot, type State } from './snapshot.ts';
import { type Authorship, ConfigurationStore, removeParts } from './store.ts';

export interface ConfigurationParts {
  /** `data/configuration`. */
  readonly folder: string;
  /** The folder of `dragoman.yaml`. */
  readonly base: string;
  /** `mappings:` of `dragoman.yaml`, absolute. */
  readonly mappings: readonly string[];
  readonly adapters: readonly Adapter[];
  readonly lastGood: Pick<LastGood, 'text'>;
  readonly log: Log;
}

/** The running gateway. */
export interface ConfigurationHost {
  readonly equipment: readonly CompiledEquipment[];
  /** Loads what is in force and applies what changed. */
  reload(): Promise<{ readonly plan: ReloadPlan; readonly problems: readonly Problem[] }>;
  /** What is absent is as `dragoman.yaml` says. */
  applySettings(settings: RuntimeSettings): void;
}

/** What is to change; what is absent stays. */
export interface Change {
  /** Remote files by name; null removes one. */
  readonly files?: ReadonlyMap<string, string | null>;
  readonly settings?: RuntimeSettings;
  readonly pins?: State['pins'];
  readonly asked?: State['asked'];
  /** Else a change that leaves no machine at all is refused. */
  readonly allowNoMachines?: boolean;
}

export type ChangeOutcome =
  | { readonly state: 'applied'; readonly snapshot: Snapshot; readonly problems: readonly Problem[] }
  | { readonly state: 'unchanged'; readonly snapshot: Snapshot | undefined; readonly problems: readonly Problem[] }
  | { readonly state: 'refused'; readonly reason: string; readonly problems: readonly Problem[] };

/**
 * What is in force, and the only way to change it: compiled with its samples, judged, made a snapshot, applied. Changes queue up
 * behind each other; a refused one leaves everything as it is.
 */
export class ConfigurationService {
  readonly store: ConfigurationStore;
  readonly #parts: ConfigurationParts;
  readonly #places: Places;
  #host: ConfigurationHost | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #notes = 0;

  private constructor(parts: ConfigurationParts, store: ConfigurationStore) {
    this.#parts = parts;
    this.store = store;
    this.#places = { base: parts.base, remote: join(parts.folder, 'mappings') };
  }

  /** Before the first load of the mappings. Rejects never for what it finds; a damaged snapshot is passed over. */
  static async open(parts: ConfigurationParts): Promise<ConfigurationService> {
    await removeParts(parts.folder);
    const service = new ConfigurationService(parts, await ConfigurationStore.open(parts.folder, parts.log));
    await service.#show();
    return service;
  }

  /** For `loadMappingSet`, at the start and at every reload. */
  get managed(): ManagedMappings {
    return managedBy(this.store.state, this.store.texts, this.#places);
  }

  get base(): string {
    return this.#parts.base;
  }

  /** Name of a remote file by its path; undefined for a local one. */
  remoteName(file: string): string | undefined {
    return isRemote(this.#places, file) ? basename(file) : undefined;
  }

  /** The gateway runs. */
  attach(host: ConfigurationHost): void {
    this.#host = host;
    host.applySettings(this.store.state.settings);
  }

  /**
   * After a load, with the texts that run: an edit on the disk is a configuration too. Does nothing where nothing changed; of several
   * loads in a row the last one counts. `plan` is what it meant for the machines. Never rejects: a full disk must not stop a reload.
   */
  note(texts: MappingSet['texts'], plan: ReloadPlan): Promise<void> {
    const number = ++this.#notes;
    return this.#inTurn(async () => {
      if (number === this.#notes) await this.#note(texts, plan);
    }).catch((error: unknown) => {
      this.#parts.log.error({ reason: (error as Error).message }, 'the configuration that runs could not be kept as a snapshot');
    });
  }

  async #note(texts: MappingSet['texts'], plan: ReloadPlan): Promise<void> {
    const { state, current } = this.store;
    const locals = this.#locals(texts);
    const local = Object.fromEntries(locals.map(([name, text]) => [name, digestOf(text)]));
    const pins = Object.keys(state.pins).length === 0 ? {} : livePins(state.pins, await this.#onDisk());
    const next = { ...state, local, pins };
    if (current && digestOfState(next) === current.digest) return;
    await this.store.commit(
      next,
      locals.map(([, text]) => text),
      { who: 'file', from: 'disk' },
      formatPlan(plan),
    );
  }

  /** Resolves once everything that was asked for is done. */
  async settled(): Promise<void> {
    await this.#queue;
  }

  apply(change: Change, by: Authorship): Promise<ChangeOutcome> {
    return this.#inTurn(() => this.#apply(change, by));
  }

  /** A new snapshot that is equal to an old one. Local files that were changed since are read from the snapshot until they are changed again. */
  rollback(number: number, by: Authorship): Promise<ChangeOutcome> {
    return this.#inTurn(async () => {
      const target = this.store.find(number);
      if (!target) return refused(`there is no snapshot ${number}${this.#range()}`);
      const texts = await this.store.textsOf(target);
      const missing = [...Object.entries(target.remote), ...Object.entries(target.local)].find(([, sha256]) => !texts.has(sha256));
      if (missing) return refused(`snapshot ${number} cannot be used: its text of ${missing[0]} is damaged`);
      const files = new Map<string, string | null>();
      for (const name of Object.keys(this.store.state.remote)) files.set(name, null);
      for (const [name, sha256] of Object.entries(target.remote)) files.set(name, texts.get(sha256)!);
      const pins = pinsFor(target.local, await this.#onDisk());
      const note = by.note ?? `as snapshot ${number}`;
      return this.#apply({ files, pins, settings: target.settings }, { ...by, note }, texts);
    });
  }

  /** Left out: what the one in force changed. */
  async diff(from?: number, to?: number): Promise<Comparison | undefined> {
    return compareSnapshots(this.store, from, to, this.#parts.adapters);
  }

  #range(): string {
    const { snapshots } = this.store;
    return snapshots.length === 0 ? '; there is none yet' : `; there are ${snapshots[0]!.number} to ${snapshots.at(-1)!.number}`;
  }

  async #apply(change: Change, by: Authorship, known: ReadonlyMap<string, string> = new Map()): Promise<ChangeOutcome> {
    const host = this.#host;
    if (!host) return refused('the gateway is not running yet');
    const { state, current } = this.store;
    const texts = new Map([...this.store.texts, ...known]);
    const remote = { ...state.remote };
    const changed = new Set<string>();
    for (const [name, text] of change.files ?? []) {
      if (text === null) delete remote[name];
      else {
        const sha256 = digestOf(text);
        if (remote[name] !== sha256) changed.add(remotePath(this.#places, name));
        texts.set(sha256, text);
        remote[name] = sha256;
      }
    }
    const wanted: State = {
      local: state.local,
      remote,
      pins: change.pins ?? state.pins,
      settings: change.settings ?? state.settings,
      asked: change.asked ?? state.asked,
    };
    const set = await readMappingSet(
      this.#parts.mappings,
      this.#parts.adapters,
      this.#parts.lastGood,
      managedBy(wanted, texts, this.#places),
    );
    const problems = set.problems.filter(({ file, rule }) => changed.has(file) || rule === 'remote-wins');
    if (problems.some(({ severity }) => severity === 'error')) return refused('the mapping has errors; what ran before runs on', problems);
    if (set.equipment.length === 0 && host.equipment.length > 0 && !change.allowNoMachines)
      return refused('no machine would be left; what ran before runs on (allowNoMachines says that it is meant)', problems);
    const locals = this.#locals(set.texts);
    const next = { ...wanted, local: Object.fromEntries(locals.map(([name, text]) => [name, digestOf(text)])) };
    const plan = formatPlan(planReload(host.equipment, set.equipment));
    const same = current !== undefined && digestOfState(next) === current.digest;
    if (same && sameAsked(next.asked, current.asked)) return { state: 'unchanged', snapshot: current, problems };
    const snapshot = await this.store.commit(next, [...texts.values(), ...locals.map(([, text]) => text)], by, plan);
    if (same) return { state: 'unchanged', snapshot, problems };
    return this.#putInForce(host, snapshot, current, problems);
  }

  async #putInForce(
    host: ConfigurationHost,
    snapshot: Snapshot,
    before: Snapshot | undefined,
    problems: readonly Problem[],
  ): Promise<ChangeOutcome> {
    try {
      await this.#show();
      await host.reload();
      host.applySettings(snapshot.settings);
      return { state: 'applied', snapshot, problems };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#parts.log.error(
        { snapshot: snapshot.number, err: error },
        'a configuration could not be applied; the one before it is put back',
      );
      const back = before ?? { ...snapshot, remote: {}, pins: {}, settings: {} };
      await this.store.commit(back, [], { who: 'gateway', from: 'gateway', note: `snapshot ${snapshot.number} failed: ${reason}` }, []);
      await this.#show();
      await host.reload();
      return refused(`it could not be applied: ${reason}; what ran before runs on`, problems);
    }
  }

  #locals(texts: ReadonlyMap<string, string>): [string, string][] {
    return [...texts].filter(([file]) => !isRemote(this.#places, file)).map(([file, text]) => [localName(this.#places, file), text]);
  }

  /** Digests of the local files as they are, pins or not. */
  async #onDisk(): Promise<Record<string, string>> {
    const { texts } = await readMappings(this.#parts.mappings);
    const found = [...texts].flatMap(([file, text]) =>
      typeof text === 'string' && !isRemote(this.#places, file) ? [[localName(this.#places, file), digestOf(text)]] : [],
    );
    return Object.fromEntries(found);
  }

  /** Writes the remote files where problems name them, for people: they are read from the snapshot, never from here. */
  async #show(): Promise<void> {
    const folder = this.#places.remote;
    try {
      const { remote } = this.managed;
      const there = await readdir(folder).catch(() => []);
      if (remote.size === 0 && there.length === 0) return;
      await mkdir(folder, { recursive: true });
      for (const [path, text] of remote) await writeDurably(path, text);
      for (const name of there) if (!remote.has(join(folder, name))) await unlink(join(folder, name));
    } catch (error) {
      this.#parts.log.warn({ folder, reason: (error as Error).message }, 'remote mapping files cannot be shown in their folder');
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(work);
    this.#queue = next.catch(() => {});
    return next;
  }
}

function refused(reason: string, problems: readonly Problem[] = []): ChangeOutcome {
  return { state: 'refused', reason, problems };
}

function sameAsked(a: State['asked'], b: State['asked']): boolean {
  const text = ({ files, settings }: State['asked']): string =>
    JSON.stringify([files && Object.entries(files).toSorted(([x], [y]) => (x < y ? -1 : 1)), settings?.log?.level, settings?.batchFor]);
  return text(a) === text(b);
}
