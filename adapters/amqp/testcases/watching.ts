import type { SampleBatch } from '../../../model/sample.ts';
import { connectContext } from '../../../test/contract/adapter.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import type { Connection, Log, ObservedPoint } from '../../contract.ts';
import { amqp } from '../adapter.ts';
import type { AmqpAddress } from '../address.ts';
import { settingsOf } from './points.ts';

/** One sample as a test wants to see it. */
export interface SeenSample {
  readonly point: string;
  readonly value: unknown;
  readonly status: string;
  readonly reason: string | undefined;
  readonly timeMs: number | undefined;
  readonly type: string | undefined;
}

/** An observation under way, whose batches the test settles. */
export interface Watching extends AsyncDisposable {
  readonly connection: Connection<AmqpAddress>;
  readonly batches: SampleBatch[];
  readonly samples: SeenSample[];
  /** Rejects when time is up; tells what was seen. */
  until(enough: (samples: readonly SeenSample[]) => boolean, withinMs?: number): Promise<readonly SeenSample[]>;
  /** What ended the observation, if it was not the test. */
  readonly ended: Promise<unknown>;
  /** Observes other points on the same connection, as a reload does. */
  observe(points: readonly ObservedPoint<AmqpAddress>[]): Promise<void>;
}

export interface WatchOptions {
  readonly points: readonly ObservedPoint<AmqpAddress>[];
  /** What to do with a batch; default: acknowledge. */
  readonly settle?: (batch: SampleBatch) => void;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly equipment?: string;
  readonly log?: Log;
  readonly stateFolder?: string;
}

export async function watch(written: Record<string, unknown>, options: WatchOptions): Promise<Watching> {
  const folder = tempFolder();
  const context = {
    ...connectContext(options.stateFolder ?? folder.path, options.equipment ?? 'press-7'),
    ...(options.log && { log: options.log }),
    secret: async (reference: { file: string } | { env: string }) =>
      options.secrets?.['env' in reference ? reference.env : reference.file] ?? 'secret',
  };
  const stop = new AbortController();
  const connection = await (await amqp.load()).connect(settingsOf(written), context, stop.signal);
  const batches: SampleBatch[] = [];
  const samples: SeenSample[] = [];
  const ended = Promise.withResolvers<unknown>();
  const checks = new Set<() => void>();
  const settle = options.settle ?? ((batch: SampleBatch) => batch.acknowledge?.());
  let reload = new AbortController();
  const run = async (points: readonly ObservedPoint<AmqpAddress>[], signal: AbortSignal): Promise<void> => {
    try {
      for await (const batch of connection.observe(points, signal)) {
        if (signal.aborted) return;
        batches.push(batch);
        collect(batch, points, samples);
        settle(batch);
        for (const check of [...checks]) check();
      }
    } catch (error) {
      ended.resolve(error);
      for (const check of [...checks]) check();
    }
  };
  let running = run(options.points, AbortSignal.any([stop.signal, reload.signal]));
  return {
    connection,
    batches,
    samples,
    ended: ended.promise,
    until: (enough, withinMs = 8_000) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!enough(samples)) return;
          clearTimeout(late);
          checks.delete(check);
          resolve(samples);
        };
        const late = setTimeout(() => reject(new Error(`not seen within ${withinMs} ms: ${JSON.stringify(samples, showBig)}`)), withinMs);
        checks.add(check);
        check();
      }),
    async observe(points) {
      reload.abort();
      await running;
      reload = new AbortController();
      running = run(points, AbortSignal.any([stop.signal, reload.signal]));
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await connection[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

const showBig = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

function collect(batch: SampleBatch, points: readonly ObservedPoint<AmqpAddress>[], samples: SeenSample[]): void {
  for (let k = 0; k < batch.points.length; k++) {
    samples.push({
      point: points[batch.points[k]!]!.name,
      value: batch.values[k],
      status: batch.states?.[k]?.status.name ?? 'Good',
      reason: batch.states?.[k]?.reason,
      timeMs: batch.sourceTimesMs?.[k],
      type: batch.types?.[k],
    });
  }
}

/** Polls a condition that has no event. */
export async function eventually(holds: () => boolean, withinMs = 5_000): Promise<void> {
  const untilMs = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > untilMs) throw new Error(`did not hold within ${withinMs} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
