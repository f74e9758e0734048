import { decimalOf, parseDecimal, type Rational, subtract, toNumber } from '../../mappings/convert/rational.ts';
import type { CompiledPoint, Converted } from '../../mappings/equipment.ts';
import type { SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { RawValue, Value, ValueType } from '../../model/value.ts';
import type { PointPair } from './plan.ts';
import { noStatistics, type PointStatistics, type ShownReading } from './statistics.ts';

/** One raw sample as it came. */
export interface RawSample {
  readonly raw: RawValue | undefined;
  readonly type: ValueType | undefined;
  readonly state: SampleState | undefined;
  readonly receivedMs: number;
  /** Of the batch: samples of one answer or message have the same number. */
  readonly batch: number;
}

interface Waiting {
  readonly converted: Converted;
  readonly receivedMs: number;
  readonly batch: number;
}

/** A burst of one point in one message is paired in order; beyond so many the oldest is let go. */
const mostWaiting = 64;

/** Milliseconds of the run, for the rule; wall time stamps the report. */
export interface RunClock {
  readonly observedMs: number;
}

/** Holds the samples of one point under both mappings against each other. */
export class PointComparison {
  readonly pair: PointPair;
  readonly statistics: PointStatistics;
  /** A difference beyond it counts against the rule; undefined: any. */
  readonly #tolerance: number | undefined;
  readonly #clock: RunClock;
  readonly #patienceMs: number;
  readonly #waiting: { readonly running: Waiting[]; readonly candidate: Waiting[] } = { running: [], candidate: [] };
  readonly #held: { running: Waiting | undefined; candidate: Waiting | undefined } = { running: undefined, candidate: undefined };
  readonly #scratch: readonly [Converted, Converted] = [blank(), blank()];
  /** A unit that changed makes every number another quantity: only a tolerance that names the point allows it. */
  readonly #otherUnit: boolean;

  constructor(
    pair: PointPair,
    tolerance: { readonly value: number | undefined; readonly named: boolean },
    clock: RunClock,
    before?: PointStatistics,
  ) {
    this.pair = pair;
    this.statistics = before ?? noStatistics();
    this.#tolerance = tolerance.value;
    this.#clock = clock;
    this.#patienceMs = Math.max(20, (pair.running ?? pair.candidate)!.everyMs / 2);
    this.#otherUnit =
      pair.running !== undefined && pair.candidate !== undefined && pair.running.unit !== pair.candidate.unit && !tolerance.named;
  }

  /** Both mappings read this very sample. */
  both(sample: RawSample): void {
    const { running, candidate } = this.pair;
    const a = convert(running!, sample, this.#scratch[0]);
    const b = convert(candidate!, sample, this.#scratch[1]);
    this.#compare(a, b, sample.receivedMs, false);
  }

  running(sample: RawSample): void {
    this.#one('running', this.pair.running!, sample);
  }

  candidate(sample: RawSample): void {
    this.#one('candidate', this.pair.candidate!, sample);
  }

  /** Nothing more is coming for what waits. */
  settle(nowMs: number): void {
    this.#expire(nowMs);
  }

  #one(side: 'running' | 'candidate', point: CompiledPoint, sample: RawSample): void {
    const other = side === 'running' ? 'candidate' : 'running';
    const { receivedMs, batch } = sample;
    const mine: Waiting = { converted: { ...convert(point, sample, this.#scratch[0]) }, receivedMs, batch };
    if (this.pair[other] === undefined) {
      this.#alone(side, mine);
      return;
    }
    this.#expire(receivedMs);
    const partner = this.#waiting[other].shift();
    this.#held[side] = mine;
    if (partner) {
      const [a, b] = side === 'running' ? [mine, partner] : [partner, mine];
      this.#compare(a.converted, b.converted, receivedMs, partner.batch !== batch);
    } else {
      const queue = this.#waiting[side];
      queue.push(mine);
      if (queue.length > mostWaiting) this.#letGo(side, queue.shift()!);
    }
  }

  /** What waited too long for its counterpart is held against what the other side last said: where only changes are sent, it still says so. */
  #expire(nowMs: number): void {
    for (const side of ['running', 'candidate'] as const) {
      const queue = this.#waiting[side];
      while (queue.length > 0 && nowMs - queue[0]!.receivedMs > this.#patienceMs) this.#letGo(side, queue.shift()!);
    }
  }

  #letGo(side: 'running' | 'candidate', late: Waiting): void {
    const held = this.#held[side === 'running' ? 'candidate' : 'running'];
    if (!held) this.#alone(side, late);
    else if (side === 'running') this.#compare(late.converted, held.converted, late.receivedMs, true);
    else this.#compare(held.converted, late.converted, late.receivedMs, true);
  }

  #alone(side: 'running' | 'candidate', { converted }: Waiting): void {
    const s = this.statistics;
    if (side === 'running') s.onlyRunning++;
    else {
      s.onlyCandidate++;
      if (converted.quality === 'good') s.onlyCandidateGood++;
    }
  }

  #compare(a: Converted, b: Converted, atMs: number, apart: boolean): void {
    const s = this.statistics;
    s.pairs++;
    if (apart) s.apart++;
    const bothGood = a.quality === 'good' && b.quality === 'good';
    if (bothGood) s.good++;
    const equal = sameValue(a.value, b.value);
    const otherQuality = a.quality !== b.quality;
    const otherStatus = (a.state?.status.code ?? 0) !== (b.state?.status.code ?? 0);
    const gap = equal ? (numeric(a) === undefined ? undefined : 0) : differenceOf(a, b);
    // 5 as a double, as 64 bits and as a decimal are one value.
    const otherValue = !equal && gap !== 0;
    if (gap !== undefined) this.#count(gap, a, b);
    const excess = otherQuality || otherStatus || (otherValue && (gap === undefined || this.#isBeyond(gap, a))) || this.#otherUnit;
    if (excess) {
      s.excess++;
      s.goodSinceExcess = 0;
      s.lastExcessAtMs = this.#clock.observedMs;
    } else if (bothGood) s.goodSinceExcess++;
    if (!otherValue && !otherQuality && !otherStatus) return;
    s.different++;
    if (otherValue) s.value++;
    if (otherQuality) s.quality++;
    if (otherStatus) s.status++;
    s.firstDifferentMs ??= atMs;
    s.lastDifferentMs = atMs;
    const largest = gap === undefined ? s.worst === null : Math.abs(gap) >= s.maxAbsolute;
    if (largest) s.worst = { atMs, running: shownReading(a), candidate: shownReading(b) };
  }

  /** 20.1 - 20 is a hair more than 0.1 in a double, and no excess. */
  #isBeyond(gap: number, a: Converted): boolean {
    const blur = this.#tolerance ? 1e-9 * this.#tolerance + 1e-14 * Math.abs(numeric(a) ?? 0) : 0;
    return Math.abs(gap) > (this.#tolerance ?? 0) + blur;
  }

  #count(gap: number, a: Converted, b: Converted): void {
    const s = this.statistics;
    const absolute = Math.abs(gap);
    const [left, right] = [numeric(a), numeric(b)];
    s.numbers++;
    s.sumAbsolute += absolute;
    if (absolute > s.maxAbsolute) s.maxAbsolute = absolute;
    s.difference = widened(s.difference, gap);
    if (left === undefined || right === undefined) return;
    if (absolute > 0) s.maxRelative = Math.max(s.maxRelative, left === 0 ? Number.MAX_VALUE : absolute / Math.abs(left));
    if (left !== 0) s.ratio = widened(s.ratio, right / left);
  }
}

function widened(range: [number, number] | null, value: number): [number, number] {
  if (!Number.isFinite(value)) return range ?? [-Number.MAX_VALUE, Number.MAX_VALUE];
  return range ? [Math.min(range[0], value), Math.max(range[1], value)] : [value, value];
}

function blank(): Converted {
  return { value: undefined, type: undefined, quality: 'bad', state: undefined };
}

const nothingCame: SampleState = { status: statuses.BadNoData };

function convert(point: CompiledPoint, { raw, type, state }: RawSample, out: Converted): Converted {
  if (raw !== undefined) return point.convert(raw, type ?? point.rawType, state, out);
  out.value = undefined;
  out.type = undefined;
  out.quality = 'bad';
  out.state = state ?? nothingCame;
  return out;
}

/** A 64-bit integer, a decimal string and a double are one number to whoever reads the report. */
function numeric({ value, type }: Converted): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint' || (type === 'decimal' && typeof value === 'string')) return Number(value);
  return undefined;
}

/** Candidate minus running; undefined where that means nothing. Of lists of one length, the largest. */
function differenceOf(a: Converted, b: Converted): number | undefined {
  if (Array.isArray(a.value) && Array.isArray(b.value)) {
    if (a.value.length !== b.value.length) return undefined;
    const each = a.value.map((one, i) =>
      typeof one === 'number' ? Math.abs(Number(b.value![i as never]) - one) : one === b.value![i as never] ? 0 : Number.NaN,
    );
    const largest = Math.max(...each);
    return Number.isNaN(largest) ? undefined : largest;
  }
  if (typeof a.value === 'number' && typeof b.value === 'number') return b.value - a.value;
  const [left, right] = [exactly(a), exactly(b)];
  return left && right ? toNumber(subtract(right, left)) : undefined;
}

/** A double cannot tell 9007199254740993 from its neighbour. */
function exactly({ value, type }: Converted): Rational | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return decimalOf(value);
  return type === 'decimal' && typeof value === 'string' ? parseDecimal(value) : undefined;
}

function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return a.length === b.length && a.every((entry, i) => entry === b[i]);
}

function shownReading({ value, quality, state }: Converted): ShownReading {
  const text = value === undefined ? '-' : String(value);
  return { value: text.length > 80 ? `${text.slice(0, 79)}…` : text, quality, status: state?.status.name ?? 'Good' };
}
