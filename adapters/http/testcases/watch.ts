import type { SampleBatch } from '../../../model/sample.ts';
import { connectContext } from '../../../test/contract/adapter.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import type { ConnectContext, Connection, ObservedPoint } from '../../contract.ts';
import type { HttpAddress } from '../address.ts';
import { connectHttp } from '../connection.ts';
import type { Patience } from '../page.ts';
import { settings } from './points.ts';

/** Waits of tests: the first at once, then 40 ms and more. */
export const impatient: Patience = { normal: { minMs: 40, stepMs: 10, maxMs: 200 }, slow: { minMs: 40, stepMs: 10, maxMs: 200 } };

export async function connected(
  url: string,
  over: object = {},
  secrets: Readonly<Record<string, string>> = {},
  signal = new AbortController().signal,
) {
  using folder = tempFolder();
  const context: ConnectContext = {
    ...connectContext(folder.path),
    secret: async (reference) => secrets['file' in reference ? reference.file : reference.env] ?? '',
  };
  return connectHttp(settings(url, over), context, signal, impatient);
}

export interface SeenSample {
  readonly value: unknown;
  readonly status: string;
  readonly reason: string;
}

/** What point `index` of a batch shows; undefined when the batch does not speak of it. */
export function sampleOf(batch: SampleBatch, index: number): SeenSample | undefined {
  const at = Array.from(batch.points).indexOf(index);
  if (at < 0) return undefined;
  const state = batch.states?.[at];
  return { value: batch.values[at], status: state?.status.name ?? 'Good', reason: state?.reason ?? '' };
}

/** Reads one point once. */
export async function readOne(connection: Connection<HttpAddress>, point: ObservedPoint<HttpAddress>): Promise<SeenSample> {
  const [batch] = await connection.read([point], new AbortController().signal);
  return sampleOf(batch!, 0)!;
}

/** Observes until `enough` says so of a batch, and gives all batches. */
export async function observeUntil(
  connection: Connection<HttpAddress>,
  points: readonly ObservedPoint<HttpAddress>[],
  enough: (batch: SampleBatch, all: readonly SampleBatch[]) => boolean,
): Promise<readonly SampleBatch[]> {
  const stop = new AbortController();
  const all: SampleBatch[] = [];
  for await (const batch of connection.observe(points, stop.signal)) {
    all.push(batch);
    if (enough(batch, all)) stop.abort();
  }
  return all;
}
