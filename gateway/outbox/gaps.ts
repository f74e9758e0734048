import type { GapRecord } from './contract.ts';
import type { Position, Saved, StoredGap } from './messages.ts';

/** More kinds of loss than this at once are told as one. The state file has room for these, as many in each group under way, and those parked. */
const maxPending = 24;
const maxParked = 8;
const maxTold = 200;
/** Bytes of a reason in the state file, where a character may take six. */
const maxReason = 160;

/**
 * Losses that are counted and not yet told. A record waits here until there is room for it in the log, and comes back
 * when the part of the log that held it is dropped. Neighbours of the same kind become one.
 */
export class GapBook {
  #pending: StoredGap[];
  /** Records that the hub refused: they go again with the next real loss, for by themselves they would go round for ever. */
  #parked: StoredGap[] = [];
  /** In a group that is on its way to the disk. */
  #inFlight: StoredGap[] = [];
  #lastId: number;
  #told: (readonly [number, number])[];
  #lastAcked = 0;
  /** Records made in this life. */
  made = 0;
  /** Something changed since `saved()` was last called. */
  dirty = false;

  constructor(saved: Saved) {
    this.#pending = [...saved.gaps];
    this.#lastId = saved.lastGapId;
    this.#told = [...saved.told];
    this.#lastAcked = Math.max(...saved.destinations.map(({ head }) => head));
  }

  /** Records that have no number yet. */
  get waiting(): number {
    return this.#pending.length;
  }

  note(loss: GapRecord): void {
    const gap = short(loss);
    this.dirty = true;
    this.#pending.unshift(...this.#parked.splice(0));
    const at = this.#pending.findIndex((other) => this.#joins(other, gap));
    if (at >= 0) this.#pending[at] = merge(this.#pending[at]!, gap);
    else {
      this.#lastId++;
      this.made++;
      this.#pending.push({ ...gap, id: this.#lastId });
    }
    while (this.#pending.length > maxPending) this.#pending = packed(this.#pending);
  }

  park(loss: GapRecord): void {
    const gap = short(loss);
    this.dirty = true;
    // Of those without readings one is enough: what its range covers too much, it says nothing is missing of.
    const at = this.#parked.findIndex((other) => this.#joins(other, gap) || emptyAlike(other, gap));
    if (at >= 0) this.#parked[at] = merge(this.#parked[at]!, gap);
    else {
      this.#lastId++;
      this.#parked.push({ ...gap, id: this.#lastId });
    }
    if (this.#parked.length > maxParked) this.#parked = packed(this.#parked);
  }

  /** Two records may become one when nothing that reached a hub lies between them. */
  #joins(a: GapRecord, b: GapRecord): boolean {
    if (a.reason !== b.reason || a.destination !== b.destination || a.equipment !== b.equipment || a.point !== b.point) return false;
    if (a.firstSequence === undefined || b.firstSequence === undefined) return a.firstSequence === b.firstSequence;
    const first = Math.min(a.firstSequence, b.firstSequence);
    const touch = a.firstSequence <= b.lastSequence! + 1 && b.firstSequence <= a.lastSequence! + 1;
    return touch || first > this.#lastAcked;
  }

  /** All that wait, to be written now. */
  take(): readonly StoredGap[] {
    const taken = this.#pending;
    this.#pending = [];
    this.#inFlight.push(...taken);
    return taken;
  }

  written(gaps: readonly StoredGap[]): void {
    if (gaps.length === 0) return;
    this.dirty = true;
    this.#inFlight = this.#inFlight.filter((gap) => !gaps.includes(gap));
  }

  /** The group was not taken: they wait again, as they were. */
  refused(gaps: readonly StoredGap[]): void {
    if (gaps.length === 0) return;
    this.#inFlight = this.#inFlight.filter((gap) => !gaps.includes(gap));
    this.#pending = [...gaps, ...this.#pending];
    while (this.#pending.length > maxPending) this.#pending = packed(this.#pending);
  }

  acked(sequence: number): void {
    this.#lastAcked = Math.max(this.#lastAcked, sequence);
  }

  /** A loss in the middle of the log, found while reading: not to be told again by the next start. False when it was told before. */
  tellOnce(firstSequence: number, lastSequence: number): boolean {
    if (this.#told.some(([first, last]) => first <= firstSequence && last >= lastSequence)) return false;
    this.dirty = true;
    this.#told = [...this.#told, [firstSequence, lastSequence] as const].slice(-maxTold);
    return true;
  }

  saved(destinations: readonly Position[]): Saved {
    this.dirty = false;
    if (this.#told.length > 0) {
      const head = Math.min(...destinations.map((one) => one.head));
      this.#told = this.#told.filter(([, last]) => last > head);
    }
    return { destinations, gaps: [...this.#inFlight, ...this.#parked, ...this.#pending], lastGapId: this.#lastId, told: this.#told };
  }
}

function emptyAlike(a: GapRecord, b: GapRecord): boolean {
  return a.readings === 0 && b.readings === 0 && a.reason === b.reason && a.destination === b.destination;
}

/** Too many: the two oldest become one. The sum stays exact, the range covers both. */
function packed([a, b, ...rest]: readonly StoredGap[]): StoredGap[] {
  return [{ ...merge(a!, b!), reason: a!.reason === b!.reason ? a!.reason : 'several', id: b!.id }, ...rest];
}

/** Texts of a hub may be long. */
function short(gap: GapRecord): GapRecord {
  if (gap.reason.length * 6 <= maxReason || storedBytes(gap.reason) <= maxReason) return gap;
  const characters = [...gap.reason.slice(0, maxReason)];
  for (let bytes = storedBytes(characters.join('')); bytes > maxReason; bytes = storedBytes(characters.join('')))
    characters.length = Math.min(characters.length - 1, Math.floor((characters.length * maxReason) / bytes));
  return { ...gap, reason: `${characters.join('')}…` };
}

const storedBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

function merge(a: StoredGap, b: GapRecord): StoredGap {
  const readings = a.readings + b.readings;
  const [fromMs, toMs] = [Math.min(a.fromMs, b.fromMs), Math.max(a.toMs, b.toMs)];
  const firstSequence = least(a.firstSequence, b.firstSequence);
  if (firstSequence === undefined) return { ...a, fromMs, toMs, readings };
  return { ...a, fromMs, toMs, readings, firstSequence, lastSequence: Math.max(a.lastSequence ?? 0, b.lastSequence ?? 0) };
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
