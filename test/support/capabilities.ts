import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { podmanWorks } from './podman.ts';

/** Something a test needs that a fresh machine may not have. */
export interface Capability {
  readonly name: string;
  readonly ok: boolean;
  readonly reason: string;
}

const required = new Set((process.env.DRAGOMAN_REQUIRE ?? '').split(',').filter(Boolean));

function probe(name: string, command: string, args: readonly string[], reason: string): Capability {
  const run = spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 });
  return capabilityOf(name, run.status === 0, reason);
}

function capabilityOf(name: string, ok: boolean, reason: string): Capability {
  // CI names what it installed: there a missing peer is a failure, not a skip.
  if (!ok && required.has(name)) throw new Error(`${name} is required here (DRAGOMAN_REQUIRE) but: ${reason}`);
  return { name, ok, reason };
}

const has = (name: string, program: string): Capability =>
  probe(name, 'sh', ['-c', `command -v ${program}`], `${program} is not installed`);

/** Python that has Debian's modules; another python may come first in PATH. */
export const debianPython = '/usr/bin/python3';

const cache = new Map<string, Capability>();
const probes: Readonly<Record<string, () => Capability>> = {
  pymodbus: () => probe('pymodbus', debianPython, ['-c', 'import pymodbus, serial, serial_asyncio'], 'python3-pymodbus is not installed'),
  mbpoll: () => has('mbpoll', 'mbpoll'),
  socat: () => has('socat', 'socat'),
  mosquitto: () => has('mosquitto', 'mosquitto'),
  rabbitmq: () => probe('rabbitmq', 'test', ['-x', '/usr/lib/rabbitmq/bin/rabbitmq-server'], 'rabbitmq-server is not installed'),
  proton: () => probe('proton', debianPython, ['-c', 'import proton'], 'python3-qpid-proton is not installed'),
  tshark: () =>
    probe('tshark', 'sh', ['-c', 'tshark -D 2>/dev/null | grep -q "(Loopback)\\|lo"'], 'tshark is not installed or may not capture'),
  asyncua: () => probe('asyncua', asyncuaPython(), ['-c', 'import asyncua'], 'asyncua is not installed'),
  'python-sdk': () =>
    probe(
      'python-sdk',
      'test',
      ['-d', `${process.env.DRAGOMAN_PYTHON_SDK ?? '/nowhere'}/azure/iot/device`],
      'DRAGOMAN_PYTHON_SDK names no folder with azure-iot-device',
    ),
  docker: () => probe('docker', 'docker', ['version', '--format', '{{.Server.Version}}'], 'no container engine answers'),
  dockerd: () =>
    probe('dockerd', 'sh', ['-c', 'test "$(id -u)" = 0 && command -v dockerd && docker version'], 'no engine of its own: dockerd, root'),
  podman: () => capabilityOf('podman', podmanWorks(), 'no podman of its own: podman with netavark, docker (the program), root'),
  registry: () => has('registry', 'docker-registry'),
  cc: () => has('cc', 'cc'),
  openssl: () => has('openssl', 'openssl'),
};

/** Python that has asyncua, from `DRAGOMAN_ASYNCUA_PYTHON` or the first in PATH. */
export function asyncuaPython(): string {
  const named = process.env.DRAGOMAN_ASYNCUA_PYTHON;
  return named && existsSync(named) ? named : 'python3';
}

export function capability(name: keyof typeof probes & string): Capability {
  const known = cache.get(name);
  if (known) return known;
  const fresh = probes[name]?.();
  if (!fresh) throw new Error(`no probe for ${name}`);
  cache.set(name, fresh);
  return fresh;
}

/** A title that says aloud why it is skipped: `describe.skipIf(!cap.ok)(titled('RTU over a pty pair', cap), …)`. */
export function titled(title: string, ...needed: readonly Capability[]): string {
  const missing = needed.filter((c) => !c.ok);
  return missing.length === 0 ? title : `${title} [skipped: ${missing.map((c) => c.reason).join('; ')}]`;
}
