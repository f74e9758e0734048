import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test, vi } from 'vitest';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { digestOf } from './blobs.ts';
import { emptyState } from './snapshot.ts';
import { ConfigurationStore, removeParts } from './store.ts';

const who = { who: 'anna', from: 'command', note: 'a note' };
const put = (store: ConfigurationStore, text: string) =>
  store.commit({ ...emptyState, remote: { 'a.yaml': digestOf(text) } }, [text], who, ['1 point changed']);

test('a snapshot says who, when, from where, and what came before', async () => {
  using folder = tempFolder();
  const store = await ConfigurationStore.open(folder.path);
  await put(store, 'one');
  const second = await put(store, 'two');
  expect(second).toMatchObject({ number: 2, parent: 1, ...who, plan: ['1 point changed'] });
  const again = await ConfigurationStore.open(folder.path);
  expect(again.snapshots).toEqual(store.snapshots);
  expect([...again.texts.values()]).toEqual(['two']);
});

test('the last 50 stay, their texts too; numbers are never used again', async () => {
  using folder = tempFolder();
  const store = await ConfigurationStore.open(folder.path);
  for (let n = 1; n <= 53; n++) await put(store, `text ${n}`);
  expect(store.snapshots.map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, i) => i + 4));
  await store.blobs.sweep(new Set(store.snapshots.flatMap(({ remote }) => Object.values(remote))), -1);
  expect(readdirSync(join(folder.path, 'files'))).toHaveLength(50);
  rmSync(join(folder.path, 'snapshots', '000053.json'));
  writeFileSync(join(folder.path, 'snapshots', '000060.json'), 'garbage');
  const again = await ConfigurationStore.open(folder.path);
  expect(again.current?.number).toBe(52);
  expect((await put(again, 'next')).number).toBe(61);
});

test.for([
  { rule: 'the newest is cut', harm: (folder: string) => truncateSync(join(folder, 'snapshots', '000002.json'), 40) },
  { rule: 'the newest is of another number', harm: (folder: string) => copyOver(folder, '000001.json', '000002.json') },
  { rule: 'a text of the newest is gone', harm: (folder: string) => rmSync(join(folder, 'files', digestOf('two'))) },
  { rule: 'a text of the newest is another', harm: (folder: string) => writeFileSync(join(folder, 'files', digestOf('two')), 'twp') },
])('damage: $rule: the one before is used, and it is said', async ({ harm }) => {
  using folder = tempFolder();
  const store = await ConfigurationStore.open(folder.path);
  await put(store, 'one');
  await put(store, 'two');
  harm(folder.path);
  const warn = vi.fn();
  const again = await ConfigurationStore.open(folder.path, { warn });
  expect([...again.texts.values()]).toEqual(['one']);
  expect(warn).toHaveBeenCalledOnce();
  expect((await put(again, 'three')).number).toBe(3);
});

function copyOver(folder: string, from: string, to: string): void {
  writeFileSync(join(folder, 'snapshots', to), readFileSync(join(folder, 'snapshots', from)));
}

test('kill -9 in the middle of a write: what was durable is in force, or one that was about to be', async () => {
  using folder = tempFolder();
  for (let round = 0; round < 6; round++) {
    const child = startChild(process.execPath, [resolve('gateway/configuration/testing/commit-loop.ts'), folder.path]);
    await child.line(/^\d+ /);
    // Not a fixed moment: whatever it is doing when the second line is being printed, and a little after.
    const before = child.output().trimEnd().split('\n').length;
    await vi.waitFor(() => expect(child.output().trimEnd().split('\n').length).toBeGreaterThan(before + round));
    child.process.kill('SIGKILL');
    await child.exited;
    const [number, sha256] = child.output().trimEnd().split('\n').at(-1)!.split(' ');
    await removeParts(folder.path);
    const warn = vi.fn();
    const store = await ConfigurationStore.open(folder.path, { warn });
    expect(warn).not.toHaveBeenCalled();
    expect(store.current!.number).toBeGreaterThanOrEqual(Number(number));
    expect(store.current!.number).toBeLessThanOrEqual(Number(number) + 1);
    if (store.current!.number === Number(number)) expect(store.current!.remote['a.yaml']).toBe(sha256);
    expect(store.texts.get(store.current!.remote['a.yaml']!)).toMatch(/^equipment: machine-/);
  }
}, 30_000);
