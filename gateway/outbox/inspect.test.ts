import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { inspectOutbox } from './inspect.ts';
import { openOutbox } from './outbox.ts';
import { event, settings } from './testing/support.ts';

test('a listing names numbers, times and damage, and no values', async () => {
  using folder = tempFolder();
  {
    await using outbox = await openOutbox(settings(folder.path));
    await outbox.append(event(1, 4, 'secret', { fromMs: 1_800_000_000_000, toMs: 1_800_000_001_000 }));
    await outbox.append(event(2, 5, 'secret', { fromMs: 1_800_000_002_000, toMs: 1_800_000_003_000 }));
    expect(inspectOutbox(folder.path).segments).toMatchObject([{ blocks: 2 }]);
  }
  appendFileSync(join(folder.path, '0000000001.seg'), 'torn');
  const listing = inspectOutbox(folder.path);
  expect(listing.state).toMatchObject({ head: 0, durableThrough: 2 });
  expect(listing.segments).toMatchObject([
    {
      file: '0000000001.seg',
      blocks: 2,
      events: 2,
      readings: 9,
      firstSequence: 1,
      lastSequence: 2,
      from: '2027-01-15T08:00:00.000Z',
      damage: [{}],
    },
  ]);
  expect(JSON.stringify(listing)).not.toContain('secret');
});

test('an empty folder is an empty listing', () => {
  using folder = tempFolder();
  expect(inspectOutbox(folder.path)).toEqual({ state: undefined, segments: [] });
});
