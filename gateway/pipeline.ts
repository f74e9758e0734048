import { formatDuration } from '../mappings/duration.ts';
import type { CompiledEquipment, Converted } from '../mappings/equipment.ts';
import { pointOf } from '../mappings/patterns.ts';
import type { Appearance, SampleBatch, SampleState } from '../model/sample.ts';
import { statuses } from '../model/status.ts';
import type { Value } from '../model/value.ts';
import { PointStates, patternsNeverSpeak } from './point-states.ts';
import { plainReadingText, type ReadingShape, readingShape, readingText } from './reading-text.ts';

/** Where readings go that are to leave. */
export interface ReadingSink {
  /** `text` is the reading's JSON, `index` its place among the equipment's points. */
  add(text: string, receivedMs: number, index: number): void;
  /** Everything added since the last call belongs to one batch: calls back once it is on disk, or why it is not. */
  settle(acknowledge: () => void, refuse: ((reason: string) => void) | undefined): void;
  /** A point that made itself known, before its first reading. */
  appeared?(index: number): void;
  lost(loss: { readonly point: string | undefined; readonly reason: string; readonly count: number | undefined }): void;
}

/** Both clocks in milliseconds: intervals by the monotonic one, stamps by the other. */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
}

export const systemClock: Clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };

export interface PipelineCounters {
  sampled: number;
  suppressed: number;
  queued: number;
}

/**
 * From samples to readings, for one machine: latest, conversion, report by exception, staleness.
 * Invariant: `sampled = suppressed + queued`; a reading that the gateway makes itself (stale, link lost, heartbeat) counts as sampled.
 */
export class Pipeline {
  readonly states: PointStates;
  readonly counters: PipelineCounters = { sampled: 0, suppressed: 0, queued: 0 };
  readonly #sink: ReadingSink;
  readonly #clock: Clock;
  readonly #shapes: ReadingShape[];
  readonly #scratch: Converted = { value: undefined, type: undefined, quality: 'bad', state: undefined };
  readonly #heartbeats: boolean;
  readonly #patterns: boolean;
  /** What a reload left; points that appear later take over from it too. */
  readonly #before: PointStates | undefined;
  #names: Map<string, number> | undefined;
  /** Monotonic; before it no point can be stale and no heartbeat due. */
  #nothingDueUntil = Number.NEGATIVE_INFINITY;
  /** Places of the points that appeared in this observation, in the order in which the adapter named them; by whose batch it was. */
  readonly #appearedOf = new Map<string, number[]>();
  /** Those of the batch that is being taken. */
  #appeared: number[] = [];

  constructor(equipment: CompiledEquipment, sink: ReadingSink, clock: Clock = systemClock, before?: Pipeline) {
    this.states = new PointStates(equipment, clock.monotonicMs());
    if (before) {
      this.states.carryOver(before.states);
      this.counters = before.counters;
    }
    this.#sink = sink;
    this.#clock = clock;
    this.#shapes = equipment.points.map((point) => readingShape(point.name, point.unit));
    this.#before = before?.states;
    this.#patterns = equipment.points.some(({ pattern }) => pattern);
    this.#heartbeats = equipment.points.some((point) => point.atLeastEveryMs !== undefined);
  }

  /** The adapter begins to observe: it numbers the points that appear from the start again. */
  begin(): void {
    this.#appearedOf.clear();
    this.#appeared = [];
  }

  /** Takes what the adapter saw. Runs to the end without waiting. */
  accept(batch: SampleBatch): void {
    const now = this.#clock.monotonicMs();
    const { points, values, receivedMs } = batch;
    if (this.#patterns) this.#appeared = this.#appearedIn(batch);
    if (batch.appeared) for (const appearance of batch.appeared) this.#appear(appearance, now);
    for (let k = 0; k < points.length; k++) {
      const sourceMs = batch.sourceTimesMs?.[k] ?? receivedMs;
      this.#take(
        this.#place(points[k]!),
        values[k],
        batch.types?.[k],
        batch.states?.[k],
        sourceMs,
        batch.sourceTicks?.[k] ?? 0,
        receivedMs,
        now,
      );
    }
    if (batch.verified) this.#verify(batch.verified, now);
    for (const loss of batch.lost ?? []) {
      const point = loss.point === undefined ? undefined : this.states.points[this.#place(loss.point)]?.name;
      this.#sink.lost({ point, reason: loss.reason, count: loss.count });
    }
    if (batch.acknowledge) this.#sink.settle(batch.acknowledge, batch.refuse);
  }

  /** Adapters number what appears by machine as they see it, which may be finer than what id and path tell apart. */
  #appearedIn({ machine }: SampleBatch): number[] {
    const key = machine === undefined ? '' : JSON.stringify(machine);
    let appeared = this.#appearedOf.get(key);
    if (!appeared) {
      appeared = [];
      this.#appearedOf.set(key, appeared);
    }
    return appeared;
  }

  #place(index: number): number {
    const declared = this.states.equipment.points.length;
    return index < declared ? index : (this.#appeared[index - declared] ?? nowhere);
  }

  /** A point made itself known. It may have done so before: in an earlier observation, or before a reload. */
  #appear({ pattern, captures }: Appearance, now: number): void {
    const s = this.states;
    const of = s.equipment.points[pattern];
    if (of === undefined) return;
    const point = pointOf(of, captures);
    this.#names ??= new Map(s.points.map(({ name }, index) => [name, index]));
    const known = this.#names.get(point.name);
    if (known !== undefined) {
      const declared = known < s.equipment.points.length;
      const twice = !declared && this.#appeared.includes(known);
      this.#appeared.push(declared || twice ? nowhere : known);
      // Taking both for one would mix their values.
      const reason = `two names of the machine make one point name, ${point.name}; the second is not taken`;
      if (twice) this.#sink.lost({ point: point.name, reason, count: undefined });
      return;
    }
    const index = s.add(point, now);
    this.#nothingDueUntil = Math.min(
      this.#nothingDueUntil,
      now + Math.min(point.staleAfterMs, point.atLeastEveryMs ?? point.staleAfterMs) - 1,
    );
    this.#names.set(point.name, index);
    this.#shapes.push(readingShape(point.name, point.unit));
    this.#appeared.push(index);
    if (this.#before) s.carryOverOne(index, this.#before);
    this.#sink.appeared?.(index);
  }

  #take(
    index: number,
    raw: SampleBatch['values'][number],
    rawType: NonNullable<SampleBatch['types']>[number],
    state: SampleState | undefined,
    sourceMs: number,
    ticks: number,
    receivedMs: number,
    now: number,
  ): void {
    const s = this.states;
    const point = s.points[index];
    if (point === undefined) return;
    const converted = convertSample(point, raw, rawType, state, this.#scratch);
    s.values[index] = converted.value;
    s.types[index] = converted.type;
    s.qualities[index] = converted.quality;
    s.states[index] = converted.state;
    s.sourceMs[index] = sourceMs;
    s.sourceTicks[index] = ticks;
    s.receivedMs[index] = receivedMs;
    s.seenMono[index] = now;
    if (converted.quality === 'good') s.lastGoodMs[index] = sourceMs;
    this.counters.sampled++;
    if (this.#isNews(index, now)) this.#report(index, now);
    else this.counters.suppressed++;
  }

  /** Report by exception: the first value, a change of quality or status, a change of value beyond the deadband, a heartbeat that is due. */
  #isNews(index: number, now: number): boolean {
    const s = this.states;
    const point = s.points[index]!;
    const quality = s.qualities[index];
    if (s.reportedQualities[index] !== quality) return true;
    if (s.reportedStatus[index] !== (s.states[index]?.status.code ?? 0)) return true;
    if (point.atLeastEveryMs !== undefined && now - s.reportedMono[index]! >= point.atLeastEveryMs) return true;
    const value = s.values[index];
    const reported = s.reportedValues[index];
    if (value === reported) return false;
    if (value === undefined || reported === undefined) return true;
    if (point.deadband !== undefined) return point.deadband.exceeded(reported, value);
    return !sameValue(reported, value);
  }

  #report(index: number, now: number): void {
    const s = this.states;
    const value = s.values[index];
    const quality = s.qualities[index]!;
    const state = s.states[index];
    const receivedMs = s.receivedMs[index]!;
    s.reportedValues[index] = value;
    s.reportedQualities[index] = quality;
    s.reportedStatus[index] = state?.status.code ?? 0;
    s.reportedMono[index] = now;
    this.counters.queued++;
    const shape = this.#shapes[index]!;
    const sourceMs = s.sourceMs[index]!;
    const sourceTicks = s.sourceTicks[index]!;
    const type = s.types[index];
    const isPlain =
      typeof value === 'number' &&
      state === undefined &&
      quality === 'good' &&
      type === undefined &&
      sourceTicks === 0 &&
      sourceMs === receivedMs;
    const text = isPlain
      ? plainReadingText(shape, value, sourceMs)
      : readingText(shape, { value, type, quality, state, sourceMs, sourceTicks, receivedMs, lastGoodMs: s.lastGoodMs[index]! });
    this.#sink.add(text, receivedMs, index);
  }

  #verify(verified: ArrayLike<number>, now: number): void {
    const { seenMono } = this.states;
    for (let k = 0; k < verified.length; k++) seenMono[this.#place(verified[k]!)] = now;
  }

  /** The way to the machine is gone: every point that is not bad yet becomes bad, now, with the reason. */
  linkLost(state: SampleState): void {
    const now = this.#clock.monotonicMs();
    for (let index = 0; index < this.states.qualities.length; index++) {
      if (this.states.qualities[index] !== 'bad' && !this.states.points[index]!.pattern) this.#turnBad(index, state, now);
    }
  }

  /**
   * Finds points that went silent, and sends heartbeats that are due. Call it a few times within the shortest `staleAfter`: most calls know
   * from the one before that nothing can be due yet, and look at no point.
   */
  sweep(): void {
    const now = this.#clock.monotonicMs();
    if (now <= this.#nothingDueUntil) return;
    const s = this.states;
    let next = Number.POSITIVE_INFINITY;
    for (let index = 0; index < s.points.length; index++) {
      const staleAfterMs = s.staleAfterMs[index]!;
      if (staleAfterMs === patternsNeverSpeak) continue;
      const quality = s.qualities[index];
      // Bad or not seen yet: it may speak right after this, and then has its whole time.
      if (quality === 'bad') next = Math.min(next, now + staleAfterMs);
      else {
        const patienceMs = quality === undefined ? Math.max(staleAfterMs, firstValueMs) : staleAfterMs;
        const due = s.seenMono[index]! + patienceMs;
        if (now > due) this.#turnBad(index, staleState(quality === undefined, patienceMs), now);
        else next = Math.min(next, due);
        if (now > due || quality === undefined) next = Math.min(next, now + staleAfterMs);
      }
      if (this.#heartbeats) next = Math.min(next, this.#beat(index, now));
    }
    this.#nothingDueUntil = next;
  }

  /** Sends the heartbeat of a point if it is due; gives when the next one is. */
  #beat(index: number, now: number): number {
    const s = this.states;
    const { atLeastEveryMs } = s.points[index]!;
    if (atLeastEveryMs === undefined) return Number.POSITIVE_INFINITY;
    if (s.qualities[index] !== undefined && now - s.reportedMono[index]! >= atLeastEveryMs) {
      this.counters.sampled++;
      this.#report(index, now);
    }
    // It is due at that very moment, a stale point only after it.
    return (s.qualities[index] === undefined ? now : s.reportedMono[index]!) + atLeastEveryMs - 1;
  }

  #turnBad(index: number, state: SampleState, now: number): void {
    const s = this.states;
    const wallMs = this.#clock.wallMs();
    s.values[index] = undefined;
    s.types[index] = undefined;
    s.qualities[index] = 'bad';
    s.states[index] = state;
    s.sourceMs[index] = wallMs;
    s.sourceTicks[index] = 0;
    s.receivedMs[index] = wallMs;
    this.counters.sampled++;
    this.#report(index, now);
  }
}

/** A defect in a converter must not take the machine's other points down: the value is withheld and the reason said. */
function convertSample(
  point: CompiledEquipment['points'][number],
  raw: SampleBatch['values'][number],
  rawType: NonNullable<SampleBatch['types']>[number],
  state: SampleState | undefined,
  out: Converted,
): Converted {
  if (raw !== undefined) return point.convert(raw, rawType ?? point.rawType, state, out);
  out.value = undefined;
  out.type = undefined;
  out.quality = 'bad';
  out.state = state ?? nothingCame;
  return out;
}

/** Place of a point that is not taken. */
const nowhere = -1;

const nothingCame: SampleState = { status: statuses.BadNoData, reason: 'the machine gave no value' };

const staleStates = new Map<number, SampleState>();

/** A first connection takes its time (libraries load, certificates are made); a link that fails says so by itself, at once. */
const firstValueMs = 5_000;

function staleState(neverSeen: boolean, staleAfterMs: number): SampleState {
  const key = neverSeen ? -staleAfterMs : staleAfterMs;
  let state = staleStates.get(key);
  if (!state) {
    const age = formatDuration(staleAfterMs);
    state = neverSeen
      ? { status: statuses.BadWaitingForInitialData, reason: `no value within ${age} after start` }
      : { status: statuses.BadNoCommunication, reason: `nothing heard for more than ${age}` };
    staleStates.set(key, state);
  }
  return state;
}

function sameValue(a: Value, b: Value): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return a.length === b.length && a.every((entry, index) => entry === b[index]);
}
