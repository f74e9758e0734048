import { checkPatch, maxSectionBytes, sectionSize, type TwinRefusalCode } from '../../twin/limits.ts';
import { diffPatch, mergePatch } from '../../twin/patch.ts';
import { sameJson, type TwinObject } from '../../twin/section.ts';
import { splitPatch } from '../../twin/split-patch.ts';
import { StagedTree } from './staged-tree.ts';

/** Where desired properties are answered. */
export const answersSection = 'desired';
/** Where it stands which sections are not as they were reported, and why. */
export const refusedSection = 'refused';
/** Kept free for these two, unless said otherwise: a summary that grew must not silence them. */
const usualReserveBytes = 8 * 1024;
const isReserved = (section: string): boolean => section === answersSection || section === refusedSection;

/** Why a section of the reported properties is not at the hub as it was reported. */
export interface ReportRefusal {
  readonly code: TwinRefusalCode | 'refused-by-hub';
  readonly path: string;
  readonly message: string;
}

/**
 * Three states of the reported properties and the ways between them: *staged* is what the gateway's parts said, *wanted* is that part of
 * it which a twin may hold, *known* is what the hub has. No clock, no I/O.
 */
export class ReportedState {
  readonly #staged: StagedTree;
  readonly #touched = new Set<string>();
  /** Refused for want of room; tried again with each change. */
  readonly #crowdedOut = new Set<string>();
  readonly #refusals = new Map<string, ReportRefusal>();
  readonly #sizes = new Map<string, number>();
  #wanted: TwinObject;
  #known: TwinObject;
  #revision = 0;
  #even = false;
  /** Sections as the hub would not have them; not sent again until they change. */
  readonly #unwelcome = new Map<string, unknown>();
  #oneByOne = false;
  readonly #reserveBytes: number;
  readonly #onRefusal: (section: string, refusal: ReportRefusal | undefined) => void;

  constructor(
    start: { readonly acknowledged: TwinObject; readonly wanted: TwinObject },
    /** A section is refused, or no longer. */
    onRefusal: (section: string, refusal: ReportRefusal | undefined) => void,
    reserveBytes = usualReserveBytes,
  ) {
    this.#reserveBytes = reserveBytes;
    this.#known = start.acknowledged;
    this.#wanted = start.wanted;
    this.#staged = new StagedTree(start.wanted);
    for (const [section, value] of Object.entries(start.wanted)) this.#sizes.set(section, sizeOf(section, value));
    this.#onRefusal = onRefusal;
  }

  /** Rises when wanted or known change. */
  get revision(): number {
    return this.#revision;
  }

  get wanted(): TwinObject {
    return this.#wanted;
  }

  get known(): TwinObject {
    return this.#known;
  }

  /** Sections that were refused here or by the hub, with the reason. */
  get refusals(): ReadonlyMap<string, ReportRefusal> {
    return this.#refusals;
  }

  set(path: readonly string[], value: unknown): void {
    if (path[0] === undefined) return;
    this.#touched.add(path[0]);
    this.#staged.set(path, value);
  }

  merge(patch: TwinObject): void {
    for (const section of Object.keys(patch)) this.#touched.add(section);
    this.#staged.merge([], patch);
  }

  /**
   * Takes over what was staged since the last call, section by section; a section that no twin may hold, or that no longer fits,
   * stays as it was, and the others go on. True when something changed.
   */
  settle(): boolean {
    if (this.#touched.size === 0) return false;
    const sections = new Set([...this.#touched, ...this.#crowdedOut]);
    this.#touched.clear();
    const changes = [...sections].map((section) => this.#change(section)).sort((a, b) => a.rank - b.rank);
    const accepted = new Map(Object.entries(this.#wanted));
    let changed = false;
    for (const { section, value, size } of changes) {
      const refusal = this.#refusalOf(section, value, size);
      this.#note(section, refusal);
      if (refusal || sameJson(accepted.get(section), value)) continue;
      changed = true;
      if (value === undefined) accepted.delete(section);
      else accepted.set(section, value);
      this.#sizes.set(section, size);
    }
    if (!changed) return false;
    this.#wanted = Object.fromEntries(accepted);
    this.#revision++;
    this.#even = false;
    return true;
  }

  /** Answers first, then what makes room, then what takes it. */
  #change(section: string) {
    const value = this.#staged.snapshot(section);
    const size = value === undefined ? 0 : sizeOf(section, value);
    const rank = isReserved(section) ? Number.NEGATIVE_INFINITY : size - (this.#sizes.get(section) ?? 0);
    return { section, value, size, rank };
  }

  #refusalOf(section: string, value: unknown, size: number): ReportRefusal | undefined {
    if (value === undefined) return undefined;
    const rule = checkPatch(Object.fromEntries([[section, value]]));
    if (rule) return rule;
    const before = this.#sizes.get(section) ?? 0;
    if (size <= before) return undefined;
    let [reserved, others] = [0, 0];
    for (const [one, bytes] of this.#sizes) {
      if (isReserved(one)) reserved += bytes;
      else others += bytes;
    }
    const limit = maxSectionBytes.reported;
    const room = before + (isReserved(section) ? limit - others - reserved : limit - others - Math.max(this.#reserveBytes, reserved));
    if (size <= room) return undefined;
    return { code: 'too-large', path: section, message: `${section} has ${size} bytes; there is room for ${Math.max(room, 0)}` };
  }

  #note(section: string, refusal: ReportRefusal | undefined): void {
    const before = this.#refusals.get(section);
    if (refusal) this.#refusals.set(section, refusal);
    else this.#refusals.delete(section);
    if (refusal?.code === 'too-large') this.#crowdedOut.add(section);
    else this.#crowdedOut.delete(section);
    if (before?.code !== refusal?.code || before?.path !== refusal?.path) this.#onRefusal(section, refusal);
  }

  /** What the hub said that it has. */
  learn(known: TwinObject): void {
    this.#known = known;
    this.#revision++;
    this.#even = false;
    this.#oneByOne = false;
  }

  /** The next patch, of at most `maxBytes` of JSON text; undefined when the hub has what it shall have. */
  next(maxBytes: number): TwinObject | undefined {
    if (this.#even) return undefined;
    const patch = diffPatch(this.#known, this.#welcome());
    const [first] = Object.entries(patch);
    if (!first) {
      this.#even = true;
      this.#oneByOne = false;
      return undefined;
    }
    return splitPatch(this.#known, this.#oneByOne ? Object.fromEntries([first]) : patch, maxBytes)[0];
  }

  /** The hub took the patch. */
  acknowledge(patch: TwinObject): void {
    this.#known = mergePatch(this.#known, patch);
    this.#revision++;
    this.#even = false;
  }

  /**
   * The hub will never take this patch. Of several sections, each is tried alone from now on; a single one is left out until it changes.
   */
  reject(patch: TwinObject, message: string): void {
    const [section, ...more] = Object.keys(patch);
    this.#even = false;
    if (section === undefined) return;
    if (more.length > 0) {
      this.#oneByOne = true;
      return;
    }
    this.#unwelcome.set(section, own(this.#wanted, section));
    const refusal = { code: 'refused-by-hub', path: section, message } as const;
    this.#refusals.set(section, refusal);
    this.#onRefusal(section, refusal);
  }

  /** Wanted, but for what the hub would not have: there it may keep what it has. */
  #welcome(): TwinObject {
    if (this.#unwelcome.size === 0) return this.#wanted;
    const target = new Map(Object.entries(this.#wanted));
    for (const [section, value] of [...this.#unwelcome]) {
      if (own(this.#wanted, section) !== value) {
        this.#unwelcome.delete(section);
        continue;
      }
      const known = own(this.#known, section);
      if (known === undefined) target.delete(section);
      else target.set(section, known);
    }
    return Object.fromEntries(target);
  }
}

const own = (object: TwinObject, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined);
const sizeOf = (section: string, value: unknown): number => sectionSize(Object.fromEntries([[section, value]]));
