import type { Adapter, ConnectContext, Connection } from '../adapters/contract.ts';
import type { CompiledEquipment } from '../mappings/equipment.ts';
import { type Backoff, backoff } from '../model/backoff.ts';
import { GatewayError } from '../model/error.ts';
import type { SampleBatch, SampleState } from '../model/sample.ts';
import { statuses } from '../model/status.ts';
import { pause } from './pause.ts';

/** What the loop feeds. */
export interface SampleSink {
  /** An observation begins: what the adapter numbers, it numbers anew. */
  begin?(): void;
  accept(batch: SampleBatch): void;
  linkLost(state: SampleState): void;
}

export interface LoopState {
  readonly connected: boolean;
  /** Why not, for people. */
  readonly reason: string | undefined;
  readonly attempts: number;
  /** Times the way to the machine was opened. A reload of points does not raise it. */
  readonly connects: number;
  readonly adapterCounters: Readonly<Record<string, number>>;
}

/** A machine may be rebooted during a shift: seconds between attempts, not minutes. */
const machineBackoff = { minMs: 500, stepMs: 500, maxMs: 15_000, firstMs: 200 };
/** Something a person must change; looked at again often enough that they see it work. */
const fixBackoff = { minMs: 3_000, stepMs: 1_000, maxMs: 15_000 };

/**
 * Keeps one machine connected and observed. The only place in the gateway that reconnects to machines.
 * `update` changes what is observed without touching the wire.
 */
export class EquipmentLoop {
  #equipment: CompiledEquipment;
  #sink: SampleSink;
  readonly #adapter: Adapter;
  readonly #context: ConnectContext;
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;
  #changed = new AbortController();
  #connection: Connection | undefined;
  #reason: string | undefined;
  #attempts = 0;
  #connects = 0;
  #running: Promise<void> | undefined;

  constructor(equipment: CompiledEquipment, adapter: Adapter, context: ConnectContext, sink: SampleSink) {
    this.#equipment = equipment;
    this.#adapter = adapter;
    this.#context = context;
    this.#sink = sink;
    this.#backoff = backoff({ normal: machineBackoff, slow: fixBackoff });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Observes other points from now on; the connection settings must be the same. */
  update(equipment: CompiledEquipment, sink: SampleSink): void {
    this.#equipment = equipment;
    this.#sink = sink;
    const before = this.#changed;
    this.#changed = new AbortController();
    before.abort();
    // The new pipeline does not know yet that there is no link.
    if (!this.#connection && this.#reason !== undefined) sink.linkLost(notConnected(this.#reason));
  }

  state(): LoopState {
    return {
      connected: this.#connection !== undefined,
      reason: this.#reason,
      attempts: this.#attempts,
      connects: this.#connects,
      adapterCounters: this.#connection?.counters() ?? {},
    };
  }

  /** The open way to the machine, for a read or a write beside the observation; undefined while there is none. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#live(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#lost(error);
        await pause(this.#backoff.next(error), signal);
      }
    }
  }

  /** One life of one connection. */
  async #live(signal: AbortSignal): Promise<void> {
    const runtime = await this.#adapter.load();
    await using connection = await runtime.connect(this.#equipment.settings, this.#context, signal);
    this.#connects++;
    this.#connection = connection;
    try {
      while (!signal.aborted) await this.#observe(connection, signal);
    } finally {
      this.#connection = undefined;
    }
  }

  /** Observes one set of points, until it changes, the link is lost, or the loop stops. */
  async #observe(connection: Connection, signal: AbortSignal): Promise<void> {
    const changed = this.#changed.signal;
    const sink = this.#sink;
    const points = this.#equipment.points;
    sink.begin?.();
    for await (const batch of connection.observe(points, AbortSignal.any([signal, changed]))) {
      if (changed.aborted) return;
      sink.accept(batch);
      if (this.#reason !== undefined || this.#attempts > 0) this.#useful(batch);
    }
    if (!changed.aborted && !signal.aborted) {
      throw new GatewayError('observe-ended', `the ${this.#adapter.name} adapter stopped observing without a reason`, {
        retry: 'with-backoff',
      });
    }
  }

  /** Only a value proves that the machine works; a connect does not. */
  #useful(batch: SampleBatch): void {
    if (!hasValue(batch)) return;
    this.#backoff.reset();
    if (this.#reason !== undefined)
      this.#context.log.info({ equipment: this.#equipment.id, attempts: this.#attempts }, 'equipment is back');
    this.#reason = undefined;
    this.#attempts = 0;
  }

  #lost(error: unknown): void {
    this.#attempts++;
    const known = error instanceof GatewayError;
    const reason = error instanceof Error ? error.message : String(error);
    this.#sink.linkLost(notConnected(reason));
    if (reason === this.#reason) return;
    this.#reason = reason;
    const fields = {
      equipment: this.#equipment.id,
      code: known ? error.code : 'unexpected',
      reason,
      ...(known && error.hint ? { hint: error.hint } : {}),
    };
    if (known) this.#context.log.warn(fields, 'equipment lost, retrying');
    else this.#context.log.error({ ...fields, err: error }, 'equipment lost by a defect in its adapter, retrying');
  }
}

function notConnected(reason: string): SampleState {
  return { status: statuses.BadNotConnected, reason };
}

function hasValue(batch: SampleBatch): boolean {
  for (let k = 0; k < batch.values.length; k++) if (batch.values[k] !== undefined) return true;
  return false;
}
