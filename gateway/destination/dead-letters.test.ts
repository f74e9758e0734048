import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { DeadLetters, listDeadLetters } from './dead-letters.ts';

const message = (id: string, body: Uint8Array | string = '{"a":1}') => ({
  id,
  body: typeof body === 'string' ? Buffer.from(body) : body,
  contentType: 'application/json',
  contentEncoding: 'utf-8',
});

test('keeps what was refused with the reason, text as text, the rest as base64, oldest first', async () => {
  using folder = tempFolder();
  const letters = new DeadLetters(folder.path, 'historian');
  await letters.keep(message('gw/a/1'), 'too large');
  await letters.keep({ ...message('gw/a/2', Uint8Array.of(0xff, 0)), contentType: 'application/octet-stream' }, 'not understood');
  await letters.keep({ ...message('gw/a/3'), contentEncoding: 'zstd' }, 'x');
  expect(await listDeadLetters(folder.path)).toMatchObject([
    { id: 'gw/a/1', destination: 'historian', reason: 'too large', bodyIs: 'text', body: '{"a":1}' },
    { id: 'gw/a/2', bodyIs: 'base64', body: '/wA=' },
    { id: 'gw/a/3', bodyIs: 'base64', contentEncoding: 'zstd' },
  ]);
});

test('a hub that refuses everything does not fill the disk', async () => {
  using folder = tempFolder();
  const letters = new DeadLetters(folder.path, 'hub');
  for (let n = 0; n < 205; n++) await letters.keep(message(`m-${n}`), 'no');
  const names = readdirSync(join(folder.path, 'hub'));
  expect(names).toHaveLength(200);
  expect((await listDeadLetters(folder.path)).at(-1)?.id).toBe('m-204');
});

test('a hundred refusals at once are all kept, and those that come and go meanwhile disturb nobody', async () => {
  using folder = tempFolder();
  const letters = new DeadLetters(folder.path, 'hub');
  for (let n = 0; n < 195; n++) await letters.keep(message(`m-${n}`), 'no');
  await Promise.all(Array.from({ length: 100 }, (_, n) => letters.keep(message(`n-${n}`), 'no')));
  const kept = await listDeadLetters(folder.path);
  expect(kept).toHaveLength(200);
  expect(kept.slice(-100).map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, n) => `n-${n}`));
});

test('letters of a former life are counted, and those that somebody removed meanwhile do no harm', async () => {
  using folder = tempFolder();
  const former = new DeadLetters(folder.path, 'hub');
  for (let n = 0; n < 150; n++) await former.keep(message(`old-${n}`), 'no');
  const letters = new DeadLetters(folder.path, 'hub');
  await letters.keep(message('new-0'), 'no');
  rmSync(join(folder.path, 'hub'), { recursive: true });
  for (let n = 1; n < 120; n++) await letters.keep(message(`new-${n}`), 'no');
  const kept = await listDeadLetters(folder.path);
  expect(kept).toHaveLength(119);
  expect(kept.at(-1)?.id).toBe('new-119');
});

test('a hub that refuses faster than the disk takes does not fill the memory: of what waits, the newest is kept', async () => {
  using folder = tempFolder();
  const letters = new DeadLetters(folder.path, 'hub');
  const body = new Uint8Array(256 * 1024);
  await Promise.all(Array.from({ length: 300 }, (_, n) => letters.keep(message(`m-${n}`, body), 'no')));
  const kept = await listDeadLetters(folder.path);
  // The one that was being written, and as many as may wait.
  expect(kept.map(({ id }) => id)).toEqual(['m-0', ...Array.from({ length: 16 }, (_, n) => `m-${284 + n}`)]);
});

test('none were kept where there is no folder', async () => {
  expect(await listDeadLetters('/nowhere/at/all')).toEqual([]);
});
