import { NotConnectedError } from '../../model/error.ts';
import type { SampleBatch } from '../../model/sample.ts';
import type { RawValue } from '../../model/value.ts';
import type { ConnectContext, Connection, ObservedPoint, WriteResult } from '../contract.ts';
import { BatchQueue } from './batch-queue.ts';
import { type BusHold, holdBus } from './bus-registry.ts';
import { Learned } from './learned.ts';
import { fieldPatience, type Patience, type PollCounters, Poller } from './poller.ts';
import type { ModbusSettings } from './settings.ts';
import type { ModbusAddress } from './types.ts';
import { writeOnce } from './writer.ts';

type Points = readonly ObservedPoint<ModbusAddress>[];

/** Takes a share in the wire of this machine, which opens it if nobody has. */
export async function connectModbus(
  settings: ModbusSettings,
  _context: ConnectContext,
  signal: AbortSignal,
  patience: Patience = fieldPatience,
): Promise<Connection<ModbusAddress>> {
  return new ModbusConnection(settings, await holdBus(settings, signal), patience);
}

class ModbusConnection implements Connection<ModbusAddress> {
  readonly #settings: ModbusSettings;
  readonly #hold: BusHold;
  readonly #patience: Patience;
  readonly #learned = new Learned();
  readonly #counters: PollCounters = { latePolls: 0, bisections: 0, learnedLimits: 0, quarantined: 0 };
  readonly #disposed = new AbortController();
  #lostSamples = 0;

  constructor(settings: ModbusSettings, hold: BusHold, patience: Patience) {
    this.#settings = settings;
    this.#hold = hold;
    this.#patience = patience;
  }

  /** One batch for each answered request. A batch is the consumer's to keep. */
  async *observe(points: Points, signal: AbortSignal): AsyncGenerator<SampleBatch> {
    const { bus } = this.#hold;
    if (bus.lost) throw bus.lost;
    const end = AbortSignal.any([signal, this.#disposed.signal]);
    let queue: BatchQueue | undefined;
    const poller = this.#poller(points, (batch) => queue?.push(batch));
    queue = new BatchQueue(Math.max(64, 4 * poller.requests));
    const wake = (): void => queue.wake();
    const forget = bus.onLost(wake);
    end.addEventListener('abort', wake);
    try {
      poller.start();
      for (;;) {
        for (const batch of queue.drain()) {
          if (end.aborted) return;
          yield batch;
        }
        if (end.aborted) return;
        if (bus.lost) throw bus.lost;
        await queue.wait();
      }
    } finally {
      poller.stop();
      forget();
      end.removeEventListener('abort', wake);
      this.#lostSamples += queue.lostSamples;
      this.#counters.quarantined = 0;
    }
  }

  async read(points: Points, signal: AbortSignal): Promise<readonly SampleBatch[]> {
    const { bus } = this.#hold;
    const end = AbortSignal.any([signal, this.#disposed.signal]);
    const batches: SampleBatch[] = [];
    if (points.length === 0) return batches;
    let missing = points.length;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const poller = this.#poller(points, (batch) => {
      batches.push(batch);
      missing -= batch.points.length;
      if (missing === 0) resolve();
    });
    const stop = (): void =>
      reject(new NotConnectedError('modbus-not-connected', `reading from ${bus.name} was cancelled`, { retry: 'with-backoff' }));
    const forget = bus.onLost(reject);
    end.addEventListener('abort', stop);
    try {
      if (bus.lost) throw bus.lost;
      if (end.aborted) stop();
      else poller.askOnce();
      await promise;
      return batches;
    } finally {
      poller.stop();
      forget();
      end.removeEventListener('abort', stop);
    }
  }

  write(point: ObservedPoint<ModbusAddress>, raw: RawValue, signal: AbortSignal): Promise<WriteResult> {
    return writeOnce(this.#hold.bus, this.#settings, point.address, raw, signal, this.#disposed.signal);
  }

  #poller(points: Points, emit: (batch: SampleBatch) => void): Poller {
    return new Poller({
      bus: this.#hold.bus,
      settings: this.#settings,
      points,
      learned: this.#learned,
      counters: this.#counters,
      patience: this.#patience,
      emit,
    });
  }

  /** Own: latePolls, bisections, learnedLimits, quarantined, lostSamples. Of the whole wire, shared by all machines on it: the rest. */
  counters(): Readonly<Record<string, number>> {
    const { bus } = this.#hold;
    return {
      ...this.#counters,
      lostSamples: this.#lostSamples,
      ...bus.counters,
      parkedUnits: bus.parkedUnits(),
      connects: this.#hold.connects(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    this.#hold.release();
  }
}
