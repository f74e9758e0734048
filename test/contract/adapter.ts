import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Adapter, ConnectContext, Connection, Log, ObservedPoint } from '../../adapters/contract.ts';
import { NotConnectedError } from '../../model/error.ts';
import { qualityOf, statuses } from '../../model/status.ts';
import type { RawValue } from '../../model/value.ts';
import { tempFolder } from '../support/temp.ts';

/** A machine on loopback, ready to be talked to, with everything a behaviour needs. */
export interface AdapterBench<Settings, Address> extends AsyncDisposable {
  readonly settings: Settings;
  /** At least two readable points that poll or sample fast (≤ 100 ms). */
  readonly points: readonly ObservedPoint<Address>[];
  /** The raw values of those points, by name, as the machine holds them at the start. */
  readonly values: Readonly<Record<string, RawValue>>;
  /** A point that the machine refuses by itself (an unmapped register, an unknown node). */
  readonly refused: ObservedPoint<Address>;
  /** Makes the machine hold another value for the first point; resolves once it does. */
  change(): Promise<RawValue>;
  /** The machine or the network goes away for good: sockets are closed, nothing listens any more. */
  cutLink(): Promise<void>;
}

/** What a point showed last: enough to compare, whatever the batches looked like. */
interface Seen {
  readonly value: RawValue | undefined;
  readonly good: boolean;
  readonly reason: string | undefined;
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export function connectContext(stateFolder: string, equipment = 'bench-1'): ConnectContext {
  return { equipment, stateFolder, log: silent, secret: async () => 'secret' };
}

const behaviours = [
  'gives every point a first sample',
  'gives a refused point a bad first sample with a reason, its neighbours stay good',
  'reports a changed value',
  'ends the observation when the signal aborts',
  'throws NotConnectedError from observe when the link is lost',
  'observes again on the same connection after a reload',
  'reads each point once',
  'refuses to connect to nothing with a NotConnectedError that says where',
  'is disposed twice without harm',
] as const;
export type Behaviour = (typeof behaviours)[number];

/**
 * What every adapter must do, run against its own simulator.
 * `skips` leaves a behaviour out by name, with the reason that the title then shows.
 */
export function adapterContract<Settings, Address>(
  adapter: Adapter<Settings, Address>,
  start: () => Promise<AdapterBench<Settings, Address>>,
  skips: Partial<Record<Behaviour, string>> = {},
): void {
  describe(`adapter contract: ${adapter.name}`, () => {
    let bench: AdapterBench<Settings, Address>;
    let folder: ReturnType<typeof tempFolder>;
    let stop: AbortController;

    beforeEach(async () => {
      folder = tempFolder();
      stop = new AbortController();
      bench = await start();
    });
    afterEach(async () => {
      stop.abort();
      await bench[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    const connect = async (): Promise<Connection<Address>> =>
      (await adapter.load()).connect(bench.settings, connectContext(folder.path), stop.signal);

    const behaviour = (name: Behaviour, run: () => Promise<void>): void => {
      const skipped = skips[name];
      test.skipIf(skipped !== undefined)(skipped === undefined ? name : `${name} [skipped: ${skipped}]`, run);
    };

    behaviour('gives every point a first sample', async () => {
      await using connection = await connect();
      const seen = await watchUntil(connection, bench.points, stop.signal, (s) => s.size === bench.points.length);
      for (const point of bench.points)
        expect(seen.get(point.name), point.name).toMatchObject({ value: bench.values[point.name], good: true });
    });

    behaviour('gives a refused point a bad first sample with a reason, its neighbours stay good', async () => {
      await using connection = await connect();
      const all = [...bench.points, bench.refused];
      const seen = await watchUntil(connection, all, stop.signal, (s) => s.size === all.length);
      expect(seen.get(bench.refused.name)).toMatchObject({ value: undefined, good: false, reason: expect.stringMatching(/\w/) });
      for (const point of bench.points) expect(seen.get(point.name)?.good, point.name).toBe(true);
    });

    behaviour('reports a changed value', async () => {
      await using connection = await connect();
      const first = bench.points[0]!.name;
      let wanted: RawValue | undefined;
      let asked = false;
      await watchUntil(connection, bench.points, stop.signal, (seen) => {
        if (!asked && seen.has(first)) {
          asked = true;
          bench.change().then((value) => {
            wanted = value;
          });
        }
        return wanted !== undefined && seen.get(first)?.value === wanted;
      });
    });

    behaviour('ends the observation when the signal aborts', async () => {
      await using connection = await connect();
      const observing = new AbortController();
      for await (const _batch of connection.observe(bench.points, observing.signal)) observing.abort();
      expect(observing.signal.aborted).toBe(true);
    });

    behaviour('throws NotConnectedError from observe when the link is lost', async () => {
      await using connection = await connect();
      let cut: Promise<void> | undefined;
      const lost = async (): Promise<void> => {
        for await (const _batch of connection.observe(bench.points, stop.signal)) cut ??= bench.cutLink();
      };
      await expect(lost()).rejects.toBeInstanceOf(NotConnectedError);
      await cut;
    });

    behaviour('observes again on the same connection after a reload', async () => {
      await using connection = await connect();
      const fewer = bench.points.slice(0, 1);
      await watchUntil(connection, bench.points, stop.signal, (s) => s.size === bench.points.length);
      const again = await watchUntil(connection, fewer, stop.signal, (s) => s.size === 1);
      expect(again.get(fewer[0]!.name)?.good).toBe(true);
      const all = await watchUntil(connection, bench.points, stop.signal, (s) => s.size === bench.points.length);
      expect(all.size).toBe(bench.points.length);
    });

    behaviour('reads each point once', async () => {
      await using connection = await connect();
      const all = [...bench.points, bench.refused];
      const batches = await connection.read(all, stop.signal);
      const indexes = batches.flatMap((batch) => Array.from(batch.points)).toSorted((a, b) => a - b);
      expect(indexes).toEqual(all.map((_, i) => i));
      const seen = collect(new Map(), all, batches);
      for (const point of bench.points) expect(seen.get(point.name)).toMatchObject({ value: bench.values[point.name], good: true });
      expect(seen.get(bench.refused.name)?.good).toBe(false);
    });

    behaviour('refuses to connect to nothing with a NotConnectedError that says where', async () => {
      await bench.cutLink();
      const attempt = connect();
      await expect(attempt).rejects.toBeInstanceOf(NotConnectedError);
      await expect(attempt).rejects.toMatchObject({
        message: expect.stringMatching(/127\.0\.0\.1|localhost/),
        hint: expect.stringMatching(/\w/),
      });
    });

    behaviour('is disposed twice without harm', async () => {
      const connection = await connect();
      await connection[Symbol.asyncDispose]();
      await connection[Symbol.asyncDispose]();
    });
  });
}

/** Observes until `enough` holds, then aborts and leaves; gives what each point showed last. */
export async function watchUntil<Address>(
  connection: Connection<Address>,
  points: readonly ObservedPoint<Address>[],
  signal: AbortSignal,
  enough: (seen: ReadonlyMap<string, Seen>) => boolean,
): Promise<ReadonlyMap<string, Seen>> {
  const own = new AbortController();
  const seen = new Map<string, Seen>();
  for await (const batch of connection.observe(points, AbortSignal.any([signal, own.signal]))) {
    if (own.signal.aborted) continue;
    collect(seen, points, [batch]);
    if (enough(seen)) own.abort();
  }
  return seen;
}

function collect<Address>(
  seen: Map<string, Seen>,
  points: readonly ObservedPoint<Address>[],
  batches: Awaited<ReturnType<Connection<Address>['read']>>,
): Map<string, Seen> {
  for (const batch of batches) {
    for (let i = 0; i < batch.points.length; i++) {
      const state = batch.states?.[i];
      seen.set(points[batch.points[i]!]!.name, {
        value: batch.values[i],
        good: qualityOf(state?.status ?? statuses.Good) === 'good',
        reason: state?.reason,
      });
    }
  }
  return seen;
}
