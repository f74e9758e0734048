import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, statfsSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { NotConnectedError } from '../../model/error.ts';
import { hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { type Capability, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { HubMessage } from '../contract.ts';
import { connect } from './client.ts';
import { file } from './definition.ts';
import { realDisk } from './part-file.ts';
import { idsIn, namesIn, textOf } from './testcases/support.ts';

const open = (folder: string, settings: object = {}, disk = realDisk) =>
  connect(file.settings.parse({ folder, ...settings }), hubContext(folder), new AbortController().signal, disk);

const csv = (id: string, ...rows: readonly string[]): HubMessage => ({
  ...hubMessage(id, ['a,b', ...rows].map((row) => `${row}\r\n`).join('')),
  contentType: 'text/csv; charset=utf-8; header=present',
});

describe('files', () => {
  test('a file has its name only when it is finished', async () => {
    using folder = tempFolder();
    {
      await using session = await open(folder.path);
      await session.send(hubMessage('m-1'));
      expect(namesIn(folder.path)).toEqual([expect.stringMatching(/^gw-test-1-\d{8}T\d{6}Z-000001\.jsonl\.part$/)]);
    }
    expect(namesIn(folder.path)).toEqual([expect.stringMatching(/^gw-test-1-\d{8}T\d{6}Z-000001\.jsonl$/)]);
    expect(idsIn(folder.path)).toEqual(['m-1']);
  });

  test('a session without messages leaves nothing', async () => {
    using folder = tempFolder();
    await (await open(join(folder.path, 'new')))[Symbol.asyncDispose]();
    expect(namesIn(join(folder.path, 'new'))).toEqual([]);
  });

  test('calls that wait together share one sync', async () => {
    using folder = tempFolder();
    let syncs = 0;
    await using session = await open(folder.path, {}, { sync: (handle) => handle.datasync().then(() => void syncs++) });
    await Promise.all(Array.from({ length: 60 }, (_, n) => session.send(hubMessage(`m-${n}`))));
    expect(syncs).toBe(1);
  });

  test.for(['none', 'gzip', 'zstd'] as const)('rotates by size, numbers go on, %s', async (compression) => {
    using folder = tempFolder();
    const ids = Array.from({ length: 60 }, (_, n) => `m-${n}`);
    for (const half of [ids.slice(0, 30), ids.slice(30)]) {
      await using session = await open(folder.path, { compression, rotate: { size: '2KB' } });
      for (const id of half) await session.send(hubMessage(id));
    }
    const names = namesIn(folder.path);
    expect(names.length).toBeGreaterThan(3);
    expect(names.map((name) => Number(/-(\d{6})\.jsonl(\.gz|\.zst)?$/.exec(name)?.[1]))).toEqual(names.map((_, n) => n + 1));
    expect(new Set(names.map((name) => name.replace(/^.*jsonl/, '')))).toEqual(
      new Set([{ none: '', gzip: '.gz', zstd: '.zst' }[compression]]),
    );
    expect(idsIn(folder.path)).toEqual(ids);
  });

  test('rotates by age, also when nothing more comes', async () => {
    using folder = tempFolder();
    await using session = await open(folder.path, { rotate: { after: '1s' } });
    await session.send(hubMessage('m-1'));
    await vi.waitFor(() => expect(namesIn(folder.path, '.jsonl')).toHaveLength(1), 4_000);
    await session.send(hubMessage('m-2'));
    expect(namesIn(folder.path)).toHaveLength(2);
  });

  test('CSV has its header once a file, and a file of its own for each header', async () => {
    using folder = tempFolder();
    {
      await using session = await open(folder.path);
      await session.send(csv('m-1', '1,2'));
      await session.send(csv('m-2', '3,4', '5,6'));
      await session.send({ ...csv('m-3'), body: Buffer.from('a,c\r\n7,8\r\n') });
      await session.send(hubMessage('m-4'));
    }
    const [first = '', second = '', third = ''] = namesIn(folder.path);
    expect(textOf(folder.path, first)).toBe('a,b\r\n1,2\r\n3,4\r\n5,6\r\n');
    expect(textOf(folder.path, second)).toBe('a,c\r\n7,8\r\n');
    expect(third).toMatch(/\.jsonl$/);
  });

  test('keeps as many as the settings say, and never touches the files of others', async () => {
    using folder = tempFolder();
    writeFileSync(join(folder.path, 'notes.txt'), 'x');
    {
      await using session = await open(folder.path, { keep: { files: 2 }, rotate: { size: '2KB' } });
      for (let n = 0; n < 30; n++) await session.send(hubMessage(`m-${n}`));
    }
    expect(namesIn(folder.path, '.jsonl')).toHaveLength(2);
    expect(namesIn(folder.path, '.txt')).toEqual(['notes.txt']);
    for (const name of namesIn(folder.path, '.jsonl')) utimesSync(join(folder.path, name), 0, 0);
    await (await open(folder.path, { keep: { age: '1h' } }))[Symbol.asyncDispose]();
    expect(namesIn(folder.path)).toEqual(['notes.txt']);
  });

  test('takes up where a life ended without notice: torn lines are cut, leftovers removed', async () => {
    using folder = tempFolder();
    const at = (name: string): string => join(folder.path, name);
    writeFileSync(at('gw-test-1-20261124T080001Z-000005.jsonl.part'), '{"id":"a"}\n{"id":"b"}\n{"id":"c');
    writeFileSync(at('gw-test-1-20261124T080001Z-000006.jsonl.part'), '{"id":"d');
    writeFileSync(at('gw-test-1-20261124T080001Z-000004.jsonl'), '{"id":"0"}\n');
    writeFileSync(at('gw-test-1-20261124T080001Z-000004.jsonl.part'), '{"id":"0"}\n');
    writeFileSync(at('gw-test-1-20261124T080001Z-000003.jsonl.gz.part'), 'half');
    writeFileSync(at('other-20261124T080001Z-000001.jsonl.part'), 'not ours');
    {
      await using session = await open(folder.path);
      await session.send(hubMessage('c'));
    }
    expect(namesIn(folder.path)).toEqual([
      'gw-test-1-20261124T080001Z-000004.jsonl',
      'gw-test-1-20261124T080001Z-000005.jsonl',
      expect.stringMatching(/-000007\.jsonl$/),
      'other-20261124T080001Z-000001.jsonl.part',
    ]);
    unlinkSync(at('other-20261124T080001Z-000001.jsonl.part'));
    expect(idsIn(folder.path)).toEqual(['0', 'a', 'b', 'c']);
  });

  test.for(['none', 'gzip'])(
    'kill -9 while writing loses nothing that was taken over, and leaves no torn line (%s)',
    async (compression) => {
      using folder = tempFolder();
      const out = join(folder.path, 'out');
      let taken: readonly string[] = [];
      for (const lines of [30, 200]) {
        rmSync(out, { recursive: true, force: true });
        await using child = startChild(process.execPath, [
          fileURLToPath(new URL('./testcases/writer.ts', import.meta.url)),
          out,
          compression,
        ]);
        await vi.waitFor(() => expect(child.output().split('\n').length).toBeGreaterThan(lines), 10_000);
        child.process.kill('SIGKILL');
        await child.exited;
        taken = child.output().match(/^m-\d{6}$/gm) ?? [];
        await (await open(out, { compression }))[Symbol.asyncDispose]();
        const written = idsIn(out);
        expect(namesIn(out, '.part')).toEqual([]);
        expect(written.filter((id) => !id.endsWith('-b')).slice(0, taken.length)).toEqual(taken);
      }
      expect(taken.length).toBeGreaterThan(100);
    },
  );

  test('an encoding without lines ends the session and drops nothing', async () => {
    using folder = tempFolder();
    const session = await open(folder.path);
    const sent = session.send({ ...hubMessage('m-1'), contentType: 'application/x-protobuf' });
    await expect(sent).rejects.toMatchObject({ code: 'hub-encoding', retry: 'after-fix', hint: expect.stringContaining('csv') });
    await expect(sent).rejects.toBeInstanceOf(NotConnectedError);
    expect(await session.closed).toMatchObject({ code: 'hub-encoding' });
    await session[Symbol.asyncDispose]();
  });

  test('JSON that does not end is refused alone', async () => {
    using folder = tempFolder();
    await using session = await open(folder.path);
    await expect(session.send(hubMessage('m-1', '{"id":'))).rejects.toMatchObject({ code: 'message-malformed', retry: 'never' });
    await session.send(hubMessage('m-2'));
    expect(idsIn(folder.path)).toEqual(['m-2']);
  });

  test('two destinations cannot share a folder', async () => {
    using folder = tempFolder();
    {
      await using _ = await open(folder.path);
      await expect(open(folder.path)).rejects.toMatchObject({ code: 'hub-folder', message: expect.stringContaining(folder.path) });
    }
    await using _ = await open(folder.path);
  });

  test('a file where the folder should be, and a parent that is not there', async () => {
    using folder = tempFolder();
    writeFileSync(join(folder.path, 'x'), '');
    await expect(open(join(folder.path, 'x'))).rejects.toMatchObject({ code: 'hub-folder', retry: 'after-fix' });
    await expect(open(join(folder.path, 'share', 'out'))).rejects.toBeInstanceOf(NotConnectedError);
    mkdirSync(join(folder.path, 'share'));
    await using _ = await open(join(folder.path, 'share', 'out'));
  });
});

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
describe.skipIf(!mount.ok)(titled('a disk of its own', mount), () => {
  test.for(['none', 'gzip'])('full: nothing is lost or torn, and it goes on when there is room (%s)', async (compression) => {
    using disk = smallDisk('1m');
    const folder = join(disk.path, 'out');
    const { bavail, bsize } = statfsSync(disk.path);
    writeFileSync(join(disk.path, 'other'), Buffer.alloc(bavail * bsize - 200_000, 1));
    const ids = Array.from({ length: 40 }, (_, n) => `m-${String(n).padStart(2, '0')}`);
    const body = (id: string): string => JSON.stringify({ id, fill: randomBytes(5_000).toString('hex') });
    const taken: string[] = [];
    const session = await open(folder, { compression });
    let error: unknown;
    for (const id of ids) {
      error = await session.send(hubMessage(id, body(id))).then(
        () => void taken.push(id),
        (reason: unknown) => reason,
      );
      if (error) break;
    }
    expect(error).toBeInstanceOf(NotConnectedError);
    expect(error).toMatchObject({ code: 'hub-disk-full', message: expect.stringContaining(folder), hint: expect.stringContaining('room') });
    expect(await session.closed).toBe(error);
    await session[Symbol.asyncDispose]();
    expect(taken.length).toBeGreaterThan(5);
    expect(namesIn(folder, '.part')).toEqual([]);
    expect(idsIn(folder)).toEqual(taken);
    // Still full.
    {
      await using again = await open(folder, { compression });
      await expect(again.send(hubMessage('m-x', body('m-x')))).rejects.toMatchObject({ code: 'hub-disk-full' });
    }
    rmSync(join(disk.path, 'other'));
    {
      await using again = await open(folder, { compression });
      for (const id of ids.slice(taken.length)) await again.send(hubMessage(id, body(id)));
    }
    expect(idsIn(folder)).toEqual(ids);
  });

  test('read-only is told by name, with a cure', async () => {
    using disk = smallDisk('1m');
    const folder = join(disk.path, 'out');
    await (await open(folder))[Symbol.asyncDispose]();
    disk.options('ro');
    const failed = open(folder);
    await expect(failed).rejects.toMatchObject({ code: 'hub-folder', retry: 'after-fix', message: expect.stringContaining('read-only') });
    await expect(failed).rejects.not.toBeInstanceOf(NotConnectedError);
  });

  test('a part that cannot be written any more in the middle of a session ends it', async () => {
    using disk = smallDisk('1m');
    const session = await open(join(disk.path, 'out'));
    await session.send(hubMessage('m-1'));
    rmSync(join(disk.path, 'out'), { recursive: true });
    await session[Symbol.asyncDispose]();
    expect(await session.closed).toBeUndefined();
  });
});
