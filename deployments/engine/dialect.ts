import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { ContainerBody, EngineInfo } from './contract.ts';
import { objectOf } from './options.ts';
import { isLogPath } from './podman-rules.ts';

/** What an engine does in a way of its own, among those that speak Docker's API. */
export interface Dialect {
  readonly name: 'docker' | 'podman';
  /** Of the request for events. */
  eventFilters(labels: Readonly<Record<string, string>>): TwinObject;
  /** Whether an event is of a container with these labels, where the filters let others through. */
  isOf(event: TwinObject, labels: Readonly<Record<string, string>>): boolean;
  /** A body of ours as this engine understands it. `gatewayOf` answers the machine's address on a network. */
  body(container: ContainerBody, gatewayOf: GatewayOf): Promise<ContainerBody>;
  /** The same in other words, where this engine may read it wrong: whoever makes it looks, and tries the other one. */
  otherWords(container: ContainerBody): ContainerBody | undefined;
}

type GatewayOf = (network: string) => Promise<string | undefined>;

export const dialectOf = ({ name, version }: EngineInfo): Dialect => (name === 'podman' ? podman(version) : docker);

export const labelFilter = (labels: Readonly<Record<string, string>>): string[] =>
  Object.entries(labels).map(([name, value]) => `${name}=${value}`);

const docker: Dialect = {
  name: 'docker',
  eventFilters: (labels) => ({
    type: ['container'],
    event: ['start', 'die', 'oom', 'health_status', 'destroy', 'remove'],
    label: labelFilter(labels),
  }),
  isOf: () => true,
  body: async (container) => container,
  otherWords: () => undefined,
};

/** It takes an event for one of several labels, not of all of them, and answers nothing for a kind of event that it does not know. */
const podman = (version: string): Dialect => ({
  name: 'podman',
  eventFilters: () => ({ type: ['container'] }),
  isOf: (event, labels) => {
    const { Attributes } = objectOf(event.Actor);
    return Object.entries(labels).every(([name, value]) => isTwinObject(Attributes) && Attributes[name] === value);
  },
  body: async (container, gatewayOf) => asPodmanReads(knowsHostGateway(version) ? container : await withAddresses(container, gatewayOf)),
  otherWords: withWholeArguments,
});

/**
 * Of a tmpfs without a mode it makes one that nobody but root may use; Docker makes one for all. A variable without a value it takes from its own
 * environment, and `PA*` all that begin so. Its logs stay where they are found again.
 */
function asPodmanReads(container: ContainerBody): ContainerBody {
  const { Mounts: mounts, LogConfig: log, ...hostConfig } = objectOf(container.HostConfig);
  const { Config: config, ...logRest } = objectOf(log);
  return {
    ...container,
    ...(Array.isArray(container.Env) && { Env: container.Env.filter((one) => String(one).includes('=')) }),
    HostConfig: {
      ...hostConfig,
      ...(Array.isArray(mounts) && { Mounts: mounts.map(withMode) }),
      ...(isTwinObject(log) && {
        LogConfig: {
          ...logRest,
          ...(isTwinObject(config) && { Config: Object.fromEntries(Object.entries(config).filter(([key]) => !isLogPath(key))) }),
        },
      }),
    },
  } as ContainerBody;
}

function withMode(mount: unknown): unknown {
  if (!isTwinObject(mount) || !isTwinObject(mount.TmpfsOptions) || mount.TmpfsOptions.Mode) return mount;
  return { ...mount, TmpfsOptions: { ...mount.TmpfsOptions, Mode: 0o1777 } };
}

/** What a container is checked by; undefined: nothing is said of it. */
export function healthTestOf(config: unknown): readonly unknown[] | undefined {
  const { Healthcheck } = objectOf(config);
  return isTwinObject(Healthcheck) && Array.isArray(Healthcheck.Test) ? Healthcheck.Test : undefined;
}

/**
 * Until 2026 it cut the arguments of a health check at their spaces: of `sh -c "exit 1"` became `sh -c exit`, which is always healthy. As one JSON
 * text it takes them as they are.
 */
function withWholeArguments(container: ContainerBody): ContainerBody | undefined {
  const test = healthTestOf(container) ?? [];
  if (test[0] !== 'CMD' || !test.slice(1).some((one) => one === '' || /\s/.test(String(one)))) return undefined;
  return { ...container, Healthcheck: { ...(container.Healthcheck as TwinObject), Test: [JSON.stringify(test.slice(1))] } };
}

/** Before 4.7 it writes the word into the container's /etc/hosts, as if it were an address. */
function knowsHostGateway(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 4 || (major === 4 && minor >= 7);
}

async function withAddresses(container: ContainerBody, gatewayOf: GatewayOf): Promise<ContainerBody> {
  const hostConfig = objectOf(container.HostConfig);
  const { ExtraHosts: hosts, NetworkMode: mode } = hostConfig;
  if (!Array.isArray(hosts) || !hosts.some((one) => hostGateway.test(String(one)))) return container;
  const network = typeof mode === 'string' && mode !== '' && mode !== 'default' && mode !== 'bridge' ? mode : 'podman';
  const address = network === 'host' ? '127.0.0.1' : await gatewayOf(network);
  if (address === undefined) return container;
  const known = hosts.map((one) => String(one).replace(hostGateway, `:${address}`));
  return { ...container, HostConfig: { ...hostConfig, ExtraHosts: known } };
}

const hostGateway = /:host-gateway$/;
