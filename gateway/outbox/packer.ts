import type { Portion } from './ledger.ts';
import type { Group, StoredGap } from './messages.ts';

/** Characters of a block; below what the hubs that we know take as one message. */
export const blockChars = 190_000;
const groupChars = 1024 * 1024;

/** Events that are committed together, and the one promise that all of them share. */
export interface PackedGroup extends Portion {
  readonly id: number;
  readonly chars: number;
  readonly settled: PromiseWithResolvers<void>;
  readonly gaps: { readonly sequence: number; readonly gap: StoredGap }[];
  /** For the worker; taken once. */
  message(): Group;
}

/** Packs events into blocks and blocks into a group: `[e1,e2,…]` as it may leave later. */
export class Packer implements PackedGroup {
  readonly id: number;
  readonly firstSequence: number;
  lastSequence: number;
  readings = 0;
  events = 0;
  chars = 0;
  fromMs = Number.POSITIVE_INFINITY;
  toMs = Number.NEGATIVE_INFINITY;
  readonly settled = Promise.withResolvers<void>();
  readonly gaps: { readonly sequence: number; readonly gap: StoredGap }[] = [];
  readonly #texts: string[] = [];
  readonly #counts: number[] = [];
  readonly #blockGaps: (StoredGap | undefined)[] = [];
  #open = '';
  #openEvents = 0;
  #table = new Float64Array(64);

  constructor(id: number, firstSequence: number) {
    this.id = id;
    this.firstSequence = firstSequence;
    this.lastSequence = firstSequence - 1;
    // Whoever does not wait for the disk does not want to be killed by it.
    this.settled.promise.catch(() => {});
  }

  get full(): boolean {
    return this.chars >= groupChars;
  }

  get empty(): boolean {
    return this.events === 0;
  }

  /** A gap record has a block to itself, so that it can be found again when the block is dropped. */
  add(text: string, readings: number, fromMs: number, toMs: number, gap?: StoredGap): void {
    if (gap || this.#open.length + text.length + 2 > blockChars) this.#closeBlock();
    const row = this.events * 4;
    if (row === this.#table.length) {
      const larger = new Float64Array(row * 2);
      larger.set(this.#table);
      this.#table = larger;
    }
    this.#table[row] = text.length;
    this.#table[row + 1] = readings;
    this.#table[row + 2] = fromMs;
    this.#table[row + 3] = toMs;
    this.#open = this.#openEvents === 0 ? text : `${this.#open},${text}`;
    this.#openEvents++;
    this.events++;
    this.lastSequence++;
    this.readings += readings;
    this.chars += text.length + 1;
    if (fromMs < this.fromMs) this.fromMs = fromMs;
    if (toMs > this.toMs) this.toMs = toMs;
    if (gap) {
      this.gaps.push({ sequence: this.lastSequence, gap });
      this.#closeBlock(gap);
    }
  }

  #closeBlock(gap?: StoredGap): void {
    if (this.#openEvents === 0) return;
    this.#texts.push(this.#openEvents === 1 ? this.#open : `[${this.#open}]`);
    this.#counts.push(this.#openEvents);
    this.#blockGaps.push(gap);
    this.#open = '';
    this.#openEvents = 0;
  }

  message(): Group {
    this.#closeBlock();
    const { id, firstSequence } = this;
    return {
      id,
      firstSequence,
      texts: this.#texts,
      events: this.#counts,
      gaps: this.#blockGaps,
      table: this.#table.slice(0, this.events * 4),
    };
  }
}
