import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { openOutbox } from './outbox.ts';
import {
  cloud,
  drained,
  event,
  extra,
  fill,
  gaps,
  numbers,
  plainOptions,
  plant,
  rot,
  settings,
  type TestEvent,
  take,
  unexplained,
  upTo,
} from './testing/support.ts';

const kib = 1024;

test('drop-oldest: a loss of all is told to all, that of one by its name', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, plant], maxSizeBytes: 640 * kib }));
  await fill(outbox, 0, 5);
  await drained(outbox, 'cloud');
  await fill(outbox, 5, 45);
  const all = outbox.counters();
  const [one, two] = ['cloud', 'plant'].map((name) => outbox.cursor(name).counters());
  expect(one).toMatchObject({ queued: 50, acked: 5, droppedBy: { overflow: two!.dropped - 5 } });
  expect(two).toMatchObject({ queued: 50, acked: 0, droppedBy: { overflow: all.dropped } });
  const events = await drained(outbox, 'plant');
  const [named, ...common] = gaps(events);
  expect(named).toMatchObject({ destination: 'plant', readings: 5, firstSequence: 1, lastSequence: 5, reason: 'overflow' });
  expect(common.reduce((sum, gap) => sum + gap.readings, 0)).toBe(one!.dropped);
  expect(common.every((gap) => gap.destination === undefined && gap.firstSequence! > 5)).toBe(true);
  expect(unexplained(events, 1, outbox.counters().nextSequence - 1)).toEqual([]);
});

test('with one destination no gap record has a name', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud], maxSizeBytes: 512 * kib }));
  await fill(outbox, 0, 40);
  const told = gaps(await drained(outbox, 'cloud'));
  expect(told.length).toBeGreaterThan(0);
  for (const gap of told) expect(gap).not.toHaveProperty('destination');
});

test('an optional one has half of the log behind the required ones, and is overtaken then', async () => {
  using folder = tempFolder();
  const maxSizeBytes = 2048 * kib;
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, extra], maxSizeBytes }));
  const [known, got] = [new Set<number>(), [] as TestEvent[]];
  for (let n = 0; n < 200; n++) {
    await fill(outbox, n, 1);
    for (const e of await drained(outbox, 'cloud', 3)) {
      got.push(e);
      known.add(e.sequence);
    }
    expect(outbox.counters().bytesOnDisk).toBeLessThan(maxSizeBytes * 0.6 + 128 * kib);
  }
  got.push(...(await drained(outbox, 'cloud')));
  // The log itself lost nothing, and the required one was told what is not its loss by name.
  expect(outbox.counters()).toMatchObject({ queued: 200, acked: 200, dropped: 0, pending: 0 });
  expect(numbers(got)).toEqual(upTo(200));
  expect(gaps(got).length).toBeGreaterThan(0);
  expect(gaps(got).every((gap) => gap.destination === 'extra' && gap.reason === 'overtaken')).toBe(true);
  const { dropped, droppedBy, pending, queued } = outbox.cursor('extra').counters();
  expect({ droppedBy, queued, sum: dropped + pending }).toEqual({ droppedBy: { overtaken: dropped }, queued: 200, sum: 200 });
  expect(dropped).toBeGreaterThan(50);
  // About half of the log is kept for it.
  expect(pending).toBeGreaterThan(40);
  const late = await drained(outbox, 'extra');
  expect(numbers(late)).toEqual(upTo(200).slice(dropped));
  expect(unexplained(late, 1, outbox.counters().nextSequence - 1)).toEqual([]);
  expect(outbox.cursor('extra').counters().pending).toBe(0);
});

test('an optional one that is a moment behind loses nothing while a large backlog is worked off', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, extra], maxSizeBytes: 2048 * kib }));
  await fill(outbox, 0, 110);
  // Well over half of the log: that the required one needs.
  expect(outbox.counters().bytesOnDisk).toBeGreaterThan(1400 * kib);
  for (let n = 0; n < 110; ) {
    const batch = (await take(outbox, plainOptions, 5_000, 'cloud'))!;
    outbox.cursor('cloud').acknowledge(batch);
    n += batch.events;
    if (n > 20) outbox.cursor('extra').acknowledge((await take(outbox, plainOptions, 5_000, 'extra'))!);
  }
  await drained(outbox, 'extra');
  expect(outbox.cursor('extra').counters()).toMatchObject({ queued: 110, acked: 110, dropped: 0 });
});

test('refuse-new gives the room of an optional one to new readings before it refuses any', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(
    settings(folder.path, { destinations: [cloud, extra], maxSizeBytes: 1024 * kib, whenFull: 'refuse-new' }),
  );
  await fill(outbox, 0, 20);
  await drained(outbox, 'cloud');
  const codes: string[] = [];
  for (let n = 20; n < 110; n++) await fill(outbox, n, 1).catch((error) => codes.push(error.code));
  expect(new Set(codes)).toEqual(new Set(['outbox-full']));
  expect(outbox.cursor('extra').counters().droppedBy.overtaken).toBeGreaterThan(10);
  const { acked, pending, droppedBy } = outbox.counters();
  expect(acked).toBe(20);
  // Nearly all of the log is the required one's: an event takes 13 KB of it.
  expect(pending).toBeGreaterThan(60);
  expect(droppedBy).toEqual({ refused: codes.length });
  expect(numbers(await drained(outbox, 'cloud'))).toHaveLength(pending);
});

test('age is the same for all, also for an optional one that is behind', async () => {
  using folder = tempFolder();
  let now = 1_800_000_000_000;
  const clock = { wallMs: () => now, monotonicMs: () => now - 1_790_000_000_000 };
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, extra], maxAgeMs: 60_000, clock }));
  await outbox.append(event(1, 5));
  await drained(outbox, 'cloud');
  now += 61_000;
  await vi.waitFor(() => expect(outbox.cursor('extra').counters().droppedBy).toEqual({ expired: 5 }), 3_000);
  expect(outbox.counters()).toMatchObject({ acked: 5, dropped: 0 });
  expect(gaps(await drained(outbox, 'cloud'))).toMatchObject([{ reason: 'expired', destination: 'extra', readings: 5 }]);
});

test('a batch that one refuses is lost to that one only', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, plant, extra] }));
  await Promise.all([1, 2, 3].map((n) => outbox.append(event(n, 10))));
  const small = { maxBodyBytes: 10, compressed: false };
  const first = (await take(outbox, small, 5_000, 'plant'))!;
  outbox.cursor('plant').reject((await take(outbox, small, 5_000, 'plant'))!, 'too big');
  outbox.cursor('extra').reject((await take(outbox, small, 5_000, 'extra'))!, 'no');
  // Lost for the log as soon as one required destination will not get it, whatever an optional one does.
  expect(outbox.counters()).toMatchObject({ queued: 30, acked: 0, dropped: 10, pending: 20, droppedBy: { rejected: 10 } });
  expect(outbox.cursor('plant').counters()).toMatchObject({ acked: 0, dropped: 10, pending: 20, position: 0 });
  outbox.cursor('plant').acknowledge(first);
  expect(outbox.cursor('plant').counters()).toMatchObject({ acked: 10, dropped: 10, pending: 10, position: 2 });
  const events = await drained(outbox, 'cloud');
  expect(numbers(events)).toEqual([1, 2, 3]);
  expect(gaps(events)).toMatchObject([
    { reason: 'rejected: too big', readings: 10, firstSequence: 2, lastSequence: 2, destination: 'plant' },
    { reason: 'rejected: no', readings: 10, firstSequence: 1, lastSequence: 1, destination: 'extra' },
  ]);
  expect(outbox.cursor('cloud').counters()).toMatchObject({ queued: 30, acked: 30, dropped: 0 });
  await drained(outbox, 'plant');
  expect(outbox.counters()).toMatchObject({ acked: 20, dropped: 10, pending: 0, pendingEvents: 0 });
});

test('one that refuses the record of its own loss hears of it again with the next one; the others see that they know it already', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, plant] }));
  await outbox.append(event(1, 10));
  for (const what of ['an event', 'the record of its loss'])
    outbox.cursor('plant').reject((await take(outbox, plainOptions, 5_000, 'plant'))!, what);
  await outbox.append(event(2, 3));
  await drained(outbox, 'plant');
  outbox.cursor('cloud').reject((await take(outbox, { maxBodyBytes: 10, compressed: false }, 5_000, 'cloud'))!, 'no');
  const told = gaps(await drained(outbox, 'plant'));
  expect(told).toContainEqual(
    expect.objectContaining({ destination: 'plant', firstSequence: 1, lastSequence: 1, readings: 10, again: true }),
  );
  expect(told.filter((gap) => gap.destination === 'cloud')).toMatchObject([{ firstSequence: 1, readings: 10 }]);
  const toCloud = gaps(await drained(outbox, 'cloud')).filter((gap) => gap.destination === 'plant' && !gap.again);
  expect(toCloud.reduce((sum, gap) => sum + gap.readings, 0)).toBe(10);
});

test('one that refuses everything, gap records too: each loss is told once to the others, and the records do not multiply', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, extra] }));
  const seen: TestEvent[] = [];
  for (let n = 1; n <= 30; n++) {
    await outbox.append(event(n, 2));
    seen.push(...(await drained(outbox, 'cloud')));
    while (outbox.cursor('extra').counters().position < seen.length) {
      const batch = await take(outbox, undefined, 500, 'extra');
      if (!batch) break;
      outbox.cursor('extra').reject(batch, `message ${batch.firstSequence} is too large`);
    }
    seen.push(...(await drained(outbox, 'cloud')));
  }
  const told = gaps(seen);
  expect(outbox.cursor('extra').counters()).toMatchObject({ acked: 0, dropped: 60 });
  expect(told.reduce((sum, gap) => sum + gap.readings, 0)).toBe(60);
  expect(told.length).toBeLessThanOrEqual(60);
});

test('of a batch that is refused in part the rest has arrived, and its mark holds', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, plant] }));
  await outbox.append(event(1, 10));
  await outbox.append(event(2, 5));
  const small = { maxBodyBytes: 10, compressed: false };
  const plantCursor = outbox.cursor('plant');
  plantCursor.reject((await take(outbox, small, 5_000, 'plant'))!, 'too big', { readings: 3, mark: 'one' });
  expect(plantCursor.mark).toBe('one');
  expect(plantCursor.counters()).toMatchObject({ queued: 15, acked: 7, dropped: 3, pending: 5, droppedBy: { rejected: 3 } });
  plantCursor.acknowledge((await take(outbox, small, 5_000, 'plant'))!);
  const events = await drained(outbox, 'cloud');
  expect(gaps(events)).toMatchObject([{ readings: 3, firstSequence: 1, lastSequence: 1, destination: 'plant' }]);
  expect(outbox.counters()).toMatchObject({ queued: 15, acked: 12, dropped: 3, pending: 0 });
  // No readings: nothing to tell by itself.
  await outbox.append(event(3, 4));
  const batch = (await take(outbox, plainOptions, 5_000, 'plant'))!;
  plantCursor.reject(batch, 'too big', { readings: 0 });
  expect(gaps(await drained(outbox, 'cloud'))).toEqual([]);
});

test('a damaged block is told once and counted by each that had not passed it', async () => {
  using folder = tempFolder();
  const some = settings(folder.path, { destinations: [cloud, plant, extra], maxSizeBytes: 1024 * kib });
  {
    await using outbox = await openOutbox(some);
    await fill(outbox, 0, 12, 5);
    for (let n = 0; n < 6; n++)
      outbox.cursor('extra').acknowledge((await take(outbox, { maxBodyBytes: 10, compressed: false }, 5_000, 'extra'))!);
  }
  rot(join(folder.path, '0000000001.seg'), 30_000);
  await using outbox = await openOutbox(some);
  const events = await drained(outbox, 'cloud');
  const others = [await drained(outbox, 'plant'), await drained(outbox, 'extra')];
  for (const name of ['cloud', 'plant'])
    expect(outbox.cursor(name).counters()).toMatchObject({ queued: 60, acked: 55, dropped: 5, droppedBy: { corrupt: 5 } });
  expect(outbox.cursor('extra').counters()).toMatchObject({ queued: 30, acked: 30, dropped: 0 });
  expect(outbox.counters()).toMatchObject({ queued: 60, acked: 55, dropped: 5, pending: 0 });
  // Not a loss of all: `extra` had it.
  const told = [
    { reason: 'corrupt', readings: 5, firstSequence: 3, destination: 'cloud' },
    { reason: 'corrupt', readings: 5, firstSequence: 3, destination: 'plant' },
  ];
  for (const some of [events, ...others]) expect(gaps(some)).toMatchObject(told);
});

const files = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.seg'));

test.for([{ at: 'first' }, { at: 'middle' }, { at: 'last' }] as const)(
  'the $at segment is gone: each counts what it had not got of it, and is told that',
  async ({ at }) => {
    using folder = tempFolder();
    const some = settings(folder.path, { maxSizeBytes: 1024 * kib, destinations: [cloud, plant, extra] });
    let next = 0;
    {
      await using outbox = await openOutbox(some);
      await fill(outbox, 0, 18, 5);
      const small = { maxBodyBytes: 10, compressed: false };
      for (let n = 0; n < 8; n++) outbox.cursor('plant').acknowledge((await take(outbox, small, 5_000, 'plant'))!);
      await drained(outbox, 'extra');
      next = outbox.counters().nextSequence;
    }
    expect(files(folder.path)).toHaveLength(3);
    unlinkSync(join(folder.path, files(folder.path).at({ first: 0, middle: 1, last: -1 }[at])!));
    // The second life is told nothing new.
    for (const life of [1, 2]) {
      await using outbox = await openOutbox(some);
      const [one, two, three] = ['cloud', 'plant', 'extra'].map((name) => outbox.cursor(name).counters());
      if (life === 2) {
        expect(one).toMatchObject({ dropped: 0 });
        expect(two).toMatchObject({ dropped: 0 });
        break;
      }
      // Each has six events of 5 readings; plant had eight of them, extra all.
      const lost = { first: [30, 0], middle: [30, 20], last: [30, 30] }[at];
      const cause = at === 'last' ? 'torn-tail' : 'corrupt';
      expect(one).toMatchObject({ queued: 90, dropped: lost[0], pending: 90 - lost[0]!, droppedBy: { [cause]: lost[0] } });
      expect(two).toMatchObject({ queued: 50, dropped: lost[1], pending: 50 - lost[1]! });
      expect(three).toMatchObject({ queued: 0, dropped: 0, pending: 0 });
      expect(outbox.counters()).toMatchObject({ queued: 90, dropped: lost[0], pending: 90 - lost[0]! });
      // The gap record is in the log.
      await vi.waitFor(() => expect(outbox.counters().commits).toBeGreaterThan(0), 5_000);
      const all = await Promise.all(['cloud', 'plant', 'extra'].map((name) => drained(outbox, name)));
      for (const [i, name] of ['cloud', 'plant'].entries()) {
        const { acked, dropped, pending } = outbox.cursor(name).counters();
        expect({ acked, dropped, pending }).toEqual({ acked: [90, 50][i]! - lost[i]!, dropped: lost[i], pending: 0 });
        const told = gaps(all[i]!).filter((gap) => gap.destination === undefined || gap.destination === name);
        expect(
          told.reduce((sum, gap) => sum + gap.readings, 0),
          name,
        ).toBe(lost[i]);
      }
      expect(unexplained(all[0]!, 1, outbox.counters().nextSequence - 1)).toEqual([]);
      expect(gaps(all[2]!).filter((gap) => gap.destination === undefined && gap.readings > 0)).toEqual([]);
      expect(gaps(all[2]!)).toEqual(gaps(all[0]!));
      expect(outbox.counters().nextSequence).toBeGreaterThan(next);
      expect(outbox.counters()).toMatchObject({ acked: 90 - lost[0]!, pending: 0 });
    }
  },
);
