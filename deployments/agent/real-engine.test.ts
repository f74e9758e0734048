import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { capability, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { docker, makeShellImage, startRegistry, type TestEngine } from '../../test/support/engine.ts';
import { type EngineKind, ownEngines } from '../../test/support/engines.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { Manifest, ModuleSpec } from '../contract.ts';
import { openDocker } from '../engine/docker.ts';
import { writeManifest } from '../manifest/write-manifest.ts';
import type { DeploymentAgent } from './agent.ts';
import { openReal } from './testing/real-agent.ts';
import { manifestOf, spec } from './testing/rig.ts';

const killed = join(import.meta.dirname, 'testing', 'killed-agent.ts');

for (const kind of ownEngines())
  describe.skipIf(!kind.ok)(kind.titled('an agent on a real engine'), { timeout: 60_000, ...kind.trying }, () => agentOn(kind));

function agentOn(kind: EngineKind<TestEngine>): void {
  let peer: TestEngine;
  let folder: ReturnType<typeof tempFolder>;

  beforeAll(async () => {
    peer = await kind.start();
    const good = 'HEALTHCHECK --interval=1s --timeout=2s CMD ["sh", "-c", "exit 0"]';
    await makeShellImage(peer.host, { tag: 'candyco/score:1', content: '1', changes: [good] });
    await makeShellImage(peer.host, { tag: 'candyco/score:2', content: '2', changes: [good] });
    await makeShellImage(peer.host, {
      tag: 'candyco/score:ill',
      content: 'ill',
      changes: ['HEALTHCHECK --interval=1s --retries=1 CMD ["sh", "-c", "exit 1"]'],
    });
    await makeShellImage(peer.host, { tag: 'candyco/plain:1', content: 'plain' });
  }, 120_000);
  afterAll(async () => peer?.[Symbol.asyncDispose](), 60_000);

  beforeEach(() => {
    folder = tempFolder();
  });
  afterEach(async () => {
    const ids = (await docker(peer.host, 'ps', '-aq')).split('\n').filter(Boolean);
    if (ids.length > 0) await docker(peer.host, 'rm', '-f', ...ids);
    folder[Symbol.dispose]();
  });

  const picture = async (): Promise<readonly string[]> =>
    (await docker(peer.host, 'ps', '-a', '--format', '{{.Names}} {{.Label "dragoman.image"}} {{.State}}'))
      .split('\n')
      .filter(Boolean)
      .sort();
  const until = async (picked: readonly string[]): Promise<void> => {
    await vi.waitFor(async () => expect(await picture()).toEqual(picked), { timeout: 30_000, interval: 100 });
  };
  // There is no registry to ask; podman would ask three times.
  const here = { imagePullPolicy: 'never' } as const;
  const score = (tag: string, more: Partial<ModuleSpec> = {}): ModuleSpec =>
    spec('score', { image: `candyco/score:${tag}`, ...here, ...more });
  const plain = spec('plain', { createOptions: { StopTimeout: 1 }, ...here });
  const open = (): Promise<DeploymentAgent> => openReal(folder.path, peer.host);

  test('swaps a healthy one, takes an ill one and one that ends back, and keeps what the last one said', async () => {
    await using agent = await open();
    expect(await agent.apply(manifestOf(score('1'), plain), 1, 'hub')).toEqual({ code: 200, description: '' });
    await until(['plain candyco/plain:1 running', 'score candyco/score:1 running']);
    expect(await agent.apply(manifestOf(score('2'), plain), 2, 'hub')).toEqual({ code: 200, description: '' });
    const swapped = ['plain candyco/plain:1 running', 'score candyco/score:2 running'];
    expect(await picture()).toEqual(swapped);
    expect((await agent.apply(manifestOf(score('ill'), plain), 3, 'hub')).description).toMatch(
      /score:ill did not come up: its health check failed/,
    );
    expect(await picture()).toEqual(swapped);
    const ends = score('1', { createOptions: { Cmd: ['sh', '-c', 'echo no model; exit 3'], Healthcheck: { Test: ['NONE'] } } });
    expect((await agent.apply(manifestOf(ends, plain), 4, 'hub')).description).toMatch(/exit code 3/);
    expect(await picture()).toEqual(swapped);
    const logs = await agent.methods.call('GetModuleLogs', { schemaVersion: '1.0', items: { id: 'score' } }, 'hub');
    expect(JSON.stringify(logs.payload)).toMatch(/was taken back at .*its last lines ---\\nno model/);
    const { modules } = agent.reported() as { modules: Record<string, { runtimeStatus: string; settings: { imageHash: string } }> };
    expect(modules.score).toMatchObject({ runtimeStatus: 'running', settings: { imageHash: expect.stringMatching(/^sha256:/) } });
  });

  const registry = capability('registry');
  test.skipIf(!registry.ok)(
    titled('brings an image from a registry that asks for a login, and takes the one it has when that is away', registry),
    async () => {
      await using shop = await startRegistry();
      const image = `${shop.address}/candyco/plain:7`;
      await shop.push(peer.host, 'candyco/plain:1', image);
      await docker(peer.host, 'rmi', image);
      const module = spec('plain', { image });
      const credentials = { address: shop.address, username: shop.username, password: shop.password };
      const manifest = (password: string, more: Partial<ModuleSpec> = {}): Manifest => {
        const plainOne = manifestOf({ ...module, ...more });
        return { ...plainOne, runtime: { ...plainOne.runtime, registryCredentials: new Map([['shop', { ...credentials, password }]]) } };
      };
      await using agent = await open();
      const refused = await agent.apply(manifest('wrong'), 1, 'hub');
      expect(refused).toMatchObject({ code: 500, description: expect.stringContaining('plain') });
      expect(refused.description).not.toContain('wrong');
      expect(await picture()).toEqual([]);
      expect(await agent.apply(manifest(shop.password), 2, 'hub')).toEqual({ code: 200, description: '' });
      await shop.stop();
      expect(await agent.apply(manifest(shop.password, { env: { A: '1' } }), 3, 'hub')).toEqual({ code: 200, description: '' });
      expect(await picture()).toEqual([`plain ${image} running`]);
      expect(JSON.stringify(agent.reported())).not.toContain(shop.password);
    },
  );

  test('restarts one that is killed, and makes one again that was removed', async () => {
    await using agent = await open();
    await agent.apply(manifestOf(plain), 1, 'hub');
    await docker(peer.host, 'kill', 'plain');
    await vi.waitFor(() => expect(agent.reported()).toMatchObject({ modules: { plain: { restartCount: 1, runtimeStatus: 'running' } } }), {
      timeout: 10_000,
    });
    await docker(peer.host, 'rm', '-f', 'plain');
    await until(['plain candyco/plain:1 running']);
  });

  test('modules run on without it, and a second gateway on the same engine touches none of them', async () => {
    {
      await using agent = await open();
      await agent.apply(manifestOf(plain), 1, 'hub');
    }
    using elsewhere = tempFolder();
    await using other = await openReal(elsewhere.path, peer.host, { gateway: 'gw-other' });
    expect(await other.apply(manifestOf(), 1, 'hub')).toEqual({ code: 200, description: '' });
    expect(await picture()).toEqual(['plain candyco/plain:1 running']);
  });

  const moments = [
    { call: 3, moment: 'after', what: 'start' },
    { call: 1, moment: 'after', what: 'create' },
    { call: 2, moment: 'after', what: 'stop' },
    { call: 4, moment: 'after', what: 'removing the old one' },
  ];
  // What is on disk and what follows from it is the same with every engine: one of these is enough for the second.
  test.for(kind.name === 'podman' ? moments.slice(0, 1) : moments)(
    'kill -9 of its process $moment $what ends with the new one, whole',
    async ({ call, moment }) => {
      {
        await using agent = await open();
        await agent.apply(manifestOf(score('1')), 1, 'hub');
      }
      const manifest = JSON.stringify(writeManifest(manifestOf(score('2'))));
      await using child = startChild(process.execPath, [killed, folder.path, peer.host, manifest, String(call), moment]);
      expect(await child.exited, child.output()).toBe('SIGKILL');
      // Without an agent: nothing or one of them runs, never both.
      expect((await picture()).filter((line) => line.endsWith(' running')).length).toBeLessThan(2);
      await using _agent = await open();
      await until(['score candyco/score:2 running']);
    },
  );

  test('kill -9 of the engine in the middle of a swap ends with the new one, whole', async () => {
    await using agent = await open();
    await agent.apply(manifestOf(score('1'), plain), 1, 'hub');
    await using engine = await openDocker({ url: peer.host });
    const applied = agent.apply(manifestOf(score('2'), plain), 2, 'hub');
    for await (const { kind } of engine.events({}, AbortSignal.timeout(20_000))) if (kind === 'start') break;
    await peer.kill();
    expect(await applied).toMatchObject({ code: 500 });
    expect(agent.running()).toMatchObject([{ runtimeStatus: 'unknown' }, { runtimeStatus: 'unknown' }]);
    await peer.start();
    await until(['plain candyco/plain:1 running', 'score candyco/score:2 running']);
    await vi.waitFor(() => expect(agent.reported()).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 200 } }), {
      timeout: 20_000,
    });
  });
}
