import type { CompiledEquipment, CompiledMessage } from '../mappings/equipment.ts';
import type { Reading } from '../model/reading.ts';
import type { SampleBatch, SampleState } from '../model/sample.ts';
import { type EventOrigin, gapEvent } from './cloud-event.ts';
import { Losses } from './losses.ts';
import type { GapRecord } from './outbox/contract.ts';
import { Pipeline, type PipelineCounters, type ReadingSink, systemClock } from './pipeline.ts';
import { type EventSink, type EventTap, TelemetryBuilder } from './telemetry-builder.ts';
import type { MachineTally } from './twin/plant-summary.ts';

export interface MachineContext {
  readonly origin: EventOrigin;
  readonly events: EventSink;
  readonly onRefused: (error: unknown) => void;
  /** A point made itself known. */
  readonly onGrown?: () => void;
  /** Whoever sees the events that leave; may change at any time. */
  readonly tap?: () => EventTap | undefined;
}

/** The readings of one machine on their way to the outbox: its pipeline, and the events being collected, one for each of its messages. */
export class Machine {
  readonly equipment: CompiledEquipment;
  readonly #context: MachineContext;
  readonly #pipeline: Pipeline;
  /** Those of the mapping's messages, and last the one for all that no message names. */
  readonly #builders: readonly TelemetryBuilder[];
  /** By place of the point. */
  readonly #builderOf: TelemetryBuilder[];
  readonly #losses: Losses;
  readonly #sweepEveryMs: number;
  #sweptMono = 0;

  /** `before` is the same machine with an older mapping: what it collected is flushed, what it knew goes on. */
  constructor(equipment: CompiledEquipment, context: MachineContext, before?: Machine) {
    before?.flush();
    this.equipment = equipment;
    this.#context = context;
    this.#losses = new Losses(equipment.id, (gap) => tellLoss(context, gap));
    const { id, path, messages } = equipment;
    const { origin, events, onRefused, tap } = context;
    const builder = (message?: CompiledMessage): TelemetryBuilder =>
      new TelemetryBuilder(origin, { equipment: id, path, ...(message && { message }) }, events, onRefused, tap);
    this.#builders = [...messages.map(builder), builder()];
    this.#builderOf = equipment.points.map(({ name }) => this.#choose(name));
    this.#pipeline = new Pipeline(equipment, this.#sink(), systemClock, before === undefined ? undefined : before.#pipeline);
    this.#sweepEveryMs = sweepInterval(equipment);
  }

  get counters(): Readonly<PipelineCounters> {
    return this.#pipeline.counters;
  }

  /** Points, those that made themselves known included, patterns not. */
  get points(): CompiledEquipment['points'] {
    return this.#pipeline.states.points.filter(({ pattern }) => !pattern);
  }

  tally(): MachineTally {
    return { id: this.equipment.id, ...this.#pipeline.states.count() };
  }

  /** Readings collected and not yet in the outbox. */
  get collecting(): number {
    return this.#builders.reduce((sum, builder) => sum + builder.pending, 0);
  }

  readings(): Reading[] {
    return this.#pipeline.states.readings();
  }

  /** The latest of one point; undefined while there is none. */
  reading(point: string): Reading | undefined {
    const { states } = this.#pipeline;
    return states.reading(states.points.findIndex(({ name }) => name === point));
  }

  begin(): void {
    this.#pipeline.begin();
  }

  accept(batch: SampleBatch): void {
    this.#pipeline.accept(batch);
  }

  linkLost(state: SampleState): void {
    this.#pipeline.linkLost(state);
  }

  /** A loss of the whole machine. */
  lost(reason: string): void {
    this.#losses.note(reason, undefined, undefined, Date.now());
  }

  /** Called by the gateway's one ticker. */
  tick(nowMono: number, lingerMs: number): void {
    if (nowMono - this.#sweptMono >= this.#sweepEveryMs) {
      this.#sweptMono = nowMono;
      this.#pipeline.sweep();
    }
    for (const builder of this.#builders) builder.flushIfDue(nowMono, lingerMs);
    this.#losses.tellIfDue(nowMono);
  }

  /** Gives what was collected to the outbox now. */
  flush(): void {
    for (const builder of this.#builders) builder.flush();
    this.#losses.tell();
  }

  #choose(point: string): TelemetryBuilder {
    const message = this.equipment.messages.findIndex(({ covers }) => covers(point));
    return this.#builders[message < 0 ? this.#builders.length - 1 : message]!;
  }

  #sink(): ReadingSink {
    return {
      add: (text, receivedMs, index) => this.#builderOf[index]!.add(text, receivedMs),
      settle: (acknowledge, refuse) => this.#settle(acknowledge, refuse),
      appeared: (index) => {
        this.#builderOf[index] = this.#choose(this.#pipeline.states.points[index]!.name);
        this.#context.onGrown?.();
      },
      lost: (loss) => this.#losses.note(loss.reason, loss.point, loss.count, Date.now()),
    };
  }

  /** A batch is on disk when each message that got readings of it is. */
  #settle(acknowledge: () => void, refuse: ((reason: string) => void) | undefined): void {
    const touched = this.#builders.filter((builder) => builder.touchedSince());
    if (touched.length === 0) {
      acknowledge();
      return;
    }
    let open = touched.length;
    let refused: string | undefined;
    const settled = (reason?: string): void => {
      refused ??= reason;
      if (--open > 0) return;
      if (refused === undefined) acknowledge();
      else refuse?.(refused);
    };
    for (const builder of touched) builder.settle({ acknowledge: settled, refuse: settled });
  }
}

/** What was lost before it reached us travels like what the outbox had to drop. */
export function tellLoss({ origin, events, onRefused }: MachineContext, gap: GapRecord): void {
  const encode = (sequence: number): string => gapEvent(origin, gap, sequence);
  events.append({ encode, readings: 0, fromMs: gap.fromMs, toMs: gap.toMs, gap }).catch(onRefused);
}

/** Often enough that a stale point is found within a fifth of its time, never more than ten times a second. */
function sweepInterval(equipment: CompiledEquipment): number {
  let shortest = 5_000;
  for (const point of equipment.points) {
    shortest = Math.min(shortest, point.staleAfterMs, point.atLeastEveryMs ?? shortest);
  }
  return Math.max(100, shortest / 5);
}
