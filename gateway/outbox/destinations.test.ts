import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { openOutbox } from './outbox.ts';
import { StateFile, stateBytes } from './state-file.ts';
import {
  cloud,
  drained,
  event,
  eventsOf,
  extra,
  fill,
  gaps,
  noise,
  numbers,
  plainOptions,
  plant,
  settings,
  take,
  upTo,
} from './testing/support.ts';

const segments = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.seg'));

describe('several destinations', () => {
  test('each gets everything in order, at its own pace and in its own form', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, plant] }));
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
    await using outbox = await openOutbox(
      settings(folder.path, { destinations: [cloud, plant, extra, { name: 'file', required: false }] }),
    );
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
      // Not acknowledged yet, and not given twice.
      if (n === 4)
        expect(await Promise.all(forms.map(([name, options]) => take(outbox, options, 60, name)))).toEqual(Array(4).fill(undefined));
      for (const [i, batch] of batches.entries()) {
        expect(eventsOf(batch!)).toMatchObject([{ n, fill: noise(40_000, n + 1) }]);
        outbox.cursor(forms[i]![0]).acknowledge(batch!);
      }
    }
    expect(outbox.counters()).toMatchObject({ acked: 5, pending: 0 });
  });

  test('a dead one holds nobody back, and the log keeps what it has not got', async () => {
    using folder = tempFolder();
    const some = settings(folder.path, { destinations: [cloud, plant], maxSizeBytes: 4096 * 1024 });
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
    await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, plant], maxSizeBytes: 512 * 1024 * 1024 }));
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
      await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud] }));
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
      await expect(openOutbox(settings(folder.path, { destinations: wrong }))).rejects.toMatchObject({
        code: 'outbox-destinations',
        hint: expect.any(String),
      });
  });
});

describe('over a restart', () => {
  test('position and mark are of the same moment, for each', async () => {
    using folder = tempFolder();
    const some = settings(folder.path, { destinations: [cloud, plant] });
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
    expect(outbox.cursor('cloud').counters()).toMatchObject({ queued: 4, pending: 4, position: 3, oldestMs: 3 });
    expect(outbox.cursor('plant').counters()).toMatchObject({ queued: 9, pending: 9, position: 1, oldestMs: 1 });
    expect(outbox.counters()).toMatchObject({ recovered: 9, queued: 9, pendingEvents: 3 });
    expect(numbers(await drained(outbox, 'cloud'))).toEqual([4]);
    expect(numbers(await drained(outbox, 'plant'))).toEqual([2, 3, 4]);
  });

  test('a new destination starts at the end of the log', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud] }));
      await outbox.append(event(1, 3));
    }
    await using outbox = await openOutbox(settings(folder.path, { destinations: [plant, cloud] }));
    expect(outbox.cursor('plant').counters()).toMatchObject({ queued: 0, pending: 0, position: 1 });
    await outbox.append(event(2, 4));
    expect(numbers(await drained(outbox, 'plant'))).toEqual([2]);
    expect(numbers(await drained(outbox, 'cloud'))).toEqual([1, 2]);
    expect(outbox.counters()).toMatchObject({ queued: 7, acked: 7 });
  });

  test('one that is gone is forgotten, and what only it had not got is told', async () => {
    using folder = tempFolder();
    {
      await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud, plant, extra] }));
      await Promise.all([1, 2, 3, 4].map((n) => outbox.append(event(n, n))));
      const small = { maxBodyBytes: 60, compressed: false };
      outbox.cursor('plant').acknowledge((await take(outbox, small, 5_000, 'plant'))!);
      for (const _ of [1, 2, 3]) outbox.cursor('cloud').acknowledge((await take(outbox, small, 5_000, 'cloud'))!);
    }
    for (const life of [1, 2]) {
      await using outbox = await openOutbox(settings(folder.path, { destinations: [cloud] }));
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
    await using outbox = await openOutbox(settings(folder.path, { destinations: [plant] }));
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
    await using outbox = await openOutbox(settings(folder.path, { destinations: to }));
    for (const { name } of to)
      expect(outbox.cursor(name).counters(), name).toMatchObject(name === heir ? { pending: 5, position: 1 } : { pending: 0, position: 3 });
    expect(numbers(await drained(outbox, heir))).toEqual([2, 3]);
  });

  test('the state file has room for sixteen destinations with the longest names and marks', async () => {
    using folder = tempFolder();
    const many = upTo(16).map((n) => ({ name: `${n}`.padStart(64, 'd'), required: n % 2 === 0 }));
    const mark = '\u0001'.repeat(64);
    {
      await using outbox = await openOutbox(settings(folder.path, { destinations: many }));
      await outbox.append(event(1));
      for (const { name } of many) outbox.cursor(name).acknowledge((await take(outbox, plainOptions, 5_000, name))!, mark);
    }
    const file = StateFile.open(join(folder.path, 'state'));
    const bytes = JSON.stringify(file.state!.destinations).length;
    file.close();
    // The other half of a slot is for gap records (gaps.test.ts).
    expect(bytes).toBeLessThan(stateBytes / 2 / 4);
    await using outbox = await openOutbox(settings(folder.path, { destinations: many }));
    for (const { name } of many) expect(outbox.cursor(name).mark).toBe(mark);
  });
});
