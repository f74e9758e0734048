import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { ContainerBody, EngineInfo } from './contract.ts';

/** What an engine does in a way of its own, among those that speak Docker's API. */
export interface Dialect {
  readonly name: 'docker' | 'podman';
  /** Of the request for events. */
  eventFilters(labels: Readonly<Record<string, string>>): TwinObject;
  /** Whether an event is of a container with these labels, where the filters let others through. */
  isOf(event: TwinObject, labels: Readonly<Record<string, string>>): boolean;
  /** A body of ours as this engine understands it. `gatewayOf` answers the machine's address on a network. */
  body(container: ContainerBody, gatewayOf: (network: string) => Promise<string | undefined>): Promise<ContainerBody>;
}

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
};

/** It takes an event for one of several labels, not of all of them, and answers nothing for a kind of event that it does not know. */
const podman = (version: string): Dialect => ({
  name: 'podman',
  eventFilters: () => ({ type: ['container'] }),
  isOf: (event, labels) => {
    const { Attributes } = isTwinObject(event.Actor) ? event.Actor : {};
    return Object.entries(labels).every(([name, value]) => isTwinObject(Attributes) && Attributes[name] === value);
  },
  body: async (container, gatewayOf) => (knowsHostGateway(version) ? container : withAddresses(container, gatewayOf)),
});

/** Before 4.7 it writes the word into the container's /etc/hosts, as if it were an address. */
function knowsHostGateway(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 4 || (major === 4 && minor >= 7);
}

async function withAddresses(
  container: ContainerBody,
  gatewayOf: (network: string) => Promise<string | undefined>,
): Promise<ContainerBody> {
  const hostConfig = isTwinObject(container.HostConfig) ? container.HostConfig : {};
  const { ExtraHosts: hosts, NetworkMode: mode } = hostConfig;
  if (!Array.isArray(hosts) || !hosts.some((one) => hostGateway.test(String(one)))) return container;
  const network = typeof mode === 'string' && mode !== '' && mode !== 'default' && mode !== 'bridge' ? mode : 'podman';
  const address = network === 'host' ? '127.0.0.1' : await gatewayOf(network);
  if (address === undefined) return container;
  const known = hosts.map((one) => String(one).replace(hostGateway, `:${address}`));
  return { ...container, HostConfig: { ...hostConfig, ExtraHosts: known } };
}

const hostGateway = /:host-gateway$/;
