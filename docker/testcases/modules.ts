import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ModulesState } from '../../gateway/modules/contract.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { startChild } from '../../test/support/child.ts';
import { docker, engineUrl, removeAllOf } from '../../test/support/engine.ts';
import { manifestWith, moduleOf } from '../../test/support/manifest.ts';
import { freePort } from '../../test/support/ports.ts';
import { makeListener, makeSetter } from '../../test/support/shell-modules.ts';
import { root } from '../../test/support/source-files.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { compose, composer } from './compose.ts';

const engine = capability('docker');
const socket = engineUrl().replace(/^unix:\/\//, '');
const local = { name: 'socket', ok: socket.startsWith('/'), reason: 'the engine has no socket on this machine' };
const composed = { name: 'compose', ok: composer !== undefined, reason: 'no compose is installed' };
const needed = [engine, local, composed, capability('mosquitto')];

/** Gateway, network and images of this run; the files say gw-leeds-1 and azure-iot-edge. */
const mine = `dragoman-box-${process.pid}`;
const [listener, setter] = ['box-listener', 'box-setter'];
const write = '{"equipment":"cooker-1","point":"setpoint","value":108}';
const routes = {
  readings: `FROM /messages/modules/dragoman/* WHERE equipment = 'cooker-1' INTO BrokeredEndpoint("/modules/${listener}/inputs/readings")`,
  writes: `FROM /messages/modules/${setter}/outputs/set INTO BrokeredEndpoint("/modules/dragoman/inputs/write")`,
};
const manifest = (version: number): string =>
  JSON.stringify(
    manifestWith(
      {
        [listener]: moduleOf({ image: `${mine}/listener:${version}` }),
        [setter]: moduleOf({ image: `${mine}/setter:1`, env: { WRITE: write } }),
      },
      { routes },
    ),
  );

const eventually = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 60_000, interval: 300 });
const inspect = (container: string, format: string): Promise<string> => docker(undefined, 'inspect', '--format', format, container);
/** Which container it is, and since when it runs. */
const lives = (): Promise<readonly string[]> =>
  Promise.all([listener, setter].map((name) => inspect(name, '{{.Id}} {{.State.StartedAt}}')));
const readings = async (): Promise<number> => (await docker(undefined, 'logs', listener)).split('"subject":"cooker-1"').length - 1;

/** compose.yaml with compose.modules.yaml, as they are but for names that others on this engine may have. */
export function modulesInContainer(image: string): void {
  describe.skipIf(needed.some(({ ok }) => !ok))(
    titled('the gateway in a container, with modules on the engine that it runs on', ...needed),
    () => {
      const folder = tempFolder();
      const env: Record<string, string> = { DRAGOMAN_IMAGE: image, DOCKER_SOCKET: socket };
      const files = ['compose.yaml', 'compose.modules.yaml'].map((file) => join(folder.path, file));
      const run = (args: readonly string[], input?: string) => compose(mine, files, env)(args, input);
      const dragoman = (args: readonly string[], input?: string) => run(['exec', '-T', 'gateway', 'dragoman', ...args], input);
      const state = () => JSON.parse(dragoman(['modules', '--json'])) as ModulesState;
      const gateway = () => run(['ps', '-q', 'gateway']).trim();
      const found = async (): Promise<void> => {
        await using logs = startChild('docker', ['logs', '--follow', '--tail', '5', gateway()]);
        await logs.line(/container engine found/, 40_000);
      };
      const connected = (): Promise<void> =>
        eventually(() =>
          expect(state()).toMatchObject({
            deployment: { code: 200 },
            modules: [
              { name: listener, status: 'running', connected: true },
              { name: setter, status: 'running' },
            ],
          }),
        );

      beforeAll(async () => {
        cpSync(join(root, 'docker', 'mappings'), join(folder.path, 'mappings'), { recursive: true });
        for (const file of ['compose.yaml', 'compose.modules.yaml', 'dragoman.yaml', 'dragoman.modules.yaml']) {
          const text = readFileSync(join(root, 'docker', file), 'utf8').replaceAll(/gw-leeds-1|azure-iot-edge/g, mine);
          writeFileSync(join(folder.path, file), text);
        }
        for (const version of [1, 2]) makeListener(`${mine}/listener:${version}`, version);
        makeSetter(`${mine}/setter:1`);
        env.DRAGOMAN_PORT = String(await freePort());
      }, 60_000);

      afterAll(async () => {
        // Of modules first: they hold the network.
        await removeAllOf(mine).catch(() => {});
        run(['down', '--volumes', '--timeout', '5']);
        folder[Symbol.dispose]();
      }, 60_000);

      test('compose asks for the group of the socket, with the command that says it', () => {
        expect(() => run(['up', '-d', '--no-build'])).toThrow(/DOCKER_GROUP[\s\S]*docker\/\.env/);
      });

      test('a deployment is carried out beside it; readings come to a module, and what it wants written is written', async () => {
        env.DOCKER_GROUP = String(statSync(socket).gid);
        run(['up', '-d', '--no-build', 'gateway', 'cooker']);
        await found();
        expect(dragoman(['deploy', '-'], manifest(1))).toMatch(/it runs as asked/);
        await eventually(async () => expect(await readings()).toBeGreaterThan(1));
        await eventually(() =>
          expect(dragoman(['audit', 'show', '--json'])).toMatch(
            new RegExp(`"who": ?"module ${setter}"[^}]*cooker-1/setpoint[^}]*"new": ?108[^}]*"outcome": ?"done"`),
          ),
        );
        const inside = ['exec', listener, 'sh', '-c', 'test -S "$' + '{IOTEDGE_WORKLOADURI#unix://}" && echo there'];
        expect(await docker(undefined, ...inside)).toBe('there');
      }, 120_000);

      test('version 1 to version 2 swaps one container, the other is left alone', async () => {
        const [, kept] = await lives();
        expect(dragoman(['deploy', '-'], manifest(2))).toMatch(/~ replace[\s\S]*it runs as asked/);
        expect(await docker(undefined, 'logs', listener)).toContain('version 2');
        expect((await lives())[1]).toBe(kept);
      }, 60_000);

      test('kill -9 of its container, and a new container in its place: modules go on, come back to its broker, and none is started anew', async () => {
        await connected();
        const before = await lives();
        const container = gateway();
        await docker(undefined, 'kill', '--signal', 'KILL', container);
        expect(await inspect(listener, '{{.State.Running}}')).toBe('true');
        await docker(undefined, 'start', container);
        await connected();
        const heard = await readings();
        await eventually(async () => expect(await readings()).toBeGreaterThan(heard));
        run(['up', '-d', '--no-build', '--force-recreate', '--no-deps', 'gateway']);
        expect(gateway()).not.toBe(container);
        await connected();
        const then = await readings();
        await eventually(async () => expect(await readings()).toBeGreaterThan(then));
        expect(await lives()).toEqual(before);
      }, 180_000);

      test('without the group of the socket it says how to have it; with its data in memory alone, why no module can run', async () => {
        const [stranger, inMemory] = [`${mine}-stranger`, `${mine}-memory`];
        writeFileSync(
          join(folder.path, 'dragoman.yaml'),
          `gateway: ${inMemory}\ndata: /data\nhub: { kind: embedded, data: /data/hub }\nmodules: { network: ${mine}, hostAddress: dns }\n`,
        );
        const config = ['dragoman.yaml', 'mappings'].map((name) => `${join(folder.path, name)}:/config/${name}:ro`);
        const mounts = [...config, `${socket}:/var/run/docker.sock`].flatMap((mount) => ['-v', mount]);
        const hardened = ['--read-only', '--cap-drop', 'ALL', '--tmpfs', '/data:rw,uid=65532,gid=65532,mode=0700'];
        const start = (name: string, ...more: readonly string[]) =>
          startChild('docker', ['run', '--rm', '--name', name, ...hardened, ...mounts, ...more, image]);
        await using first = start(stranger);
        await using second = start(inMemory, '--group-add', env.DOCKER_GROUP!);
        try {
          await first.line(/does not let this user in.*--group-add/, 30_000);
          await second.line(/container engine found/, 30_000);
          const refused = spawnSync('docker', ['exec', '-i', inMemory, 'dragoman', 'deploy', '-'], {
            encoding: 'utf8',
            input: manifest(1),
          });
          expect(refused.stderr).toMatch(/inside the gateway's own container [\s\S]*on a volume/);
          expect(refused.status).toBe(1);
        } finally {
          await docker(undefined, 'rm', '--force', '--volumes', stranger, inMemory);
          await removeAllOf(inMemory);
        }
      }, 90_000);
    },
  );
}
