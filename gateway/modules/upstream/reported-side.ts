import type { Log } from '../../../adapters/contract.ts';
import type { HubControl } from '../../../hub-client/contract.ts';
import { backoff } from '../../../model/backoff.ts';
import { diffPatch } from '../../../twin/patch.ts';
import { propertiesOf, type TwinObject } from '../../../twin/section.ts';
import { pause } from '../../pause.ts';
import { type Clock, systemClock } from '../../pipeline.ts';
import { ReportedState, type ReportRefusal } from '../../twin/reported-state.ts';
import { Reporter } from '../../twin/reporter.ts';

const maxPatchBytes = 32 * 1024;

export interface ReportedSideOptions {
  /** Of the identity, for logs. */
  readonly name: string;
  readonly log: Log;
  readonly clock?: Clock;
  /** At most one patch in this time; 1 s. */
  readonly patchEveryMs?: number;
}

/**
 * What one identity reports, whole: the hub gets the difference to what it has, in one patch a second at most, and again what a lost link left open. What it
 * has stays until the first report of this life.
 */
export class ReportedSide implements Disposable {
  readonly #state: ReportedState;
  readonly #reporter: Reporter;
  readonly #stop = new AbortController();
  /** Undefined before the first report. */
  #whole: TwinObject | undefined;
  /** The session that is up, and what its hub had. */
  #hub: { readonly control: HubControl; readonly known: TwinObject } | undefined;

  constructor({ name: module, log, clock = systemClock, patchEveryMs = 1_000 }: ReportedSideOptions) {
    const refused = (section: string, refusal: ReportRefusal | undefined): void => {
      if (!refusal) return;
      const { path, message: reason } = refusal;
      log.warn({ module, section, path, reason }, 'a section cannot be reported; the hub keeps what it has of it');
    };
    this.#state = new ReportedState({ acknowledged: {}, wanted: {} }, refused, 0);
    this.#reporter = new Reporter(this.#state, { patchEveryMs, maxPatchBytes }, clock, {
      acknowledged: () => {},
      uncertain: (control, error) => void this.#relearn(control, error),
    });
  }

  /** All of it: what is not in it goes at the hub. Returns at once. */
  report(whole: TwinObject): void {
    const before = this.#whole;
    this.#whole = whole;
    this.#state.merge(diffPatch(before ?? {}, whole));
    if (before) this.#reporter.kick();
    else if (this.#hub) this.#reporter.open(this.#hub.control, this.#hub.known);
  }

  /** A session whose hub has this. */
  attach(control: HubControl, known: TwinObject, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#hub = { control, known };
    if (this.#whole) this.#reporter.open(control, known);
    signal.addEventListener('abort', () => this.#hub?.control === control && this.#detach(), { once: true });
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#detach();
  }

  /** It is unknown whether the hub took the last patch. */
  async #relearn(control: HubControl, after: unknown): Promise<void> {
    const waits = backoff();
    let error = after;
    while (this.#hub?.control === control) {
      await pause(waits.next(error), this.#stop.signal);
      if (this.#hub?.control !== control) return;
      try {
        const { reported } = await control.twin();
        if (this.#hub?.control === control) this.#reporter.open(control, propertiesOf(reported));
        return;
      } catch (again) {
        error = again;
      }
    }
  }

  #detach(): void {
    this.#hub = undefined;
    this.#reporter.close();
  }
}
