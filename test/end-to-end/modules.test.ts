import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ModulesState } from '../../gateway/modules/contract.ts';
import { capability, titled } from '../support/capabilities.ts';
import { type Child, startChild } from '../support/child.ts';
import { bridgeAddress, docker, removeAllOf } from '../support/engine.ts';
import { makeImage } from '../support/images.ts';
import { type ContainerSpec, manifestWith, moduleOf } from '../support/manifest.ts';
import { freePort } from '../support/ports.ts';
import { makeListener, makeSetter } from '../support/shell-modules.ts';
import { tempFolder } from '../support/temp.ts';

const main = resolve('gateway/main.ts');
const engine = capability('docker');
const mosquitto = capability('mosquitto');
/** Containers and images of this run. */
const mine = `dragoman-e2e-${process.pid}`;
const image = (name: string, version: number): string => `${mine}/${name}:${version}`;
/** Containers are called like their modules; others on the engine may have the usual names. */
const [listener, setter] = ['e2e-listener', 'e2e-setter'];

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

const manifest = (modules: Readonly<Record<string, ContainerSpec>>, routes: Readonly<Record<string, string>> = {}) =>
  manifestWith(Object.fromEntries(Object.entries(modules).map(([name, spec]) => [name, moduleOf(spec)])), { routes });

const routes = {
  readings: `FROM /messages/modules/dragoman/* WHERE equipment = 'cooker-1' INTO BrokeredEndpoint("/modules/e2e-listener/inputs/readings")`,
  writes: 'FROM /messages/modules/e2e-setter/outputs/set INTO BrokeredEndpoint("/modules/dragoman/inputs/write")',
  up: 'FROM /messages/modules/e2e-setter/* INTO $upstream',
};

/** A gateway, its hub, a machine and a container engine, each a process of its own; modules are containers with nothing but a shell and an MQTT client. */
describe.skipIf(!engine.ok || !mosquitto.ok)(titled('modules on a container engine', engine, mosquitto), () => {
  const folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  let machine: Child;
  let gateway: Child;

  const start = async (): Promise<void> => {
    gateway = startChild(process.execPath, [main, 'run', '--config', at('dragoman.yaml')], { cwd: folder.path });
    await gateway.line(/status {4}/);
  };
  const dragoman = (...args: string[]) => {
    const run = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder.path, maxBuffer: 1e9 });
    return { code: run.status, out: run.stdout, said: run.stderr };
  };
  const hub = (...args: string[]) => dragoman('hub', ...args, '--data', at('hub'));
  const state = (): ModulesState => JSON.parse(dragoman('modules', '--json').out) as ModulesState;
  const deploy = (content: object, ...flags: string[]) => {
    writeFileSync(at('deployment.json'), JSON.stringify(content, undefined, 2));
    return dragoman('deploy', 'deployment.json', ...flags);
  };
  const logs = (module: string): Promise<string> => docker(undefined, 'logs', module);
  const idOf = (module: string): Promise<string> => docker(undefined, 'inspect', '--format', '{{.Id}}', module);
  const eventually = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 40_000, interval: 300 });
  const write = '{"equipment":"cooker-1","point":"setpoint","value":108}';
  const two = (version: number) => ({
    [listener]: { image: image('listener', version) },
    [setter]: { image: image('setter', 1), env: { WRITE: write } },
  });

  beforeAll(async () => {
    for (const version of [1, 2]) makeListener(image('listener', version), version);
    makeSetter(image('setter', 1));
    makeImage(image('broken', 1), { programs: ['/bin/sh'], cmd: ['sh', '-c', 'echo no model; exit 3'] });
    const [port, api, broker] = [await freePort(), await freePort(), await freePort()];
    const bridge = await bridgeAddress();
    mkdirSync(at('mappings'));
    mkdirSync(at('images'));
    const mapping = readFileSync(resolve('examples/candy-factory/mappings/cooker-1.yaml'), 'utf8').replace('port: 5020', `port: ${port}`);
    writeFileSync(at('mappings', 'cooker-1.yaml'), mapping);
    writeFileSync(
      at('dragoman.yaml'),
      `gateway: ${mine}
hub: { kind: embedded, data: ./hub, port: 0 }
api: { listen: "127.0.0.1:${api}" }
modules:
  network: ${mine}
  broker: { listen: "${bridge}:${broker}" }
  hostAddress: ${bridge}
  images: { folder: ./images }
  settleFor: 1s
`,
    );
    machine = startChild(process.execPath, [main, 'simulate', 'cooker', '--port', String(port), '--fault-every', '0s']);
    await machine.line(/ready/);
    await start();
    await gateway.line(/container engine found/);
  }, 120_000);

  afterAll(async () => {
    await Promise.all([gateway, machine].map((child) => child?.[Symbol.asyncDispose]()));
    if (engine.ok) await removeAllOf(mine);
    folder[Symbol.dispose]();
  }, 60_000);

  test('what a module may not ask for is refused with its place and its cure, and nothing is begun', () => {
    const greedy = deploy(
      manifest({ greedy: { image: image('listener', 1), createOptions: { HostConfig: { Privileged: true, Binds: ['/:/host'] } } } }),
    );
    expect(greedy.code).toBe(1);
    expect(greedy.said).toMatch(/modules\.greedy\.settings\.createOptions.*Privileged/);
    expect(greedy.said).toMatch(/modules\.policy\.allow: \[privileged\]/);
    expect(greedy.said).toMatch(/Binds[\s\S]*nothing was changed/);
    expect(state()).toMatchObject({ modules: [], deployment: { state: 'none' } });
  });

  test('a deployment is shown, carried out, and its modules are connected', async () => {
    const dry = deploy(manifest(two(1), routes), '--dry-run');
    expect(dry.out).toMatch(/\+ create {3}e2e-listener/);
    expect(state().modules).toEqual([]);
    const done = deploy(manifest(two(1), routes));
    expect(done.said + done.out).toMatch(/it runs as asked/);
    await eventually(() =>
      expect(state()).toMatchObject({
        deployment: { state: 'done', from: 'command', code: 200 },
        modules: [
          { name: listener, status: 'running', connected: true },
          { name: setter, status: 'running' },
        ],
      }),
    );
  }, 90_000);

  test('readings of a machine reach a module by a route', async () => {
    await eventually(async () => expect(await logs(listener)).toMatch(/"subject":"cooker-1"[\s\S]*jacket_temperature/));
  }, 60_000);

  test('what a module wants written goes past the guards, in its name, into the audit log; and to the hub as its message', async () => {
    await eventually(() => {
      const shown = dragoman('audit', 'show', '--json').out;
      expect(shown).toMatch(/"who": ?"module e2e-setter"[^}]*cooker-1\/setpoint[^}]*"new": ?108[^}]*"outcome": ?"done"/);
    });
    await eventually(() => {
      const twin = JSON.parse(hub('twin', `${mine}/${setter}`).out) as { connectionState: string };
      expect(twin.connectionState).toBe('Connected');
    });
    const event = JSON.stringify({ output: 'set', datacontenttype: 'application/json', data: JSON.parse(write) as unknown }).slice(1);
    await eventually(() =>
      expect(hub('query').out).toMatch(new RegExp(`"source":"/devices/${mine}/modules/${setter}".*${escaped(event)}`)),
    );
  }, 60_000);

  test('the one line that changes swaps one container; the other is left alone', async () => {
    const kept = await idOf(setter);
    const swapped = deploy(manifest(two(2), routes));
    expect(swapped.out).toMatch(/~ replace {2}e2e-listener .*listener:1 -> .*listener:2[\s\S]*= keep {5}e2e-setter[\s\S]*it runs as asked/);
    expect(await logs(listener)).toContain('version 2');
    expect(await idOf(setter)).toBe(kept);
  }, 60_000);

  test('what does not become healthy is taken back: the old one runs, and it is said why', async () => {
    const bad = deploy(manifest({ ...two(2), [listener]: { image: image('broken', 1) } }, routes));
    expect(bad.code).toBe(1);
    expect(bad.said).toMatch(/listener/);
    await eventually(() =>
      expect(state().modules.find(({ name }) => name === listener)).toMatchObject({ image: image('listener', 2), status: 'running' }),
    );
    expect(await logs(listener)).toContain('version 2');
    const missing = deploy(manifest({ ...two(2), [listener]: { image: image('listener', 9) } }, routes));
    expect(missing.code).toBe(1);
    expect(missing.said).toMatch(/listener:9/);
    expect(state().modules.find(({ name }) => name === listener)).toMatchObject({ image: image('listener', 2), status: 'running' });
  }, 120_000);

  test('an image in the folder needs no registry', async () => {
    execFileSync('docker', ['save', '-o', at('images', 'listener.tar'), image('listener', 1)]);
    execFileSync('docker', ['rmi', image('listener', 1)], { stdio: 'ignore' });
    const done = deploy(manifest(two(1), routes));
    expect(done.said + done.out).toMatch(/it runs as asked/);
    expect(await logs(listener)).toContain('version 1');
  }, 60_000);

  test('the hub deploys by condition, counts who has it, and the gateway follows', async () => {
    hub('twin', mine, '--set', 'tags.site=leeds');
    writeFileSync(at('line-v2.json'), JSON.stringify(manifest(two(2), routes)));
    const created = hub('deployments', 'create', at('line-v2.json'), '--target', "tags.site = 'leeds'", '--priority', '20');
    expect(created.said).toBe('');
    await eventually(() => expect(state()).toMatchObject({ deployment: { state: 'done', from: 'hub', code: 200 } }));
    expect(await logs(listener)).toContain('version 2');
    await eventually(() =>
      expect(JSON.parse(hub('deployments', 'show', 'line-v2', '--json').out)).toMatchObject({
        systemMetrics: { results: { targetedCount: 1, appliedCount: 1, reportedSuccessfulCount: 1, reportedFailedCount: 0 } },
      }),
    );
  }, 90_000);

  test('kill -9 of the gateway: modules run on as they are, and are looked after again', async () => {
    const before = await idOf(listener);
    gateway.process.kill('SIGKILL');
    await gateway.exited;
    expect(await docker(undefined, 'inspect', '--format', '{{.State.Running}}', listener)).toBe('true');
    await start();
    await eventually(() =>
      expect(state()).toMatchObject({
        deployment: { code: 200 },
        modules: [
          { name: listener, status: 'running', connected: true },
          { name: setter, status: 'running' },
        ],
      }),
    );
    expect(await idOf(listener)).toBe(before);
  }, 90_000);

  test('the hub takes modules away again', async () => {
    writeFileSync(at('empty.json'), JSON.stringify(manifest({})));
    expect(hub('deployments', 'create', at('empty.json'), '--target', '*', '--priority', '30').said).toBe('');
    await eventually(() => expect(state()).toMatchObject({ modules: [], deployment: { from: 'hub', code: 200 } }));
    expect(await docker(undefined, 'ps', '-aq', '--filter', `label=dragoman.gateway=${mine}`)).toBe('');
    await eventually(() => expect(hub('twin', `${mine}/$edgeAgent`).out).not.toContain(listener));
  }, 60_000);
});

test('without a container engine the main job goes on, and a deployment is answered with the reason', async () => {
  using folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  const [api, broker] = [await freePort(), await freePort()];
  writeFileSync(
    at('dragoman.yaml'),
    `gateway: gw-1\nhub: { kind: embedded, data: ./hub, port: 0 }\napi: { listen: "127.0.0.1:${api}" }
modules: { engine: "unix://${at('no.sock')}", broker: { listen: "127.0.0.1:${broker}" } }\n`,
  );
  await using gateway = startChild(process.execPath, [main, 'run', '--config', at('dragoman.yaml')], { cwd: folder.path });
  await gateway.line(/status {4}/);
  const dragoman = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder.path });
  await vi.waitFor(() => expect(dragoman('modules').stdout).toMatch(/engine {6}none: .*no\.sock/), { timeout: 20_000, interval: 300 });
  writeFileSync(at('deployment.json'), JSON.stringify(manifest({ score: { image: 'candyco/score:1' } })));
  const refused = dragoman('deploy', 'deployment.json');
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/500.*no\.sock/);
  const status = (await (await fetch(`http://127.0.0.1:${api}/health`)).json()) as { status: string };
  expect(status.status).toBe('ok');
}, 60_000);
