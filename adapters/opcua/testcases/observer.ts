import { EquipmentLoop } from '../../../gateway/equipment-loop.ts';
import type { CompiledEquipment } from '../../../mappings/equipment.ts';
import type { SampleBatch, SampleState } from '../../../model/sample.ts';
import { qualityOf, statuses } from '../../../model/status.ts';
import type { RawValue, ValueType } from '../../../model/value.ts';
import type { ConnectContext, Connection, ObservedPoint } from '../../contract.ts';
import { opcua } from '../adapter.ts';
import type { OpcuaAddress } from '../address.ts';
import type { OpcuaSettings } from '../settings.ts';
import { silentLog } from './points.ts';

/** What a point showed last. */
export interface Seen {
  readonly value: RawValue | undefined;
  readonly state: SampleState | undefined;
  readonly quality: string;
  readonly type: ValueType | undefined;
  readonly timeMs: number | undefined;
  readonly ticks: number;
  readonly atMs: number;
}

/** Keeps the last sample of each point, and waits for a picture instead of sleeping. */
export class Picture {
  readonly points = new Map<string, Seen>();
  readonly verified = new Set<string>();
  readonly lost: string[] = [];
  readonly history: { readonly point: string; readonly seen: Seen }[] = [];
  readonly #names: readonly string[];
  readonly #waiting = new Set<() => void>();
  #failure: unknown;

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  accept(batch: SampleBatch): void {
    for (let i = 0; i < batch.points.length; i++) {
      const state = batch.states?.[i];
      const seen: Seen = {
        value: batch.values[i],
        state,
        quality: qualityOf(state?.status ?? statuses.Good),
        type: batch.types?.[i],
        timeMs: batch.sourceTimesMs?.[i],
        ticks: batch.sourceTicks?.[i] ?? 0,
        atMs: performance.now(),
      };
      const point = this.#names[batch.points[i]!]!;
      this.points.set(point, seen);
      this.history.push({ point, seen });
    }
    for (const index of Array.from(batch.verified ?? [])) this.verified.add(this.#names[index]!);
    for (const { reason } of batch.lost ?? []) this.lost.push(reason);
    this.#wake();
  }

  linkLost(state: SampleState): void {
    for (const point of this.#names) {
      this.points.set(point, {
        value: undefined,
        state,
        quality: 'bad',
        type: undefined,
        timeMs: undefined,
        ticks: 0,
        atMs: performance.now(),
      });
    }
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.#wake();
  }

  get(point: string): Seen | undefined {
    return this.points.get(point);
  }

  all(quality: string): boolean {
    return this.#names.every((name) => this.points.get(name)?.quality === quality);
  }

  /** Resolves when `holds`, with the milliseconds it took; rejects when that takes too long or the observation failed. */
  until(what: string, holds: () => boolean, withinMs = 8_000): Promise<number> {
    const begun = performance.now();
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        this.#waiting.delete(check);
        clearTimeout(timer);
        settle();
      };
      const check = (): void => {
        if (holds()) finish(() => resolve(performance.now() - begun));
        else if (this.#failure !== undefined) finish(() => reject(this.#failure));
      };
      const timer = setTimeout(() => finish(() => reject(new Error(`not within ${withinMs} ms: ${what}; ${this.#print()}`))), withinMs);
      this.#waiting.add(check);
      check();
    });
  }

  #print(): string {
    return [...this.points]
      .slice(0, 12)
      .map(([name, { value, state }]) => `${name}=${String(value)} ${state?.status.name ?? ''} ${state?.reason ?? ''}`)
      .join('; ');
  }

  #wake(): void {
    for (const check of [...this.#waiting]) check();
  }
}

export function contextIn(stateFolder: string, secret = 'secret'): ConnectContext {
  return { equipment: 'mixer-1', stateFolder, log: silentLog, secret: async () => secret };
}

/** Connects once; disposes with `await using`. */
export async function connectTo(settings: OpcuaSettings, stateFolder: string, secret?: string): Promise<Connection<OpcuaAddress>> {
  return (await opcua.load()).connect(settings, contextIn(stateFolder, secret), AbortSignal.timeout(30_000));
}

/** Observes in the background until disposed. */
export function observe(connection: Connection<OpcuaAddress>, points: readonly ObservedPoint<OpcuaAddress>[]): Picture & AsyncDisposable {
  const picture = new Picture(points.map(({ name }) => name));
  const stop = new AbortController();
  const done = (async () => {
    for await (const batch of connection.observe(points, stop.signal)) picture.accept(batch);
  })().catch((error) => picture.fail(error));
  return Object.assign(picture, {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  });
}

/** The gateway's own loop around the adapter: connects, observes, reconnects. */
export function keepObserving(
  settings: OpcuaSettings,
  stateFolder: string,
  points: readonly ObservedPoint<OpcuaAddress>[],
): Picture & AsyncDisposable {
  const picture = new Picture(points.map(({ name }) => name));
  const equipment = { id: 'mixer-1', settings, points } as unknown as CompiledEquipment;
  const loop = new EquipmentLoop(equipment, opcua as never, contextIn(stateFolder), picture);
  loop.start();
  return Object.assign(picture, { [Symbol.asyncDispose]: () => loop.stop() });
}
