import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import type { ModuleSpec } from '../contract.ts';
import { make } from '../engine/errors.ts';
import { filterSpec } from '../testing/filter-spec.ts';
import type { ImagePolicy, Images, RefusedImage, Signer } from './contract.ts';
import { openImages } from './images.ts';
import { imageStatement } from './signature.ts';
import { type Archive, ociArchive, saveArchive } from './testing/archives.ts';
import { EngineOfImages, fakeImage } from './testing/engine-of-images.ts';

const credentials = [
  { address: 'other.local', username: 'nobody', password: 'x' },
  { address: 'https://Box.local/', username: 'edge', password: 's3cret' },
];
const hex = (digit: string): string => `sha256:${digit.repeat(64)}`;
const pulled = fakeImage(hex('a'), { tags: ['box.local/filter:1'], digests: [`box.local/filter@${hex('b')}`] });
const away = make('registry-unreachable', 'pulling box.local/filter:1: dial tcp: connection refused');

let folder: ReturnType<typeof tempFolder>;
let engine: EngineOfImages;
let refused: RefusedImage[];
const at = (...names: readonly string[]): string => join(folder.path, ...names);

beforeEach(() => {
  folder = tempFolder();
  for (const name of ['images', 'signatures']) mkdirSync(at(name));
  engine = new EngineOfImages();
  engine.registry.set('box.local/filter:1', pulled);
  refused = [];
});
afterEach(() => folder[Symbol.dispose]());

const open = (policy: ImagePolicy = {}, withFolder = false): Promise<Images> =>
  openImages({
    engine: async () => engine.engine(),
    data: at('data'),
    signatures: at('signatures'),
    policy,
    onRefused: (one) => refused.push(one),
    ...(withFolder && { folder: at('images') }),
  });

describe('from a registry', () => {
  test('pulled with the login of its registry, and made from by id', async () => {
    expect(await (await open()).ensure(filterSpec(), { credentials })).toEqual({ imageId: hex('a'), from: 'registry' });
    expect(engine.calls).toEqual(['pull box.local/filter:1 as edge']);
  });

  test('a registry that is away does no harm where the image is here', async () => {
    engine = new EngineOfImages([pulled]);
    engine.registry.set('box.local/filter:1', away);
    expect(await (await open()).ensure(filterSpec(), { credentials })).toEqual({
      imageId: hex('a'),
      from: 'engine',
      note: expect.stringContaining('connection refused'),
    });
  });

  test('and is said where it is not', async () => {
    engine.registry.set('box.local/filter:1', away);
    await expect((await open()).ensure(filterSpec(), { credentials })).rejects.toMatchObject({ code: 'registry-unreachable' });
    await expect((await open({}, true)).ensure(filterSpec(), { credentials })).rejects.toMatchObject({
      code: 'registry-unreachable',
      message: expect.stringContaining(`no tar in ${at('images')} has it`),
    });
  });

  test('a full disk is no reason to take an older image', async () => {
    engine = new EngineOfImages([pulled]);
    engine.registry.set('box.local/filter:1', make('engine-disk-full', 'no space left on device'));
    await expect((await open()).ensure(filterSpec(), { credentials })).rejects.toMatchObject({ code: 'engine-disk-full' });
  });

  test('with the policy never it is not asked', async () => {
    const never = filterSpec({ imagePullPolicy: 'never' });
    await expect((await open()).ensure(never, { credentials })).rejects.toMatchObject({
      code: 'image-absent',
      message: expect.stringContaining('its imagePullPolicy is never'),
    });
    engine.images_ = [pulled];
    expect(await (await open()).ensure(never, { credentials })).toEqual({ imageId: hex('a'), from: 'engine' });
    expect(engine.calls).toEqual([]);
  });

  test('an image that is named by digest and is here is not asked for again', async () => {
    engine.images_ = [pulled];
    const image = `box.local/filter:1@${hex('b')}`;
    expect(await (await open()).ensure(filterSpec({ image }), { credentials })).toEqual({ imageId: hex('a'), from: 'engine' });
    engine.images_ = [];
    engine.registry.set(`box.local/filter@${hex('b')}`, pulled);
    expect(await (await open()).ensure(filterSpec({ image }), { credentials })).toMatchObject({ from: 'registry' });
    expect(engine.calls).toEqual([`pull box.local/filter@${hex('b')} as edge`]);
  });
});

describe('the digest that a deployment demands', () => {
  test.for([hex('a'), hex('b')])('may be the id or that of the manifest: %s', async (digest) => {
    expect(await (await open()).ensure(filterSpec({ digest }), { credentials })).toMatchObject({ imageId: hex('a') });
  });

  test('is refused when the tag means another image now; what came is taken away again', async () => {
    await expect((await open()).ensure(filterSpec({ digest: hex('c') }), { credentials })).rejects.toMatchObject({
      code: 'image-refused',
      message: `the image box.local/filter:1 of the module filter may not run: the deployment demands ${hex('c')}, and it is ${hex('a')} or ${hex('b')}`,
    });
    expect(refused).toEqual([
      { module: 'filter', image: 'box.local/filter:1', digests: [hex('a'), hex('b')], reason: expect.stringContaining('demands') },
    ]);
    expect(await engine.image(hex('a'))).toBeUndefined();
  });

  test('does not take away an image that was here before', async () => {
    engine.images_ = [pulled];
    await expect((await open()).ensure(filterSpec({ digest: hex('c') }), { credentials })).rejects.toMatchObject({ code: 'image-refused' });
    expect(await engine.image(hex('a'))).toBeDefined();
  });
});

describe('from a folder', () => {
  test('loaded once, no registry asked', async () => {
    const { id } = saveArchive(at('images', 'any-name.tar'), ['box.local/filter:1'], 'one');
    const images = await open({}, true);
    expect(await images.ensure(filterSpec({ imagePullPolicy: 'never' }), { credentials })).toEqual({ imageId: id, from: 'folder' });
    expect(await images.ensure(filterSpec(), { credentials })).toEqual({ imageId: id, from: 'engine' });
    expect(engine.calls).toEqual(['load any-name.tar']);
  });

  test('a new archive under an old name is another image', async () => {
    saveArchive(at('images', 'a.tar'), ['box.local/filter:1'], 'one');
    const images = await open({}, true);
    await images.ensure(filterSpec(), { credentials });
    const { id } = saveArchive(at('images', 'a.tar'), ['box.local/filter:1'], 'two');
    expect(await images.ensure(filterSpec(), { credentials })).toEqual({ imageId: id, from: 'folder' });
  });

  test('what is not in it is asked from the registry', async () => {
    expect(await (await open({}, true)).ensure(filterSpec(), { credentials })).toMatchObject({ from: 'registry' });
  });

  test('a digest of the manifest that only the archive knows is known after it is gone', async () => {
    const { id, manifest } = ociArchive(at('images', 'a.tar'), 'box.local/filter:1', 'one');
    const wanted = filterSpec({ digest: manifest!, imagePullPolicy: 'never' });
    expect(await (await open({}, true)).ensure(wanted, { credentials })).toEqual({ imageId: id, from: 'folder' });
    rmSync(at('images', 'a.tar'));
    expect(await (await open({}, true)).ensure(wanted, { credentials })).toEqual({ imageId: id, from: 'engine' });
  });

  test('a file that changes between look and load does not run', async () => {
    saveArchive(at('images', 'a.tar'), ['box.local/filter:1'], 'one');
    const load = engine.load.bind(engine);
    engine.load = (file) => {
      saveArchive(file, ['box.local/filter:1'], 'evil');
      return load(file);
    };
    await expect((await open({}, true)).ensure(filterSpec(), { credentials })).rejects.toMatchObject({ code: 'image-refused' });
  });
});

const makeSigner = (name: string, type: 'ed25519' | 'ec' = 'ed25519'): Signer & { readonly privateKey: KeyObject } => {
  const { privateKey, publicKey } =
    type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' }) : generateKeyPairSync('ed25519');
  return { name, privateKey, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
};
const signed = (digest: string, key: KeyObject): Buffer =>
  sign(key.asymmetricKeyType === 'ec' ? 'sha256' : null, Buffer.from(imageStatement(digest)), key);

describe('who may run', () => {
  const plant = makeSigner('plant');
  let archive: Archive;
  const sig =
    (...names: readonly string[]): ((bytes: string | Buffer) => void) =>
    (bytes) =>
      writeFileSync(at(...names), bytes);
  const ensure = async (policy: ImagePolicy, more: Partial<ModuleSpec> = {}) =>
    (await open(policy, true)).ensure(filterSpec(more), { credentials });

  beforeEach(() => {
    archive = saveArchive(at('images', 'filter.tar'), ['box.local/filter:1'], 'one');
  });

  test('what is on the list of digests', async () => {
    expect(await ensure({ digests: [archive.id] })).toMatchObject({ from: 'folder' });
    expect(refused).toEqual([]);
  });

  test.for<ImagePolicy>([{}, { digests: [], signers: [] }])('any, where nobody says which: %o', async (policy) => {
    expect(await ensure(policy)).toMatchObject({ from: 'folder' });
  });

  test('nothing else, and it never reaches the engine', async () => {
    await expect(ensure({ digests: [hex('a')] })).rejects.toMatchObject({
      code: 'image-refused',
      message: expect.stringContaining('its digest is not on the list (modules.images.digests)'),
    });
    expect(engine.calls).toEqual([]);
    expect(refused).toHaveLength(1);
  });

  test.for([
    { place: 'beside the tar', names: ['images', 'filter.tar.sig'] },
    { place: 'beside the tar, without its ending', names: ['images', 'filter.sig'] },
    { place: 'by digest beside the tar', names: ['images', '#'] },
    { place: 'by digest in the folder of signatures', names: ['signatures', '#'] },
  ])('what a signer signed: $place', async ({ names }) => {
    sig(...names.map((name) => name.replace('#', `${archive.id.replace(':', '-')}.sig`)))(signed(archive.id, plant.privateKey));
    expect(await ensure({ signers: [makeSigner('other'), plant] })).toMatchObject({ from: 'folder' });
  });

  test('in Base64, wrapped or several of them; ECDSA as well', async () => {
    const ecdsa = makeSigner('ecdsa', 'ec');
    const base64 = signed(archive.id, ecdsa.privateKey).toString('base64');
    const place = sig('images', 'filter.sig');
    place(`${base64.replace(/.{64}/g, '$&\n')}\n`);
    expect(await ensure({ signers: [ecdsa] })).toMatchObject({ from: 'folder' });
    place(`${signed(archive.id, plant.privateKey).toString('base64')}\n${base64}\n`);
    expect(await ensure({ signers: [ecdsa] })).toMatchObject({ from: 'engine' });
    expect(await ensure({ signers: [plant] })).toMatchObject({ from: 'engine' });
  });

  test('an image from a registry, by a signature for the digest of its manifest or for its id', async () => {
    rmSync(at('images', 'filter.tar'));
    for (const digest of [hex('a'), hex('b')]) {
      engine.images_ = [];
      const file = `${digest.replace(':', '-')}.sig`;
      sig('signatures', file)(signed(digest, plant.privateKey));
      expect(await ensure({ signers: [plant] })).toMatchObject({ from: 'registry' });
      rmSync(at('signatures', file));
    }
    await expect(ensure({ signers: [plant] })).rejects.toMatchObject({ code: 'image-refused' });
  });

  test.for<{ rule: string; bytes: (id: string) => string | Buffer }>([
    { rule: 'by another key', bytes: (id) => signed(id, makeSigner('evil').privateKey) },
    { rule: 'for another image', bytes: () => signed(hex('f'), plant.privateKey) },
    { rule: 'of the digest alone', bytes: (id) => sign(null, Buffer.from(id), plant.privateKey) },
    { rule: 'cut', bytes: (id) => signed(id, plant.privateKey).subarray(0, 40) },
    { rule: 'empty', bytes: () => '' },
    { rule: 'a text', bytes: () => 'signed by the boss' },
  ])('not with a signature that is $rule', async ({ bytes }) => {
    sig('images', 'filter.tar.sig')(bytes(archive.id));
    await expect(ensure({ signers: [plant] })).rejects.toMatchObject({
      code: 'image-refused',
      message: expect.stringContaining('filter.tar.sig is no signature of plant for it'),
      hint: expect.stringContaining(`dragoman image ${archive.id}`),
    });
  });

  test('without any signature, told how to make one', async () => {
    await expect(ensure({ signers: [plant] })).rejects.toMatchObject({
      message: expect.stringContaining('there is no signature of plant for it'),
      hint: expect.stringMatching(/openssl pkeyutl -sign .*sha256-[0-9a-f]{64}\.sig$/),
    });
  });

  test('an image that was in the engine all along is held to the same', async () => {
    rmSync(at('images', 'filter.tar'));
    engine.images_ = [pulled];
    await expect(ensure({ signers: [plant] }, { imagePullPolicy: 'never' })).rejects.toMatchObject({ code: 'image-refused' });
  });

  test('is said before anything moves where that can be known', async () => {
    const images = await open({ digests: [hex('a')] }, true);
    expect(await images.check(filterSpec())).toMatchObject([
      {
        severity: 'error',
        rule: 'image-refused',
        path: "modulesContent.$edgeAgent['properties.desired'].modules.filter.settings.image",
      },
    ]);
    expect(await images.check(filterSpec({ image: 'box.local/unknown:1' }))).toEqual([]);
    expect(refused).toEqual([]);
  });

  test('the program openssl makes keys and signatures, as the hint says', async () => {
    const [key, statement, file] = [at('key.pem'), at('statement'), at('images', 'filter.tar.sig')];
    writeFileSync(statement, imageStatement(archive.id));
    const openssl = (...args: readonly string[]): Buffer => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    openssl('genpkey', '-algorithm', 'ed25519', '-out', key);
    const edwards = { name: 'edwards', publicKey: openssl('pkey', '-in', key, '-pubout').toString() };
    openssl('pkeyutl', '-sign', '-inkey', key, '-rawin', '-in', statement, '-out', file);
    expect(await ensure({ signers: [edwards] })).toMatchObject({ from: 'folder' });
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384', '-out', key);
    const curve = { name: 'curve', publicKey: openssl('pkey', '-in', key, '-pubout').toString() };
    openssl('dgst', '-sha256', '-sign', key, '-out', file, statement);
    expect(await ensure({ signers: [curve] })).toMatchObject({ from: 'engine' });
    await expect(ensure({ signers: [edwards] })).rejects.toMatchObject({ code: 'image-refused' });
  });
});

test.for([
  { rule: 'no key', publicKey: 'hello', says: 'cannot be read' },
  {
    rule: 'a private one',
    publicKey: makeSigner('x').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    says: 'is a private one',
  },
  {
    rule: 'RSA',
    publicKey: createPublicKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
      .export({ type: 'spki', format: 'pem' })
      .toString(),
    says: 'is of the kind rsa',
  },
])('a signer whose key is $rule is said at once, without the key', async ({ publicKey, says }) => {
  const error = await open({ signers: [{ name: 'plant', publicKey }] }).catch((one: Error) => one);
  expect(error).toMatchObject({ code: 'image-signer', message: expect.stringContaining(`the signer plant ${says}`) });
});

describe('clean-up', () => {
  const second = fakeImage(hex('d'), { tags: ['box.local/filter:2'] });

  test('takes what came through us and nobody needs; nothing else', async () => {
    engine.images_ = [fakeImage(hex('e'), { tags: ['of-the-plant:1'] })];
    engine.registry.set('box.local/filter:2', second);
    let images = await open();
    await images.ensure(filterSpec(), { credentials });
    await images.ensure(filterSpec({ image: 'box.local/filter:2' }), { credentials });
    // After a restart it is known still.
    images = await open();
    expect(await images.cleanUp(new Set(['box.local/filter:2']))).toEqual([hex('a')]);
    expect((await engine.images()).map(({ id }) => id).sort()).toEqual([hex('d'), hex('e')]);
    expect(await images.cleanUp(new Set([hex('d')]))).toEqual([]);
    expect(statSync(at('data', 'images.json')).mode & 0o777).toBe(0o600);
  });

  test('what is in use stays, and goes the next time', async () => {
    engine.registry.set('box.local/filter:1', { ...pulled, inUse: true });
    const images = await open();
    await images.ensure(filterSpec(), { credentials });
    expect(await images.cleanUp(new Set())).toEqual([]);
    engine.images_ = [pulled];
    expect(await images.cleanUp(new Set())).toEqual([hex('a')]);
  });

  test('an image that was here under another name is not ours, even when we pull it', async () => {
    engine.images_ = [fakeImage(hex('a'), { tags: ['of-the-plant:1'] })];
    const images = await open();
    await images.ensure(filterSpec(), { credentials });
    expect(await images.cleanUp(new Set())).toEqual([]);
  });

  test('a name that somebody else gave to our image keeps it', async () => {
    const images = await open();
    await images.ensure(filterSpec(), { credentials });
    engine.images_ = [{ ...pulled, tags: [...pulled.tags, 'of-the-plant:1'] }];
    await images.cleanUp(new Set());
    expect(await engine.image('of-the-plant:1')).toBeDefined();
  });

  test('a kill while it came: it is ours still', async () => {
    const pull = engine.pull.bind(engine);
    engine.pull = async (reference, options) => {
      await pull(reference, options);
      throw make('engine-absent', 'killed');
    };
    await expect((await open()).ensure(filterSpec(), { credentials })).rejects.toMatchObject({ code: 'engine-absent' });
    engine.pull = pull;
    const images = await open();
    await images.ensure(filterSpec(), { credentials });
    expect(await images.cleanUp(new Set())).toEqual([hex('a')]);
  });

  test('a damaged record loses nothing but the clean-up', async () => {
    await (await open()).ensure(filterSpec(), { credentials });
    writeFileSync(at('data', 'images.json'), readFileSync(at('data', 'images.json')).subarray(0, 20));
    const images = await open();
    expect(await images.cleanUp(new Set())).toEqual([]);
    expect(await images.ensure(filterSpec(), { credentials })).toMatchObject({ from: 'registry' });
  });
});
