import type { Adapter, ConnectContext } from '../adapters/contract.ts';
import type { CompiledEquipment } from '../mappings/equipment.ts';
import type { Reading } from '../model/reading.ts';
import { type EventOrigin, gapEvent } from './cloud-event.ts';
import { EquipmentLoop, type LoopState } from './equipment-loop.ts';
import { Losses } from './losses.ts';
import type { GapRecord } from './outbox/contract.ts';
import { Pipeline, type PipelineCounters, type ReadingSink, systemClock } from './pipeline.ts';
import { type EventSink, TelemetryBuilder } from './telemetry-builder.ts';

export interface RunnerContext {
  readonly origin: EventOrigin;
  readonly events: EventSink;
  readonly onRefused: (error: unknown) => void;
  readonly adapter: Adapter;
  readonly connect: ConnectContext;
}

/** One machine at work: its loop, its pipeline and the event being collected. */
export class EquipmentRunner {
  readonly #context: RunnerContext;
  #equipment: CompiledEquipment;
  #pipeline: Pipeline;
  #builder: TelemetryBuilder;
  readonly #losses: Losses;
  readonly #loop: EquipmentLoop;
  #sweepEveryMs: number;
  #sweptMono = 0;

  constructor(equipment: CompiledEquipment, context: RunnerContext, before?: EquipmentRunner) {
    this.#context = context;
    this.#equipment = equipment;
    this.#losses = new Losses(equipment.id, (gap) => this.#tellLoss(gap));
    this.#builder = this.#newBuilder(equipment);
    this.#pipeline = new Pipeline(equipment, this.#sink(), systemClock, before === undefined ? undefined : before.#pipeline);
    this.#sweepEveryMs = sweepInterval(equipment);
    this.#loop = new EquipmentLoop(equipment, context.adapter, context.connect, this.#pipeline);
  }

  get equipment(): CompiledEquipment {
    return this.#equipment;
  }

  get counters(): Readonly<PipelineCounters> {
    return this.#pipeline.counters;
  }

  /** Readings collected and not yet in the outbox. */
  get collecting(): number {
    return this.#builder.pending;
  }

  start(): void {
    this.#loop.start();
  }

  /** Points changed, the connection did not: the wire stays open. */
  update(equipment: CompiledEquipment): void {
    this.#builder.flush();
    this.#equipment = equipment;
    this.#builder = this.#newBuilder(equipment);
    this.#pipeline = new Pipeline(equipment, this.#sink(), systemClock, this.#pipeline);
    this.#sweepEveryMs = sweepInterval(equipment);
    this.#loop.update(equipment, this.#pipeline);
  }

  /** Called by the gateway's one ticker. */
  tick(nowMono: number, lingerMs: number): void {
    if (nowMono - this.#sweptMono >= this.#sweepEveryMs) {
      this.#sweptMono = nowMono;
      this.#pipeline.sweep();
    }
    this.#builder.flushIfDue(nowMono, lingerMs);
    this.#losses.tellIfDue(nowMono);
  }

  readings(): Reading[] {
    return this.#pipeline.states.readings();
  }

  state(): LoopState {
    return this.#loop.state();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    this.flush();
  }

  /** Gives what was collected to the outbox now. */
  flush(): void {
    this.#builder.flush();
    this.#losses.tell();
  }

  #newBuilder(equipment: CompiledEquipment): TelemetryBuilder {
    return new TelemetryBuilder(this.#context.origin, equipment.id, equipment.path, this.#context.events, this.#context.onRefused);
  }

  #sink(): ReadingSink {
    return {
      add: (text, receivedMs) => this.#builder.add(text, receivedMs),
      whenDurable: (acknowledge) => this.#builder.whenDurable(acknowledge),
      lost: (loss) => this.#losses.note(loss.reason, loss.point, loss.count, Date.now()),
    };
  }

  /** What was lost before it reached us travels like what the outbox had to drop. */
  #tellLoss(gap: GapRecord): void {
    const { origin, events, onRefused } = this.#context;
    const encode = (sequence: number): string => gapEvent(origin, gap, sequence);
    events.append({ encode, readings: 0, fromMs: gap.fromMs, toMs: gap.toMs, gap }).catch(onRefused);
  }
}

/** Often enough that a stale point is found within a fifth of its time, never more than ten times a second. */
function sweepInterval(equipment: CompiledEquipment): number {
  let shortest = 5_000;
  for (const point of equipment.points) {
    shortest = Math.min(shortest, point.staleAfterMs, point.atLeastEveryMs ?? shortest);
  }
  return Math.max(100, shortest / 5);
}
