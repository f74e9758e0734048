import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { capability } from '../../test/support/capabilities.ts';
import { docker, makeShellImage, startRegistry, type TestEngine, type TestRegistry } from '../../test/support/engine.ts';
import { type EngineKind, ownEngines } from '../../test/support/engines.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { ModuleSpec } from '../contract.ts';
import { containerBody } from '../engine/container-body.ts';
import type { Engine } from '../engine/contract.ts';
import { openDocker } from '../engine/docker.ts';
import type { ImagePolicy, Images, RefusedImage } from './contract.ts';
import { openImages } from './images.ts';
import { imageStatement } from './signature.ts';

for (const kind of ownEngines(capability('registry')))
  describe.skipIf(!kind.ok)(kind.titled('images of a real engine'), kind.trying, () => imagesOn(kind));

function imagesOn(kind: EngineKind<TestEngine>): void {
  let peer: TestEngine;
  let registry: TestRegistry;
  let engine: Engine;
  let folder: ReturnType<typeof tempFolder>;
  let refused: RefusedImage[];
  const at = (...names: readonly string[]): string => join(folder.path, ...names);

  beforeAll(async () => {
    [peer, registry] = await Promise.all([kind.start(), startRegistry()]);
    engine = await openDocker({ url: peer.host });
  }, 60_000);
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await peer?.[Symbol.asyncDispose]();
  }, 60_000);
  beforeEach(() => {
    folder = tempFolder();
    mkdirSync(at('images'));
    refused = [];
  });
  afterEach(() => folder[Symbol.dispose]());

  const spec = (image: string, more: Partial<ModuleSpec> = {}): ModuleSpec => ({
    ...{ name: 'filter', version: '1', status: 'running', restartPolicy: 'always', imagePullPolicy: 'on-create', startupOrder: 1, env: {} },
    ...{ image, createOptions: {} },
    ...more,
  });
  const open = (policy: ImagePolicy = {}): Promise<Images> =>
    openImages({ engine: async () => engine, data: at('data'), folder: at('images'), policy, onRefused: (one) => refused.push(one) });
  const credentials = () => [{ address: registry.address, username: registry.username, password: registry.password }];
  /** In the registry, and no more in the engine. */
  const published = async (
    name: string,
    content = name,
  ): Promise<{ readonly id: string; readonly digest: string; readonly image: string }> => {
    const image = `${registry.address}/${name}`;
    const id = await makeShellImage(peer.host, { tag: 'made:1', content });
    const digest = await registry.push(peer.host, 'made:1', image);
    await docker(peer.host, 'rmi', '-f', id);
    return { id, digest, image };
  };
  const runs = async (imageId: string, image: string): Promise<boolean> => {
    const body = containerBody(spec(image), { gateway: 'gw', imageId, network: 'none', env: {}, binds: [], loggingOptions: '' });
    const id = await engine.create('filter', { ...body, NetworkingConfig: {} });
    await engine.start(id);
    const running = (await engine.container(id))?.state === 'running';
    await engine.remove(id);
    return running;
  };

  test('a registry with a login: pulled, run by id, removed when nobody needs it', async () => {
    const { id, digest, image } = await published('plain:1');
    const images = await open({ digests: [digest] });
    expect(await images.ensure(spec(image, { digest }), { credentials: credentials() })).toEqual({ imageId: id, from: 'registry' });
    expect(await runs(id, image)).toBe(true);
    expect(await images.cleanUp(new Set([image]))).toEqual([]);
    expect(await images.cleanUp(new Set())).toEqual([id]);
    expect(await engine.image(id)).toBeUndefined();
  }, 30_000);

  test('a registry that stops: the image that is here is used; another is not to be had', async () => {
    await using second = await startRegistry();
    const image = `${second.address}/kept:1`;
    const id = await makeShellImage(peer.host, { tag: 'made:1', content: 'kept' });
    await second.push(peer.host, 'made:1', image);
    const login = [{ address: second.address, username: second.username, password: second.password }];
    const images = await open();
    await images.ensure(spec(image), { credentials: login });
    await second.stop();
    expect(await images.ensure(spec(image), { credentials: login })).toEqual({
      imageId: id,
      from: 'engine',
      note: expect.stringContaining('connection refused'),
    });
    await expect(images.ensure(spec(`${second.address}/other:1`), { credentials: login })).rejects.toMatchObject({
      code: 'registry-unreachable',
    });
  }, 30_000);

  test('a folder: saved by docker, signed, loaded without any registry', async () => {
    const id = await makeShellImage(peer.host, { tag: 'box.local/offline:1', content: 'offline' });
    await docker(peer.host, 'save', '-o', at('images', 'offline.tar'), 'box.local/offline:1');
    await docker(peer.host, 'rmi', '-f', id);
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const signers = [{ name: 'plant', publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() }];
    const images = await open({ signers });
    await expect(images.ensure(spec('box.local/offline:1'), { credentials: [] })).rejects.toMatchObject({ code: 'image-refused' });
    expect(await engine.image(id)).toBeUndefined();
    expect(refused).toMatchObject([{ module: 'filter', digests: [id] }]);
    writeFileSync(at('images', 'offline.tar.sig'), sign(null, Buffer.from(imageStatement(id)), privateKey));
    expect(await images.ensure(spec('box.local/offline:1'), { credentials: [] })).toEqual({ imageId: id, from: 'folder' });
    expect(await runs(id, 'box.local/offline:1')).toBe(true);
    expect(await images.cleanUp(new Set())).toEqual([id]);
  }, 30_000);

  test('a tag that means another image than was demanded is refused and taken away', async () => {
    const { id, image } = await published('moved:1');
    const digest = `sha256:${'0'.repeat(64)}`;
    await expect((await open()).ensure(spec(image, { digest }), { credentials: credentials() })).rejects.toMatchObject({
      code: 'image-refused',
    });
    expect(await engine.image(id)).toBeUndefined();
  }, 30_000);

  test('a full disk is called so', async () => {
    const { image } = await published('large:1', 'x'.repeat(20_000_000));
    await using small = await kind.start({ diskMegabytes: 16 });
    await using client = await openDocker({ url: small.host });
    await expect(client.pull(image, { credentials: credentials()[0] })).rejects.toMatchObject({
      code: 'engine-disk-full',
      retry: 'with-backoff',
    });
  }, 60_000);
}
