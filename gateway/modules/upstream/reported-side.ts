import type { Log } from '../../../adapters/contract.ts';
import type { HubControl } from '../../../hub-client/contract.ts';
import { backoff } from '../../../model/backoff.ts';
import { mergePatch } from '../../../twin/patch.ts';
import { isTwinObject, propertiesOf, type TwinObject } from '../../../twin/section.ts';
import { pause } from '../../pause.ts';
import { type Clock, systemClock } from '../../pipeline.ts';
import { ReportedState } from '../../twin/reported-state.ts';
import { Reporter } from '../../twin/reporter.ts';

const patchEveryMs = 1_000;
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
 * What one identity reports: merge patches, coalesced, one patch in a second at most; what a lost link left open goes again as the difference to what the
 * hub has. What the hub had before the first report stays there until it is reported anew or removed with null.
 */
export class ReportedSide implements Disposable {
  readonly #options: ReportedSideOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /** Patches before the hub was met for the first time; those without null are merged into one. */
  #early: TwinObject[] | undefined = [];
  #state: ReportedState | undefined;
  #reporter: Reporter | undefined;
  #control: HubControl | undefined;

  constructor(options: ReportedSideOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Returns at once. */
  report(patch: TwinObject): void {
    if (this.#state) {
      this.#state.merge(patch);
      this.#reporter?.kick();
      return;
    }
    const early = this.#early!;
    const last = early.at(-1);
    if (last && !hasNull(last) && !hasNull(patch)) early[early.length - 1] = mergePatch(last, patch);
    else early.push(patch);
  }

  /** A session whose hub has this. */
  attach(control: HubControl, known: TwinObject, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#control = control;
    const reporter = this.#begin(known);
    reporter.open(control, known);
    signal.addEventListener('abort', () => this.#control === control && this.#detach(), { once: true });
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#detach();
  }

  #begin(known: TwinObject): Reporter {
    if (this.#reporter) return this.#reporter;
    const { name: module, log } = this.#options;
    const state = new ReportedState({ acknowledged: known, wanted: known }, (section, refusal) => {
      if (refusal)
        log.warn(
          { module, section, path: refusal.path, reason: refusal.message },
          'a section cannot be reported; the hub keeps what it has of it',
        );
    });
    const settings = { patchEveryMs: this.#options.patchEveryMs ?? patchEveryMs, maxPatchBytes };
    const reporter = new Reporter(state, settings, this.#clock, {
      acknowledged: () => {},
      uncertain: (control, error) => void this.#relearn(control, error),
    });
    for (const patch of this.#early ?? []) state.merge(patch);
    this.#early = undefined;
    this.#state = state;
    this.#reporter = reporter;
    return reporter;
  }

  /** It is unknown whether the hub took the last patch. */
  async #relearn(control: HubControl, after: unknown): Promise<void> {
    const waits = backoff();
    let error = after;
    while (this.#control === control) {
      await pause(waits.next(error), this.#stop.signal);
      if (this.#control !== control) return;
      try {
        const { reported } = await control.twin();
        if (this.#control === control) this.#reporter?.open(control, propertiesOf(reported));
        return;
      } catch (again) {
        error = again;
      }
    }
  }

  #detach(): void {
    this.#control = undefined;
    this.#reporter?.close();
  }
}

const hasNull = (value: unknown): boolean =>
  value === null || (isTwinObject(value) && Object.values(value).some((inner) => inner === null || hasNull(inner)));
