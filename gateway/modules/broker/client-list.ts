import type { Core } from '../../../hub/core/hub-core.ts';
import { listModules } from '../../../hub/registry.ts';
import type { BrokerClient } from './contract.ts';

/** Modules that were here once, and whether they are now; tells when that is another than before. */
export class ClientList implements Disposable {
  readonly #core: Core;
  readonly #deviceId: string;
  /** Of this life, by client id: what the file says is a second late. */
  readonly #since = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #soon: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(core: Core, deviceId: string) {
    this.#core = core;
    this.#deviceId = deviceId;
    core.links.onPresence((id) => {
      this.#since.set(id, Date.now());
      this.changed();
    });
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

  /** A module came to be known, or is no more. */
  changed(): void {
    if (this.#closed) return;
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      for (const listener of this.#listeners) listener();
    });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearImmediate(this.#soon);
  }
}
