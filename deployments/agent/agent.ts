import type { GatewayError } from '../../model/error.ts';
import { sameJson, type TwinObject } from '../../twin/section.ts';
import type { Manifest, ManifestProblem, ModuleSpec, RunningModule } from '../contract.ts';
import type { Engine, EngineInfo } from '../engine/contract.ts';
import { ownLabels } from '../engine/labels.ts';
import { checkPolicy } from '../engine/policy.ts';
import type { ReadyImage } from '../images/contract.ts';
import { realClock } from './clock.ts';
import type { AgentClock, AgentOptions, DeploymentSource, DeploymentStatus } from './contract.ts';
import { type Answer, type Deployment, DeploymentFile } from './deployment-file.ts';
import { EngineLink } from './engine-link.ts';
import { Follow } from './follow.ts';
import { defaultGate } from './health-gate.ts';
import { eachAtMost } from './lane.ts';
import { LastWords } from './last-words.ts';
import { AgentMethods } from './methods/methods.ts';
import type { ModuleRunner } from './module-runner.ts';
import { ModuleSet } from './module-set.ts';
import { type ModuleRecord, ModuleRecords } from './records.ts';
import { reportedOf } from './reported.ts';
import { noneYet, refusalOf } from './status.ts';

/** Of IoT Edge, so that options which name it mean ours. */
const defaultNetwork = 'azure-iot-edge';
/** An engine that takes its connection and says nothing is none. */
const patienceMs = 30_000;
/** Modules that are made anew side by side. */
const mostAtOnce = 8;

/**
 * Keeps the box as its deployment says: carries out what is new, and watches over what runs. Modules run on when it is closed, and while it is away;
 * what it has to know stands on disk and on the containers' labels.
 */
export class DeploymentAgent implements AsyncDisposable {
  readonly #options: AgentOptions;
  readonly #clock: AgentClock;
  readonly #closing = new AbortController();
  readonly #link: EngineLink;
  readonly #modules: ModuleSet;
  readonly #follow: Follow;
  /** The direct methods of `$edgeAgent`. */
  readonly methods: AgentMethods;
  readonly #startedAt: string;
  #told: TwinObject | undefined;
  #telling = false;

  private constructor(options: AgentOptions, records: readonly ModuleRecord[], deployment: Deployment | undefined, file: DeploymentFile) {
    const { log, audit } = options;
    const clock = options.clock ?? realClock;
    const changed = (): void => this.#changed();
    const closing = this.#closing.signal;
    this.#options = options;
    this.#clock = clock;
    this.#startedAt = new Date(clock.now()).toISOString();
    this.#link = new EngineLink({
      open: options.engine,
      labels: ownLabels(options.gateway),
      clock,
      log,
      onLook: async (engine, first) => {
        await this.#modules.look(engine, first);
        changed();
        if (!first) return;
        this.#follow.resume();
        void this.#remakeOld();
      },
      onEvent: (event) => this.#modules.onEvent(event),
      onAbsent: changed,
    });
    const shared = { link: this.#link, clock, log, audit, closing, changed };
    const lastWords = new LastWords(options.folder);
    this.#modules = new ModuleSet(options.gateway, records, {
      ...options,
      ...shared,
      network: options.network ?? defaultNetwork,
      loggingOptions: () => this.manifest?.runtime.loggingOptions ?? '',
      records: new ModuleRecords(recordsOf(options.folder)),
      lastWords,
      gate: { ...defaultGate, ...options.gate },
      prepare: (spec) => this.#prepare(spec, closing),
    });
    const engine = (): Engine => this.#link.engine();
    const reported = (): TwinObject => this.reported();
    this.methods = new AgentMethods({ ...options, ...shared, modules: this.#modules, lastWords, engine, reported });
    const prepare = (spec: ModuleSpec, signal: AbortSignal): Promise<ReadyImage> => this.#prepare(spec, signal);
    const cleanUp = (): Promise<void> => this.#cleanUp();
    this.#follow = new Follow(deployment, { ...options, ...shared, modules: this.#modules, file, prepare, cleanUp });
  }

  /** Does not wait for an engine: modules are looked after as soon as there is one. Rejects only when the folder cannot be read. */
  static async open(options: AgentOptions): Promise<DeploymentAgent> {
    const { records, damaged } = await new ModuleRecords(recordsOf(options.folder)).all();
    if (damaged.length > 0)
      options.log.warn({ files: damaged }, 'records of modules cannot be read; the next deployment makes these modules anew');
    const file = new DeploymentFile(options.folder, options.log);
    const agent = new DeploymentAgent(options, records, await file.read(), file);
    agent.#link.start();
    return agent;
  }

  /**
   * Carries out a deployment and says how it went, once that is known: after the health gates. A newer one, or closing, ends the wait with 406. What is
   * refused (400) changes nothing. `from` says who sent it, for the audit: `hub`, `command`, `api`. `hubSaid` is a digest of what the hub wants, where it
   * sent it; it is remembered also when others send deployments after it.
   */
  async apply(manifest: Manifest, desiredVersion: number | undefined, from: string, hubSaid?: string): Promise<DeploymentStatus> {
    if (this.#closing.signal.aborted) return { code: 406, description: 'the gateway is being stopped' };
    const problems = await this.check(manifest);
    if (problems.some(({ severity }) => severity === 'error')) return this.refuse(problems, desiredVersion, from, hubSaid);
    await Promise.race([this.#link.known, this.#clock.sleep(patienceMs, this.#closing.signal)]);
    const status = await this.#follow.follow(manifest, desiredVersion, from, hubSaid);
    // One whose place was taken has no say any more.
    if (status.code !== 406) this.#conclude(desiredVersion, status, from);
    return status;
  }

  /** All that forbids this deployment here: createOptions against the policy, images against theirs. Asks no engine and no registry. */
  async check(manifest: Pick<Manifest, 'modules'>): Promise<readonly ManifestProblem[]> {
    const { policy, guarded, images } = this.#options;
    const specs = [...manifest.modules.values()];
    const ofImages = await Promise.all(specs.map((spec) => images.check(spec)));
    return specs.flatMap((spec, index) => [...checkPolicy(spec, policy, guarded), ...(ofImages[index] ?? [])]);
  }

  /** For a deployment that could not be read: reported with 400, 412 or 417, and what runs runs on. */
  refuse(problems: readonly ManifestProblem[], desiredVersion: number | undefined, from: string, hubSaid?: string): DeploymentStatus {
    const status = refusalOf(problems);
    this.#follow.refuse({ version: desiredVersion, status }, hubSaid);
    this.#conclude(desiredVersion, status, from);
    return status;
  }

  /** Makes modules anew from what they are made from: their identity or their environment changed. Rejects with all that failed. */
  async remake(modules: readonly string[], from: string): Promise<void> {
    const runners = modules.map((module) => this.#modules.get(module)).filter((runner) => runner !== undefined);
    await this.#remakeAll(runners, from, (runner) => runner.remake());
  }

  running(): readonly RunningModule[] {
    return this.#modules.running();
  }

  /** Reported properties of `$edgeAgent` as they are now. */
  reported(): TwinObject {
    const { version, status } = this.#follow.answer ?? { version: undefined, status: noneYet };
    return reportedOf({
      version: this.#options.version,
      desiredVersion: version,
      status,
      manifest: this.manifest,
      engine: this.#link.info,
      startedAt: this.#startedAt,
      modules: new Map(this.#modules.all().map((runner) => [runner.name, runner.view])),
    });
  }

  /** The engine that is there, or why none is. */
  get engine(): { readonly at: string; readonly info: EngineInfo } | { readonly absence: Error } {
    const { absence, info } = this.#link;
    return absence ? { absence } : { at: this.#link.engine().at, info: info! };
  }

  /** Of the deployment that is followed; survives restarts. Its routes hold without a hub. */
  get manifest(): Manifest | undefined {
    return this.#follow.deployment?.manifest;
  }

  /** How the last deployment went of which that is known, as it is now: one that failed may have been carried out since. */
  get answer(): Answer | undefined {
    return this.#follow.answer;
  }

  get source(): DeploymentSource {
    return this.#follow.source;
  }

  /** Modules run on. What is being swapped is brought back to what ran before. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#follow.close();
    await Promise.all([this.#modules.idle(), this.methods.idle()]);
    await this.#link[Symbol.asyncDispose]();
  }

  async #prepare(spec: ModuleSpec, signal: AbortSignal): Promise<ReadyImage> {
    const { images, log } = this.#options;
    const credentials = [...(this.manifest?.runtime.registryCredentials.values() ?? [])];
    const onProgress = (line: string): void => log.debug({ module: spec.name, line }, 'pulling');
    try {
      return await images.ensure(spec, { credentials, signal, onProgress });
    } catch (error) {
      if ((error as GatewayError).code !== 'engine-disk-full') throw error;
      // What nobody needs may be what is in the way.
      await this.#cleanUp();
      return images.ensure(spec, { credentials, signal, onProgress });
    }
  }

  /** Settings of the gateway changed while it was stopped: modules would look for it under its old name. */
  async #remakeOld(): Promise<void> {
    const old: ModuleRunner[] = [];
    for (const runner of this.#modules.all()) if (await runner.hasOldHost()) old.push(runner);
    await this.#remakeAll(old, 'gateway', (runner) => runner.remake(true)).catch((error: Error) =>
      this.#options.log.warn({ reason: error.message }, 'modules could not be made anew with what the gateway gives them now'),
    );
  }

  async #remakeAll(runners: readonly ModuleRunner[], from: string, remake: (runner: ModuleRunner) => Promise<void>): Promise<void> {
    const errors: Error[] = [];
    await eachAtMost(runners, mostAtOnce, async (runner) => {
      const act = { action: 'replace', target: runner.name, from };
      try {
        await remake(runner);
        this.#options.audit({ ...act, outcome: 'done', reason: 'what the gateway gives it changed' });
      } catch (error) {
        errors.push(error as Error);
        this.#options.audit({ ...act, outcome: 'failed', reason: (error as Error).message });
      }
    });
    if (errors.length > 0) throw new AggregateError(errors, errors.map(({ message }) => message).join('; '));
  }

  async #cleanUp(): Promise<void> {
    const { images, log } = this.#options;
    const needed = new Set(this.#modules.all().flatMap(({ imageIds }) => imageIds));
    try {
      const gone = await images.cleanUp(needed);
      if (gone.length > 0) log.info({ images: gone }, 'images that no module needs were removed');
    } catch (error) {
      log.warn({ reason: (error as Error).message }, 'images that no module needs could not be removed');
    }
  }

  #conclude(version: number | undefined, status: DeploymentStatus, from: string): void {
    const { log, audit } = this.#options;
    const refused = status.code >= 400 && status.code < 500;
    const outcome = status.code === 200 ? 'done' : refused ? 'refused' : 'failed';
    audit({ action: 'deploy', target: 'deployment', from, outcome, ...(status.description !== '' && { reason: status.description }) });
    const fields = { version, code: status.code, ...(status.description !== '' && { reason: status.description }) };
    if (status.code === 200) log.info(fields, 'deployment carried out');
    else log.warn(fields, refused ? 'deployment refused' : 'deployment not wholly carried out');
    this.#changed();
  }

  #changed(): void {
    if (this.#telling || this.#closing.signal.aborted) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      const reported = this.reported();
      if (this.#told && sameJson(this.#told, reported)) return;
      this.#told = reported;
      this.#options.onReported(reported);
    });
  }
}

const recordsOf = (folder: string): string => `${folder}/modules`;
