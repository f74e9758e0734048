import { spawnSync } from 'node:child_process';
import { renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { type Capability, titled } from '../../test/support/capabilities.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { openOutbox } from './outbox.ts';
import { balance, drain, event, noise, settings, unexplained } from './testing/support.ts';

const run = (command: string, ...args: string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** A disk of its own, small enough to fill. */
function smallDisk(size: string): Disposable & { readonly path: string; options(options: string): void } {
  const folder = tempFolder();
  if (!run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder.path)) {
    folder[Symbol.dispose]();
    throw new Error('mount failed');
  }
  return {
    path: folder.path,
    options: (options) => {
      if (!run('mount', '-o', `remount,${options}`, folder.path)) throw new Error(`remount ${options} failed`);
    },
    [Symbol.dispose]: () => {
      run('umount', '-l', folder.path);
      folder[Symbol.dispose]();
    },
  };
}

function mounts(): Capability {
  let ok = false;
  try {
    using _ = smallDisk('1m');
    ok = true;
  } catch {
    // Not root, or a container without the right.
  }
  return { name: 'mount', ok, reason: 'this user may not mount a tmpfs' };
}

const mount = mounts();
const fill = noise(20_000);
const mib = 1024 * 1024;
const big = { maxSizeBytes: 64 * mib, commitEveryMs: 1 };

describe.skipIf(!mount.ok)(titled('a full disk', mount), () => {
  test('drop-oldest makes room by the oldest and goes on', async () => {
    using disk = smallDisk('6m');
    await using outbox = await openOutbox(settings(join(disk.path, 'outbox'), { ...big, maxSizeBytes: 16 * mib }));
    for (let n = 0; n < 500; n++) await outbox.append(event(n, 3, noise(20_000, n + 1)));
    const { dropped, droppedBy } = outbox.counters();
    expect(dropped).toBeGreaterThan(0);
    expect(droppedBy).toEqual({ 'disk-full': dropped });
    const events = await drain(outbox);
    expect(events.filter((e) => e.n !== undefined).at(-1)?.n).toBe(499);
    expect(events.reduce((sum, e) => sum + (e.gap?.readings ?? 0), 0)).toBe(dropped);
    expect(unexplained(events, 1, outbox.counters().nextSequence - 1)).toEqual([]);
    expect(balance(outbox)).toBe(0);
  });

  test('refuse-new says so, keeps what it has, and recovers when the hub takes it', async () => {
    using disk = smallDisk('4m');
    await using outbox = await openOutbox(settings(join(disk.path, 'outbox'), { ...big, maxSizeBytes: 16 * mib, whenFull: 'refuse-new' }));
    const results: string[] = [];
    for (let n = 0; n < 400; n++)
      results.push(
        await outbox.append(event(n, 3, noise(20_000, n + 1))).then(
          () => 'taken',
          (e) => e.code,
        ),
      );
    expect(new Set(results)).toEqual(new Set(['taken', 'disk-full']));
    expect(balance(outbox)).toBe(0);
    const events = await drain(outbox);
    expect(events.filter((e) => e.n !== undefined).map((e) => e.n)).toEqual(results.flatMap((r, n) => (r === 'taken' ? [n] : [])));
    expect(events.reduce((sum, e) => sum + (e.gap?.readings ?? 0), 0)).toBe(results.filter((r) => r !== 'taken').length * 3);
    await vi.waitFor(() => outbox.append(event(1000)), 2_000);
  });

  test('filled by someone else, with nothing of ours to drop: counted, told, and on again when space returns', async () => {
    using disk = smallDisk('4m');
    const folder = join(disk.path, 'outbox');
    const outbox = await openOutbox(settings(folder, big));
    await outbox.append(event(1, 1));
    await drain(outbox);
    const { bavail, bsize } = statfsSync(disk.path);
    writeFileSync(join(disk.path, 'other'), Buffer.alloc(bavail * bsize, 1));
    const codes = new Set<string>();
    for (let n = 0; n < 50; n++) await outbox.append(event(n, 2, fill)).catch((e) => codes.add(e.code));
    expect([...codes]).toEqual(['disk-full']);
    expect(outbox.counters()).toMatchObject({ queued: 101, acked: 1, dropped: 100, pending: 0 });
    // Not even room for the gap record: the state file keeps it over a restart.
    await outbox[Symbol.asyncDispose]();
    await using again = await openOutbox(settings(folder, big));
    rmSync(join(disk.path, 'other'));
    await vi.waitFor(() => again.append(event(1000)), 2_000);
    const events = await drain(again);
    expect(events.reduce((sum, e) => sum + (e.gap?.readings ?? 0), 0)).toBe(100);
    expect(unexplained(events, 2, again.counters().nextSequence - 1)).toEqual([]);
  });

  test('a burst that comes all at once, into a disk with no room', async () => {
    using disk = smallDisk('4m');
    const folder = join(disk.path, 'outbox');
    await using outbox = await openOutbox(settings(folder, big));
    await outbox.append(event(1, 1));
    const { bavail, bsize } = statfsSync(disk.path);
    writeFileSync(join(disk.path, 'other'), Buffer.alloc(bavail * bsize, 1));
    const results = await Promise.allSettled(Array.from({ length: 200 }, (_, n) => outbox.append(event(n, 1, noise(20_000, n + 1)))));
    expect(results.some((r) => r.status === 'rejected')).toBe(true);
    expect(balance(outbox)).toBe(0);
    rmSync(join(disk.path, 'other'));
    await vi.waitFor(() => outbox.append(event(2)), 2_000);
    const events = await drain(outbox);
    expect(unexplained(events, 1, outbox.counters().nextSequence - 1)).toEqual([]);
  });

  test('a folder on a read-only disk is refused by name', async () => {
    using disk = smallDisk('4m');
    const folder = join(disk.path, 'outbox');
    await (await openOutbox(settings(folder, big)))[Symbol.asyncDispose]();
    disk.options('ro');
    await expect(openOutbox(settings(folder, big))).rejects.toMatchObject({
      code: 'outbox-read-only',
      message: expect.stringContaining(folder),
    });
  });
});

test('a disk that does not take files any more is an error of its own, and passes', async () => {
  using folder = tempFolder();
  const path = join(folder.path, 'outbox');
  await using outbox = await openOutbox(settings(path, { maxSizeBytes: 4 * mib }));
  const errors = new Map<string, string>();
  await outbox.append(event(0, 1, fill));
  renameSync(path, `${path}-gone`);
  for (let n = 1; n < 20; n++) await outbox.append(event(n, 1, noise(20_000, n))).catch((e) => errors.set(e.code, e.message));
  expect([...errors]).toEqual([['disk-error', expect.stringContaining('ENOENT')]]);
  renameSync(`${path}-gone`, path);
  await vi.waitFor(() => outbox.append(event(1000)), 2_000);
  const events = await drain(outbox);
  const { dropped } = outbox.counters();
  expect(dropped).toBeGreaterThan(0);
  expect(events.reduce((sum, e) => sum + (e.gap?.readings ?? 0), 0)).toBe(dropped);
  expect(balance(outbox)).toBe(0);
});
