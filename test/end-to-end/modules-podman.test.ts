import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ModulesState } from '../../gateway/modules/contract.ts';
import { capability, titled } from '../support/capabilities.ts';
import { type Child, startChild } from '../support/child.ts';
import { docker, type TestEngine } from '../support/engine.ts';
import { type ContainerSpec, manifestWith, moduleOf } from '../support/manifest.ts';
import { startPodman } from '../support/podman.ts';
import { freePort } from '../support/ports.ts';
import { makeListener } from '../support/shell-modules.ts';
import { tempFolder } from '../support/temp.ts';

const main = resolve('gateway/main.ts');
const needed = [capability('podman'), capability('mosquitto')];
/** Where nobody runs them but the gateway, if this machine has no systemd. */
const check = (command: string) => ({ Test: ['CMD', 'sh', '-c', command], Interval: 1e9, Timeout: 2e9, Retries: 1 });

/** What modules.test.ts does at length, in short, on podman as Debian has it, and with the gateway's own settings for networks: modules reach it as `host-gateway`. */
describe.skipIf(!needed.every(({ ok }) => ok))(titled('modules on podman', ...needed), () => {
  const folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  let podman: TestEngine;
  let gateway: Child;

  const start = async (): Promise<void> => {
    gateway = startChild(process.execPath, [main, 'run', '--config', at('dragoman.yaml')], { cwd: folder.path });
    await gateway.line(/container engine found/);
  };
  const dragoman = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder.path });
  const state = (): ModulesState => JSON.parse(dragoman('modules', '--json').stdout) as ModulesState;
  const deploy = (modules: Readonly<Record<string, ContainerSpec>>) => {
    const all = Object.fromEntries(Object.entries(modules).map(([name, spec]) => [name, moduleOf(spec)]));
    writeFileSync(at('deployment.json'), JSON.stringify(manifestWith(all)));
    return dragoman('deploy', 'deployment.json');
  };
  const listener = (version: number, health = 'exit 0'): ContainerSpec => ({
    image: `plant/listener:${version}`,
    createOptions: { Healthcheck: check(health) },
    more: { imagePullPolicy: 'never' },
  });
  const idOf = (module: string): Promise<string> => docker(podman.host, 'inspect', '--format', '{{.Id}}', module);
  const eventually = (look: () => void | Promise<void>): Promise<void> => vi.waitFor(look, { timeout: 40_000, interval: 300 });
  const running = (image: string, connected = true) =>
    eventually(() => expect(state()).toMatchObject({ modules: [{ name: 'listener', image, status: 'running', connected }] }));

  beforeAll(async () => {
    podman = await startPodman();
    for (const version of [1, 2]) makeListener(`plant/listener:${version}`, version, podman.host);
    const [api, broker] = [await freePort(), await freePort()];
    mkdirSync(at('mappings'));
    writeFileSync(
      at('dragoman.yaml'),
      `gateway: gw-podman
hub: { kind: embedded, data: ./hub, port: 0 }
api: { listen: "127.0.0.1:${api}" }
modules: { engine: "${podman.host}", broker: { listen: "0.0.0.0:${broker}" }, healthyWithin: 20s }
`,
    );
    await start();
  }, 120_000);

  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await podman?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  }, 60_000);

  test('a module is deployed, becomes healthy and is connected', async () => {
    const done = deploy({ listener: listener(1) });
    expect(done.stderr + done.stdout).toMatch(/it runs as asked/);
    await running('plant/listener:1');
    expect(state()).toMatchObject({ engine: expect.stringMatching(/^podman \d/) });
  }, 90_000);

  test('it is swapped for its next version', async () => {
    const done = deploy({ listener: listener(2) });
    expect(done.stdout).toMatch(/~ replace {2}listener .*listener:1 -> .*listener:2[\s\S]*it runs as asked/);
    expect(await docker(podman.host, 'logs', 'listener')).toContain('version 2');
    await running('plant/listener:2');
  }, 60_000);

  test('what is not healthy is taken back', async () => {
    const ill = deploy({ listener: listener(1, 'exit 1') });
    expect(ill.status).toBe(1);
    expect(ill.stderr).toMatch(/listener:1 did not come up: its health check failed/);
    await running('plant/listener:2');
  }, 90_000);

  test('kill -9 of podman: the module runs on, and is found again', async () => {
    const before = await idOf('listener');
    await podman.kill();
    await eventually(() => expect(state()).toMatchObject({ modules: [{ name: 'listener', status: 'unknown', connected: true }] }));
    await podman.start();
    await running('plant/listener:2');
    expect(await idOf('listener')).toBe(before);
  }, 90_000);

  test('it is removed, with its container', async () => {
    expect(deploy({}).status).toBe(0);
    expect(state().modules).toEqual([]);
    expect(await docker(podman.host, 'ps', '-aq')).toBe('');
  }, 60_000);
});
