import { diffPatch, mergePatch } from '../../../twin/patch.ts';
import type { TwinObject } from '../../contract.ts';

/** Desired properties with their version. */
export type Section = TwinObject & { readonly $version: number };

export interface DesiredOptions {
  /** Takes the next patch. Must not throw. */
  readonly give: (patch: Section) => void;
  /** A version is missing: fetch the whole and call `caughtUp`. */
  readonly missing: () => void;
}

/** What was given out, so that a fetched document can be told as a patch. */
interface Known {
  readonly version: number;
  readonly section: TwinObject;
}

/**
 * Brings notices of desired properties into order. Nothing is given out before the whole was fetched once; from then on each version
 * once, in order. What the hub did not tell (nothing is sent while a device is away) is fetched and told as one patch.
 */
export class Desired {
  readonly #options: DesiredOptions;
  #known: Known | undefined;
  /** Notices that have to wait, in order of version. */
  #early: Section[] = [];
  #held = false;
  /** A document that came while notices were held. */
  #late: Section | undefined;

  constructor(options: DesiredOptions) {
    this.#options = options;
  }

  /** Whether the whole was fetched once. */
  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  notice(patch: Section): void {
    if (this.#known && patch.$version <= this.#known.version) return;
    this.#early.push(patch);
    this.#early.sort((a, b) => a.$version - b.$version);
    this.#release();
  }

  /**
   * The whole, fetched for someone who acts on it; gives back the newest that is known, for notices may have overtaken it. Later
   * notices are given only after that someone had his turn.
   */
  fetched(section: Section): Section {
    const { $version, ...rest } = section;
    if (!this.#known || $version >= this.#known.version) this.#known = { version: $version, section: rest };
    this.#held = true;
    setImmediate(() => {
      this.#held = false;
      const late = this.#late;
      this.#late = undefined;
      if (late) this.caughtUp(late);
      else this.#release();
    });
    return { ...this.#known.section, $version: this.#known.version };
  }

  /** The whole, fetched because something was missing: what changed is given as one patch. False when it is older than what was given. */
  caughtUp(section: Section): boolean {
    const { $version, ...rest } = section;
    if (!this.#known || $version < this.#known.version) return false;
    if (this.#held) {
      this.#late = section;
      return true;
    }
    const before = this.#known;
    this.#known = { version: $version, section: rest };
    if ($version > before.version) this.#options.give({ ...diffPatch(before.section, rest), $version });
    this.#release();
    return true;
  }

  #release(): void {
    while (this.#known && !this.#held) {
      const next = this.#early[0];
      if (!next) return;
      if (next.$version > this.#known.version + 1) {
        this.#options.missing();
        return;
      }
      this.#early.shift();
      if (next.$version <= this.#known.version) continue;
      const { $version, ...patch } = next;
      this.#known = { version: $version, section: mergePatch(this.#known.section, patch) };
      this.#options.give(next);
    }
  }
}
