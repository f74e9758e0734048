import type { RunningModule } from '../contract.ts';
import type { Container, Engine, EngineEvent } from '../engine/contract.ts';
import { labelNames, ownLabels } from '../engine/labels.ts';
import type { AgentLog } from './contract.ts';
import { ModuleRunner, type RunnerParts } from './module-runner.ts';
import { attemptLabel } from './names.ts';
import type { ModuleRecord } from './records.ts';

/** The modules of this gateway, by name. */
export class ModuleSet {
  readonly #gateway: string;
  readonly #parts: RunnerParts;
  readonly #log: AgentLog;
  readonly #runners = new Map<string, ModuleRunner>();

  constructor(gateway: string, records: readonly ModuleRecord[], parts: RunnerParts) {
    this.#gateway = gateway;
    this.#parts = parts;
    this.#log = parts.log;
    for (const record of records) this.#runners.set(record.module, new ModuleRunner(record.module, record, parts));
  }

  /** Those that are there. */
  all(): readonly ModuleRunner[] {
    return [...this.#runners.values()].filter(({ exists }) => exists);
  }

  running(): readonly RunningModule[] {
    return this.all().map(({ running }) => running);
  }

  get(module: string): ModuleRunner | undefined {
    const runner = this.#runners.get(module);
    return runner?.exists ? runner : undefined;
  }

  /** Made when it is not there: something is about to be. */
  of(module: string): ModuleRunner {
    const runner = this.#runners.get(module) ?? new ModuleRunner(module, undefined, this.#parts);
    this.#runners.set(module, runner);
    return runner;
  }

  /** Compares with what the engine has; the first time after it was away, all are brought in order. */
  async look(engine: Engine, first: boolean): Promise<void> {
    const containers = await engine.containers(ownLabels(this.#gateway));
    const byModule = Map.groupBy(containers, ({ labels }) => labels[labelNames.module] ?? '');
    for (const module of byModule.keys()) if (module !== '') this.of(module);
    const runners = [...this.#runners.values()];
    for (const runner of runners) runner.adopt(byModule.get(runner.name)?.[0]);
    if (first) await Promise.all(runners.map((runner) => this.#recover(runner)));
    else for (const runner of runners) runner.compare(currentOf(runner, byModule.get(runner.name) ?? []));
  }

  /** The module of the container looks at itself. */
  onEvent({ container }: EngineEvent): void {
    for (const runner of this.#runners.values()) if (runner.containerId === container) runner.look();
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#runners.values()].map((runner) => runner.idle()));
  }

  async #recover(runner: ModuleRunner): Promise<void> {
    await runner.recover().catch((error: Error) => {
      this.#log.warn({ module: runner.name, reason: error.message }, 'the module could not be brought in order yet');
    });
  }
}

function currentOf(runner: ModuleRunner, containers: readonly Container[]): Container | undefined {
  return containers.find(({ labels }) => labels[attemptLabel] === runner.attempt);
}
