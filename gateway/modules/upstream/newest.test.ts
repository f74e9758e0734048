import { expect, test } from 'vitest';
import { Newest } from './newest.ts';

test('one at a time, and what was overtaken is left out', async () => {
  const taken: number[] = [];
  const busy = Promise.withResolvers<void>();
  using newest = new Newest<number>(
    async (value) => {
      taken.push(value);
      if (value === 1) await busy.promise;
    },
    () => expect.unreachable('nothing fails'),
  );
  for (const value of [1, 2, 3]) newest.put(value);
  busy.resolve();
  await expect.poll(() => taken).toEqual([1, 3]);
});

test('what failed is tried again, the newest first, and said once', async () => {
  const taken: number[] = [];
  let [full, failures] = [true, 0];
  using newest = new Newest<number>(
    (value) => {
      if (full) throw new Error('disk full');
      taken.push(value);
    },
    () => failures++,
  );
  newest.put(1);
  await new Promise((resolve) => setImmediate(resolve));
  newest.put(2);
  full = false;
  await expect.poll(() => taken).toEqual([2]);
  expect(failures).toBe(1);
});
