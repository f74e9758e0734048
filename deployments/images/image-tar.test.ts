import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { ImageFolder } from './folder.ts';
import { readImageTar } from './image-tar.ts';
import { readTar } from './tar.ts';
import { digestOf, ociArchive, pack, saveArchive } from './testing/archives.ts';

const long = `${'folder/'.repeat(20)}with-a-name-of-more-than-a-hundred-characters.json`;

describe('a tar is read as the system wrote it', () => {
  test.for(['ustar', 'gnu', 'posix'])('%s, plain and gzipped, with names of any length', async (format) => {
    using folder = tempFolder();
    const plain = join(folder.path, 'a.tar');
    const contents = {
      'small.json': '{}',
      'empty.json': '',
      [long]: '{"long":1}',
      'large.bin': Buffer.alloc(100_000, 7),
      'last.json': '[]',
    };
    pack(plain, contents, [`--format=${format}`]);
    execFileSync('gzip', ['-k', plain]);
    for (const file of [plain, `${plain}.gz`]) {
      const found = [];
      for await (const { name, sizeBytes, content } of readTar(file, (one) => one.endsWith('.json')))
        found.push([name, sizeBytes, content?.toString()]);
      expect(found).toEqual([
        ['small.json', 2, '{}'],
        ['empty.json', 0, ''],
        [long, 10, '{"long":1}'],
        ['large.bin', 100_000, undefined],
        ['last.json', 2, '[]'],
      ]);
    }
  });

  test('one that ends too early, or is none, says so', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'a.tar');
    const read = async (): Promise<void> => {
      for await (const _ of readTar(file, () => true));
    };
    pack(file, { 'large.bin': Buffer.alloc(100_000, 7) });
    truncateSync(file, 50_000);
    await expect(read()).rejects.toThrow('it ends in the middle of a file');
    writeFileSync(file, Buffer.alloc(5_000, 'x'));
    await expect(read()).rejects.toThrow('it is no tar');
    writeFileSync(file, Buffer.from([0x1f, 0x8b, 1, 2, 3]));
    await expect(read()).rejects.toThrow();
  });
});

describe('images of an archive', () => {
  test('docker save: names, and the id out of the configuration', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'a.tar');
    const { id } = saveArchive(file, ['box.local/filter:1', 'docker.io/library/filter:1'], 'one');
    expect(await readImageTar(file)).toEqual([{ names: ['box.local/filter:1', 'filter:1'], digests: [id] }]);
  });

  test.for([false, true])('OCI: the digests of configuration, manifest and list (list: %s)', async (list) => {
    using folder = tempFolder();
    const file = join(folder.path, 'a.tar');
    const { id, manifest } = ociArchive(file, 'box.local/filter:1', 'one', { list });
    const [image, ...others] = await readImageTar(file);
    expect(others).toEqual([]);
    expect(image).toMatchObject({ names: ['box.local/filter:1'], digests: expect.arrayContaining([id, manifest]) });
    expect(image!.digests).toHaveLength(list ? 3 : 2);
  });

  test('an archive that says another digest than it has is not believed', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'a.tar');
    const { id } = ociArchive(file, 'box.local/filter:1', 'good', { instead: JSON.stringify({ content: 'evil' }) });
    await expect(readImageTar(file)).rejects.toThrow(`what it has for ${id} is something else`);
    const configuration = JSON.stringify({ content: 'evil' });
    pack(file, { 'good.json': configuration, 'manifest.json': JSON.stringify([{ Config: 'good.json', RepoTags: ['filter:1'] }]) });
    expect(await readImageTar(file)).toEqual([{ names: ['filter:1'], digests: [digestOf(configuration)] }]);
  });

  test('a tar without images says what it looked for', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'a.tar');
    pack(file, { 'a.json': '{}' });
    await expect(readImageTar(file)).rejects.toThrow('it holds no image');
  });
});

describe('a folder of images', () => {
  test('finds by the name inside or by digest, in any of its archives; the youngest first', async () => {
    using folder = tempFolder();
    const at = (name: string): string => join(folder.path, name);
    const old = saveArchive(at('z.tar'), ['filter:1'], 'old');
    const young = saveArchive(at('a.tgz'), ['filter:1', 'filter:2'], 'young', ['-z']);
    writeFileSync(at('notes.txt'), 'nothing');
    utimesSync(at('z.tar'), 1000, 1000);
    const images = new ImageFolder(folder.path);
    expect((await images.find('docker.io/library/filter:1')).image).toMatchObject({ file: at('a.tgz'), digests: [young.id] });
    expect((await images.find(`filter@${old.id}`)).image).toMatchObject({ file: at('z.tar') });
    expect(await images.find('filter:3')).toEqual({ image: undefined, broken: [] });
    const podmans = saveArchive(at('p.tar'), ['localhost/own:1', 'localhost:5000/own:2'], 'podman');
    expect((await images.find('own:1')).image).toMatchObject({ digests: [podmans.id] });
    expect((await images.find('own:2')).image).toBeUndefined();
  });

  test('an archive that is half copied is said, and read again when it is whole', async () => {
    using folder = tempFolder();
    const [whole, file] = [join(folder.path, 'whole'), join(folder.path, 'a.tar')];
    const { id } = saveArchive(whole, ['filter:1'], 'one');
    const bytes = readFileSync(whole);
    writeFileSync(file, bytes.subarray(0, 1_000_000));
    const images = new ImageFolder(folder.path);
    expect(await images.find('filter:1')).toEqual({ image: undefined, broken: [`${file}: it ends in the middle of a file`] });
    writeFileSync(file, bytes);
    expect((await images.find('filter:1')).image).toMatchObject({ digests: [id] });
  });

  test('one that is not there says which', async () => {
    await expect(new ImageFolder('/no/such/folder').find('a:1')).rejects.toMatchObject({
      code: 'images-folder',
      message: expect.stringContaining('/no/such/folder'),
    });
  });
});
