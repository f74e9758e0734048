import type { SampleState } from '../../../model/sample.ts';
import type { RawValue } from '../../../model/value.ts';
import { connectContext } from '../../../test/contract/adapter.ts';
import type { Connection, ObservedPoint } from '../../contract.ts';
import { modbus } from '../adapter.ts';
import { connectModbus } from '../connection.ts';
import type { Patience } from '../poller.ts';
import type { ModbusSimulator } from '../simulator.ts';
import type { ModbusAddress } from '../types.ts';

/** Everything that a test would otherwise wait half a minute for. */
export const impatient: Patience = { culpritMs: [150, 600], ailingMs: [60, 300], busyMs: 20, busyTries: 3 };

export interface Sample {
  readonly value: RawValue | undefined;
  readonly state: SampleState | undefined;
  readonly atMs: number;
}

/** A connection under observation, in the background. */
export interface Session extends AsyncDisposable {
  readonly connection: Connection<ModbusAddress>;
  /** Samples of a point so far, oldest first. */
  of(name: string): readonly Sample[];
  last(name: string): Sample | undefined;
  /** Resolves once `holds`, looked at after each batch; rejects after `withinMs` or with what `observe` threw. */
  until(holds: () => boolean, withinMs?: number): Promise<void>;
  /** Settles when the observation ends; rejects with what it threw. */
  readonly ended: Promise<void>;
}

export async function openSession(
  to: Pick<ModbusSimulator, 'host' | 'port'> | object,
  points: readonly ObservedPoint<ModbusAddress>[],
  over: object = {},
): Promise<Session> {
  const where = 'port' in to && 'host' in to ? { host: to.host, port: to.port } : to;
  const settings = modbus.connection.parse({ timeout: '200ms', ...where, ...over });
  const stop = new AbortController();
  const connection = await connectModbus(settings, connectContext('/nowhere'), stop.signal, impatient);
  const samples = new Map<string, Sample[]>(points.map((point) => [point.name, []]));
  const looking = new Set<() => void>();
  let failure: unknown;
  const ended = (async () => {
    for await (const batch of connection.observe(points, stop.signal)) {
      for (let i = 0; i < batch.points.length; i++) {
        const sample = { value: batch.values[i], state: batch.states?.[i], atMs: performance.now() };
        samples.get(points[batch.points[i]!]!.name)!.push(sample);
      }
      for (const look of [...looking]) look();
    }
  })();
  ended.catch((error: unknown) => {
    failure = error;
    for (const look of [...looking]) look();
  });
  const of = (name: string): readonly Sample[] => samples.get(name) ?? [];
  return {
    connection,
    of,
    last: (name) => of(name).at(-1),
    ended,
    until: (holds, withinMs = 5_000) =>
      new Promise((resolve, reject) => {
        const done = (settle: () => void): void => {
          clearTimeout(timer);
          looking.delete(look);
          settle();
        };
        const look = (): void => {
          if (holds()) done(resolve);
          else if (failure) done(() => reject(failure));
        };
        const timer = setTimeout(() => {
          const seen = [...samples].map(([name, list]) => `${name}: ${String(list.at(-1)?.value)} ${list.at(-1)?.state?.reason ?? ''}`);
          done(() =>
            reject(new Error(`not within ${withinMs} ms; ${JSON.stringify(connection.counters())}\n${seen.slice(0, 20).join('\n')}`)),
          );
        }, withinMs);
        looking.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended.catch(() => {});
      await connection[Symbol.asyncDispose]();
    },
  };
}
