import { randomBytes } from 'node:crypto';
import type { GatewayError } from '../../model/error.ts';
import type { ModuleSpec, RunningModule, RuntimeStatus } from '../contract.ts';
import type { Container, Engine } from '../engine/contract.ts';
import type { ReadyImage } from '../images/contract.ts';
import type { HealthGate } from './contract.ts';
import type { EngineLink } from './engine-link.ts';
import { passGate } from './health-gate.ts';
import { Lane } from './lane.ts';
import type { LastWords } from './last-words.ts';
import { hostHash } from './module-containers.ts';
import { ModuleState, type StateParts } from './module-state.ts';
import type { Incarnation, ModuleRecord, Refused } from './records.ts';
import { RestartWatch, type WatchParts } from './restart-watch.ts';
import { describe, runtimeStatus } from './runtime-status.ts';
import type { Restarts } from './supervision.ts';

export interface RunnerParts extends StateParts, WatchParts {
  readonly link: EngineLink;
  readonly lastWords: LastWords;
  readonly gate: HealthGate;
  /** Something that is reported may be another now. */
  readonly changed: () => void;
}

/** What is reported of a module. */
export interface ModuleView {
  readonly spec: ModuleSpec | undefined;
  readonly imageId: string;
  readonly runtimeStatus: RuntimeStatus;
  readonly description: string;
  readonly container: Container | undefined;
  readonly restarts: Restarts;
}

/** One module: its container is made, swapped, watched, restarted and removed here, one thing after the other. */
export class ModuleRunner {
  readonly name: string;
  readonly #parts: RunnerParts;
  readonly #state: ModuleState;
  readonly #watch: RestartWatch;
  readonly #lane = new Lane();
  #looking = false;

  constructor(name: string, record: ModuleRecord | undefined, parts: RunnerParts) {
    this.name = name;
    this.#parts = parts;
    this.#state = new ModuleState(name, record, parts);
    this.#watch = new RestartWatch(name, parts, () => this.#restartDue());
  }

  get view(): ModuleView {
    const { current, container } = this.#state;
    const status = this.#status();
    const said = status === 'unknown' ? this.#parts.link.absence?.message : this.#watch.note;
    return {
      spec: current?.spec,
      imageId: container?.imageId ?? current?.imageId ?? '',
      runtimeStatus: status,
      description: said === undefined || said === '' ? describe(container) : said,
      container,
      restarts: this.#watch.restarts,
    };
  }

  get running(): RunningModule {
    const { spec, imageId, runtimeStatus: status } = this.view;
    // One whose removal is not finished is none that could be kept.
    return { name: this.name, spec: this.#state.record.leaving ? undefined : spec, imageId, runtimeStatus: status };
  }

  /** There is something of it, on disk or on the engine; otherwise nobody needs this object. */
  get exists(): boolean {
    const { record, container } = this.#state;
    return record.current !== undefined || record.next !== undefined || record.leaving === true || container !== undefined;
  }

  get refused(): Refused | undefined {
    return this.#state.record.refused;
  }

  /** Ids of images that it needs, now or for the way back. */
  get imageIds(): readonly string[] {
    const { current, next } = this.#state.record;
    return [current?.imageId, next?.imageId, this.#state.container?.imageId].filter((id) => id !== undefined);
  }

  /**
   * Makes it anew from `spec`: the new container beside the old one, then one in place of the other, then the health gate. `started` is called when
   * the new one runs. Rejects when the old one is running again, or, where there was none, when the new one is not good yet.
   */
  swap(spec: ModuleSpec, image: ReadyImage, started: () => void = () => {}): Promise<void> {
    return this.#change((engine) => this.#swap(engine, spec, image, started));
  }

  /** Anew from what it is made from; with `onlyIfOld`, where this box would give it another environment by now. */
  remake(onlyIfOld = false): Promise<void> {
    return this.#change(async (engine) => {
      const { current } = this.#state;
      if (!current || (onlyIfOld && !(await this.#state.hasOldHost()))) return;
      await this.#swap(engine, current.spec, await this.#parts.prepare(current.spec), () => {});
    });
  }

  /** Resolves whether `remake(true)` would do anything. */
  hasOldHost(): Promise<boolean> {
    return this.#state.hasOldHost();
  }

  /** Takes over what changes nothing about the container: startupOrder. */
  async keep(spec: ModuleSpec): Promise<void> {
    if (this.#state.current?.spec.startupOrder === spec.startupOrder) return;
    await this.#lane.run(async () => {
      const { record, current } = this.#state;
      if (current) await this.#state.write({ ...record, current: { ...current, spec } });
    });
  }

  /** Runs it, or stops it, with the container that it has. */
  setStatus(spec: ModuleSpec): Promise<void> {
    return this.#change(async (engine) => {
      const { record, current } = this.#state;
      if (current) await this.#state.write({ ...record, current: { ...current, spec } });
      this.#watch.reset();
      if (spec.status === 'running') await this.#startAndLook(engine);
      else await this.#look(engine);
    });
  }

  /** Stops and starts it at a person's wish; forgets how often it was restarted. */
  restart(): Promise<void> {
    return this.#change(async (engine) => {
      this.#watch.reset();
      await this.#state.stopAll(engine);
      await this.#startAndLook(engine);
    });
  }

  /** Container, identity and record go, in this order; begun, it is finished after a kill too. */
  remove(): Promise<void> {
    return this.#change(async (engine) => {
      this.#watch.reset();
      await this.#state.write({ ...this.#state.record, leaving: true });
      await this.#state.leave(engine);
      await this.#parts.lastWords.forget(this.name);
    });
  }

  /** Remembers that what a deployment wants of it is not good. */
  async refuse(refused: Refused): Promise<void> {
    await this.#lane.run(async () => {
      if (this.#state.current) await this.#state.writeIfPossible({ ...this.#state.record, refused });
    });
  }

  /**
   * The engine is there, perhaps after a kill of gateway or engine in the middle of anything: what was not finished is undone, what was decided is
   * finished, and what should run and was stopped meanwhile is started.
   */
  recover(): Promise<void> {
    return this.#change((engine) => this.#recover(engine));
  }

  /** Something may have happened to its containers; looks once, however often it is called before that. */
  look(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#inBackground(async (engine) => {
      this.#looking = false;
      await this.#look(engine);
    });
  }

  /** One of all containers, listed a moment ago, or none: looks closer when that is news. */
  compare(listed: Container | undefined): void {
    const { record, container } = this.#state;
    if (!record.current && !record.next) return;
    const same = listed?.id === container?.id && listed?.state === container?.state && listed?.health === container?.health;
    if (!same || record.next || record.leaving) this.look();
  }

  /** For one that nobody knows anything of but the engine. */
  adopt(container: Container | undefined): void {
    this.#state.adopt(container);
  }

  get containerId(): string | undefined {
    return this.#state.container?.id;
  }

  /** The label by which its container is found in a list. */
  get attempt(): string | undefined {
    return this.#state.current?.attempt;
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#lane.idle();
  }

  async #swap(engine: Engine, spec: ModuleSpec, { imageId }: ReadyImage, started: () => void): Promise<void> {
    const { clock, gate, closing } = this.#parts;
    const state = this.#state;
    this.#watch.cancel();
    const { current } = state;
    const host = await state.host();
    const next: Incarnation = { attempt: randomBytes(6).toString('hex'), spec, imageId, host: hostHash(host) };
    const ran = state.container?.state === 'running';
    await state.write({ ...(current && { current }), next, ...(ran && { ran }) });
    let id: string | undefined;
    try {
      id = await state.create(engine, next, host);
      await state.stopAll(engine, id);
      if (spec.status === 'running') {
        await engine.start(id);
        started();
        await passGate(engine, id, spec, gate, clock, closing);
      }
      await state.write({ current: next });
    } catch (error) {
      await this.#undo(engine, next, id, error as GatewayError);
      throw error;
    }
    this.#watch.reset();
    state.failure = undefined;
    await this.#parts.lastWords.forget(this.name);
    await this.#look(engine);
  }

  /** Never rejects: what could not be undone now is undone when the engine answers again; the disk says what has to be. */
  async #undo(engine: Engine, next: Incarnation, id: string | undefined, error: GatewayError): Promise<void> {
    const { lastWords, log } = this.#parts;
    if (error.code === 'engine-absent') return;
    try {
      // What stays has its own log; what was only interrupted is made again.
      const goes = this.#state.current !== undefined && error.code !== 'agent-closing';
      if (id !== undefined && goes) {
        const at = new Date(this.#parts.clock.now()).toISOString();
        await lastWords.keep(engine, this.name, id, { image: next.spec.image, at, reason: error.message });
      }
      if (this.#state.current || id === undefined || error.code === 'agent-closing') return await this.#recover(engine);
      // Nothing to go back to: it is what is wanted, and is tried again at the pace of its policy.
      this.#state.failure = error.code === 'module-unsettled' ? undefined : error.message;
      await this.#state.writeIfPossible({ current: next });
      await this.#look(engine);
    } catch (cause) {
      log.warn({ module: this.name, reason: (cause as Error).message }, 'the way back is not finished, it goes on when the engine answers');
    }
  }

  async #recover(engine: Engine): Promise<void> {
    const state = this.#state;
    const { record } = state;
    if (record.leaving) return state.leave(engine);
    const { next, ran, ...rest } = record;
    if (next) await state.writeIfPossible(rest);
    // Begun and never finished. One that is nobody's stays until a deployment says what is to be.
    if (!state.current) return next ? state.forget(engine) : undefined;
    const before = state.container;
    await state.tidy(engine);
    const now = state.container;
    const { spec } = state.current;
    const off = now?.state === 'created' || now?.state === 'exited' || now?.state === 'dead';
    const news = now?.id !== before?.id || now?.finishedAt !== before?.finishedAt;
    const start = ran === true || now?.state === 'created' || (news && spec.restartPolicy !== 'never');
    // Found stopped: it was the box, its engine or a swap, not the module.
    if (off && spec.status === 'running' && start) {
      this.#watch.cancel();
      return this.#startAndLook(engine);
    }
    await this.#look(engine);
  }

  /** Brings the picture up to date, and decides whether it has to be restarted. */
  async #look(engine: Engine): Promise<void> {
    const state = this.#state;
    if (state.record.next || state.record.leaving) return this.#recover(engine);
    if (!state.current) return;
    await state.tidy(engine);
    const { spec } = state.current;
    if (spec.status === 'running') return this.#watch.judge(spec, state.container, state.failure);
    this.#watch.reset();
    if (state.container?.state !== 'running') return;
    await state.stopAll(engine);
    await state.tidy(engine);
  }

  /** A start that fails is the watch's to judge, and is told to whoever asked. */
  async #startAndLook(engine: Engine): Promise<void> {
    try {
      await this.#state.start(engine);
    } finally {
      await this.#look(engine);
    }
  }

  #restartDue(): void {
    this.#inBackground(async (engine) => {
      // It may have come back by itself, or be another by now.
      if (this.#watch.state !== 'watching') return;
      if (this.#state.container?.state === 'running') await this.#state.stopAll(engine);
      await this.#startAndLook(engine);
    });
  }

  #inBackground(work: (engine: Engine) => Promise<void>): void {
    this.#change(work).catch((error: Error) => {
      this.#parts.log.debug({ module: this.name, reason: error.message }, 'the module could not be looked after');
    });
  }

  #change(work: (engine: Engine) => Promise<void>): Promise<void> {
    // Without an engine nothing is asked; with one, its turn may come when it is gone again.
    return this.#lane
      .run(async () => work(this.#parts.link.engine()))
      .finally(() => {
        this.#looking = false;
        this.#parts.changed();
      });
  }

  #status(): RuntimeStatus {
    if (!this.#parts.link.present) return 'unknown';
    if (this.#watch.state === 'waiting') return 'backoff';
    if (this.#watch.state === 'gave-up') return 'failed';
    return runtimeStatus(this.#state.current?.spec.status ?? 'running', this.#state.container);
  }
}
