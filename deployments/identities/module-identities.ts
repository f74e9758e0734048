import { GatewayError } from '../../model/error.ts';
import type { ModuleIdentity } from '../contract.ts';
import type { KeyStore } from '../key-store.ts';
import { readStored, type StoredIdentities, wrongIdentity } from './stored.ts';

/** Where identities come from: the hub, or this box alone. */
export interface IdentitySource {
  /** Makes it; where it is there already, answers that one. */
  create(moduleId: string): Promise<ModuleIdentity>;
  /** Resolves also when there is none. */
  delete(moduleId: string): Promise<void>;
  /** Nobody but this box knows the identities: what is on disk is never asked for again. */
  readonly local?: boolean;
}

/** What the source said when it could be asked again. */
export interface Refreshed {
  /** Modules whose key or generation id is another now: their containers need the new environment, the broker the new key. */
  readonly changed: readonly string[];
  readonly failed: readonly { readonly module: string; readonly error: Error }[];
}

const fileName = 'identities.json';

/**
 * The identities of the modules, on disk before anybody uses one: modules start and authenticate while the hub is away. Where the hub and the disk
 * differ, the hub wins (`refresh`). Names are module ids; calls for one module run one after the other.
 */
export class ModuleIdentities {
  readonly #store: KeyStore;
  readonly #source: IdentitySource;
  readonly #deviceId: string;
  readonly #identities: Map<string, ModuleIdentity>;
  /** Removed here, not yet at the source. */
  readonly #leaving: Set<string>;
  readonly #lanes = new Map<string, Promise<unknown>>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(store: KeyStore, source: IdentitySource, deviceId: string, stored: StoredIdentities) {
    this.#store = store;
    this.#source = source;
    this.#deviceId = deviceId;
    this.#identities = new Map(stored.identities.map((identity) => [identity.moduleId, identity]));
    this.#leaving = new Set(stored.leaving);
  }

  /** Rejects with `identities-damaged` when the file cannot be read. Identities of another device than `deviceId` are left out. */
  static async open(parts: {
    readonly store: KeyStore;
    readonly deviceId: string;
    readonly source: IdentitySource;
  }): Promise<ModuleIdentities> {
    const stored = readStored(await parts.store.read(fileName), parts.deviceId);
    return new ModuleIdentities(parts.store, parts.source, parts.deviceId, stored);
  }

  get(moduleId: string): ModuleIdentity | undefined {
    return this.#identities.get(moduleId);
  }

  names(): readonly string[] {
    return [...this.#identities.keys()];
  }

  /** The one on disk, without asking anybody; else a new one from the source, durable when this resolves. */
  ensure(moduleId: string): Promise<ModuleIdentity> {
    return this.#inTurn(moduleId, async () => {
      const known = this.#identities.get(moduleId);
      if (known) return known;
      if (this.#leaving.has(moduleId)) await this.#leave(moduleId);
      const made = await this.#ask(moduleId);
      this.#identities.set(moduleId, made);
      try {
        await this.#save();
      } catch (error) {
        // Not on disk, so not there: a full disk must not give out what a restart forgets.
        this.#identities.delete(moduleId);
        throw error;
      }
      return made;
    });
  }

  /**
   * Gone from this box at once, also when the source cannot be reached: then it is deleted there at the next `refresh`, or before it is made again, so that
   * a module made anew never has the old generation id.
   */
  remove(moduleId: string): Promise<void> {
    return this.#inTurn(moduleId, async () => {
      if (!this.#identities.delete(moduleId) && !this.#leaving.has(moduleId)) return;
      this.#leaving.add(moduleId);
      await this.#save();
      await this.#leave(moduleId).catch(ignoreForNow);
    });
  }

  /** Asks the source about all: when the link returns, and at a start with a link. Stops at the first that says the source is away. */
  async refresh(): Promise<Refreshed> {
    const changed: string[] = [];
    const failed: { module: string; error: Error }[] = [];
    for (const module of new Set([...this.#leaving, ...this.#identities.keys()])) {
      try {
        if (await this.#inTurn(module, () => this.#refreshOne(module))) changed.push(module);
      } catch (error) {
        failed.push({ module, error: error as Error });
        if (error instanceof GatewayError && error.retry === 'with-backoff') break;
      }
    }
    return { changed, failed };
  }

  async #refreshOne(moduleId: string): Promise<boolean> {
    if (this.#leaving.has(moduleId)) await this.#leave(moduleId);
    const known = this.#identities.get(moduleId);
    if (!known || this.#source.local) return false;
    const told = await this.#ask(moduleId);
    const same =
      told.primaryKey === known.primaryKey && told.secondaryKey === known.secondaryKey && told.generationId === known.generationId;
    if (same) return false;
    this.#identities.set(moduleId, told);
    try {
      await this.#save();
    } catch (error) {
      this.#identities.set(moduleId, known);
      throw error;
    }
    return true;
  }

  async #ask(moduleId: string): Promise<ModuleIdentity> {
    const told = await this.#source.create(moduleId);
    const wrong = wrongIdentity(told, this.#deviceId, moduleId);
    if (wrong === undefined) return told;
    throw new GatewayError('identity-refused', `the hub gave an identity for module ${moduleId} that cannot be used: ${wrong}`, {
      retry: 'after-fix',
      hint: 'look at the module in the registry of the hub: it needs authentication by symmetric keys; delete it there to have it made anew',
    });
  }

  async #leave(moduleId: string): Promise<void> {
    await this.#source.delete(moduleId);
    this.#leaving.delete(moduleId);
    await this.#save();
  }

  /** One after the other; each writes all as it is then. */
  #save(): Promise<void> {
    const write = this.#writing
      .catch(() => {})
      .then(() => {
        const stored: StoredIdentities = {
          deviceId: this.#deviceId,
          identities: [...this.#identities.values()],
          leaving: [...this.#leaving],
        };
        return this.#store.write(fileName, `${JSON.stringify(stored, undefined, 2)}\n`);
      });
    this.#writing = write;
    return write;
  }

  #inTurn<T>(moduleId: string, work: () => Promise<T>): Promise<T> {
    const done = (this.#lanes.get(moduleId) ?? Promise.resolve()).then(work);
    const settled = done.catch(() => {});
    this.#lanes.set(moduleId, settled);
    void settled.then(() => {
      if (this.#lanes.get(moduleId) === settled) this.#lanes.delete(moduleId);
    });
    return done;
  }
}

/** It is written down as leaving and tried again. */
const ignoreForNow = (): void => {};
