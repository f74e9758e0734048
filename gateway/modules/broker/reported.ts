import type { HubLog } from '../../../hub/log.ts';
import { GatewayError } from '../../../model/error.ts';
import { diffPatch } from '../../../twin/patch.ts';
import type { TwinObject } from '../../../twin/section.ts';
import type { BrokerOptions } from './contract.ts';
import type { QueueStore } from './queue-store.ts';

/** What a module reported so far, and under which identity. */
export interface ReportedNow {
  readonly generationId: string;
  readonly properties: TwinObject;
}

const longestWaitMs = 60_000;

/**
 * Brings upstream what modules report: the difference to what it had last, so that a burst is one patch, and nothing is lost when this process or
 * the link ends in between. What upstream has is remembered on disk.
 */
export class ReportedSync implements Disposable {
  readonly #store: QueueStore;
  /** Undefined: there is no such module (any more). */
  readonly #current: (moduleId: string) => ReportedNow | undefined;
  readonly #send: NonNullable<BrokerOptions['onReported']>;
  readonly #log: HubLog;
  readonly #retryMs: number;
  readonly #paceMs: number;
  readonly #running = new Set<string>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #closed = false;

  constructor(parts: {
    readonly store: QueueStore;
    readonly current: (moduleId: string) => ReportedNow | undefined;
    readonly send: NonNullable<BrokerOptions['onReported']>;
    readonly log: HubLog;
    readonly retryMs: number;
    /** Between two patches of one module. */
    readonly paceMs: number;
  }) {
    this.#store = parts.store;
    this.#current = parts.current;
    this.#send = parts.send;
    this.#log = parts.log;
    this.#retryMs = parts.retryMs;
    this.#paceMs = parts.paceMs;
  }

  /** The module reported something, or may have. */
  changed(moduleId: string, waitMs = this.#retryMs): void {
    if (this.#closed) return;
    if (this.#running.has(moduleId) || this.#timers.has(moduleId)) {
      this.#again.add(moduleId);
      return;
    }
    this.#running.add(moduleId);
    void this.#bring(moduleId).then(
      () => this.#ended(moduleId),
      (error: Error) => this.#failed(moduleId, error, waitMs),
    );
  }

  /** What waits is tried now, of one module or of all. */
  wake(only?: string): void {
    const waiting = [...this.#timers];
    for (const [moduleId, timer] of waiting) {
      if (only !== undefined && moduleId !== only) continue;
      clearTimeout(timer);
      this.#timers.delete(moduleId);
      this.#again.delete(moduleId);
      this.changed(moduleId);
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #bring(moduleId: string): Promise<void> {
    const wanted = this.#current(moduleId);
    if (!wanted) return;
    const { generationId, properties } = wanted;
    const known = this.#store.reported(moduleId, generationId);
    const patch = diffPatch(known === undefined ? {} : (JSON.parse(known) as TwinObject), properties);
    if (Object.keys(patch).length === 0) return;
    await this.#send(moduleId, patch);
    const still = !this.#closed && this.#current(moduleId)?.generationId === generationId;
    if (still) await this.#store.saveReported(moduleId, generationId, JSON.stringify(properties));
  }

  #ended(moduleId: string): void {
    this.#running.delete(moduleId);
    this.#later(moduleId, this.#paceMs, () => {
      if (this.#again.delete(moduleId)) this.changed(moduleId);
    });
  }

  #later(moduleId: string, waitMs: number, then: () => void): void {
    if (this.#closed) return;
    const go = (): void => {
      this.#timers.delete(moduleId);
      then();
    };
    this.#timers.set(moduleId, setTimeout(go, waitMs));
  }

  #failed(moduleId: string, error: Error, waitMs: number): void {
    if (error instanceof GatewayError && error.retry === 'never') {
      this.#log.warn(
        { module: moduleId, reason: error.message },
        'upstream refuses what a module reported; it gets it with what the module reports next',
      );
      this.#ended(moduleId);
      return;
    }
    this.#log.debug({ module: moduleId, reason: error.message, inMs: waitMs }, 'what a module reported waits for upstream');
    this.#running.delete(moduleId);
    this.#again.delete(moduleId);
    this.#later(moduleId, waitMs, () => this.changed(moduleId, Math.min(waitMs * 2, longestWaitMs)));
  }
}
