import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { openOutbox } from './outbox.ts';
import { balance, drain, event, eventsOf, noise, plainOptions, settings, take, unexplained } from './testing/support.ts';

const segments = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.seg'));

describe('a healthy outbox', () => {
  test('gives back what was appended, in order, once', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    await Promise.all(Array.from({ length: 100 }, (_, n) => outbox.append(event(n, n))));
    expect(outbox.counters()).toMatchObject({ queued: 4950, pending: 4950, pendingEvents: 100, nextSequence: 101 });
    expect((await drain(outbox)).map((e) => [e.sequence, e.n])).toEqual(Array.from({ length: 100 }, (_, n) => [n + 1, n]));
    expect(outbox.counters()).toMatchObject({ acked: 4950, pending: 0, pendingEvents: 0, dropped: 0, gaps: 0 });
  });

  test('hands a waiting consumer what was just committed', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    for (let n = 0; n < 5; n++) {
      const coming = take(outbox);
      await outbox.append(event(n));
      const batch = await coming;
      expect(eventsOf(batch!)).toMatchObject([{ n }]);
      outbox.cursor('hub').acknowledge(batch!);
    }
  });

  test.for([
    { compressed: false, maxBodyBytes: 1_000 },
    { compressed: true, maxBodyBytes: 1_000 },
    { compressed: false, maxBodyBytes: 50_000 },
    { compressed: true, maxBodyBytes: 500_000 },
  ])('keeps to maxBodyBytes without splitting an event: $maxBodyBytes bytes, compressed $compressed', async (options) => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    const sizes = [10, 2_000, 10, 900, 900, 90, 90, 90, 40_000, 190_000, 10, 200_000, 10, 10];
    await Promise.all(sizes.map((size, n) => outbox.append(event(n, n, `ü°${'x'.repeat(size)}`))));
    const events = [];
    while (outbox.counters().pending > 0) {
      const batch = (await take(outbox, options))!;
      const some = eventsOf(batch);
      const plain = Buffer.byteLength(JSON.stringify(some.length === 1 ? some[0] : some));
      if (some.length > 1) expect(plain).toBeLessThanOrEqual(options.maxBodyBytes);
      expect(batch.readings).toBe(some.reduce((sum, e) => sum + e.n!, 0));
      expect(batch.fromMs).toBe(some[0]!.n);
      events.push(...some);
      outbox.cursor('hub').acknowledge(batch);
    }
    expect(events.map((e) => e.n)).toEqual(sizes.map((_, n) => n));
  });

  test('a backlog of small commits leaves in few batches', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    for (let n = 0; n < 30; n++) await outbox.append(event(n));
    expect(outbox.counters().commits).toBe(30);
    const batch = (await take(outbox))!;
    expect(batch.events).toBe(30);
    expect(eventsOf(batch).map((e) => e.n)).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });

  test('a stored block leaves compressed as it lies there', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    await outbox.append(event(1, 1, 'abc'.repeat(20_000)));
    const batch = (await take(outbox, { maxBodyBytes: 100_000, compressed: true }))!;
    expect(batch.encoding).toBe('zstd');
    expect(batch.body.length).toBeLessThan(1_000);
    expect(eventsOf(batch)).toMatchObject([{ n: 1 }]);
  });

  test('rewinds to the first batch without an acknowledgement', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    const small = { maxBodyBytes: 10, compressed: false };
    await Promise.all(Array.from({ length: 6 }, (_, n) => outbox.append(event(n))));
    const first = (await take(outbox, small))!;
    const second = (await take(outbox, small))!;
    await take(outbox, small);
    outbox.cursor('hub').acknowledge(first);
    outbox.cursor('hub').rewind();
    const again = (await take(outbox, small))!;
    expect(again.firstSequence).toBe(2);
    outbox.cursor('hub').acknowledge(second); // an answer to what was rewound counts for nothing
    expect(outbox.counters().acked).toBe(1);
    outbox.cursor('hub').acknowledge(again);
    expect((await drain(outbox)).map((e) => e.sequence)).toEqual([3, 4, 5, 6]);
  });

  test('one acknowledgement covers the batches before it', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    await Promise.all([1, 2, 3].map((n) => outbox.append(event(n, 10))));
    const small = { maxBodyBytes: 10, compressed: false };
    await take(outbox, small);
    outbox.cursor('hub').acknowledge((await take(outbox, small))!);
    expect(outbox.counters()).toMatchObject({ acked: 20, pending: 10 });
  });

  test('next gives undefined when the signal aborts or the outbox closes', async () => {
    using folder = tempFolder();
    const outbox = await openOutbox(settings(folder.path));
    const aborted = new AbortController();
    const one = outbox.cursor('hub').next(plainOptions, aborted.signal);
    aborted.abort();
    expect(await one).toBeUndefined();
    const two = outbox.cursor('hub').next(plainOptions, new AbortController().signal);
    await outbox[Symbol.asyncDispose]();
    expect(await two).toBeUndefined();
  });

  test('closing writes what came a moment before, and refuses what comes after', async () => {
    using folder = tempFolder();
    const outbox = await openOutbox(settings(folder.path, { commitEveryMs: 60_000 }));
    const last = outbox.append(event(1));
    const start = performance.now();
    await outbox[Symbol.asyncDispose]();
    expect(performance.now() - start).toBeLessThan(1_000);
    await last;
    await expect(outbox.append(event(2))).rejects.toMatchObject({ code: 'outbox-closed' });
    await using again = await openOutbox(settings(folder.path));
    expect((await drain(again)).map((e) => e.n)).toEqual([1]);
  });

  test('what was acknowledged does not come again after a clean end, and numbers go on', async () => {
    using folder = tempFolder();
    for (let life = 0; life < 3; life++) {
      await using outbox = await openOutbox(settings(folder.path));
      expect(outbox.counters()).toMatchObject({ nextSequence: life * 10 + 1, recovered: 0 });
      await Promise.all(Array.from({ length: 10 }, (_, n) => outbox.append(event(n))));
      expect(await drain(outbox)).toHaveLength(10);
    }
  });

  test('half of a block acknowledged: only the other half comes again', async () => {
    using folder = tempFolder();
    const small = { maxBodyBytes: 60, compressed: false };
    {
      await using outbox = await openOutbox(settings(folder.path));
      await Promise.all([1, 2, 3, 4].map((n) => outbox.append(event(n, n))));
      outbox.cursor('hub').acknowledge((await take(outbox, small))!);
      outbox.cursor('hub').acknowledge((await take(outbox, small))!);
    }
    await using outbox = await openOutbox(settings(folder.path));
    expect(outbox.counters()).toMatchObject({ recovered: 7, queued: 7, pending: 7, pendingEvents: 2 });
    expect((await drain(outbox)).map((e) => e.n)).toEqual([3, 4]);
  });
});

describe('losses', () => {
  test('drop-oldest keeps to the size, keeps the newest, and tells what went', async () => {
    using folder = tempFolder();
    const maxSizeBytes = 1024 * 1024;
    await using outbox = await openOutbox(settings(folder.path, { maxSizeBytes }));
    for (let n = 0; n < 200; n++) {
      await outbox.append(event(n, 7, noise(20_000, n + 1)));
      expect(outbox.counters().bytesOnDisk).toBeLessThanOrEqual(maxSizeBytes);
    }
    const { dropped, gaps } = outbox.counters();
    expect(dropped).toBeGreaterThan(0);
    const events = await drain(outbox);
    expect(events.filter((e) => e.n !== undefined).at(-1)?.n).toBe(199);
    const told = events.filter((e) => e.gap);
    expect(told.reduce((sum, e) => sum + e.gap!.readings, 0)).toBe(dropped);
    expect(told.every((e) => e.gap!.reason === 'overflow')).toBe(true);
    // Records that were dropped themselves went into younger ones.
    expect(told.length).toBeLessThan(gaps);
    expect(unexplained(events, 1, outbox.counters().nextSequence - 1)).toEqual([]);
    expect(outbox.counters()).toMatchObject({ queued: 1400, pending: 0, droppedBy: { overflow: dropped } });
    expect(balance(outbox)).toBe(0);
  });

  test('refuse-new keeps what is there, says so, and goes on when there is room', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path, { maxSizeBytes: 512 * 1024, whenFull: 'refuse-new' }));
    const results = [];
    for (let n = 0; n < 60; n++)
      results.push(
        await outbox.append(event(n, 3, noise(20_000, n + 1))).then(
          () => 'taken',
          (e) => e.code,
        ),
      );
    expect(results[0]).toBe('taken');
    expect(results.at(-1)).toBe('outbox-full');
    const refused = results.filter((r) => r !== 'taken').length;
    expect(outbox.counters()).toMatchObject({ queued: 180, dropped: refused * 3, droppedBy: { refused: refused * 3 } });
    const events = await drain(outbox);
    expect(events.filter((e) => e.n !== undefined)).toHaveLength(60 - refused);
    expect(events.filter((e) => e.gap).reduce((sum, e) => sum + e.gap!.readings, 0)).toBe(refused * 3);
    await outbox.append(event(1000));
    expect((await drain(outbox)).at(-1)).toMatchObject({ n: 1000 });
    expect(balance(outbox)).toBe(0);
  });

  test('age: what is too old goes, by an injected clock', async () => {
    using folder = tempFolder();
    let now = 1_800_000_000_000;
    const clock = { wallMs: () => now, monotonicMs: () => now - 1_790_000_000_000 };
    await using outbox = await openOutbox(settings(folder.path, { maxAgeMs: 60_000, clock }));
    await outbox.append(event(1, 5, '', { fromMs: now, toMs: now + 1 }));
    now += 59_000;
    await vi.waitFor(() => expect(outbox.counters().commits).toBe(1));
    expect(outbox.counters().pending).toBe(5);
    now += 2_000;
    await vi.waitFor(() => expect(outbox.counters()).toMatchObject({ pending: 0, dropped: 5, droppedBy: { expired: 5 } }), 3_000);
    expect(await drain(outbox)).toMatchObject([
      { gap: { reason: 'expired', readings: 5, firstSequence: 1, lastSequence: 1, fromMs: 1_800_000_000_000 } },
    ]);
  });

  test('age goes on over a restart, and a clock that was never set expires nothing', async () => {
    using folder = tempFolder();
    let now = 1_800_000_000_000;
    const clock = { wallMs: () => now, monotonicMs: () => performance.now() };
    const some = settings(folder.path, { maxAgeMs: 60_000, clock });
    {
      await using outbox = await openOutbox(some);
      await outbox.append(event(1, 5));
    }
    now += 61_000;
    {
      await using outbox = await openOutbox(some);
      await vi.waitFor(() => expect(outbox.counters().droppedBy).toEqual({ expired: 5 }), 3_000);
      now = 1_000; // 1970: a board without a battery
      await outbox.append(event(2, 7));
    }
    now = 1_900_000_000_000;
    await using outbox = await openOutbox(some);
    const events = await drain(outbox);
    expect(events.map((e) => e.n ?? e.gap?.reason)).toEqual(expect.arrayContaining(['expired', 2]));
    expect(outbox.counters().dropped).toBe(0);
  });

  test('a batch that the hub refuses for good is told, and the rest goes on', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    await Promise.all([1, 2, 3].map((n) => outbox.append(event(n, 10))));
    const small = { maxBodyBytes: 10, compressed: false };
    const [a, b] = [(await take(outbox, small))!, (await take(outbox, small))!];
    outbox.cursor('hub').reject(b, 'too big');
    outbox.cursor('hub').rewind(); // the rejected one must not come again, the one before it must
    outbox.cursor('hub').acknowledge((await take(outbox, small))!);
    expect(a.firstSequence).toBe(1);
    const events = await drain(outbox, small);
    expect(events).toMatchObject([{ n: 3 }, { gap: { reason: 'rejected: too big', readings: 10, firstSequence: 2, lastSequence: 2 } }]);
    expect(outbox.counters()).toMatchObject({ queued: 30, acked: 20, dropped: 10, droppedBy: { rejected: 10 }, pending: 0 });
  });

  test('a gap record that the hub refuses waits for the next loss instead of going round', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    await outbox.append(event(1, 4));
    outbox.cursor('hub').reject((await take(outbox))!, 'no');
    outbox.cursor('hub').reject((await take(outbox))!, 'no');
    expect(await take(outbox, plainOptions, 100)).toBeUndefined();
    await outbox.append(event(2, 4));
    outbox.cursor('hub').reject((await take(outbox))!, 'no');
    const events = await drain(outbox);
    expect(events.reduce((sum, e) => sum + e.gap!.readings, 0)).toBe(8);
    expect(unexplained(events, 1, outbox.counters().nextSequence - 1)).toEqual([]);
  });

  test('a disk too slow for what comes: the newest are dropped and told', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path, { maxQueueBytes: 50_000, commitEveryMs: 50 }));
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => outbox.append(event(n, 2, noise(10_000, n + 1)))));
    const refused = results.filter((r) => r.status === 'rejected').length;
    expect(refused).toBe(15);
    const events = await drain(outbox);
    expect(events.at(-1)).toMatchObject({ gap: { reason: 'overflow', readings: 30, fromMs: 5, toMs: 19 } });
    await outbox.append(event(99));
    expect(await drain(outbox)).toMatchObject([{ n: 99 }]);
  });

  test("others' losses travel as gap records, too", async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    const gap = { fromMs: 1, toMs: 2, readings: 3, reason: 'queue overflow in the server', equipment: 'mixer-1', point: 'speed' };
    await outbox.append({ ...event(1, 0), gap });
    expect(await drain(outbox)).toMatchObject([{ gap }]);
  });

  test('an event whose encoding fails costs nothing', async () => {
    using folder = tempFolder();
    await using outbox = await openOutbox(settings(folder.path));
    await expect(
      outbox.append({
        ...event(1),
        encode: () => {
          throw new Error('no');
        },
      }),
    ).rejects.toThrow('no');
    await outbox.append(event(2));
    expect(await drain(outbox)).toMatchObject([{ sequence: 1, n: 2 }]);
  });
});

describe('one process a folder', () => {
  test('a second one is refused by the name of the first, a killed one holds nothing', async () => {
    using folder = tempFolder();
    const writer = new URL('./testing/kill-writer.ts', import.meta.url).pathname;
    await using child = startChild(process.execPath, [writer, folder.path]);
    await child.line(/^open/);
    await expect(openOutbox(settings(folder.path))).rejects.toMatchObject({
      code: 'outbox-in-use',
      message: expect.stringContaining(`process ${child.process.pid}`),
    });
    child.process.kill('SIGKILL');
    await child.exited;
    await using outbox = await openOutbox(settings(folder.path));
    await expect(openOutbox(settings(folder.path))).rejects.toMatchObject({ code: 'outbox-in-use' });
    await outbox.append(event(1));
  });

  test('also in a folder with a name longer than a socket may have', async () => {
    using folder = tempFolder();
    const deep = join(folder.path, 'd'.repeat(100), 'e'.repeat(100));
    await using _ = await openOutbox(settings(deep));
    await expect(openOutbox(settings(deep))).rejects.toMatchObject({ code: 'outbox-in-use' });
  });

  const root = process.getuid?.() === 0;
  test.skipIf(root)(
    `a folder that may not be written is named${root ? ' [skipped: root may write everywhere; a read-only mount stands in]' : ''}`,
    async () => {
      using folder = tempFolder();
      chmodSync(folder.path, 0o500);
      await expect(openOutbox(settings(folder.path))).rejects.toMatchObject({ code: 'outbox-read-only' });
      chmodSync(folder.path, 0o700);
    },
  );
});

test('finished segments leave the disk', async () => {
  using folder = tempFolder();
  await using outbox = await openOutbox(settings(folder.path, { maxSizeBytes: 4 * 1024 * 1024 }));
  for (let n = 0; n < 40; n++) {
    await outbox.append(event(n, 1, noise(20_000, n + 1)));
    await drain(outbox);
  }
  await vi.waitFor(() => expect(segments(folder.path).length).toBeLessThanOrEqual(2));
  expect(outbox.counters().bytesOnDisk).toBeLessThan(300_000);
});
