import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hubContext } from '../../../test/contract/hub-client.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { BdSeq } from './bd-seq.ts';

const { log } = hubContext('.');

test('one more with each connect, 255 is followed by 0, kept on disk', async () => {
  using folder = tempFolder();
  const file = join(folder.path, 'sparkplug-g%20/1-n.json'.replace('/', '%2F'));
  expect(await new BdSeq(folder.path, 'g /1', 'n', log).next()).toBe(0);
  expect(await new BdSeq(folder.path, 'g /1', 'n', log).next()).toBe(1);
  expect(readdirSync(folder.path)).toEqual([file.slice(folder.path.length + 1)]);
});

test.for([
  { kept: '{"bdSeq":41}', next: 42 },
  { kept: '{"bdSeq":255}', next: 0 },
  { kept: '{"bdSeq":300}', next: 0 },
  { kept: 'rubbish', next: 0 },
])('after a start with $kept comes $next', async ({ kept, next }) => {
  using folder = tempFolder();
  writeFileSync(join(folder.path, 'sparkplug-g-n.json'), kept);
  expect(await new BdSeq(folder.path, 'g', 'n', log).next()).toBe(next);
});

test('a disk that cannot be written costs no connect, and no number repeats while the process lives', async () => {
  using folder = tempFolder();
  mkdirSync(join(folder.path, 'sparkplug-g-n.json.new'));
  const warned: string[] = [];
  const noisy = { ...log, warn: (_fields: object, message: string) => void warned.push(message) };
  expect(await new BdSeq(folder.path, 'g', 'n', noisy).next()).toBe(0);
  expect(await new BdSeq(folder.path, 'g', 'n', noisy).next()).toBe(1);
  expect(warned).toHaveLength(2);
});
