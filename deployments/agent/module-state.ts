import type { ModuleSpec } from '../contract.ts';
import type { Container, Engine } from '../engine/contract.ts';
import type { ReadyImage } from '../images/contract.ts';
import type { ModuleHost } from './contract.ts';
import { type ContainerParts, containersOf, createContainer, hostHash, hostOf, tidyContainers } from './module-containers.ts';
import type { Incarnation, ModuleRecord, ModuleRecords } from './records.ts';

export interface StateParts extends ContainerParts {
  readonly records: ModuleRecords;
  /** Everything that must hold before a module may be made, for one whose container is gone. */
  readonly prepare: (spec: ModuleSpec) => Promise<ReadyImage>;
}

/** What disk and engine have of one module, and the single steps that change it. Whoever calls takes care that they come one after the other. */
export class ModuleState {
  readonly module: string;
  readonly #parts: StateParts;
  #record: ModuleRecord;
  #container: Container | undefined;
  /** What the last start failed with. */
  failure: string | undefined;

  constructor(module: string, record: ModuleRecord | undefined, parts: StateParts) {
    this.module = module;
    this.#record = record ?? { module };
    this.#parts = parts;
  }

  get record(): ModuleRecord {
    return this.#record;
  }

  get current(): Incarnation | undefined {
    return this.#record.current;
  }

  /** Of `current`, as it was seen last. Of a module without a record: any that was found. */
  get container(): Container | undefined {
    return this.#container;
  }

  /** The container, or none, of a module that nobody knows anything of. */
  adopt(container: Container | undefined): void {
    if (!this.#record.current && !this.#record.next) this.#container = container;
  }

  async write(record: Omit<ModuleRecord, 'module'>): Promise<void> {
    const whole = { ...record, module: this.module };
    await this.#parts.records.write(whole);
    this.#record = whole;
  }

  /** For what also holds when it is forgotten: a full disk must not keep a module from running. */
  async writeIfPossible(record: Omit<ModuleRecord, 'module'>): Promise<void> {
    await this.write(record).catch((error: Error) => {
      this.#record = { ...record, module: this.module };
      this.#parts.log.warn({ module: this.module, reason: error.message }, 'what is known of the module could not be written down');
    });
  }

  /** Looks at its containers; what does not count goes. */
  async tidy(engine: Engine): Promise<void> {
    this.#container = await tidyContainers(this.#parts, engine, this.module, this.current);
  }

  /** What this box gives it. Rejects where its identity is not to be had. */
  host(): Promise<ModuleHost> {
    return hostOf(this.#parts, this.module);
  }

  /** This box would give it something else than what its container was made with. Never rejects. */
  async hasOldHost(): Promise<boolean> {
    const made = this.current?.host;
    if (made === undefined) return false;
    const host = await this.#parts.environmentOf(this.module).catch(() => undefined);
    return host !== undefined && hostHash(host) !== made;
  }

  create(engine: Engine, incarnation: Incarnation, host: ModuleHost): Promise<string> {
    return createContainer(this.#parts, engine, this.module, incarnation, host);
  }

  /** Whatever of this module runs, except one: they may share ports and files with it. */
  async stopAll(engine: Engine, except?: string): Promise<void> {
    for (const { id } of await containersOf(engine, this.#parts.gateway, this.module)) {
      if (id !== except) await engine.stop(id, graceOf(this.current?.spec));
    }
  }

  /** Starts its container, or makes it again where it is gone. What that fails with is kept in `failure`. */
  async start(engine: Engine): Promise<void> {
    const { current } = this;
    if (!current) return;
    try {
      if (this.#container) await engine.start(this.#container.id);
      else await engine.start(await this.#again(engine, current));
      this.failure = undefined;
    } catch (error) {
      this.failure = (error as Error).message;
      throw error;
    }
  }

  /** Removes containers, identity and record, in this order; done again after a kill it ends the same. */
  async leave(engine: Engine): Promise<void> {
    await this.stopAll(engine);
    for (const { id } of await containersOf(engine, this.#parts.gateway, this.module)) await engine.remove(id);
    this.#container = undefined;
    await this.#parts.identities.remove(this.module);
    await this.#drop();
  }

  /** One that was begun and never came to be. */
  async forget(engine: Engine): Promise<void> {
    await tidyContainers(this.#parts, engine, this.module, undefined);
    await this.#drop();
  }

  async #drop(): Promise<void> {
    await this.#parts.records.remove(this.module);
    this.#record = { module: this.module };
  }

  /** Under the same attempt: it works with a full disk too. */
  async #again(engine: Engine, current: Incarnation): Promise<string> {
    const { imageId } = await this.#parts.prepare(current.spec);
    const host = await this.host();
    const again = { ...current, imageId, host: hostHash(host) };
    await this.writeIfPossible({ ...this.#record, current: again });
    return this.create(engine, again, host);
  }
}

/** Seconds between SIGTERM and SIGKILL. */
function graceOf(spec: ModuleSpec | undefined): number {
  const seconds = spec?.createOptions.StopTimeout;
  return typeof seconds === 'number' && seconds >= 0 ? seconds : 10;
}
