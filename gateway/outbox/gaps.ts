import type { GapRecord } from './contract.ts';
import type { Position, Saved, StoredGap } from './messages.ts';

/** More kinds of loss than this at once are told as one. The state file has room for these, as many in each group under way, and those parked. */
const maxPending = 24;
const maxParked = 8;
const maxTold = 200;
/** Bytes of a reason in the state file, where a character may take six. */
const maxReason = 160;

/**
 * Of a record that is parked: those that are written meanwhile have higher ids than any it could have now, and a restart would take it for
 * one of those that are in the log. It gets its own when it goes.
 */
const unnumbered = Number.MAX_SAFE_INTEGER;

/**
 * Losses that are counted and not yet told. A record waits here until there is room for it in the log, and comes back
 * when the part of the log that held it is dropped. Neighbours of the same kind become one.
 */
export class GapBook {
  #pending: StoredGap[];
  /**
   * Records that the hub refused: they go again with the next real loss, for by themselves they would go round for ever. That of one of
   * several destinations waits besides until this one has taken something; while it refuses all, the others would hear nothing else.
   */
  #parked: StoredGap[] = [];
  /** Destinations that have taken something since they last refused a record. */
  readonly #taking = new Set<string>();
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
    this.#lastId = saved.lastGapId;
    this.#pending = saved.gaps.map((gap) => (gap.id === unnumbered ? this.#numbered(gap) : gap));
    this.dirty = saved.gaps.some((gap) => gap.id === unnumbered);
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
    this.#pending.unshift(...this.#ready());
    const at = this.#pending.findIndex((other) => this.#joins(other, gap));
    if (at >= 0) this.#pending[at] = merge(this.#pending[at]!, gap);
    else {
      this.made++;
      this.#pending.push(this.#numbered(gap));
    }
    while (this.#pending.length > maxPending) this.#pending = packed(this.#pending);
  }

  #ready(): readonly StoredGap[] {
    if (this.#parked.length === 0) return [];
    const { ready = [], waiting = [] } = Object.groupBy(this.#parked, ({ destination }) =>
      destination === undefined || this.#taking.has(destination) ? 'ready' : 'waiting',
    );
    this.#parked = waiting;
    return ready.map((gap) => this.#numbered(gap));
  }

  #numbered(gap: GapRecord): StoredGap {
    this.#lastId++;
    return { ...gap, id: this.#lastId };
  }

  park(loss: GapRecord): void {
    const gap = short(loss);
    this.dirty = true;
    if (gap.destination !== undefined) this.#taking.delete(gap.destination);
    // Of those without readings one is enough: what its range covers too much, it says nothing is missing of.
    const at = this.#parked.findIndex((other) => this.#joins(other, gap) || emptyAlike(other, gap));
    if (at >= 0) this.#parked[at] = merge(this.#parked[at]!, gap);
    else this.#parked.push({ ...gap, id: unnumbered });
    if (this.#parked.length > maxParked) this.#parked = packed(this.#parked);
  }

  /** Two records may become one when nothing that reached a hub lies between them. */
  #joins(a: GapRecord, b: GapRecord): boolean {
    if (a.reason !== b.reason || a.equipment !== b.equipment || a.point !== b.point || !sameReaders(a, b)) return false;
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

  /** The group was not taken: they wait again. The next group may be written already, with higher ids than these had. */
  refused(gaps: readonly StoredGap[]): void {
    if (gaps.length === 0) return;
    this.#inFlight = this.#inFlight.filter((gap) => !gaps.includes(gap));
    this.#pending = [...gaps.map((gap) => this.#numbered(gap)), ...this.#pending];
    this.dirty = true;
    while (this.#pending.length > maxPending) this.#pending = packed(this.#pending);
  }

  acked(destination: string, sequence: number): void {
    this.#taking.add(destination);
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
    return { destinations, gaps: [...this.#inFlight, ...this.#pending, ...this.#parked], lastGapId: this.#lastId, told: this.#told };
  }
}

const sameReaders = (a: GapRecord, b: GapRecord): boolean => a.destination === b.destination && a.again === b.again;

function emptyAlike(a: GapRecord, b: GapRecord): boolean {
  return a.readings === 0 && b.readings === 0 && a.reason === b.reason && sameReaders(a, b);
}

/** Too many: the two oldest that are for the same readers become one, else the two oldest. The sum stays exact, the range covers both. */
function packed(gaps: readonly StoredGap[]): StoredGap[] {
  const alike = gaps.findIndex((one, i) => gaps.some((other, j) => j > i && sameReaders(one, other)));
  const a = gaps[Math.max(0, alike)]!;
  const b = gaps.find((other) => other !== a && (alike < 0 || sameReaders(a, other)))!;
  const { reason, destination, again, equipment, point, ...both } = merge(a, b);
  return [
    {
      ...both,
      id: b.id,
      reason: b.reason === reason ? reason : 'several',
      ...(destination !== undefined && b.destination === destination && { destination }),
      ...(again && b.again && { again }),
      ...(equipment !== undefined &&
        b.equipment === equipment && { equipment, ...(point !== undefined && b.point === point && { point }) }),
    },
    ...gaps.filter((gap) => gap !== a && gap !== b),
  ];
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
