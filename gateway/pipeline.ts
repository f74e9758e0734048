import { formatDuration } from '../mappings/duration.ts';
import type { CompiledEquipment, Converted } from '../mappings/equipment.ts';
import type { SampleBatch, SampleState } from '../model/sample.ts';
import { statuses } from '../model/status.ts';
import type { Value } from '../model/value.ts';
import { PointStates } from './point-states.ts';
import { type ReadingShape, readingShape, readingText } from './reading-text.ts';

/** Where readings go that are to leave. */
export interface ReadingSink {
  /** `text` is the reading's JSON, `index` its place among the equipment's points. */
  add(text: string, receivedMs: number, index: number): void;
  whenDurable(acknowledge: () => void): void;
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
  readonly #shapes: readonly ReadingShape[];
  readonly #scratch: Converted = { value: undefined, type: undefined, quality: 'bad', state: undefined };
  readonly #heartbeats: boolean;

  constructor(equipment: CompiledEquipment, sink: ReadingSink, clock: Clock = systemClock, before?: Pipeline) {
    this.states = new PointStates(equipment, clock.monotonicMs());
    if (before) {
      this.states.carryOver(before.states);
      this.counters = before.counters;
    }
    this.#sink = sink;
    this.#clock = clock;
    this.#shapes = equipment.points.map((point) => readingShape(point.name, point.unit));
    this.#heartbeats = equipment.points.some((point) => point.atLeastEveryMs !== undefined);
  }

  /** Takes what the adapter saw. Runs to the end without waiting. */
  accept(batch: SampleBatch): void {
    const now = this.#clock.monotonicMs();
    const { points, values, receivedMs } = batch;
    for (let k = 0; k < points.length; k++) {
      const sourceMs = batch.sourceTimesMs?.[k] ?? receivedMs;
      this.#take(points[k]!, values[k], batch.types?.[k], batch.states?.[k], sourceMs, batch.sourceTicks?.[k] ?? 0, receivedMs, now);
    }
    if (batch.verified) this.#verify(batch.verified, now);
    for (const loss of batch.lost ?? []) {
      const point = loss.point === undefined ? undefined : this.states.equipment.points[loss.point]?.name;
      this.#sink.lost({ point, reason: loss.reason, count: loss.count });
    }
    if (batch.acknowledge) this.#sink.whenDurable(batch.acknowledge);
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
    const point = s.equipment.points[index];
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
    const point = s.equipment.points[index]!;
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
    const text = readingText(this.#shapes[index]!, {
      value,
      type: s.types[index],
      quality,
      state,
      sourceMs: s.sourceMs[index]!,
      sourceTicks: s.sourceTicks[index]!,
      receivedMs,
      lastGoodMs: s.lastGoodMs[index]!,
    });
    this.#sink.add(text, receivedMs, index);
  }

  #verify(verified: ArrayLike<number>, now: number): void {
    const { seenMono } = this.states;
    for (let k = 0; k < verified.length; k++) seenMono[verified[k]!] = now;
  }

  /** The way to the machine is gone: every point that is not bad yet becomes bad, now, with the reason. */
  linkLost(state: SampleState): void {
    const now = this.#clock.monotonicMs();
    for (let index = 0; index < this.states.qualities.length; index++) {
      if (this.states.qualities[index] !== 'bad') this.#turnBad(index, state, now);
    }
  }

  /** Finds points that went silent, and sends heartbeats that are due. Call it a few times within the shortest `staleAfter`. */
  sweep(): void {
    const s = this.states;
    const now = this.#clock.monotonicMs();
    const { points } = s.equipment;
    for (let index = 0; index < points.length; index++) {
      const point = points[index]!;
      const never = s.qualities[index] === undefined;
      const patienceMs = never ? Math.max(point.staleAfterMs, firstValueMs) : point.staleAfterMs;
      if (s.qualities[index] !== 'bad' && now - s.seenMono[index]! > patienceMs) {
        this.#turnBad(index, staleState(never, patienceMs), now);
      } else if (this.#heartbeats && s.qualities[index] !== undefined && point.atLeastEveryMs !== undefined) {
        if (now - s.reportedMono[index]! < point.atLeastEveryMs) continue;
        this.counters.sampled++;
        this.#report(index, now);
      }
    }
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
