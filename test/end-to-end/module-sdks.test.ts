import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ModulesState } from '../../gateway/modules/contract.ts';
import { capability, titled } from '../support/capabilities.ts';
import { type Child, startChild } from '../support/child.ts';
import { bridgeAddress, removeAllOf } from '../support/engine.ts';
import { makeImage } from '../support/images.ts';
import { manifestWith, moduleOf } from '../support/manifest.ts';
import { packagesWith } from '../support/packages.ts';
import { freePort, isFree } from '../support/ports.ts';
import { tempFolder } from '../support/temp.ts';

const main = resolve('gateway/main.ts');
const examples = resolve('examples/modules');
const engine = capability('docker');
/** Where containers find this machine. The SDK for Python knows no port but 8883. */
const bridge = engine.ok ? await bridgeAddress() : '';
const port8883 = {
  name: 'port 8883',
  ok: !engine.ok || (await isFree(8883, bridge)),
  reason: `port 8883 of ${bridge} is taken, or the address is not this machine's`,
};
const needed = [engine, capability('mosquitto'), capability('cc'), port8883];
const python = capability('python-sdk');
const mine = `dragoman-sdk-${process.pid}`;
const user = 'USER 1000:1000';

const source = (...path: string[]): string => readFileSync(join(examples, ...path), 'utf8');

/** The modules of examples/modules as they are, in images that are made of what this machine has. */
function makeImages(folder: string): void {
  const packages = [...packagesWith(['azure-iot-device', 'azure-iot-device-mqtt'])].filter(([place]) => !place.includes('/node_modules/'));
  makeImage(`${mine}/score:1`, {
    programs: [process.execPath],
    files: { '/module/index.js': source('node-score', 'index.js'), '/module/package.json': source('node-score', 'package.json') },
    copies: Object.fromEntries(packages.map(([place, from]) => [`/module/node_modules/${place}`, from])),
    cmd: [process.execPath, '/module/index.js'],
    changes: [user],
  });
  const weigh = join(folder, 'weigh');
  execFileSync('cc', ['-O2', '-static', '-o', weigh, join(examples, 'legacy-c', 'weigh.c')]);
  makeImage(`${mine}/scale:1`, {
    programs: ['/bin/sh', 'cat', 'sleep', 'mosquitto_pub'],
    files: { '/module/run.sh': source('legacy-c', 'run.sh') },
    copies: { '/module/weigh': weigh },
    cmd: ['sh', '/module/run.sh'],
    changes: [user],
  });
  if (!python.ok) return;
  makeImage(`${mine}/count:1`, {
    programs: ['/usr/bin/python3'],
    files: { '/module/main.py': source('python-count', 'main.py') },
    copies: { '/usr/lib/python3.11': '/usr/lib/python3.11', '/module/packages': process.env.DRAGOMAN_PYTHON_SDK as string },
    cmd: ['python3', '/module/main.py'],
    changes: [user, 'ENV PYTHONPATH=/module/packages', 'ENV PYTHONDONTWRITEBYTECODE=1'],
  });
}

const module = (name: string) => moduleOf({ image: `${mine}/${name}:1` });

const manifest = () =>
  manifestWith(
    { 'sdk-score': module('score'), 'sdk-scale': module('scale'), ...(python.ok && { 'sdk-count': module('count') }) },
    {
      routes: {
        readings: `FROM /messages/modules/dragoman/* WHERE equipment = 'cooker-1' INTO BrokeredEndpoint("/modules/sdk-score/inputs/readings")`,
        alarms: `FROM /messages/modules/sdk-score/outputs/alarms WHERE severity = 'high' INTO BrokeredEndpoint("/modules/sdk-count/inputs/alarms")`,
        up: 'FROM /messages/* INTO $upstream',
      },
      twins: { 'sdk-score': { limit: 20 } },
    },
  );

/** Modules that somebody else's code speaks for: Azure's SDKs, a C program of 1996. */
describe.skipIf(needed.some(({ ok }) => !ok))(titled('the example modules, in containers', ...needed), () => {
  const folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  let machine: Child;
  let gateway: Child;

  const start = async (): Promise<void> => {
    gateway = startChild(process.execPath, [main, 'run', '--config', at('dragoman.yaml')], { cwd: folder.path });
    await gateway.line(/container engine found/);
  };
  const dragoman = (...args: string[]) => {
    const run = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder.path, maxBuffer: 1e9 });
    return { code: run.status, out: run.stdout, said: run.stderr };
  };
  const hub = (...args: string[]) => dragoman('hub', ...args, '--data', at('hub'));
  const state = (): ModulesState => JSON.parse(dragoman('modules', '--json').out) as ModulesState;
  const twin = () => JSON.parse(hub('twin', `${mine}/sdk-score`).out) as { properties: { reported: { limit?: number } } };
  const told = (module: string): readonly string[] =>
    hub('query')
      .out.split('\n')
      .filter((line) => line.includes(`/modules/${module}"`));
  const eventually = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 40_000, interval: 500 });

  beforeAll(async () => {
    makeImages(folder.path);
    const [port, api] = [await freePort(), await freePort()];
    mkdirSync(at('mappings'));
    const mapping = readFileSync(resolve('examples/candy-factory/mappings/cooker-1.yaml'), 'utf8').replace('port: 5020', `port: ${port}`);
    writeFileSync(at('mappings', 'cooker-1.yaml'), mapping);
    writeFileSync(
      at('dragoman.yaml'),
      `gateway: ${mine}
hub: { kind: embedded, data: ./hub, port: 0 }
api: { listen: "127.0.0.1:${api}" }
modules: { network: ${mine}, broker: { listen: "${bridge}:8883" }, hostAddress: ${bridge}, settleFor: 1s }
`,
    );
    machine = startChild(process.execPath, [main, 'simulate', 'cooker', '--port', String(port), '--fault-every', '0s']);
    await machine.line(/ready/);
    await start();
    writeFileSync(at('deployment.json'), JSON.stringify(manifest(), undefined, 2));
    const done = dragoman('deploy', 'deployment.json');
    expect(done.said + done.out).toMatch(/it runs as asked/);
  }, 180_000);

  afterAll(async () => {
    await Promise.all([gateway, machine].map((child) => child?.[Symbol.asyncDispose]()));
    await removeAllOf(mine);
    folder[Symbol.dispose]();
  }, 60_000);

  test('the unmodified SDK for Node scores readings of a machine; its alarms reach the hub in its name', async () => {
    await eventually(() => expect(state().modules.find(({ name }) => name === 'sdk-score')).toMatchObject({ connected: true }));
    await eventually(() => expect(told('sdk-score').join('\n')).toMatch(/"output":"alarms".*"equipment":"cooker-1"/));
  }, 90_000);

  test('it has a twin: what is desired arrives, what it reports is at the hub, before and after the hub has a say', async () => {
    await eventually(() => expect(twin().properties.reported.limit).toBe(20));
    hub('twin', `${mine}/sdk-score`, '--patch', JSON.stringify({ properties: { desired: { limit: 30 } } }));
    await eventually(() => expect(twin().properties.reported.limit).toBe(30));
  }, 90_000);

  test('a direct method of the hub reaches it', () => {
    const answer = hub('method', `${mine}/sdk-score`, 'limit');
    expect(answer.said).toBe('');
    expect(JSON.parse(answer.out)).toMatchObject({ limit: 30 });
  });

  test('a C program of 1996 is a module, unchanged', async () => {
    const lines = () => told('sdk-scale').flatMap((line) => /"data_base64":"([^"]+)"/.exec(line)?.[1] ?? []);
    await eventually(() =>
      expect(
        lines()
          .map((line) => Buffer.from(line, 'base64').toString())
          .join('\n'),
      ).toMatch(/WT +[\d.]+ kg/),
    );
  }, 60_000);

  test.skipIf(!python.ok)(
    titled('the unmodified SDK for Python counts what the one for Node sends', python),
    async () => {
      await eventually(() => expect(told('sdk-count').join('\n')).toMatch(/"output":"counts".*"count":[3-9]/));
    },
    90_000,
  );

  test('after kill -9 of the gateway the SDKs come back by themselves, and all flows again', async () => {
    gateway.process.kill('SIGKILL');
    await gateway.exited;
    await start();
    const before = { score: told('sdk-score').length, scale: told('sdk-scale').length };
    // The one in C is connected for each of its lines alone.
    const away = () => state().modules.filter(({ name, connected }) => !connected && name !== 'sdk-scale');
    await eventually(() => expect(away()).toEqual([]));
    await eventually(() => {
      expect(told('sdk-score').length).toBeGreaterThan(before.score);
      expect(told('sdk-scale').length).toBeGreaterThan(before.scale);
    });
  }, 120_000);
});
