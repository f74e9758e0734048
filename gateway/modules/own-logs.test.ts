import { expect, test } from 'vitest';
import { ownLogLines } from './own-logs.ts';

test('lines of the gateway have the time that they say, others that of the one before', async () => {
  const lines = ['{"level":"info","time":"2026-11-24T08:00:00.000Z","msg":"a"}', 'no JSON', '{"time":7}'];
  const found = await Array.fromAsync(ownLogLines(lines));
  expect(found.map(({ time }) => time)).toEqual(Array(3).fill('2026-11-24T08:00:00.000Z'));
  expect(found.map(({ text }) => text)).toEqual(lines);
});
