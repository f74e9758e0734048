import { pointNameOf } from '../../../mappings/patterns.ts';
import type { SampleBatch } from '../../../model/sample.ts';
import { qualityOf } from '../../../model/status.ts';
import type { RawValue, ValueType } from '../../../model/value.ts';
import type { Adapter, ConnectContext, Connection, Log, ObservedPoint } from '../../contract.ts';
import type { MqttAddress } from '../address.ts';
import type { MqttSettings } from '../settings.ts';

/** One sample as a person would write it down. */
export interface Seen {
  /** `press-7` captures as `{"id":"7"}`; empty for the equipment itself. */
  readonly machine: string;
  readonly point: string;
  readonly value: RawValue | undefined;
  readonly quality: string;
  readonly status: string;
  readonly reason: string | undefined;
  readonly type: ValueType | undefined;
  readonly timeMs: number;
}

export interface Watching extends AsyncDisposable {
  readonly connection: Connection<MqttAddress>;
  readonly seen: readonly Seen[];
  readonly lost: readonly string[];
  /** Why the observation ended; undefined while it goes on. */
  readonly ended: Promise<unknown>;
  /** Resolves as soon as one sample fulfils `check`, also an old one. */
  until(check: (seen: Seen) => boolean, withinMs?: number): Promise<Seen>;
  /** Resolves as soon as `check` holds; looks after each batch. */
  untilThat(check: () => boolean, withinMs?: number): Promise<void>;
  last(point: string, machine?: string): Seen | undefined;
  /** Observes other points on the same connection. */
  reload(points: readonly ObservedPoint<MqttAddress>[]): Promise<void>;
}

export interface WatchOptions {
  readonly stateFolder: string;
  readonly equipment?: string;
  readonly onlyLooks?: true;
  /** What becomes of a batch; acknowledged at once by default. */
  readonly onBatch?: (batch: SampleBatch) => void;
  readonly log?: Log;
  /** What every secret of the settings is. */
  readonly secret?: string;
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Connects, observes, and writes down what comes, with names where only places travel. */
export async function watch(
  adapter: Adapter<MqttSettings, MqttAddress>,
  settings: MqttSettings,
  points: readonly ObservedPoint<MqttAddress>[],
  options: WatchOptions,
): Promise<Watching> {
  const {
    stateFolder,
    equipment = 'bench-1',
    onlyLooks,
    onBatch = (batch) => batch.acknowledge?.(),
    log = silent,
    secret = 'secret',
  } = options;
  const context: ConnectContext = { equipment, stateFolder, log, secret: async () => secret, ...(onlyLooks && { onlyLooks }) };
  const stop = new AbortController();
  const connection = await (await adapter.load()).connect(settings, context, stop.signal);
  const seen: Seen[] = [];
  const lost: string[] = [];
  const watchers = new Set<() => void>();
  let failure: unknown;
  let observing = new AbortController();
  const observe = async (observed: readonly ObservedPoint<MqttAddress>[]): Promise<void> => {
    const appeared = new Map<string, string[]>();
    for await (const batch of connection.observe(observed, AbortSignal.any([stop.signal, observing.signal]))) {
      seen.push(...namesOf(batch, observed, appeared));
      for (const { reason } of batch.lost ?? []) lost.push(reason);
      onBatch(batch);
      for (const look of [...watchers]) look();
    }
  };
  const follow = (observed: readonly ObservedPoint<MqttAddress>[]): Promise<unknown> =>
    observe(observed).catch((error: unknown) => {
      failure = error;
      for (const look of [...watchers]) look();
      return error;
    });
  let running = follow(points);
  const untilThat = (check: () => boolean, withinMs = 8_000): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        watchers.delete(look);
        clearTimeout(timer);
        settle();
      };
      const told = (): string =>
        seen
          .slice(-10)
          .map((each) => JSON.stringify(each, exactly))
          .join('\n');
      const look = (): void => {
        if (check()) finish(resolve);
        else if (failure) finish(() => reject(failure));
      };
      const timer = setTimeout(
        () => finish(() => reject(new Error(`waited ${withinMs} ms in vain; seen:\n${told()}\nlost: ${lost.join('; ')}`))),
        withinMs,
      );
      watchers.add(look);
      look();
    });
  return {
    connection,
    seen,
    lost,
    get ended() {
      return running;
    },
    untilThat,
    async until(check, withinMs) {
      await untilThat(() => seen.some(check), withinMs);
      return seen.find(check)!;
    },
    last: (point, machine = '') => seen.findLast((each) => each.point === point && each.machine === machine),
    async reload(others) {
      observing.abort();
      await running;
      observing = new AbortController();
      running = follow(others);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await connection[Symbol.asyncDispose]();
    },
  };
}

const exactly = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

function namesOf(batch: SampleBatch, observed: readonly ObservedPoint[], appeared: Map<string, string[]>): Seen[] {
  const machine = batch.machine ? JSON.stringify(batch.machine) : '';
  const names = appeared.get(machine) ?? [];
  appeared.set(machine, names);
  for (const { pattern, captures } of batch.appeared ?? []) names.push(pointNameOf(observed[pattern]!.name, captures));
  return Array.from(batch.points, (index, k): Seen => {
    const state = batch.states?.[k];
    return {
      machine,
      point: observed[index]?.name ?? names[index - observed.length]!,
      value: batch.values[k],
      quality: state ? qualityOf(state.status) : 'good',
      status: state?.status.name ?? 'Good',
      reason: state?.reason,
      type: batch.types?.[k],
      timeMs: batch.sourceTimesMs?.[k] ?? batch.receivedMs,
    };
  });
}
