import { expect, test } from 'vitest';
import type { SampleBatch } from '../../model/sample.ts';
import type { Observation } from './observation.ts';
import { readOnce } from './read-once.ts';

test('what makes itself known has its time from when the broker answered, however long that took', async () => {
  const answered = Promise.withResolvers<void>();
  const late: SampleBatch = { receivedMs: 1, points: [0], values: [21.5] };
  const slow = {
    expected: [0],
    subscribed: answered.promise,
    async *run(signal: AbortSignal) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      if (signal.aborted) return;
      answered.resolve();
      yield late;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  } as unknown as Observation;
  const [batch] = await readOnce(slow, 2, 10, new AbortController().signal);
  expect(batch?.values).toEqual([21.5]);
});
