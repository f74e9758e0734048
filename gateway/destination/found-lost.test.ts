import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { openOutbox } from '../outbox/outbox.ts';
import { drained, event, plant, settings } from '../outbox/testing/support.ts';
import { foundAtStart, sayRemoved } from './found-lost.ts';

const renamed = { ...plant, name: 'historian' };
const cloud = { name: 'cloud', required: true };

test('a destination that was renamed with a backlog is said to be gone, and the accounts hold', async () => {
  using folder = tempFolder();
  {
    await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, plant] }));
    await outbox.append(event(1, 5));
    await drained(outbox, 'cloud');
  }
  const lines: object[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void lines.push(fields) };
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, renamed] }));
  const counters = outbox.counters();
  sayRemoved(counters, log);
  expect(lines).toMatchObject([{ readings: 5, hint: expect.stringContaining('renamed') }]);
  expect(foundAtStart(counters)).toBe(counters.acked + counters.dropped + counters.pending);
  lines.length = 0;
  sayRemoved({ recovered: 3, droppedBy: { rejected: 1 } }, log);
  expect(lines).toEqual([]);
});
