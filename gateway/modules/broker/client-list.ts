import type { Core } from '../../../hub/core/hub-core.ts';
import { identityId, listModules } from '../../../hub/registry.ts';
import type { BrokerClient } from './contract.ts';

/** Modules that were here once, and whether they are now; tells when that is another than before. */
export class ClientList implements Disposable {
  readonly #core: Core;
  readonly #deviceId: string;
  /** Of this life, by client id: what the file says is a second late. */
  readonly #since = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  readonly #methods = new Set<string>();
  readonly #methodListeners = new Set<(moduleId: string) => void>();
  #soon: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(core: Core, deviceId: string) {
    this.#core = core;
    this.#deviceId = deviceId;
    core.links.onPresence((id) => {
      this.#since.set(id, Date.now());
      this.changed();
      this.#compareMethods(id);
    });
    core.links.onListening(({ id }) => this.#compareMethods(id));
  }

  list(): readonly BrokerClient[] {
    const { db, links } = this.#core;
    return listModules(db, this.#deviceId).map(({ id, moduleId = '', connectionMs }) => ({
      moduleId,
      connected: links.get(id) !== undefined,
      sinceMs: this.#since.get(id) ?? connectionMs,
    }));
  }

  /** Once for all that changes in one turn of the loop, after it. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Whether it is connected and has subscribed to calls of methods. */
  takesMethods(moduleId: string): boolean {
    return this.#methods.has(identityId(this.#deviceId, moduleId));
  }

  /** After `takesMethods` changed. */
  onMethods(listener: (moduleId: string) => void): void {
    this.#methodListeners.add(listener);
  }

  /** A module came to be known, or is no more. */
  changed(): void {
    if (this.#closed) return;
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      for (const listener of this.#listeners) listener();
    });
  }

  #compareMethods(id: string): void {
    const takes = this.#core.links.get(id)?.listens('methods') !== undefined;
    if (takes === this.#methods.has(id)) return;
    if (takes) this.#methods.add(id);
    else this.#methods.delete(id);
    for (const listener of this.#methodListeners) listener(id.slice(this.#deviceId.length + 1));
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearImmediate(this.#soon);
  }
}
