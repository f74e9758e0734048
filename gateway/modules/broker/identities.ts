import type { ModuleIdentity } from '../../../deployments/contract.ts';
import type { Core } from '../../../hub/core/hub-core.ts';
import { transaction } from '../../../hub/database.ts';
import { getIdentity, type Identity, identityId, insertIdentity, listModules, removeDevice } from '../../../hub/registry.ts';
import type { IdentityLookup } from './contract.ts';

/**
 * The modules of this box as identities of the hub's core. Its file holds the rows that sessions and twins hang on, never a key: keys are asked
 * for when somebody comes in.
 */
export class BrokerIdentities {
  readonly #core: Core;
  readonly #deviceId: string;
  readonly #lookup: IdentityLookup;
  readonly #changed: () => void;
  /** Keys that connected modules came in by, as they were then. */
  readonly #cameInBy = new Map<string, string>();

  /** `changed` is told when a module came to be known, or is no more. */
  constructor(core: Core, deviceId: string, lookup: IdentityLookup, changed: () => void) {
    this.#core = core;
    this.#deviceId = deviceId;
    this.#lookup = lookup;
    this.#changed = changed;
    insertIdentity(core.db, { deviceId, authentication: { type: 'none' } });
  }

  /** By client id, with its keys; undefined when there is no such module. The device itself has no way in here. */
  find(id: string): Identity | undefined {
    if (id === this.#deviceId) return getIdentity(this.#core.db, id);
    const start = `${this.#deviceId}/`;
    const known = id.startsWith(start) ? this.#lookup.get(id.slice(start.length)) : undefined;
    if (known?.deviceId !== this.#deviceId) return undefined;
    const row = this.#row(known);
    this.#cameInBy.set(id, keysOf(known));
    const { primaryKey, secondaryKey = primaryKey } = known;
    return { ...row, authentication: { type: 'sas', primaryKey, secondaryKey } };
  }

  /** Makes the row of a module that there is; false when there is none. */
  ensure(moduleId: string): boolean {
    const known = this.#lookup.get(moduleId);
    if (known?.deviceId !== this.#deviceId) return false;
    this.#row(known);
    return true;
  }

  /** Whoever is not a module any more, or came in by another key, goes out; what was kept for those that are gone goes, too. */
  check(): void {
    const { db, links } = this.#core;
    for (const { id, moduleId = '', generationId } of listModules(db, this.#deviceId)) {
      const known = this.#lookup.get(moduleId);
      if (known?.generationId !== generationId) {
        links.get(id)?.end('the identity of the module was deleted or made anew');
        removeDevice(db, id);
        this.#changed();
      } else if (this.#cameInBy.has(id) && this.#cameInBy.get(id) !== keysOf(known)) {
        this.#cameInBy.delete(id);
        links.get(id)?.end('the keys of the module were changed');
      }
    }
  }

  /** A module that was deleted and made anew begins without session and twin. */
  #row({ deviceId, moduleId, generationId }: ModuleIdentity): Identity {
    const { db } = this.#core;
    const id = identityId(deviceId, moduleId);
    const found = getIdentity(db, id);
    if (found?.generationId === generationId) return found;
    transaction(db, () => {
      removeDevice(db, id);
      insertIdentity(db, { deviceId, moduleId, generationId, authentication: { type: 'none' } });
    });
    this.#changed();
    return getIdentity(db, id) as Identity;
  }
}

const keysOf = ({ primaryKey, secondaryKey = '' }: ModuleIdentity): string => `${primaryKey} ${secondaryKey}`;
