import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import type { DestinationSettings, Outbox, OutboxSettings } from './contract.ts';
import { openOutbox } from './outbox.ts';
import { StateFile, stateBytes } from './state-file.ts';
import { event, eventsOf, noise, plainOptions, settings, type TestEvent, take, unexplained } from './testing/support.ts';

const cloud = { name: 'cloud', required: true };
const plant = { name: 'plant', required: true };
const extra = { name: 'extra', required: false };
const kib = 1024;

function of(folder: string, destinations: readonly DestinationSettings[], more: Partial<OutboxSettings> = {}): OutboxSettings {
  return settings(folder, { destinations, ...more });
}

/** Takes and acknowledges up to the last number that was given out, and what a gap record adds a moment later. */
async function drained(outbox: Outbox, name: string, quietMs = 80): Promise<TestEvent[]> {
  const events: TestEvent[] = [];
  const cursor = outbox.cursor(name);
  for (;;) {
    const behind = cursor.counters().position < outbox.counters().nextSequence - 1;
    const batch = await take(outbox, plainOptions, behind ? 5_000 : quietMs, name);
    if (!batch) return events;
    events.push(...eventsOf(batch));
    cursor.acknowledge(batch);
  }
}

const numbers = (events: readonly TestEvent[]): number[] => events.flatMap((e) => (e.n === undefined ? [] : [e.n]));
const gaps = (events: readonly TestEvent[]) => events.flatMap((e) => (e.gap ? [e.gap] : []));
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const segments = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.seg'));

/** Appends events of 20 KB and `readings` each, numbered from `first`. */
async function fill(outbox: Outbox, first: number, count: number, readings = 1): Promise<void> {
  for (let n = first; n < first + count; n++) await outbox.append(event(n, readings, noise(20_000, n + 1)));
}

describe('several destinations', () => {
  test('each gets everything in order, at its own pace and in its own form', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(of(folder.path, [cloud, plant]));
    for (let n = 0; n < 20; n++) await outbox.append(event(n, 2, 'abc'.repeat(300)));
    expect(numbers(await drained(outbox, 'cloud'))).toEqual(upTo(20));
    expect(outbox.cursor('cloud').counters()).toMatchObject({ queued: 40, acked: 40, pending: 0, position: 20, oldestMs: undefined });
    // The log has it only when both have it.
    expect(outbox.counters()).toMatchObject({ queued: 40, acked: 0, pending: 40, pendingEvents: 20 });
    const batch = (await take(outbox, { maxBodyBytes: 4_000, compressed: true }, 5_000, 'plant'))!;
    expect(batch).toMatchObject({ encoding: 'zstd', events: 4, readings: 8 });
    outbox.cursor('plant').acknowledge(batch);
    expect(outbox.cursor('plant').counters()).toMatchObject({ acked: 8, pending: 32, position: 4, oldestMs: 4 });
    expect(outbox.counters()).toMatchObject({ acked: 8, pending: 32, pendingEvents: 16 });
    expect(numbers(await drained(outbox, 'plant'))).toEqual(upTo(20).slice(4));
    expect(outbox.counters()).toMatchObject({ acked: 40, pending: 0, pendingEvents: 0 });
  });

  test('what was just committed goes to all that wait, also in different forms', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(of(folder.path, [cloud, plant, extra, { name: 'file', required: false }]));
    const forms = [
      ['cloud', { maxBodyBytes: 200_000, compressed: false }],
      ['plant', { maxBodyBytes: 200_000, compressed: false }],
      ['extra', { maxBodyBytes: 200_000, compressed: true }],
      ['file', { maxBodyBytes: 150_000, compressed: true }],
    ] as const;
    for (let n = 0; n < 5; n++) {
      const coming = forms.map(([name, options]) => take(outbox, options, 5_000, name));
      await outbox.append(event(n, 1, noise(40_000, n + 1)));
      const batches = await Promise.all(coming);
      for (const [i, batch] of batches.entries()) {
        expect(eventsOf(batch!)).toMatchObject([{ n, fill: noise(40_000, n + 1) }]);
        outbox.cursor(forms[i]![0]).acknowledge(batch!);
      }
    }
    expect(outbox.counters()).toMatchObject({ acked: 5, pending: 0 });
  });

  test('a dead one holds nobody back, and the log keeps what it has not got', async () => {
    using folder = tempFolder();
    const some = of(folder.path, [cloud, plant], { maxSizeBytes: 4096 * kib });
    {
      await using outbox = await openOutbox(some);
      const got: number[] = [];
      for (let n = 0; n < 30; n++) {
        await fill(outbox, n, 1);
        const batch = (await take(outbox, plainOptions, 5_000, 'cloud'))!;
        got.push(...numbers(eventsOf(batch)));
        outbox.cursor('cloud').acknowledge(batch);
      }
      expect(got).toEqual(upTo(30));
      expect(segments(folder.path).length).toBeGreaterThan(4);
    }
    await using outbox = await openOutbox(some);
    expect(outbox.cursor('cloud').counters()).toMatchObject({ queued: 0, pending: 0, position: 30 });
    expect(outbox.cursor('plant').counters()).toMatchObject({ queued: 30, pending: 30, position: 0 });
    expect(outbox.counters()).toMatchObject({ recovered: 30, queued: 30, pending: 30 });
    expect(numbers(await drained(outbox, 'plant'))).toEqual(upTo(30));
    await vi.waitFor(() => expect(segments(folder.path)).toHaveLength(1));
  });

  test('one that works off a backlog neither delays commits nor the one that is up to date', { timeout: 20_000 }, async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(of(folder.path, [cloud, plant], { maxSizeBytes: 512 * 1024 * kib }));
    // Many small blocks, which cost the most work for each byte that leaves.
    for (let round = 0; round < 60; round++)
      await Promise.all(upTo(100).map((i) => outbox.append(event(round * 100 + i, 1, noise(3_000, round * 100 + i + 1)))));
    await drained(outbox, 'cloud');
    let backlog = true;
    const draining = (async () => {
      let events = 0;
      while (events < 6_000) {
        const batch = (await take(outbox, { maxBodyBytes: 200_000, compressed: true }, 5_000, 'plant'))!;
        events += batch.events;
        outbox.cursor('plant').acknowledge(batch);
      }
      backlog = false;
      return events;
    })();
    const waits: number[] = [];
    for (let n = 10_000; backlog; n++) {
      const start = performance.now();
      const coming = take(outbox, plainOptions, 5_000, 'cloud');
      await outbox.append(event(n));
      const batch = (await coming)!;
      waits.push(performance.now() - start);
      expect(numbers(eventsOf(batch))).toEqual([n]);
      outbox.cursor('cloud').acknowledge(batch);
    }
    await draining;
    expect(waits.length).toBeGreaterThan(3);
    waits.sort((a, b) => a - b);
    // One turn of the reader is 4 ms, and a disk that syncs is in it.
    expect(waits[waits.length >> 1]).toBeLessThan(60);
  });

  test('a destination that nobody configured, and settings that contradict themselves, are refused', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(of(folder.path, [cloud]));
      expect(outbox.cursor('cloud')).toBe(outbox.cursor('cloud'));
      expect(() => outbox.cursor('hub')).toThrow('knows no destination "hub"');
      await outbox.append(event(1));
      const batch = (await take(outbox, plainOptions, 5_000, 'cloud'))!;
      expect(() => outbox.cursor('cloud').acknowledge(batch, 'x'.repeat(65))).toThrow(RangeError);
    }
    for (const wrong of [
      [],
      [extra],
      [cloud, cloud],
      [{ name: 'two words', required: true }],
      upTo(17).map((n) => ({ name: `d${n}`, required: true })),
    ])
      await expect(openOutbox(of(folder.path, wrong))).rejects.toMatchObject({ code: 'outbox-destinations', hint: expect.any(String) });
  });
});

describe('losses of one of several', () => {
  test('drop-oldest: a loss of all is told to all, that of one by its name', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(of(folder.path, [cloud, plant], { maxSizeBytes: 640 * kib }));
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
    await using outbox = await openOutbox(of(folder.path, [cloud], { maxSizeBytes: 512 * kib }));
    await fill(outbox, 0, 40);
    const told = gaps(await drained(outbox, 'cloud'));
    expect(told.length).toBeGreaterThan(0);
    for (const gap of told) expect(gap).not.toHaveProperty('destination');
  });

  test('an optional one has half of the log behind the required ones, and is overtaken then', async () => {
    using folder = tempFolder();
    const maxSizeBytes = 2048 * kib;
    await using outbox = await openOutbox(of(folder.path, [cloud, extra], { maxSizeBytes }));
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
    await using outbox = await openOutbox(of(folder.path, [cloud, extra], { maxSizeBytes: 2048 * kib }));
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
    await using outbox = await openOutbox(of(folder.path, [cloud, extra], { maxSizeBytes: 1024 * kib, whenFull: 'refuse-new' }));
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
    await using outbox = await openOutbox(of(folder.path, [cloud, extra], { maxAgeMs: 60_000, clock }));
    await outbox.append(event(1, 5));
    await drained(outbox, 'cloud');
    now += 61_000;
    await vi.waitFor(() => expect(outbox.cursor('extra').counters().droppedBy).toEqual({ expired: 5 }), 3_000);
    expect(outbox.counters()).toMatchObject({ acked: 5, dropped: 0 });
    expect(gaps(await drained(outbox, 'cloud'))).toMatchObject([{ reason: 'expired', destination: 'extra', readings: 5 }]);
  });

  test('a batch that one refuses is lost to that one only', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(of(folder.path, [cloud, plant, extra]));
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

  test('a damaged block is told once and counted by each that had not passed it', async () => {
    using folder = tempFolder();
    const some = of(folder.path, [cloud, plant, extra], { maxSizeBytes: 1024 * kib });
    {
      await using outbox = await openOutbox(some);
      await fill(outbox, 0, 12, 5);
      for (let n = 0; n < 6; n++)
        outbox.cursor('extra').acknowledge((await take(outbox, { maxBodyBytes: 10, compressed: false }, 5_000, 'extra'))!);
    }
    const path = join(folder.path, '0000000001.seg');
    const at = 30_000;
    const byte = readFileSync(path)[at]!;
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.from([byte ^ 0xff]), 0, 1, at);
    closeSync(fd);
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
});

describe('over a restart', () => {
  test('position and mark are of the same moment, for each', async () => {
    using folder = tempFolder();
    const some = of(folder.path, [cloud, plant]);
    const small = { maxBodyBytes: 60, compressed: false };
    {
      await using outbox = await openOutbox(some);
      await Promise.all([1, 2, 3, 4].map((n) => outbox.append(event(n, n))));
      expect(outbox.cursor('cloud').mark).toBeUndefined();
      outbox.cursor('cloud').acknowledge((await take(outbox, small, 5_000, 'cloud'))!, 'file-1:100');
      outbox.cursor('cloud').acknowledge((await take(outbox, small, 5_000, 'cloud'))!, 'file-1:200');
      outbox.cursor('cloud').acknowledge((await take(outbox, small, 5_000, 'cloud'))!);
      outbox.cursor('plant').acknowledge((await take(outbox, small, 5_000, 'plant'))!, 'ä😀'.repeat(20));
      expect(outbox.cursor('cloud').mark).toBe('file-1:200');
    }
    await using outbox = await openOutbox(some);
    expect(outbox.cursor('cloud').mark).toBe('file-1:200');
    expect(outbox.cursor('plant').mark).toBe('ä😀'.repeat(20));
    expect(outbox.cursor('cloud').counters()).toMatchObject({ queued: 4, pending: 4, position: 3 });
    expect(outbox.cursor('plant').counters()).toMatchObject({ queued: 9, pending: 9, position: 1 });
    expect(outbox.counters()).toMatchObject({ recovered: 9, queued: 9, pendingEvents: 3 });
    expect(numbers(await drained(outbox, 'cloud'))).toEqual([4]);
    expect(numbers(await drained(outbox, 'plant'))).toEqual([2, 3, 4]);
  });

  test('a new destination starts at the end of the log', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(of(folder.path, [cloud]));
      await outbox.append(event(1, 3));
    }
    await using outbox = await openOutbox(of(folder.path, [plant, cloud]));
    expect(outbox.cursor('plant').counters()).toMatchObject({ queued: 0, pending: 0, position: 1 });
    await outbox.append(event(2, 4));
    expect(numbers(await drained(outbox, 'plant'))).toEqual([2]);
    expect(numbers(await drained(outbox, 'cloud'))).toEqual([1, 2]);
    expect(outbox.counters()).toMatchObject({ queued: 7, acked: 7 });
  });

  test('one that is gone is forgotten, and what only it had not got is told', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(of(folder.path, [cloud, plant, extra]));
      await Promise.all([1, 2, 3, 4].map((n) => outbox.append(event(n, n))));
      const small = { maxBodyBytes: 60, compressed: false };
      outbox.cursor('plant').acknowledge((await take(outbox, small, 5_000, 'plant'))!);
      for (const _ of [1, 2, 3]) outbox.cursor('cloud').acknowledge((await take(outbox, small, 5_000, 'cloud'))!);
    }
    for (const life of [1, 2]) {
      await using outbox = await openOutbox(of(folder.path, [cloud]));
      if (life === 1) {
        expect(outbox.counters()).toMatchObject({ queued: 9, recovered: 4, dropped: 5, droppedBy: { removed: 5 }, pending: 4 });
        expect(outbox.cursor('cloud').counters()).toMatchObject({ queued: 4, dropped: 0 });
        const events = await drained(outbox, 'cloud');
        expect(numbers(events)).toEqual([4]);
        expect(gaps(events)).toMatchObject([{ reason: 'removed', readings: 5, firstSequence: 2, lastSequence: 3, destination: 'plant' }]);
      } else expect(outbox.counters()).toMatchObject({ queued: 0, dropped: 0 });
    }
  });

  test('the only destination under another name goes on where the former one was', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(settings(folder.path));
      await Promise.all([1, 2].map((n) => outbox.append(event(n))));
      outbox.cursor('hub').acknowledge((await take(outbox, { maxBodyBytes: 10, compressed: false }))!);
    }
    await using outbox = await openOutbox(of(folder.path, [plant]));
    expect(numbers(await drained(outbox, 'plant'))).toEqual([2]);
  });

  test.for([
    { to: [cloud], heir: 'cloud' },
    { to: [extra, cloud, { name: 'hub', required: false }], heir: 'hub' },
    { to: [extra, cloud, plant], heir: 'cloud' },
  ])('a state file of the time of one destination: its position becomes that of $heir', async ({ to, heir }) => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(settings(folder.path));
      await Promise.all([1, 2, 3].map((n) => outbox.append(event(n, n))));
      outbox.cursor('hub').acknowledge((await take(outbox, { maxBodyBytes: 10, compressed: false }))!);
    }
    const file = StateFile.open(join(folder.path, 'state'));
    const { destinations, ...former } = file.state!;
    expect(former).toMatchObject({ head: 1, headReadings: 1 });
    expect(destinations).toMatchObject([{ name: 'hub', head: 1 }]);
    file.write(former);
    file.close();
    await using outbox = await openOutbox(of(folder.path, to));
    for (const { name } of to)
      expect(outbox.cursor(name).counters(), name).toMatchObject(name === heir ? { pending: 5, position: 1 } : { pending: 0, position: 3 });
    expect(numbers(await drained(outbox, heir))).toEqual([2, 3]);
  });

  test('the state file has room for sixteen destinations with the longest names and marks', async () => {
    using folder = tempFolder();
    const many = upTo(16).map((n) => ({ name: `${n}`.padStart(64, 'd'), required: n % 2 === 0 }));
    const mark = '\u0001'.repeat(64);
    {
      await using outbox = await openOutbox(of(folder.path, many));
      await outbox.append(event(1));
      for (const { name } of many) outbox.cursor(name).acknowledge((await take(outbox, plainOptions, 5_000, name))!, mark);
    }
    const file = StateFile.open(join(folder.path, 'state'));
    const bytes = JSON.stringify(file.state!.destinations).length;
    file.close();
    // The other half of a slot is for gap records (gaps.test.ts).
    expect(bytes).toBeLessThan(stateBytes / 2 / 4);
    await using outbox = await openOutbox(of(folder.path, many));
    for (const { name } of many) expect(outbox.cursor(name).mark).toBe(mark);
  });
});
