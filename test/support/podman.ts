import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import type { TestEngine } from './engine.ts';
import { freePort } from './ports.ts';
import { tempFolder } from './temp.ts';

export interface PodmanOptions {
  /** All the room that its images have. */
  readonly diskMegabytes?: number;
}

/** A podman of this test's own, that may be killed; needs capability `podman`. Registries of this machine need no TLS. */
export async function startPodman(options: PodmanOptions = {}): Promise<TestEngine> {
  const place = new PodmanPlace(await freePort(), options);
  const socket = join(place.path, 'podman.sock');
  let child: Child;
  const start = async (): Promise<void> => {
    const service = place.command('--log-level', 'info', 'system', 'service', '--time', '0', `unix://${socket}`);
    child = startChild(service[0], service.slice(1), { detached: true, env: place.environment });
    await child.line(/API service listening on/, 30_000);
  };
  await start();
  return {
    host: `unix://${socket}`,
    socket,
    async kill() {
      child.process.kill('SIGKILL');
      await child.exited;
    },
    start,
    async [Symbol.asyncDispose]() {
      place.run('rm', '--all', '--force', '--time', '0');
      child.process.kill('SIGTERM');
      await child.exited;
      place[Symbol.dispose]();
    },
  };
}

/** Whether podman can run a container here: it depends on rights, kernel and cgroups. */
export function podmanWorks(): boolean {
  try {
    using place = new PodmanPlace(10_000, {});
    return place.run('run', '--rm', '--network', 'none', '--rootfs', '/:O', 'true') === 0;
  } catch {
    return false;
  }
}

/**
 * A folder with all that a podman has. It sees the machine's files in a space of mounts of its own: what it mounts is gone with it, and the images,
 * caches and networks of another podman are hidden from it.
 */
class PodmanPlace implements Disposable {
  readonly #folder = tempFolder();
  /** Second and third number of their addresses: `10.150.16.0/20`, 16 networks. */
  readonly #networks: readonly [number, number];

  /** `number` makes its networks others than those of a podman beside it. */
  constructor(number: number, { diskMegabytes }: PodmanOptions) {
    this.#networks = [144 + ((number >> 4) & 63), (number & 15) * 16];
    for (const name of ['space', 'root', 'run', 'tmp', 'networks']) mkdirSync(join(this.path, name));
    writeFileSync(join(this.path, 'containers.conf'), configuration(this.path, this.#networks));
    writeFileSync(join(this.path, 'registries.conf'), '[[registry]]\nprefix = "127.0.0.1"\nlocation = "127.0.0.1"\ninsecure = true\n');
    const made = ['/var/lib/containers', '/run/containers', '/run/libpod'];
    for (const path of made) mkdirSync(path, { recursive: true });
    // In shared memory are its locks.
    const hidden = [...made, '/dev/shm', ...['/etc/containers/networks', '/etc/cni'].filter(existsSync)];
    const disk = diskMegabytes === undefined ? [] : [`mount -t tmpfs -o size=${diskMegabytes}m tmpfs ${join(this.path, 'root')}`];
    const inside = ['true', ...hidden.map((path) => `mount -t tmpfs tmpfs ${path}`), ...disk].join('; ');
    const space = join(this.path, 'space');
    // The name of a space of mounts must itself lie on a mount that nobody shares.
    const script = `mount --bind ${space} ${space}; mount --make-private ${space}; touch ${this.#space}
      unshare --mount=${this.#space} --propagation private sh -ec '${inside}'`;
    try {
      execFileSync('sh', ['-ec', script], { stdio: ['ignore', 'ignore', 'pipe'] });
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get path(): string {
    return this.#folder.path;
  }

  get environment(): NodeJS.ProcessEnv {
    const at = (name: string): string => join(this.path, name);
    return {
      ...process.env,
      CONTAINERS_CONF: at('containers.conf'),
      CONTAINERS_REGISTRIES_CONF: at('registries.conf'),
      TMPDIR: at('tmp'),
    };
  }

  command(...args: readonly string[]): [string, ...string[]] {
    const at = (name: string): string => join(this.path, name);
    const folders = ['--root', at('root'), '--runroot', at('run'), '--storage-driver', 'overlay'];
    return ['nsenter', `--mount=${this.#space}`, 'podman', ...folders, ...args];
  }

  /** Its exit code. */
  run(...args: readonly string[]): number | null {
    const [program, ...rest] = this.command(...args);
    return spawnSync(program, rest, { env: this.environment, stdio: 'ignore', timeout: 60_000 }).status;
  }

  [Symbol.dispose](): void {
    endAllOf(this.path);
    removeRules(this.#networks);
    spawnSync('umount', [this.#space]);
    spawnSync('umount', [join(this.path, 'space')]);
    this.#folder[Symbol.dispose]();
  }

  get #space(): string {
    return join(this.path, 'space', 'mounts');
  }
}

/** Of itself podman gives containers more files and processes than whoever runs a test may have to give. */
function configuration(folder: string, [second, third]: readonly [number, number]): string {
  // Of a machine that mixes both kinds of cgroups crun wants nothing.
  const runtime = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '' : 'runtime = "runc"\n';
  return `[network]
network_backend = "netavark"
network_config_dir = "${folder}/networks"
default_subnet = "10.${second}.${third}.0/24"
default_subnet_pools = [{ base = "10.${second}.${third}.0/20", size = 24 }]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "${folder}/tmp"
${runtime}[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
`;
}

/** Watchers of containers, and whoever resolves names for them. */
function endAllOf(folder: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (/^\S*(conmon|aardvark-dns|podman)\0/.test(line) && line.includes(`${folder}/`)) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It is gone.
    }
  }
}

/** It shares its bridges with a podman beside it, and leaves the rules of packets of one that somebody still uses. */
function removeRules([second, third]: readonly [number, number]): void {
  const mine = (rule: string): boolean => {
    const [, found] = new RegExp(` 10\\.${second}\\.(\\d+)\\.`).exec(rule) ?? [];
    return rule.startsWith('-A') && found !== undefined && Number(found) >> 4 === third >> 4;
  };
  for (const table of ['filter', 'nat']) {
    const { stdout } = spawnSync('iptables', ['--table', table, '--list-rules'], { encoding: 'utf8' });
    const rules = (stdout ?? '').split('\n').filter(mine);
    for (const rule of rules) spawnSync('iptables', ['--table', table, ...rule.replace('-A', '-D').split(' ')]);
  }
}
