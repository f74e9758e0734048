import { diffPatch } from '../../twin/patch.ts';
import { sameJson, type TwinObject } from '../../twin/section.ts';
import type { Commits } from '../core/commits.ts';
import type { HubIdentities } from '../core/identities.ts';
import { RequestError } from '../core/request-error.ts';
import type { HubTwins, WrittenTwin } from '../core/twins.ts';
import type { DatabaseSync } from '../database.ts';
import { type HubLog, LogThrottle } from '../log.ts';
import type { Row } from '../query/language.ts';
import { getIdentity, type Identity, identityId, listModules } from '../registry.ts';
import type { StoredTwin, TwinStore } from '../twins.ts';
import { type Assignment, assign, byStrength } from './assign.ts';
import { type Compiled, contentKey } from './compiled.ts';
import { composeModules, placesOf, putAt, valueAt, withoutNulls } from './content.ts';
import type { ConfigurationStatus, Statuses } from './contract.ts';
import type { ConfigurationStore } from './store.ts';

export interface ReconcilerParts {
  readonly db: DatabaseSync;
  readonly commits: Commits;
  readonly identities: HubIdentities;
  readonly twins: HubTwins;
  readonly twinStore: TwinStore;
  readonly store: ConfigurationStore;
  readonly log: HubLog;
}

/** What was done to one device; told when it is on disk. */
export interface Outcome {
  readonly made: readonly Identity[];
  readonly written: readonly WrittenTwin[];
}

/** An agent hears of its modules (1) when all that they need is there: their twins (-1), the routes (0). */
const writeOrder = (moduleId: string): number => ['$edgeHub', '$edgeAgent'].indexOf(moduleId);

/** So many devices share one transaction, and so long others wait for the loop. */
const devicesAtOnce = 50;

/**
 * Makes twins as the configurations want them, device by device. What a device gets is written in one transaction, so that no end of
 * the hub leaves half of it; what is right already is not written. Whoever changed is named by {@link touch}.
 */
export class Reconciler {
  readonly #parts: ReconcilerParts;
  readonly #admits: (candidate: Compiled, deviceId: string) => boolean;
  readonly #throttle = new LogThrottle(60_000);
  readonly #dirty = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #composed = new Map<string, ReadonlyMap<string, TwinObject>>();
  #configurations: readonly Compiled[] = [];
  /** Without them no module has to be looked at by itself. */
  #asksModules = false;
  #working: Promise<void> | undefined;
  #telling = false;
  #stopped = false;

  constructor(parts: ReconcilerParts, admits: (candidate: Compiled, deviceId: string) => boolean) {
    this.#parts = parts;
    this.#admits = admits;
  }

  /** These are in force from now on; who is concerned is to be touched. */
  use(configurations: readonly Compiled[]): void {
    this.#configurations = configurations;
    this.#composed.clear();
    this.#asksModules = configurations.some(({ kind }) => kind === 'module') || this.#parts.store.hasModuleStatuses();
  }

  /** True while it tells of what it wrote itself. */
  get telling(): boolean {
    return this.#telling;
  }

  touch(deviceId: string): void {
    this.#dirty.add(deviceId);
    this.#work();
  }

  touchAll(): void {
    for (const { id } of this.#parts.db.prepare('SELECT id FROM identities WHERE module_id IS NULL').all()) this.#dirty.add(id as string);
    if (this.#dirty.size > 0) this.#work();
  }

  /** Whoever failed by no fault of its own; to be called now and then. */
  retry(): void {
    for (const deviceId of this.#failed) this.touch(deviceId);
    this.#failed.clear();
  }

  async settled(): Promise<void> {
    while (this.#working) await this.#working;
  }

  stop(): void {
    this.#stopped = true;
  }

  #work(): void {
    this.#working ??= this.#drain().finally(() => {
      this.#working = undefined;
      // Who was named since the last look.
      if (this.#dirty.size > 0 && !this.#stopped) this.#work();
    });
  }

  async #drain(): Promise<void> {
    while (this.#dirty.size > 0 && !this.#stopped) {
      const devices = [...this.#dirty].slice(0, devicesAtOnce);
      for (const deviceId of devices) this.#dirty.delete(deviceId);
      await Promise.all(devices.map((deviceId) => this.#one(deviceId)));
    }
  }

  async #one(deviceId: string): Promise<void> {
    try {
      this.tell(await this.#parts.commits.run(() => this.#deviceNow(deviceId)));
    } catch (error) {
      // What cannot stand in a twin waits for the next change of this device; a full disk has an end. Others go on.
      if (!(error instanceof RequestError) || error.status >= 500) this.#failed.add(deviceId);
      if (this.#stopped || this.#throttle.admit(deviceId) === undefined) return;
      this.#parts.log.warn({ device: deviceId, reason: (error as Error).message }, 'a deployment could not be written into twins');
    }
  }

  tell({ made, written }: Outcome): void {
    this.#telling = true;
    try {
      for (const identity of made) this.#parts.identities.announce(undefined, identity);
      for (const twin of written) this.#parts.twins.announce(twin);
    } finally {
      this.#telling = false;
    }
  }

  /** Which whole manifest and layers a device has by the configurations of now. */
  assignment(device: Identity): Assignment<Compiled> {
    const row = rowOf(device, this.#parts.twinStore.load(device.id));
    return assign(device.edge ? this.#matching(row, 'devices') : [], (one) => this.#admits(one, device.deviceId));
  }

  /** Writes the desired properties of modules of a device inside a commit of the caller; `always` also those that are as they should be. */
  writeModules(deviceId: string, wanted: ReadonlyMap<string, TwinObject>, always: (moduleId: string) => boolean): Outcome {
    const { db, identities, twins, twinStore } = this.#parts;
    const made: Identity[] = [];
    const written: WrittenTwin[] = [];
    for (const [moduleId, desired] of [...wanted].toSorted(([a], [b]) => writeOrder(a) - writeOrder(b))) {
      const id = identityId(deviceId, moduleId);
      if (!getIdentity(db, id)) made.push(identities.createNow({ deviceId, moduleId, managedBy: 'IotEdge' }));
      if (!always(moduleId) && sameJson(twinStore.load(id).desired.properties, desired)) continue;
      written.push(twins.writeNow({ deviceId, moduleId }, { properties: { desired } }, 'replace'));
    }
    return { made, written };
  }

  #deviceNow(deviceId: string): Outcome {
    const { db, twinStore } = this.#parts;
    const device = getIdentity(db, deviceId);
    if (!device || device.moduleId !== undefined) return { made: [], written: [] };
    const twin = twinStore.load(deviceId);
    const row = rowOf(device, twin);
    const parts = this.#partsNow(
      device,
      twin,
      this.#matching(row, 'devices').filter(({ kind }) => kind === 'device'),
    );
    const modules = this.#modulesNow(device);
    return { made: modules.made, written: [...parts, ...modules.written] };
  }

  #modulesNow(device: Identity): Outcome {
    const { deviceId } = device;
    const { store } = this.#parts;
    const { standard, layers, statuses } = this.assignment(device);
    const agentId = identityId(deviceId, '$edgeAgent');
    const before = store.assigned(agentId);
    const applied = standard ? [standard, ...layers].map(contentKey).join(' ') : before.applied;
    const changed = applied !== before.applied;
    const wanted = new Map(standard ? this.#compose(standard, layers, applied) : []);
    const written = this.#moduleParts(device, wanted);
    // Also where nothing in it differs: a new version is what the device answers to.
    const outcome = this.writeModules(deviceId, wanted, (moduleId) => changed && (moduleId === '$edgeAgent' || moduleId === '$edgeHub'));
    if ((changed || !sameJson(statuses, before.statuses)) && getIdentity(this.#parts.db, agentId)) {
      store.assign(agentId, { applied, sinceMs: changed ? Date.now() : before.sinceMs, statuses });
    }
    return { made: outcome.made, written: [...written, ...outcome.written] };
  }

  /** Lays parts of desired properties over modules: over what a manifest wants of them where one does, else over what they have. */
  #moduleParts({ deviceId }: Identity, wanted: Map<string, TwinObject>): readonly WrittenTwin[] {
    if (!this.#asksModules) return [];
    const ofModules = this.#configurations.filter(({ kind }) => kind === 'module');
    const written: WrittenTwin[] = [];
    for (const module of listModules(this.#parts.db, deviceId)) {
      const twin = this.#parts.twinStore.load(module.id);
      const matching = ofModules.filter(({ target }) => target.matches(rowOf(module, twin)));
      const moduleId = module.moduleId as string;
      const base = wanted.get(moduleId);
      if (base === undefined) written.push(...this.#partsNow(module, twin, matching));
      else {
        const laid = overlay(base, matching);
        wanted.set(moduleId, laid);
        if (moduleId !== '$edgeAgent') this.#keepStatuses(module.id, statusesOf(laid, matching));
      }
    }
    return written;
  }

  #partsNow({ id, deviceId, moduleId }: Identity, twin: StoredTwin, matching: readonly Compiled[]): readonly WrittenTwin[] {
    if (matching.length === 0 && Object.keys(twin.configurations).length === 0) return [];
    const before = twin.desired.properties;
    const after = overlay(before, matching);
    if (moduleId !== '$edgeAgent') this.#keepStatuses(id, statusesOf(after, matching));
    if (sameJson(before, after)) return [];
    return [this.#parts.twins.writeNow({ deviceId, moduleId }, { properties: { desired: diffPatch(before, after) } }, 'patch')];
  }

  #keepStatuses(id: string, statuses: Statuses): void {
    const before = this.#parts.store.assigned(id);
    if (!sameJson(before.statuses, statuses)) this.#parts.store.assign(id, { ...before, sinceMs: Date.now(), statuses });
  }

  #matching(row: Row, of: 'devices' | 'modules'): readonly Compiled[] {
    return this.#configurations.filter(({ target }) => target.of === of && target.matches(row));
  }

  /** Devices that have the same have it composed once. */
  #compose(standard: Compiled, layers: readonly Compiled[], key: string): ReadonlyMap<string, TwinObject> {
    let composed = this.#composed.get(key);
    if (!composed) {
      composed = composeModules(
        standard.configuration.content,
        layers.map(({ configuration }) => configuration.content),
      );
      this.#composed.set(key, composed);
    }
    return composed;
  }
}

const rowOf = ({ deviceId, moduleId }: Identity, { tags, reported }: StoredTwin): Row => ({
  ...{ deviceId, moduleId, tags, properties: { reported: reported.properties } },
});

function placesIn({ configuration: { content } }: Compiled) {
  return placesOf((content.deviceContent ?? content.moduleContent) as TwinObject);
}

function overlay(section: TwinObject, parts: readonly Compiled[]): TwinObject {
  let laid = section;
  for (const part of parts.toSorted(byStrength)) for (const { path, value } of placesIn(part)) laid = putAt(laid, path, value);
  return laid;
}

/** Applied is whose word stands anywhere. */
function statusesOf(section: TwinObject, parts: readonly Compiled[]): Statuses {
  return Object.fromEntries(
    parts.map((part): [string, ConfigurationStatus] => [
      part.id,
      placesIn(part).some(({ path, value }) => sameJson(valueAt(section, path), value === null ? undefined : withoutNulls(value)))
        ? 'Applied'
        : 'Targeted',
    ]),
  );
}
