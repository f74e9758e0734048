import type { HubControl } from '../../hub-client/contract.ts';
import { type Backoff, backoff } from '../../model/backoff.ts';
import { GatewayError } from '../../model/error.ts';
import type { TwinObject } from '../../twin/section.ts';
import type { Clock } from '../pipeline.ts';
import type { ReportedState } from './reported-state.ts';

export interface ReporterSettings {
  readonly patchEveryMs: number;
  readonly maxPatchBytes: number;
}

export interface ReporterListener {
  acknowledged(): void;
  /** The hub may or may not have taken a patch: it must be asked what it has. */
  uncertain(control: HubControl, error: unknown): void;
}

/**
 * Sends what the hub lacks of the reported properties: one patch at a time, at most one in `patchEveryMs`, over the link that is open.
 * Keeps nothing: what was not acknowledged is still the difference of {@link ReportedState} when the next link opens.
 */
export class Reporter {
  readonly #state: ReportedState;
  readonly #settings: ReporterSettings;
  readonly #clock: Clock;
  readonly #listener: ReporterListener;
  readonly #backoff: Backoff = backoff();
  #control: HubControl | undefined;
  #sending: HubControl | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sentMono = Number.NEGATIVE_INFINITY;
  /** After a refusal that may pass (the hub throttles), not before this. */
  #notBeforeMono = Number.NEGATIVE_INFINITY;
  #patches = 0;

  constructor(state: ReportedState, settings: ReporterSettings, clock: Clock, listener: ReporterListener) {
    this.#state = state;
    this.#settings = settings;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Patches sent in this life. */
  get patches(): number {
    return this.#patches;
  }

  /** The hub said what it has; from now on the difference goes over this link. */
  open(control: HubControl, known: TwinObject): void {
    this.#state.learn(known);
    this.#control = control;
    this.kick();
  }

  close(): void {
    this.#control = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** There may be something to send. Cheap: called for every single report. */
  kick(): void {
    if (this.#timer !== undefined || this.#control === undefined || this.#sending === this.#control) return;
    const due = Math.max(this.#sentMono + this.#settings.patchEveryMs, this.#notBeforeMono);
    this.#timer = setTimeout(() => void this.#send(), Math.max(0, due - this.#clock.monotonicMs()));
  }

  async #send(): Promise<void> {
    this.#timer = undefined;
    const control = this.#control;
    if (!control) return;
    this.#state.settle();
    const patch = this.#state.next(this.#settings.maxPatchBytes);
    if (!patch) return;
    this.#sending = control;
    this.#sentMono = this.#clock.monotonicMs();
    this.#patches++;
    try {
      await control.report(patch);
      if (control !== this.#control) return; // The next link asks the hub what it has.
      this.#state.acknowledge(patch);
      this.#backoff.reset();
      this.#listener.acknowledged();
    } catch (error) {
      if (control === this.#control) this.#failed(control, patch, error);
    } finally {
      if (this.#sending === control) this.#sending = undefined;
      this.kick();
    }
  }

  #failed(control: HubControl, patch: TwinObject, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof GatewayError && error.retry === 'never') {
      this.#state.reject(patch, reason);
      return;
    }
    this.#notBeforeMono = this.#clock.monotonicMs() + this.#backoff.next(error);
    this.close();
    this.#listener.uncertain(control, error);
  }
}
