import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Child, startChild } from './child.ts';
import { makeImage } from './images.ts';
import { freePort } from './ports.ts';
import { tempFolder } from './temp.ts';

const run = promisify(execFile);

/** Docker's own program, beside the code under test. `host` as DOCKER_HOST; undefined: as this process has it. */
export async function docker(host: string | undefined, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, ...(host !== undefined && { DOCKER_HOST: host }) };
  const { stdout } = await run('docker', args, { maxBuffer: 64_000_000, env });
  return stdout.trim();
}

/** The engine that a capability `docker` found. */
export const engineUrl = (): string => process.env.DOCKER_HOST || 'unix:///var/run/docker.sock';

/**
 * Where containers find this machine. An engine that made its bridge itself names no gateway until it is started again: it is
 * the first address of the subnet. (Node does not list the interface while no container runs.)
 */
export async function bridgeAddress(): Promise<string> {
  const [config] = JSON.parse(await docker(undefined, 'network', 'inspect', 'bridge', '--format', '{{json .IPAM.Config}}')) as {
    readonly Subnet: string;
    readonly Gateway?: string;
  }[];
  return config!.Gateway ?? config!.Subnet.replace(/\d+\/\d+$/, '1');
}

/** Removes containers and network of a gateway, and the images that are called after it, from the engine that `docker` reaches. */
export async function removeAllOf(gateway: string): Promise<void> {
  const clean = async (list: readonly string[], remove: readonly string[]): Promise<void> => {
    const found = (await docker(undefined, ...list)).split('\n').filter(Boolean);
    if (found.length > 0) await docker(undefined, ...remove, ...new Set(found));
  };
  await clean(['ps', '-aq', '--filter', `label=dragoman.gateway=${gateway}`], ['rm', '-f']);
  await clean(['network', 'ls', '-q', '--filter', `name=${gateway}`], ['network', 'rm']);
  await clean(['images', '--format', '{{.Repository}}:{{.Tag}}', '--filter', `reference=${gateway}/*`], ['rmi', '-f']);
}

export interface TestImage {
  readonly tag: string;
  /** Dockerfile instructions: `HEALTHCHECK …`, `ENV A=1`. */
  readonly changes?: readonly string[];
  /** Makes the image another one. */
  readonly content?: string;
}

/** An image with a shell that waits for its end. Answers its id. */
export async function makeShellImage(host: string | undefined, { tag, changes = [], content = '' }: TestImage): Promise<string> {
  const cmd = ['sh', '-c', 'trap exit TERM; while true; do sleep 1 & wait $!; done'];
  makeImage(tag, {
    programs: ['sh', 'sleep', 'cat', 'env', '/usr/bin/true', 'getent'],
    files: { '/etc/content': content },
    cmd,
    changes,
    host,
  });
  return await docker(host, 'inspect', '--format', '{{.Id}}', tag);
}

export interface TestEngine extends AsyncDisposable {
  /** `unix:///…`. */
  readonly host: string;
  readonly socket: string;
  /** As a power cut of the engine alone: containers go on. */
  kill(): Promise<void>;
  /** Again, after `kill`. */
  start(): Promise<void>;
}

/** An engine of this test's own, that may be killed; needs capability `dockerd`. `diskMegabytes`: all the room that it has. */
export async function startEngine({ diskMegabytes }: { readonly diskMegabytes?: number } = {}): Promise<TestEngine> {
  const folder = tempFolder();
  if (diskMegabytes !== undefined) {
    mkdirSync(join(folder.path, 'data'));
    await run('mount', ['-t', 'tmpfs', '-o', `size=${diskMegabytes}m`, 'tmpfs', join(folder.path, 'data')]);
  }
  const socket = join(folder.path, 'socket');
  // Rules of packets are the machine's and another engine's: left alone. Published ports work by its proxy.
  const options = ['--iptables=false', '--live-restore', '-H', `unix://${socket}`, '--pidfile', join(folder.path, 'pid')];
  let child: Child;
  const start = async (): Promise<void> => {
    const folders = ['--data-root', join(folder.path, 'data'), '--exec-root', join(folder.path, 'exec')];
    child = startChild('dockerd', [...folders, ...options], { detached: true });
    await child.line(/API listen on/, 30_000);
  };
  await start();
  return {
    host: `unix://${socket}`,
    socket,
    async kill() {
      child.process.kill('SIGKILL');
      await child.exited;
      // Its other half dies with it, a moment later; the next one would wait for it in vain.
      await ended(join(folder.path, 'exec', 'containerd', 'containerd.pid'));
      rmSync(join(folder.path, 'pid'), { force: true });
    },
    start,
    async [Symbol.asyncDispose]() {
      const ids = (await docker(`unix://${socket}`, 'ps', '-aq').catch(() => '')).split('\n').filter(Boolean);
      if (ids.length > 0) await docker(`unix://${socket}`, 'rm', '-f', ...ids).catch(() => {});
      child.process.kill('SIGTERM');
      await child.exited;
      endAllOf(folder.path);
      folder[Symbol.dispose]();
    },
  };
}

async function ended(pidFile: string): Promise<void> {
  const pid = readFileSync(pidFile, 'utf8');
  const alive = (): boolean => existsSync(`/proc/${pid}`) && !/State:\s+Z/.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  while (alive()) await new Promise((resolve) => setTimeout(resolve, 20));
  rmSync(pidFile);
}

/** What a killed engine leaves behind in its folder: watchers of containers, mounts. */
function endAllOf(folder: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))) {
    try {
      if (
        /^\S*(containerd|docker)/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')) &&
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
      )
        process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It is gone.
    }
  }
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  for (const mount of mounts.filter((path) => path.startsWith(`${folder}/`)).reverse()) spawnSync('umount', ['--lazy', mount]);
}

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:15000`: the first part of the names of its images. */
  readonly address: string;
  readonly username: string;
  readonly password: string;
  /** `docker tag` and `docker push`, as one who may. Answers the digest, `sha256:…`. */
  push(host: string | undefined, image: string, name: string): Promise<string>;
  stop(): Promise<void>;
}

/** bcrypt of `s3cret`. */
const hashed = '$2y$05$..W8tgs0rx0bbkebtjh0Gez4TD9i5xgyZDF.IxaXVCAGRbT2NCjZi';

/** A registry that asks for a login; needs capability `registry`. */
export async function startRegistry(port?: number): Promise<TestRegistry> {
  const folder = tempFolder();
  const address = `127.0.0.1:${port ?? (await freePort())}`;
  writeFileSync(join(folder.path, 'htpasswd'), `edge:${hashed}\n`);
  const configuration = {
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: join(folder.path, 'data') } },
    http: { addr: address },
    auth: { htpasswd: { realm: 'test', path: join(folder.path, 'htpasswd') } },
  };
  writeFileSync(join(folder.path, 'registry.yml'), JSON.stringify(configuration));
  const child = startChild('docker-registry', ['serve', join(folder.path, 'registry.yml')]);
  await child.line(/listening on/);
  const login = join(folder.path, 'login');
  mkdirSync(login);
  const auth = Buffer.from('edge:s3cret').toString('base64');
  writeFileSync(join(login, 'config.json'), JSON.stringify({ auths: { [address]: { auth } } }));
  chmodSync(login, 0o700);
  return {
    address,
    username: 'edge',
    password: 's3cret',
    async push(host, image, name) {
      await docker(host, 'tag', image, name);
      await docker(host, '--config', login, 'push', name);
      // As the registry has it: an engine may push it in another form than it keeps it in.
      const [repository, tag] = name.slice(address.length + 1).split(':');
      const accept = 'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json';
      const headers = { accept, authorization: `Basic ${auth}` };
      const answer = await fetch(`http://${address}/v2/${repository}/manifests/${tag}`, { method: 'HEAD', headers });
      return answer.headers.get('docker-content-digest')!;
    },
    async stop() {
      await child[Symbol.asyncDispose]();
    },
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}
