import type { ModuleSpec } from '../contract.ts';
import type { Container } from '../engine/contract.ts';
import type { AgentAct, AgentClock, AgentLog } from './contract.ts';
import { describe, ranMs, troubleOf } from './runtime-status.ts';
import { noRestarts, type Restarts, restartLimits, verdict } from './supervision.ts';

export interface WatchParts {
  readonly clock: AgentClock;
  readonly log: AgentLog;
  readonly audit: (act: AgentAct) => void;
  /** Aborts when the agent is closed. */
  readonly closing: AbortSignal;
}

/** How often one module was restarted, and when it is restarted next. Touches no container: `due` is called when it is time. */
export class RestartWatch {
  readonly #module: string;
  readonly #parts: WatchParts;
  readonly #due: () => void;
  #restarts: Restarts = noRestarts;
  #waiting: AbortController | undefined;
  #gaveUp = false;
  #note = '';

  constructor(module: string, parts: WatchParts, due: () => void) {
    this.#module = module;
    this.#parts = parts;
    this.#due = due;
  }

  get restarts(): Restarts {
    return this.#restarts;
  }

  get state(): 'watching' | 'waiting' | 'gave-up' {
    return this.#gaveUp ? 'gave-up' : this.#waiting ? 'waiting' : 'watching';
  }

  /** For people; empty when there is nothing to say. */
  get note(): string {
    return this.#note;
  }

  /** Decides about a module that should run, from what its container is now. `failure` is what its last start failed with. */
  judge({ restartPolicy }: ModuleSpec, container: Container | undefined, failure: string | undefined): void {
    const trouble = troubleOf(container);
    if (trouble === undefined) {
      this.cancel();
      this.#note = '';
      return;
    }
    if (this.#waiting || this.#gaveUp) return;
    const what = failure ?? describe(container);
    const nowMs = this.#parts.clock.now();
    // One whose container somebody removed is made again, whatever its policy says of ends, and as long as that takes.
    const decided = container
      ? verdict(restartPolicy, trouble, ranMs(container, nowMs), this.#restarts, nowMs)
      : verdict('always', trouble, 0, { ...this.#restarts, count: Math.min(this.#restarts.count, restartLimits.most - 1) }, nowMs);
    if (decided.kind === 'restart') this.#schedule(decided.afterMs, decided.restarts, what);
    else if (decided.kind === 'give-up') this.#giveUp(what);
    else this.#note = what;
  }

  /** No restart that is planned takes place. */
  cancel(): void {
    this.#waiting?.abort();
    this.#waiting = undefined;
  }

  /** A person or a deployment changed it: what was before says nothing any more. */
  reset(): void {
    this.cancel();
    this.#restarts = noRestarts;
    this.#gaveUp = false;
    this.#note = '';
  }

  #schedule(afterMs: number, restarts: Restarts, what: string): void {
    const { clock, log, closing } = this.#parts;
    const waiting = new AbortController();
    this.#waiting = waiting;
    this.#note = `${what}; restart ${restarts.count} of ${restartLimits.most} after ${afterMs / 1000} s`;
    log.warn({ module: this.#module, reason: what, afterMs, restart: restarts.count }, 'module is down, it will be restarted');
    const signal = AbortSignal.any([waiting.signal, closing]);
    void clock.sleep(afterMs, signal).then(() => {
      if (signal.aborted) return;
      this.#waiting = undefined;
      this.#restarts = restarts;
      this.#due();
    });
  }

  #giveUp(what: string): void {
    this.#gaveUp = true;
    this.#note = `${what}; it was restarted ${restartLimits.most} times and is left alone until it is deployed or restarted by hand`;
    this.#parts.log.error({ module: this.#module, reason: what }, 'module failed, it is not restarted any more');
    this.#parts.audit({ action: 'give up', target: this.#module, from: 'gateway', outcome: 'failed', reason: this.#note });
  }
}
