import type { GatewayError } from '../../model/error.ts';
import type { Manifest, ModuleSpec } from '../contract.ts';
import type { ReadyImage } from '../images/contract.ts';
import { carryOut, superseded } from './carry-out.ts';
import type { AgentAct, AgentClock, AgentLog, DeploymentSource, DeploymentStatus } from './contract.ts';
import type { Answer, Deployment, DeploymentFile } from './deployment-file.ts';
import type { EngineLink } from './engine-link.ts';
import { Lane } from './lane.ts';
import type { ModuleSet } from './module-set.ts';
import { statusOf } from './status.ts';

export interface FollowParts {
  readonly link: EngineLink;
  readonly modules: ModuleSet;
  readonly file: DeploymentFile;
  readonly prepare: (spec: ModuleSpec, signal: AbortSignal) => Promise<ReadyImage>;
  /** Images that nobody needs go. */
  readonly cleanUp: () => Promise<void>;
  readonly clock: AgentClock;
  readonly log: AgentLog;
  readonly audit: (act: AgentAct) => void;
  readonly closing: AbortSignal;
  readonly changed: () => void;
  readonly onFollowed?: (manifest: Manifest) => void;
  readonly onSettled?: (manifest: Manifest) => void;
}

const again = { firstMs: 30_000, longestMs: 600_000 } as const;
/** A deployment that brings the gateway down each time is left alone. */
const mostBegun = 3;

/** The one deployment that the box follows: carried out, again where that may help, and by itself after a restart. A newer one takes its place at once. */
export class Follow {
  readonly #parts: FollowParts;
  readonly #lane = new Lane();
  #deployment: Deployment | undefined;
  #hubSaid: string | undefined;
  #refused: Answer | undefined;
  #superseding = new AbortController();
  /** New ones of the last round that had nothing to go back to and were not good. */
  #unsettled: ReadonlySet<string> = new Set();
  #waitMs: number = again.firstMs;
  /** Of the next try. */
  #timer = new AbortController();

  constructor(deployment: Deployment | undefined, parts: FollowParts) {
    this.#deployment = deployment;
    this.#hubSaid = deployment?.hubSaid;
    this.#parts = parts;
  }

  get deployment(): Deployment | undefined {
    return this.#deployment;
  }

  /** Of the last one of which it is known how it went, whether it is followed or not. */
  get answer(): Answer | undefined {
    if (this.#refused) return this.#refused;
    const { version, status, before } = this.#deployment ?? {};
    return status ? { version, status } : before;
  }

  get source(): DeploymentSource {
    return { from: this.#deployment?.from, hubSaid: this.#hubSaid };
  }

  /** One that will not be followed is answered for; what the hub said counts as said. */
  refuse(answer: Answer, hubSaid: string | undefined): void {
    this.#refused = answer;
    if (hubSaid === undefined || hubSaid === this.#hubSaid) return;
    this.#hubSaid = hubSaid;
    this.#inBackground(this.#parts.closing, async () => this.#deployment && this.#note(this.#deployment));
  }

  /** Resolves when it is known how it went. */
  follow(manifest: Manifest, version: number | undefined, from: string, hubSaid: string | undefined): Promise<DeploymentStatus> {
    const signal = this.#supersede();
    const wanted = { manifest, version, from, ...(hubSaid !== undefined && { hubSaid }), open: true, begun: 1 };
    return this.#lane.run(() => this.#begin(wanted, signal));
  }

  async #begin(wanted: Deployment, signal: AbortSignal): Promise<DeploymentStatus> {
    if (signal.aborted) return { code: 406, description: superseded().message };
    const { manifest, version } = wanted;
    const before = this.answer;
    const deployment: Deployment = { ...wanted, ...(before && { before }) };
    const hubSaid = wanted.hubSaid ?? this.#hubSaid;
    try {
      // Before anything moves, so that a kill does not end half-way between two deployments.
      await this.#write(deployment, hubSaid);
    } catch (error) {
      const status = statusOf(new Map([['deployment', error as GatewayError]]), manifest.modules.size);
      this.#refused = { version, status };
      this.#later(signal, () => this.#begin(wanted, signal));
      return status;
    }
    this.#deployment = deployment;
    this.#hubSaid = hubSaid;
    this.#refused = undefined;
    this.#unsettled = new Set();
    this.#waitMs = again.firstMs;
    this.#parts.onFollowed?.(manifest);
    return this.#carryOut(deployment, signal);
  }

  /** The engine is there again: what is open is carried out now, after what is under way. */
  resume(): void {
    const signal = AbortSignal.any([this.#superseding.signal, this.#parts.closing]);
    this.#inBackground(signal, async () => {
      const open = this.#deployment;
      if (!open?.open) return this.#settled();
      if (open.begun >= mostBegun) return this.#leaveAlone(open);
      const begun = { ...open, begun: open.begun + 1 };
      await this.#note(begun);
      await this.#carryOut(begun, signal);
    });
  }

  /** Nothing more is begun. */
  async close(): Promise<void> {
    this.#superseding.abort();
    await this.#lane.idle();
  }

  #supersede(): AbortSignal {
    this.#superseding.abort();
    this.#superseding = new AbortController();
    return AbortSignal.any([this.#superseding.signal, this.#parts.closing]);
  }

  async #carryOut(deployment: Deployment, signal: AbortSignal): Promise<DeploymentStatus> {
    const { link, modules, log, changed } = this.#parts;
    const { manifest, version, from } = deployment;
    const idle = manifest.modules.size === 0 && modules.all().length === 0;
    try {
      if (!idle) link.engine();
      const failures = idle
        ? new Map<string, GatewayError>()
        : await carryOut(
            { ...this.#parts, running: () => modules.running(), runnerOf: (module) => modules.of(module), unsettled: this.#unsettled },
            { manifest, version, from, signal },
          );
      this.#unsettled = new Set([...failures].filter(([, { code }]) => code === 'module-unsettled').map(([module]) => module));
      const passes = [...failures.values()].some(({ retry }) => retry === 'with-backoff');
      return await this.#conclude(deployment, statusOf(failures, manifest.modules.size), passes, signal);
    } catch (error) {
      if (signal.aborted) {
        // An orderly end is no crash.
        if (this.#parts.closing.aborted) await this.#note({ ...deployment, begun: 0 });
        return { code: 406, description: (error as Error).message };
      }
      // No engine, or none any more.
      const status: DeploymentStatus = { code: 500, description: (error as Error).message };
      log.warn({ version, reason: status.description }, 'deployment not carried out yet');
      return await this.#conclude(deployment, status, true, signal);
    } finally {
      changed();
    }
  }

  async #conclude(begun: Deployment, status: DeploymentStatus, open: boolean, signal: AbortSignal): Promise<DeploymentStatus> {
    const { link, cleanUp } = this.#parts;
    const { before: _, ...rest } = begun;
    const deployment: Deployment = { ...rest, status, open, begun: 0 };
    this.#deployment = deployment;
    await this.#note(deployment);
    this.#settled();
    if (!open) await cleanUp();
    // Without an engine its return is what it waits for.
    else if (link.present) this.#later(signal, async () => this.#carryOut(deployment, signal));
    return status;
  }

  /** Not one that is in force in parts: a newer one may bring back what it took away. */
  #settled(): void {
    const { manifest, status } = this.#deployment ?? {};
    if (manifest && status?.code === 200) this.#parts.onSettled?.(manifest);
  }

  async #note(deployment: Deployment): Promise<void> {
    await this.#write(deployment, this.#hubSaid).catch((error: Error) => {
      this.#parts.log.warn(
        { reason: error.message },
        'how the deployment goes could not be written down; it is looked at again after a restart',
      );
    });
  }

  #write(deployment: Deployment, hubSaid: string | undefined): Promise<void> {
    return this.#parts.file.write({ ...deployment, ...(hubSaid !== undefined && { hubSaid }) });
  }

  /** The next try, in place of one that was planned before. */
  #later(newer: AbortSignal, work: () => Promise<unknown>): void {
    this.#timer.abort();
    this.#timer = new AbortController();
    const signal = AbortSignal.any([newer, this.#timer.signal]);
    const waitMs = this.#waitMs;
    this.#waitMs = Math.min(waitMs * 2, again.longestMs);
    void this.#parts.clock.sleep(waitMs, signal).then(() => {
      if (!signal.aborted) this.#inBackground(newer, work);
    });
  }

  async #leaveAlone(open: Deployment): Promise<void> {
    const description = `the gateway ended ${mostBegun} times while it carried out this deployment; it is not tried again by itself`;
    this.#parts.log.error({ version: open.version }, 'deployment left alone: the gateway ended each time it was carried out');
    await this.#conclude(open, { code: 500, description }, false, this.#superseding.signal);
    this.#parts.changed();
  }

  #inBackground(signal: AbortSignal, work: () => Promise<unknown>): void {
    void this.#lane
      .run(async () => {
        if (!signal.aborted) await work();
      })
      .catch((error: Error) => this.#parts.log.warn({ reason: error.message }, 'the deployment could not be carried on'));
  }
}
