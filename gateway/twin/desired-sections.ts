import type { Log } from '../../adapters/contract.ts';
import { GatewayError } from '../../model/error.ts';
import { checkPatch, type TwinRefusal } from '../../twin/limits.ts';
import { mergePatch } from '../../twin/patch.ts';
import { isTwinObject, sameJson, type TwinObject } from '../../twin/section.ts';
import type { Answer, Answered, Applier, ApplierOptions, Outcome } from './applier.ts';
import { clipped } from './clipped.ts';
import { Lane } from './lane.ts';
import { answersSection } from './reported-state.ts';
import type { StoredTwin } from './twin-file.ts';

interface Registered {
  readonly apply: Applier;
  readonly lane: Lane;
}

/** What the sections tell whoever keeps the twin. */
export interface SectionsListener {
  /** Undefined: there is nothing to answer any more. Called after the change of state that it tells of. */
  answered(section: string, answer: Answer | undefined): void;
}

/** Of sections that nothing here is named after, so many are answered, briefly, where the name is short; the rest is only logged. */
const maxStrangers = 16;
const maxStrangerBytes = { name: 64, message: 120 };
/** Answers of eight sections, and of strangers, stay within the room that is kept for answers. */
const maxMessageBytes = 600;

/**
 * The desired properties, by section (top-level key), and what became of each. Takes whole sections and merge patches in the order of their
 * versions; the caller sees to that order.
 */
export class DesiredSections {
  #version: number | undefined;
  #properties: TwinObject;
  /** By section with an applier, now or in an earlier life. */
  readonly #answered: Map<string, Answered>;
  readonly #registered = new Map<string, Registered>();
  readonly #lanes = new Map<string, Lane>();
  /** Answered as unknown. */
  readonly #strangers: Set<string>;
  /** What the hub has for them cannot stand in a twin; nobody is given it. */
  readonly #garbled = new Map<string, TwinRefusal>();
  /** To be given what was applied in an earlier life, before anything new. */
  readonly #resume = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #log: Log;
  readonly #listener: SectionsListener;

  constructor(start: StoredTwin, log: Log, listener: SectionsListener) {
    this.#version = start.desired?.version;
    this.#properties = start.desired?.properties ?? {};
    this.#answered = new Map(Object.entries(start.answered));
    const told = start.reported.wanted[answersSection];
    this.#strangers = new Set(isTwinObject(told) ? Object.keys(told).filter((section) => !this.#answered.has(section)) : []);
    this.#log = log;
    this.#listener = listener;
  }

  /** Undefined until the hub was met for the first time. */
  get version(): number | undefined {
    return this.#version;
  }

  get properties(): TwinObject {
    return this.#properties;
  }

  get answers(): ReadonlyMap<string, Answered> {
    return this.#answered;
  }

  /** Some of the last patch was unfit, so that the next one cannot be merged: ask for the whole. */
  get incomplete(): boolean {
    return this.#garbled.size > 0;
  }

  /** What is known for the section and was not answered yet, is given soon; `dispose` takes the applier away. */
  register(section: string, apply: Applier, options: ApplierOptions = {}): Disposable {
    if (this.#registered.has(section)) throw new TypeError(`two appliers for the section "${section}" of the desired properties`);
    const lane = this.#lane(options.lane ?? '');
    const registered = { apply, lane };
    this.#registered.set(section, registered);
    if (this.#strangers.delete(section)) this.#listener.answered(section, undefined);
    const answered = this.#answered.get(section);
    const changed = this.#version !== undefined && !sameJson(own(this.#properties, section), answered?.value);
    if (options.atEachStart && answered?.applied !== undefined) this.#resume.add(section);
    if (changed || this.#resume.has(section)) lane.add(section, (changed ? this.#version : answered?.version) ?? 0);
    return {
      [Symbol.dispose]: () => {
        if (this.#registered.get(section) !== registered) return;
        this.#registered.delete(section);
        lane.remove(section);
      },
    };
  }

  /** The whole, as the hub has it now: what differs from what was answered is due. */
  replace(whole: TwinObject, version: number): void {
    this.#garbled.clear();
    this.#version = version;
    const fit = this.#sift(whole, version);
    const kept = Object.keys(this.#properties).flatMap((key) => (this.#garbled.has(key) ? [[key, this.#properties[key]] as const] : []));
    this.#properties = Object.fromEntries([...Object.entries(fit), ...kept]);
    for (const section of [...this.#strangers]) if (!Object.hasOwn(fit, section)) this.#forget(section);
    for (const section of new Set([...Object.keys(fit), ...this.#answered.keys()])) {
      if (this.#garbled.has(section)) continue;
      if (!sameJson(own(fit, section), this.#answered.get(section)?.value)) this.#due(section, version);
    }
  }

  /** A merge patch on top of what is known: every section that it names is due. */
  patch(patch: TwinObject, version: number): void {
    this.#version = version;
    const fit = this.#sift(patch, version);
    this.#properties = mergePatch(this.#properties, fit);
    for (const section of Object.keys(fit)) this.#due(section, version);
  }

  /** Aborts what runs and resolves when it has ended; nothing more is begun. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
  }

  /** Leaves out, and answers, sections with something in them that no twin may hold. */
  #sift(properties: TwinObject, version: number): TwinObject {
    const fit = Object.entries(properties).filter(([section, value]) => {
      const refusal = checkPatch(Object.fromEntries([[section, value]]));
      if (!refusal) return true;
      this.#garbled.set(section, refusal);
      this.#log.warn({ version, path: refusal.path, reason: refusal.message }, 'a desired property cannot be taken');
      if (this.#registered.has(section)) {
        const answered = this.#answered.get(section);
        this.#answer(section, { ...answered, version, status: 'refused', message: `${refusal.path}: ${refusal.message}` });
      }
      return false;
    });
    return Object.fromEntries(fit);
  }

  #due(section: string, version: number): void {
    const registered = this.#registered.get(section);
    if (registered) registered.lane.add(section, version);
    else if (own(this.#properties, section) === undefined) this.#forget(section);
    else this.#answerStranger(section, version);
  }

  #answerStranger(section: string, version: number): void {
    const tooMany = !this.#strangers.has(section) && this.#strangers.size >= maxStrangers;
    if (tooMany || Buffer.byteLength(section) > maxStrangerBytes.name) {
      const fields = { version, section: section.slice(0, 80) };
      this.#log.warn(
        fields,
        'a desired section is named after nothing here; the name is too long, or there are too many of them, to be answered',
      );
      return;
    }
    this.#strangers.add(section);
    const names = [...this.#registered.keys()].sort().join(', ');
    const message = clipped(`nothing here takes this section${names === '' ? '' : `; there is ${names}`}`, maxStrangerBytes.message);
    this.#listener.answered(section, { version, status: 'refused', message });
  }

  /** Gone from desired, and nothing here was ever named so. */
  #forget(section: string): void {
    const known = this.#strangers.delete(section) || this.#answered.delete(section);
    if (known) this.#listener.answered(section, undefined);
  }

  #lane(name: string): Lane {
    const known = this.#lanes.get(name);
    if (known) return known;
    const lane = new Lane((section, version) => this.#turn(section, version));
    this.#lanes.set(name, lane);
    return lane;
  }

  async #turn(section: string, version: number): Promise<void> {
    const registered = this.#registered.get(section);
    if (!registered) return;
    const value = own(this.#properties, section);
    const before = this.#answered.get(section);
    if (this.#resume.delete(section) && before && !(await this.#resumed(registered.apply, section, before))) return;
    if (before ? before.status === 'applied' && sameJson(before.value, value) : value === undefined) {
      if (before) this.#answer(section, { ...before, version });
      return;
    }
    if (before && before.version === version && sameJson(before.value, value)) return;
    const outcome = await this.#ask(registered.apply, section, value, before?.applied, version);
    // Not done because the gateway stops: given again at the next start.
    if (this.#stopping.signal.aborted && outcome.status !== 'applied') return;
    const { status, message = '' } = outcome;
    this.#answer(section, { version, status, message, value, applied: status === 'applied' ? value : before?.applied });
    // The whole twin that came meanwhile was compared with the answer before this one.
    const changed = !sameJson(own(this.#properties, section), value);
    if (changed && !registered.lane.waitsFor(section)) registered.lane.add(section, this.#version ?? version);
  }

  /** Gives what ran in the life before. False when that is all there is to say: it was the newest, and could not be done this time. */
  async #resumed(apply: Applier, section: string, before: Answered): Promise<boolean> {
    const outcome = await this.#ask(apply, section, before.applied, undefined, before.version);
    if (outcome.status === 'applied' || before.status !== 'applied') return true;
    if (!this.#stopping.signal.aborted)
      this.#answer(section, { ...before, ...outcome, message: `at this start: ${outcome.message ?? ''}` });
    return !sameJson(before.value, own(this.#properties, section));
  }

  async #ask(apply: Applier, section: string, value: unknown, previous: unknown, version: number): Promise<Outcome> {
    try {
      return await apply(structuredClone(value), structuredClone(previous), version, this.#stopping.signal);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const hint = error instanceof GatewayError && error.hint !== undefined ? `; ${error.hint}` : '';
      if (!(error instanceof GatewayError) && !this.#stopping.signal.aborted)
        this.#log.error({ section, version, reason: message }, 'applying desired properties failed');
      return { status: 'failed', message: message + hint };
    }
  }

  #answer(section: string, answered: Answered): void {
    const kept = { ...answered, message: clipped(answered.message, maxMessageBytes) };
    this.#answered.set(section, kept);
    const { version, status, message } = kept;
    this.#listener.answered(section, { version, status, message });
  }
}

const own = (object: TwinObject, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined);
