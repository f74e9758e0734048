import type { Log } from '../../adapters/contract.ts';
import type { HubControl, TwinObject } from '../../hub-client/contract.ts';
import { backoff } from '../../model/backoff.ts';
import { checkPatch } from '../../twin/limits.ts';
import { isTwinObject, propertiesOf, versionOf } from '../../twin/section.ts';
import { pause } from '../pause.ts';
import { type Clock, systemClock } from '../pipeline.ts';
import type { Applier, ApplierOptions } from './applier.ts';
import { clipped } from './clipped.ts';
import { DesiredSections } from './desired-sections.ts';
import { answersSection, ReportedState, type ReportRefusal, refusedSection } from './reported-state.ts';
import { Reporter } from './reporter.ts';
import { TwinFile } from './twin-file.ts';

export interface TwinAgentSettings {
  /** Where `twin.json` is kept; made when it is not there. */
  readonly folder: string;
  readonly log: Log;
  readonly clock?: Clock;
  /** At most one reported patch in this time; 1 s. */
  readonly patchEveryMs?: number;
  /** What was reported is on disk after this time at the latest; 1 s. */
  readonly saveEveryMs?: number;
  /** JSON text of one patch; 32 KiB, which Azure IoT Edge takes, too. */
  readonly maxPatchBytes?: number;
}

/** One life of one link to the hub. */
interface Link {
  readonly control: HubControl;
  readonly ended: AbortController;
  /** Notices that came while the whole twin was being fetched; undefined when it is known. */
  waiting: TwinObject[] | undefined;
}

/** More notices than this during one fetch, and the twin is fetched once more instead. */
const maxWaiting = 100;
const appliersEndWithinMs = 2_000;
const saveAgainMs = 5_000;
const maxRefusedBytes = { name: 64, message: 160 };

/**
 * The gateway's side of its twin, over links that come and go and over restarts. Desired properties reach the appliers of their sections in
 * the order of their versions, and each is answered in reported under `desired.<section>`. What the gateway's parts report is coalesced,
 * kept on disk until the hub has it, and compared with what the hub has after each connect. The agent owns the whole reported section:
 * keys at the hub that nobody here reports are removed.
 */
export class TwinAgent implements AsyncDisposable {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #saveEveryMs: number;
  readonly #desired: DesiredSections;
  readonly #reported: ReportedState;
  readonly #reporter: Reporter;
  readonly #file: TwinFile;
  #link: Link | undefined;
  #saveTimer: NodeJS.Timeout | undefined;
  #savedMono = Number.NEGATIVE_INFINITY;
  #savedRevision = 0;
  #disposed = false;

  /** Reads what was saved; needs no hub. */
  constructor(settings: TwinAgentSettings) {
    const { folder, log, clock = systemClock, patchEveryMs = 1_000, saveEveryMs = 1_000, maxPatchBytes = 32 * 1024 } = settings;
    const stored = TwinFile.read(folder, log);
    this.#log = log;
    this.#clock = clock;
    this.#saveEveryMs = saveEveryMs;
    this.#reported = new ReportedState(stored.reported, (section, refusal) => this.#refused(section, refusal));
    // Refusals are of a life: what was refused before is not staged any more.
    if (Object.hasOwn(stored.reported.wanted, refusedSection)) this.#reported.set([refusedSection], null);
    this.#reporter = new Reporter(this.#reported, { patchEveryMs, maxPatchBytes }, clock, {
      acknowledged: () => this.#saveSoon(),
      uncertain: (control, error) => {
        if (this.#link?.control === control) void this.#synchronise(this.#link, error);
      },
    });
    this.#desired = new DesiredSections(stored, log, {
      answered: (section, answer) => {
        this.#reported.set([answersSection, section], answer);
        this.#reporter.kick();
        void this.onDisk();
      },
    });
    this.#file = new TwinFile(folder, log, () => ({
      ...(this.#desired.version !== undefined && { desired: { version: this.#desired.version, properties: this.#desired.properties } }),
      answered: Object.fromEntries(this.#desired.answers),
      reported: { acknowledged: this.#reported.known, wanted: this.#reported.wanted },
    }));
  }

  /**
   * Registers who puts this section (top-level key) of the desired properties into effect; before the first `attach`, else the section may be
   * answered as unknown for a moment. One applier a section; throws a TypeError for a second one.
   */
  section(name: string, apply: Applier, options?: ApplierOptions): Disposable {
    return this.#desired.register(name, apply, options);
  }

  /** The last known desired properties, from disk when there was no link yet; undefined when the hub was never met. */
  desired(): TwinObject | undefined {
    return this.#desired.version === undefined ? undefined : this.#desired.properties;
  }

  /**
   * Reports: a merge patch, or what stands at a path (`machines.cooker-1.state`; null removes it). Returns at once, costs the path alone, takes a copy.
   * What no twin may hold is refused when the next patch is made, section by section, logged, and told in `reported.refused`
   * while it lasts. `desired` and `refused` are the agent's own.
   */
  report(patch: TwinObject): void;
  report(path: string | readonly string[], value: unknown): void;
  report(what: TwinObject | string | readonly string[], value?: unknown): void {
    const path = typeof what === 'string' ? what.split('.') : Array.isArray(what) ? (what as readonly string[]) : undefined;
    for (const taken of [answersSection, refusedSection]) {
      if (path ? path[0] === taken : Object.hasOwn(what as TwinObject, taken))
        throw new TypeError(`reported.${taken} is the twin's own: answers to desired properties, and what could not be reported`);
    }
    if (path) this.#reported.set(path, value);
    else this.#reported.merge(what as TwinObject);
    this.#reporter.kick();
    this.#saveSoon();
  }

  /** Resolves when all that was reported and answered so far is on disk; false when it cannot be written, which is tried again. */
  async onDisk(): Promise<boolean> {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = undefined;
    this.#savedMono = this.#clock.monotonicMs();
    this.#reported.settle();
    this.#savedRevision = this.#reported.revision;
    const saved = await this.#file.save();
    if (saved) return true;
    this.#savedRevision = -1;
    this.#saveSoon(saveAgainMs);
    return false;
  }

  /**
   * Takes a link that was just opened, and lets go of the one before. Resolves when the hub's twin is known and what it asks for is on its
   * way to the appliers, or when the link ended first. Never rejects. The signal, when there is one, aborts when the link is over.
   */
  async attach(control: HubControl, signal?: AbortSignal): Promise<void> {
    if (this.#disposed || signal?.aborted) return;
    this.#detach();
    const link: Link = { control, ended: new AbortController(), waiting: undefined };
    this.#link = link;
    signal?.addEventListener('abort', () => this.#link === link && this.#detach(), { once: true });
    control.onDesired((patch) => this.#notice(link, patch));
    await this.#synchronise(link);
  }

  /** For the status page. */
  state() {
    const { version, answers } = this.#desired;
    const wanted = this.#reported.wanted;
    return {
      connected: this.#link !== undefined && this.#link.waiting === undefined,
      ...(version !== undefined && { desiredVersion: version }),
      answers: Object.fromEntries(
        [...answers].map(([section, { version: at, status, message }]) => [section, { version: at, status, message }]),
      ),
      reportedSections: Object.keys(wanted),
      refused: Object.fromEntries([...this.#reported.refusals].map(([section, { message }]) => [section, message])),
      patches: this.#reporter.patches,
    };
  }

  /** Stops the appliers (a hanging one is left behind after 2 s) and saves. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#detach();
    const waited = new AbortController();
    await Promise.race([this.#desired.stop(), pause(appliersEndWithinMs, waited.signal)]);
    waited.abort();
    await this.onDisk();
  }

  #detach(): void {
    this.#link?.ended.abort();
    this.#link = undefined;
    this.#reporter.close();
  }

  /** Fetches the whole twin, as often as it takes, and goes on from there. */
  async #synchronise(link: Link, after?: unknown): Promise<void> {
    if (link.waiting) return;
    link.waiting = [];
    const { signal } = link.ended;
    const waits = backoff();
    if (after !== undefined) await pause(waits.next(after), signal);
    while (!signal.aborted) {
      try {
        const whole = await link.control.twin();
        if (signal.aborted) return;
        if (link.waiting.length > maxWaiting) link.waiting = [];
        else {
          this.#take(link, whole);
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#log.debug({ reason: error instanceof Error ? error.message : String(error) }, 'the twin could not be read, asking again');
        await pause(waits.next(error), signal);
      }
    }
  }

  #take(link: Link, whole: unknown): void {
    const desired = isTwinObject(whole) && isTwinObject(whole.desired) ? whole.desired : {};
    const reported = isTwinObject(whole) && isTwinObject(whole.reported) ? whole.reported : {};
    const version = versionOf(desired);
    if (version === undefined)
      this.#log.warn({}, 'the hub gave a twin without a version of its desired properties; they stay as they were');
    else {
      const known = this.#desired.version;
      if (known !== undefined && version < known)
        this.#log.warn(
          { known, version },
          'the desired properties at the hub are older than those known here: the device was made anew; taking them',
        );
      this.#desired.replace(propertiesOf(desired), version);
    }
    const waiting = link.waiting ?? [];
    link.waiting = undefined;
    this.#reporter.open(link.control, propertiesOf(reported));
    for (const patch of waiting) this.#notice(link, patch);
    void this.onDisk();
  }

  #notice(link: Link, patch: unknown): void {
    if (link.ended.signal.aborted) return;
    const version = isTwinObject(patch) ? versionOf(patch) : undefined;
    if (version === undefined || !isTwinObject(patch)) {
      this.#log.warn({}, 'the hub told of a change of the desired properties that is none; asking for all of them');
      void this.#synchronise(link);
      return;
    }
    if (link.waiting) {
      if (link.waiting.length <= maxWaiting) link.waiting.push(patch);
      return;
    }
    const known = this.#desired.version ?? -1;
    if (version <= known) return;
    // A change was missed, or cannot be merged into what is here: the whole says it all.
    if (version > known + 1 || this.#desired.incomplete) void this.#synchronise(link);
    else {
      this.#desired.patch(propertiesOf(patch), version);
      void this.onDisk();
    }
  }

  /** What stands at the hub for this section is older than what was reported: whoever reads it there shall know. */
  #refused(section: string, refusal: ReportRefusal | undefined): void {
    if (refusal) {
      const { path, message: reason, code } = refusal;
      if (code === 'refused-by-hub')
        this.#log.error({ section, reason }, 'the hub refuses a section of the reported properties; it is not sent again until it changes');
      else this.#log.warn({ section, path, reason }, 'a section of the reported properties cannot stand in a twin; it stays as it was');
    }
    const nameFits = Buffer.byteLength(section) <= maxRefusedBytes.name && checkPatch(Object.fromEntries([[section, 1]])) === undefined;
    if (!nameFits || section === refusedSection) return;
    this.#reported.set([refusedSection, section], refusal && clipped(`${refusal.path}: ${refusal.message}`, maxRefusedBytes.message));
    this.#reporter.kick();
  }

  #saveSoon(atLeastMs = 0): void {
    if (this.#saveTimer !== undefined || this.#disposed) return;
    const dueMs = this.#savedMono + this.#saveEveryMs - this.#clock.monotonicMs();
    this.#saveTimer = setTimeout(() => this.#saveChanges(), Math.max(0, atLeastMs, dueMs));
  }

  /** The same values reported again cost no write. */
  #saveChanges(): void {
    this.#saveTimer = undefined;
    this.#reported.settle();
    if (this.#reported.revision !== this.#savedRevision) void this.onDisk();
  }
}
