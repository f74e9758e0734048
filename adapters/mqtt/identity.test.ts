import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { passingClientId, stableClientId } from './identity.ts';

test('the same in one state folder, another one in another, letters and digits alone', async () => {
  using here = tempFolder();
  using there = tempFolder();
  const [one, again, other] = await Promise.all([
    stableClientId(here.path, 'press-7'),
    stableClientId(here.path, 'press-7'),
    stableClientId(there.path, 'press-7'),
  ]);
  expect(one).toMatch(/^dragoman-press-7-[a-z0-9]{8}$/);
  expect(again).toBe(one);
  expect(other).not.toBe(one);
  expect(await stableClientId(here.path, 'press-{id}')).toMatch(/^dragoman-press-_id_-/);
});

test('a folder that cannot be used is for a person to change', async () => {
  using folder = tempFolder();
  const file = join(folder.path, 'file');
  writeFileSync(file, '');
  await expect(stableClientId(join(file, 'below'), 'press-7')).rejects.toMatchObject({
    code: 'mqtt-state',
    retry: 'after-fix',
    hint: expect.stringMatching(/clientId/),
  });
});

test('a passing one is never the same', () => {
  expect(passingClientId()).not.toBe(passingClientId());
});
