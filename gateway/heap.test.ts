import { expect, test } from 'vitest';
import { trimHeap } from './heap.ts';

test('gives back memory that nothing refers to any more', () => {
  let rubbish: unknown[] | undefined = Array.from({ length: 400_000 }, (_, i) => ({ i, text: `entry ${i}` }));
  expect(rubbish).toHaveLength(400_000);
  const before = process.memoryUsage().heapTotal;
  rubbish = undefined;
  trimHeap();
  expect(process.memoryUsage().heapTotal).toBeLessThan(before - 10_000_000);
});
