import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capability } from '../../test/support/capabilities.ts';
import { docker, makeShellImage, startRegistry, type TestRegistry } from '../../test/support/engine.ts';
import { type BorrowedEngine, type EngineKind, engines } from '../../test/support/engines.ts';
import { freePort } from '../../test/support/ports.ts';
import type { Engine } from './contract.ts';
import { openDocker } from './docker.ts';

const mine = `dragoman-test-${process.pid}`;

for (const kind of engines(capability('registry')))
  describe.skipIf(!kind.ok)(kind.titled('a registry'), kind.trying, () => registryFor(kind));

function registryFor(kind: EngineKind<BorrowedEngine>): void {
  let peer: BorrowedEngine;
  let engine: Engine;
  let registry: TestRegistry;

  beforeAll(async () => {
    [peer, registry] = await Promise.all([kind.start(), startRegistry()]);
    engine = await openDocker({ url: peer.host });
  }, 60_000);

  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
    await peer?.[Symbol.asyncDispose]();
  }, 60_000);

  const credentials = (password = registry.password) => ({ address: registry.address, username: registry.username, password });

  test('an image by tag and by digest, with progress', async () => {
    const name = `${registry.address}/${mine}/pulled:1`;
    const id = await makeShellImage(peer.host, { tag: `${mine}/to-pull:1`, content: 'pulled' });
    const digest = await registry.push(peer.host, `${mine}/to-pull:1`, name);
    await docker(peer.host, 'rmi', '-f', id);
    const said: string[] = [];
    await engine.pull(name, { credentials: credentials(), onProgress: (line) => said.push(line) });
    expect(said.join('\n')).toContain(kind.name === 'podman' ? 'Pulling fs layer' : `Pulling from ${mine}/pulled`);
    expect(await engine.image(name)).toMatchObject({ digests: [`${registry.address}/${mine}/pulled@${digest}`] });
    await docker(peer.host, 'rmi', '-f', id);
    await engine.pull(`${registry.address}/${mine}/pulled@${digest}`, { credentials: credentials() });
    expect(await engine.image(`${registry.address}/${mine}/pulled@${digest}`)).toMatchObject({ id });
    await docker(peer.host, 'rmi', '-f', id);
  });

  test('no login, a wrong one: refused, and nothing of it in the message', async () => {
    const name = `${registry.address}/${mine}/pulled:1`;
    for (const wrong of [undefined, credentials('hunter2')]) {
      const error = await engine.pull(name, { credentials: wrong }).catch((one: Error) => one);
      expect(error).toMatchObject({ code: 'registry-refused', hint: expect.stringContaining('registryCredentials') });
      expect(JSON.stringify(error) + String((error as Error).message)).not.toMatch(/hunter2/);
    }
  });

  test('a name that it does not have', async () => {
    for (const name of ['none:1', 'pulled:none', `pulled@sha256:${'0'.repeat(64)}`])
      await expect(engine.pull(`${registry.address}/${mine}/${name}`, { credentials: credentials() })).rejects.toMatchObject({
        code: 'image-absent',
        message: expect.stringContaining(`${mine}/${name}`),
      });
  });

  test('a registry that is away, or has no name', async () => {
    await expect(engine.pull(`127.0.0.1:${await freePort()}/x:1`, { credentials: undefined })).rejects.toMatchObject({
      code: 'registry-unreachable',
      retry: 'with-backoff',
    });
    await expect(engine.pull('registry.invalid/x:1', { credentials: undefined })).rejects.toMatchObject({ code: 'registry-unreachable' });
  });

  test('a pull is called off', async () => {
    const server = createServer(() => {});
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const stop = new AbortController();
    server.once('connection', () => stop.abort());
    await expect(engine.pull(`127.0.0.1:${port}/x:1`, { credentials: undefined, signal: stop.signal })).rejects.toMatchObject({
      code: 'engine-error',
      message: expect.stringContaining('called off'),
    });
    server.close();
  });
}
