import { cpSync, readdirSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { ChunkPool } from './chunks.ts';
import { SegmentLog } from './log.ts';
import type { Item, Saved } from './messages.ts';
import { openOutbox } from './outbox.ts';
import { Packer } from './packer.ts';
import { LogReader } from './reader.ts';
import { balance, drain, event, noise, rot, settings, unexplained } from './testing/support.ts';
import { readingsIn } from './track.ts';

const hub = { name: 'hub', required: true };
const logSettings = (folder: string) => ({ folder, destinations: [hub], maxSizeBytes: 64 * 1024 * 1024, segmentBytes: 64 * 1024 });

/** Appends one block of `events` events of three readings each. */
function write(log: SegmentLog, id: number, first: number, events = 2, fill = ''): number {
  const group = new Packer(id, first, new ChunkPool());
  for (let i = 0; i < events; i++) group.add(JSON.stringify({ sequence: first + i, n: first + i, fill }), 3, first + i, first + i);
  log.append(group.message(), 1_790_000_000_000);
  return first + events;
}

function everything(log: SegmentLog, from = 1): Item[] {
  const reader = new LogReader(log);
  reader.start(from, { maxBodyBytes: 1, compressed: false });
  const items: Item[] = [];
  for (let some = reader.read(1e9); some.length > 0; some = reader.read(1e9)) items.push(...some);
  reader.close();
  return items;
}

const sequences = (items: readonly Item[]): number[] => items.flatMap((item) => ('batch' in item ? [item.batch.firstSequence] : []));
const segmentFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.seg'))
    .sort();

const saved = (head: number, headReadings: number): Saved => ({
  destinations: [{ ...hub, head, headReadings }],
  gaps: [],
  lastGapId: 0,
  told: [],
});

describe('a torn tail', () => {
  test('is cut off at every byte of the last block, and none of its numbers is given out again', () => {
    using folder = tempFolder();
    const original = join(folder.path, 'original');
    const log = new SegmentLog(logSettings(original));
    const before = write(log, 2, write(log, 1, 1));
    const keep = log.segments[0]!.bytes;
    const next = write(log, 3, before);
    const end = log.segments[0]!.bytes;
    log.close(undefined);
    expect(end - keep).toBeGreaterThan(88);
    for (let size = keep; size < end; size++) {
      const copy = join(folder.path, String(size));
      cpSync(original, copy, { recursive: true });
      truncateSync(join(copy, '0000000001.seg'), size);
      const again = new SegmentLog(logSettings(copy));
      expect(sequences(everything(again)), `cut at ${size}`).toEqual([1, 2, 3, 4]);
      if (size > keep) {
        expect(again.opened.nextSequence).toBeGreaterThanOrEqual(next);
        expect(again.opened.saved.gaps).toMatchObject([
          { reason: 'torn-tail', firstSequence: before, lastSequence: again.opened.nextSequence - 1 },
        ]);
      }
      write(again, 4, again.opened.nextSequence);
      again.close(undefined);
      const third = new SegmentLog(logSettings(copy));
      expect(third.opened.lost).toEqual([]);
      expect(sequences(everything(third))).toHaveLength(6);
      third.close(undefined);
    }
  });

  test('after a clean end is damage even at a block boundary: the state file knows how far the log went', () => {
    using folder = tempFolder();
    const log = new SegmentLog(logSettings(folder.path));
    const before = write(log, 1, 1);
    const keep = log.segments[0]!.bytes;
    const next = write(log, 2, before, 5);
    log.close(saved(0, 0));
    truncateSync(join(folder.path, '0000000001.seg'), keep);
    const again = new SegmentLog(logSettings(folder.path));
    expect(again.opened.nextSequence).toBeGreaterThanOrEqual(next);
    expect(again.opened.lost).toMatchObject([{ firstSequence: before }]);
    expect(readingsIn(again.opened.lost)).toBe(15);
    again.close(undefined);
  });

  test('garbage behind the last block is cut off', () => {
    using folder = tempFolder();
    const log = new SegmentLog(logSettings(folder.path));
    write(log, 1, 1);
    const size = log.segments[0]!.bytes;
    log.close(undefined);
    writeFileSync(join(folder.path, '0000000001.seg'), noise(5000), { flag: 'a' });
    const again = new SegmentLog(logSettings(folder.path));
    expect(statSync(join(folder.path, '0000000001.seg')).size).toBe(size);
    expect(sequences(everything(again))).toEqual([1, 2]);
    again.close(undefined);
  });
});

describe('damage in the middle', () => {
  test('any one rotten byte costs one block, which is named with its readings', () => {
    using folder = tempFolder();
    const original = join(folder.path, 'original');
    const log = new SegmentLog(logSettings(original));
    let next = 1;
    const ends: number[] = [];
    for (let id = 1; id <= 4; id++) {
      next = write(log, id, next);
      ends.push(log.segments[0]!.bytes);
    }
    log.close(saved(0, 0));
    for (let at = ends[0]!; at < ends[1]!; at++) {
      const copy = join(folder.path, String(at));
      cpSync(original, copy, { recursive: true });
      rot(join(copy, '0000000001.seg'), at);
      const again = new SegmentLog(logSettings(copy));
      expect(sequences(everything(again)), `byte ${at}`).toEqual([1, 2, 5, 6, 7, 8]);
      expect(again.opened.lost).toMatchObject([
        { firstSequence: 3, lastSequence: 4, readingsBefore: 6, readingsThrough: 12, reason: 'corrupt', told: false },
      ]);
      expect(again.opened.nextSequence).toBe(next);
      again.close(undefined);
      const third = new SegmentLog(logSettings(copy));
      expect(third.opened.lost, 'told once').toMatchObject([{ told: true }]);
      expect(third.opened.saved.gaps).toHaveLength(1);
      third.close(undefined);
    }
  });

  test('in an older segment, where only reading finds it', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(settings(folder.path, { maxSizeBytes: 1024 * 1024 }));
      for (let n = 0; n < 12; n++) await outbox.append(event(n, 5, noise(20_000, n + 1)));
    }
    expect(segmentFiles(folder.path).length).toBeGreaterThan(1);
    rot(join(folder.path, '0000000001.seg'), 30_000);
    await using outbox = await openOutbox(settings(folder.path, { maxSizeBytes: 1024 * 1024 }));
    const events = await drain(outbox);
    expect(outbox.counters()).toMatchObject({ queued: 60, acked: 55, dropped: 5, droppedBy: { corrupt: 5 }, pending: 0 });
    expect(events.filter((e) => e.gap)).toMatchObject([{ gap: { reason: 'corrupt', readings: 5, firstSequence: 3, lastSequence: 3 } }]);
    expect(unexplained(events, 1, outbox.counters().nextSequence - 1)).toEqual([]);
  });

  test.for([
    { which: 'first', at: 0 },
    { which: 'middle', at: 1 },
    { which: 'last', at: -1 },
  ])('the $which segment is gone', async ({ at }) => {
    using folder = tempFolder();
    const some = settings(folder.path, { maxSizeBytes: 1024 * 1024 });
    let next = 0;
    {
      await using outbox = await openOutbox(some);
      for (let n = 0; n < 16; n++) await outbox.append(event(n, 5, noise(20_000, n + 1)));
      next = outbox.counters().nextSequence;
    }
    const files = segmentFiles(folder.path);
    expect(files.length).toBeGreaterThan(2);
    unlinkSync(join(folder.path, files.at(at)!));
    await using outbox = await openOutbox(some);
    const events = await drain(outbox);
    const { acked, dropped, droppedBy } = outbox.counters();
    expect(acked + dropped).toBe(80);
    expect(Object.keys(droppedBy)).toEqual([at === -1 ? 'torn-tail' : 'corrupt']);
    expect(balance(outbox)).toBe(0);
    expect(events.reduce((sum, e) => sum + (e.gap?.readings ?? 0), 0)).toBe(dropped);
    expect(unexplained(events, 1, outbox.counters().nextSequence - 1)).toEqual([]);
    expect(events.filter((e) => e.gap).every((e) => e.sequence >= next)).toBe(true);
  });

  test('the state file is gone: everything comes again, and no number twice', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(settings(folder.path));
      for (let n = 0; n < 5; n++) await outbox.append(event(n));
    }
    unlinkSync(join(folder.path, 'state'));
    await using outbox = await openOutbox(settings(folder.path));
    expect(outbox.counters().nextSequence).toBeGreaterThan(1_000_000);
    const events = await drain(outbox);
    expect(events.slice(0, 5).map((e) => e.n)).toEqual([0, 1, 2, 3, 4]);
    expect(events[5]).toMatchObject({ gap: { reason: 'torn-tail', readings: 0, firstSequence: 6 } });
  });

  test('one slot of the state file is torn: the other one serves', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(settings(folder.path));
      await outbox.append(event(1));
    }
    for (const slot of [0, 1]) {
      using copied = tempFolder();
      const copy = copied.path;
      cpSync(folder.path, copy, { recursive: true });
      rot(join(copy, 'state'), slot * 65_536 + 30);
      await using outbox = await openOutbox(settings(copy));
      expect((await drain(outbox)).map((e) => e.n ?? e.gap)).toEqual([1]);
      expect(outbox.counters().nextSequence).toBe(2);
    }
  });
});
