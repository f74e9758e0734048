import type { SampleBatch, SampleState } from '../../model/sample.ts';
import type { Observation } from './observation.ts';

/**
 * Observes until every point had a sample, good or bad; machines and points that make themselves known get twice `settleMs` to do so.
 * Points that were there before any message come once, with the last value; what made itself known as it came.
 */
export async function readOnce(
  observation: Observation,
  points: number,
  settleMs: number,
  signal: AbortSignal,
): Promise<readonly SampleBatch[]> {
  const open = new Set(observation.expected);
  const isFixed = open.size === points;
  const enough = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  // From the broker's answer: on a slow line nothing can have come before.
  if (!isFixed) void observation.subscribed.then(() => (timer = setTimeout(() => enough.abort(), settleMs * 2)));
  const last = new Map<number, readonly [SampleBatch, at: number]>();
  const others: SampleBatch[] = [];
  try {
    for await (const batch of observation.run(AbortSignal.any([signal, enough.signal]))) {
      if (batch.machine || batch.appeared) others.push(batch);
      else {
        for (let k = 0; k < batch.points.length; k++) {
          last.set(batch.points[k]!, [batch, k]);
          open.delete(batch.points[k]!);
        }
      }
      if (isFixed && open.size === 0) enough.abort();
    }
  } finally {
    clearTimeout(timer);
  }
  return last.size === 0 ? others : [merged(last), ...others];
}

function merged(last: ReadonlyMap<number, readonly [SampleBatch, number]>): SampleBatch {
  const each = [...last.values()];
  const states = each.map(([{ states }, at]): SampleState | undefined => states?.[at]);
  return {
    receivedMs: Math.max(...each.map(([{ receivedMs }]) => receivedMs)),
    points: [...last.keys()],
    values: each.map(([{ values }, at]) => values[at]),
    states,
    sourceTimesMs: each.map(([{ sourceTimesMs, receivedMs }, at]) => sourceTimesMs?.[at] ?? receivedMs),
    sourceTicks: each.map(([{ sourceTicks }, at]) => sourceTicks?.[at] ?? 0),
    types: each.map(([{ types }, at]) => types?.[at]),
  };
}
