import { GatewayError } from '../../model/error.ts';
import { sameJson } from '../../twin/section.ts';
import type { Manifest, ModuleSpec, RunningModule, Step } from '../contract.ts';
import type { ReadyImage } from '../images/contract.ts';
import { plan } from '../plan/plan.ts';
import type { AgentAct, AgentLog } from './contract.ts';
import { eachAtMost } from './lane.ts';
import type { ModuleRunner } from './module-runner.ts';

export interface CarryOutParts {
  readonly running: () => readonly RunningModule[];
  readonly runnerOf: (module: string) => ModuleRunner;
  /** Its image is on the engine and may run. */
  readonly prepare: (spec: ModuleSpec, signal: AbortSignal) => Promise<ReadyImage>;
  /** Modules that were made in the round before and were not good: kept, they are still a failure until they are. */
  readonly unsettled: ReadonlySet<string>;
  readonly log: AgentLog;
  readonly audit: (act: AgentAct) => void;
}

export interface Wanted {
  readonly manifest: Pick<Manifest, 'modules'>;
  readonly version: number | undefined;
  readonly from: string;
  /** Aborts when a newer deployment came, or the agent is closed. What is begun comes to an end, nothing more is begun. */
  readonly signal: AbortSignal;
}

/** Images that are brought here at the same time, and modules that are stopped and started at the same time. */
const most = { images: 3, modules: 8 } as const;

/**
 * Makes the box so: all images first, then module by module, those of one startupOrder side by side, the next order when all of the one before have
 * started; removals last. Resolves with what went wrong, by module; one that fails does not keep others from being changed. Rejects with
 * `deployment-superseded` on abort.
 */
export async function carryOut(parts: CarryOutParts, wanted: Wanted): Promise<ReadonlyMap<string, GatewayError>> {
  return new CarryOut(parts, wanted).run();
}

type Change = Exclude<Step, { kind: 'pull' }>;

class CarryOut {
  readonly #parts: CarryOutParts;
  readonly #wanted: Wanted;
  readonly #failures = new Map<string, GatewayError>();
  readonly #images = new Map<string, ReadyImage>();
  /** Something that may hold ports was stopped or removed. */
  #freed = false;

  constructor(parts: CarryOutParts, wanted: Wanted) {
    this.#parts = parts;
    this.#wanted = wanted;
  }

  async run(): Promise<ReadonlyMap<string, GatewayError>> {
    const { steps, keep } = plan(this.#parts.running(), this.#wanted.manifest);
    const changes = steps.filter((step) => step.kind !== 'pull').filter((step) => !this.#refusedBefore(step));
    await this.#prepareAll(changes.filter(makes));
    const ready = changes.filter((step) => !makes(step) || this.#images.has(step.module));
    for (const group of this.#groups(ready.filter((step) => step.kind !== 'remove'))) await this.#changeAll(group);
    await Promise.all(this.#gates);
    await this.#changeAll(ready.filter((step) => step.kind === 'remove'));
    await Promise.all(this.#gates);
    if (this.#freed) await this.#onceMore(ready);
    await eachAtMost(keep, most.modules, (module) => this.#attempt(module, this.#keep(module)));
    return this.#failures;
  }

  readonly #gates: Promise<void>[] = [];

  /** The same deployment failed here before: stopping what runs to see it fail again helps nobody. */
  #refusedBefore(step: Change): boolean {
    if (!makes(step)) return false;
    const { version } = this.#wanted;
    const { refused } = this.#parts.runnerOf(step.module);
    if (!refused || refused.version !== version || !sameJson(refused.spec, this.#spec(step.module))) return false;
    this.#failures.set(step.module, new GatewayError('module-unsettled', refused.reason, { retry: 'after-fix' }));
    return true;
  }

  async #prepareAll(steps: readonly Change[]): Promise<void> {
    const byImage = Map.groupBy(steps, (step) => this.#spec(step.module).image);
    await eachAtMost([...byImage.values()], most.images, async (sharing) => {
      for (const { module } of sharing) {
        const ensured = this.#parts.prepare(this.#spec(module), this.#wanted.signal).then((image) => {
          this.#images.set(module, image);
          if (image.note !== undefined) this.#parts.log.warn({ module, reason: image.note }, 'another copy of the image is taken');
        });
        await this.#attempt(module, ensured);
      }
    });
    this.#goOn();
  }

  /** By ascending startupOrder. */
  #groups(steps: readonly Change[]): readonly (readonly Change[])[] {
    const groups = Map.groupBy(steps, (step) => this.#spec(step.module).startupOrder);
    return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group);
  }

  /** Resolves when all have started; the gates go on. */
  async #changeAll(steps: readonly Change[]): Promise<void> {
    this.#goOn();
    await eachAtMost(steps, most.modules, async (step) => {
      const started = Promise.withResolvers<void>();
      this.#gates.push(this.#change(step, started.resolve).finally(started.resolve));
      await started.promise;
    });
  }

  async #change(step: Change, started: () => void): Promise<void> {
    const { module, reason } = step;
    const { log, audit } = this.#parts;
    log.info({ module, step: step.kind, reason }, 'deployment step');
    await this.#attempt(module, this.#doStep(step, started));
    const failed = this.#failures.get(module);
    if (!failed && step.kind !== 'create' && step.kind !== 'start') this.#freed = true;
    const { from } = this.#wanted;
    audit({ action: step.kind, target: module, from, outcome: failed ? 'failed' : 'done', reason: failed?.message ?? reason });
  }

  async #doStep(step: Change, started: () => void): Promise<void> {
    const runner = this.#parts.runnerOf(step.module);
    if (step.kind === 'remove') return runner.remove();
    const spec = this.#spec(step.module);
    if (step.kind === 'start' || step.kind === 'stop') return runner.setStatus(spec);
    try {
      await runner.swap(spec, this.#images.get(step.module)!, started);
    } catch (error) {
      const { version } = this.#wanted;
      const { code, retry, message } = error as GatewayError;
      // There was nothing to go back to: it is there, and may come up yet.
      if (code === 'module-unsettled' && sameJson(runner.view.spec, spec)) throw unsettled(step.module, message);
      // What passes by itself is no fault of the module.
      if (version !== undefined && retry !== 'with-backoff' && code !== 'port-taken')
        await runner.refuse({ spec, version, reason: message });
      throw error;
    }
  }

  async #keep(module: string): Promise<void> {
    const runner = this.#parts.runnerOf(module);
    await runner.keep(this.#spec(module));
    const { runtimeStatus, description } = runner.view;
    if (!this.#parts.unsettled.has(module) || runtimeStatus === 'running' || runtimeStatus === 'stopped') return;
    throw unsettled(module, `${runtimeStatus}: ${description}`);
  }

  /** A port may have been held by a module that is gone by now. */
  async #onceMore(steps: readonly Change[]): Promise<void> {
    const again = steps.filter(({ module }) => this.#failures.get(module)?.code === 'port-taken');
    for (const { module } of again) this.#failures.delete(module);
    await eachAtMost(again, most.modules, async ({ module }) => {
      const runner = this.#parts.runnerOf(module);
      const made = runner.view.spec === this.#spec(module);
      await this.#attempt(module, made ? runner.restart() : runner.swap(this.#spec(module), this.#images.get(module)!));
    });
  }

  async #attempt(module: string, work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#failures.set(module, asGatewayError(module, error));
    }
  }

  #goOn(): void {
    if (this.#wanted.signal.aborted) throw superseded();
  }

  #spec(module: string): ModuleSpec {
    return this.#wanted.manifest.modules.get(module)!;
  }
}

const makes = (step: Step): boolean => step.kind === 'create' || step.kind === 'replace';

const unsettled = (module: string, what: string): GatewayError =>
  new GatewayError('module-unsettled', what.startsWith(module) ? what : `${module} is ${what}`, { retry: 'with-backoff' });

export const superseded = (): GatewayError =>
  new GatewayError('deployment-superseded', 'a newer deployment took its place before it was carried out', { retry: 'never' });

function asGatewayError(module: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('agent-fault', `${module}: ${(error as Error).message}`, { retry: 'with-backoff', cause: error });
}
