import type { Group, Spot } from './documents.ts';
import { readQuantity } from './quantity.ts';

/** What Docker's create options say of a container, out of a pod. */
export function createOptionsOf(container: Spot, volumes: ReadonlyMap<string, Spot>): Group {
  const options: Record<string, unknown> = {};
  const host: Record<string, unknown> = {};
  const texts = (key: string): string[] | undefined => {
    const list = container.each(key).map((entry) => entry.text() ?? '');
    return list.length > 0 ? list : undefined;
  };
  const [command, args, workingDir] = [texts('command'), texts('args'), container.at('workingDir').text()];
  if (command) options.Entrypoint = command;
  if (args) options.Cmd = args;
  if (workingDir !== undefined) options.WorkingDir = workingDir;
  addPorts(container, options, host);
  addVolumes(container, volumes, options, host);
  addResources(container, host);
  addSecurity(container, options, host);
  const health = healthcheck(container);
  if (health) options.Healthcheck = health;
  if (Object.keys(host).length > 0) options.HostConfig = host;
  return options;
}

function addPorts(container: Spot, options: Record<string, unknown>, host: Record<string, unknown>): void {
  const [exposed, bindings]: [Record<string, object>, Record<string, object[]>] = [{}, {}];
  for (const port of container.each('ports')) {
    const { containerPort, hostPort, hostIP, protocol = 'TCP' } = port.group;
    if (!isPort(containerPort) || (hostPort !== undefined && !isPort(hostPort))) {
      port.error('port', 'a port has a containerPort of 1 to 65535, and a hostPort likewise where it is to be reached from outside');
      continue;
    }
    const key = `${containerPort}/${String(protocol).toLowerCase()}`;
    exposed[key] = {};
    if (hostPort === undefined) continue;
    bindings[key] = [...(bindings[key] ?? []), { ...(typeof hostIP === 'string' && { HostIp: hostIP }), HostPort: String(hostPort) }];
  }
  if (Object.keys(exposed).length > 0) options.ExposedPorts = exposed;
  if (Object.keys(bindings).length > 0) host.PortBindings = bindings;
}

const isPort = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;

function addVolumes(
  container: Spot,
  volumes: ReadonlyMap<string, Spot>,
  options: Record<string, unknown>,
  host: Record<string, unknown>,
): void {
  const [binds, tmpfs, anonymous]: [string[], Record<string, string>, Record<string, object>] = [[], {}, {}];
  for (const mount of container.each('volumeMounts')) {
    const [name, at] = [mount.at('name').text() ?? '', mount.at('mountPath').text()];
    const volume = volumes.get(name);
    if (!volume || at === undefined) {
      mount.error('volume', volume ? 'mountPath is missing' : `there is no volume ${name}`, 'volumes stand beside containers');
      continue;
    }
    mount.only(['name', 'mountPath', 'readOnly']);
    const path = volume.at('hostPath', 'path').text();
    if (path !== undefined) binds.push(`${path}:${at}${mount.group.readOnly === true ? ':ro' : ''}`);
    else if (volume.at('emptyDir', 'medium').value === 'Memory') tmpfs[at] = '';
    else if ('emptyDir' in volume.group) anonymous[at] = {};
    else {
      const kinds = Object.keys(volume.group).filter((key) => key !== 'name');
      volume.error(
        'volume',
        `volume ${name}: ${kinds.join(', ')} cannot be had on a gateway`,
        'hostPath and emptyDir can; small settings go into env',
      );
    }
  }
  if (binds.length > 0) host.Binds = binds;
  if (Object.keys(tmpfs).length > 0) host.Tmpfs = tmpfs;
  if (Object.keys(anonymous).length > 0) options.Volumes = anonymous;
}

function addResources(container: Spot, host: Record<string, unknown>): void {
  const limits = container.at('resources', 'limits');
  const scale: Readonly<Record<string, readonly [key: string, by: number]>> = { cpu: ['NanoCpus', 1e9], memory: ['Memory', 1] };
  for (const [name, value] of Object.entries(limits.group)) {
    const into = Object.hasOwn(scale, name) ? scale[name] : undefined;
    const quantity = readQuantity(value);
    if (!into) limits.at(name).warn('not-carried', `a limit of ${name} is not carried over`, 'cpu and memory are', 'key');
    else if (quantity === undefined)
      limits.at(name).error('quantity', `${name}: ${String(value)} is no quantity`, 'write 500m, 64Mi or 1.5');
    else host[into[0]] = Math.round(quantity * into[1]);
  }
}

function addSecurity(container: Spot, options: Record<string, unknown>, host: Record<string, unknown>): void {
  const security = container.at('securityContext');
  security.only(['privileged', 'runAsUser', 'runAsGroup', 'readOnlyRootFilesystem', 'capabilities', 'allowPrivilegeEscalation']);
  const { privileged, runAsUser, runAsGroup, readOnlyRootFilesystem, allowPrivilegeEscalation } = security.group;
  if (runAsUser !== undefined) options.User = runAsGroup === undefined ? String(runAsUser) : `${runAsUser}:${runAsGroup}`;
  if (privileged === true) host.Privileged = true;
  if (readOnlyRootFilesystem === true) host.ReadonlyRootfs = true;
  if (allowPrivilegeEscalation === false) host.SecurityOpt = ['no-new-privileges'];
  for (const [key, into] of [
    ['add', 'CapAdd'],
    ['drop', 'CapDrop'],
  ] as const) {
    const list = security.each('capabilities', key).map((entry) => entry.text() ?? '');
    if (list.length > 0) host[into] = list;
  }
}

const seconds = 1_000_000_000;

/** Docker asks inside the container, with a program that is there; only a probe that names one can be carried over. */
function healthcheck(container: Spot): Group | undefined {
  for (const kind of ['livenessProbe', 'readinessProbe']) {
    const probe = container.at(kind);
    if (probe.value === undefined) continue;
    const command = probe.each('exec', 'command').map((entry) => entry.text() ?? '');
    if (command.length === 0) {
      probe.warn('not-carried', `${kind} is not carried over`, 'write it as exec, with a program that the image has', 'key');
      continue;
    }
    const { periodSeconds = 10, timeoutSeconds = 1, failureThreshold = 3, initialDelaySeconds = 0 } = probe.group as Record<string, number>;
    return {
      Test: ['CMD', ...command],
      Interval: periodSeconds * seconds,
      Timeout: timeoutSeconds * seconds,
      Retries: failureThreshold,
      StartPeriod: initialDelaySeconds * seconds,
    };
  }
  return undefined;
}
