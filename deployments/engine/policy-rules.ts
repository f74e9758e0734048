import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import { givesEngine, isInside, realPath } from './host-paths.ts';
import { listOf, objectOf } from './options.ts';
import { podmanReadings } from './podman-rules.ts';
import type { Guarded, ModulePolicy, Permission } from './policy.ts';

/** One thing that may not be. `keys` from the top of createOptions. */
export interface Finding {
  readonly keys: readonly (string | number)[];
  readonly message: string;
  readonly hint: string;
}

type Keys = readonly (string | number)[];

/** What every container has anyway (Docker's default set); to add it again, after dropping ALL, is good practice. */
const usualCapabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(' '),
);

/** Which spaces a container may share with the machine, and what each key may say without asking. */
const spaces: readonly { readonly key: string; readonly permission: Permission; readonly usual: RegExp; readonly what: string }[] = [
  { key: 'NetworkMode', permission: 'host-network', usual: /^(?!host$)[\w][\w.-]*$/, what: 'the network of this machine' },
  { key: 'PidMode', permission: 'host-pid', usual: /^private$/, what: 'the processes of this machine' },
  { key: 'IpcMode', permission: 'host-ipc', usual: /^(none|private|shareable)$/, what: 'the shared memory of this machine' },
  { key: 'UTSMode', permission: 'host-uts', usual: /^private$/, what: 'the host name of this machine' },
  { key: 'UsernsMode', permission: 'host-users', usual: /^(private|auto|keep-id|nomap)$/, what: 'the users of this machine' },
];

/** What needs a permission in options whose keys are as Docker writes them. */
export function findingsIn(options: TwinObject, policy: ModulePolicy, guarded: Guarded): readonly Finding[] {
  const host = objectOf(options.HostConfig);
  const findings: Finding[] = [];
  const allows = (permission: Permission): boolean => policy.allow.includes(permission);
  const refuse = (keys: Keys, message: string, setting: string): void => {
    findings.push({ keys, message, hint: `leave it out, or allow it in dragoman.yaml: modules.policy.${setting}` });
  };
  const need = (permission: Permission, keys: Keys, message: string): void => {
    if (!allows(permission)) refuse(keys, message, `allow: [${permission}]`);
  };
  const path = (source: string, keys: Keys): void => {
    const real = realPath(source);
    const named = real === source ? source : `${source} (${real})`;
    if (guarded.folders.map(realPath).some((folder) => isInside(real, folder) || isInside(folder, real))) {
      findings.push({ keys, message: `${named} belongs to the gateway, and modules never get it`, hint: 'mount another folder' });
    } else if (givesEngine(real, guarded.sockets)) {
      need('engine-socket', keys, `${named} is the container engine's own: who has it owns this machine`);
    } else if (!policy.folders.some((folder) => isInside(real, realPath(folder)))) {
      refuse(keys, `${named} is a place on this machine that modules may not mount`, `folders: [${real}]`);
    }
  };
  const bind = (spec: string, keys: Keys): void => {
    const source = spec.split(':', 1)[0]!;
    if (spec.includes(':') && source.includes('/')) path(source, keys);
  };
  const check: Check = { host, allows, need, refuse, path, policy };

  if (host.Privileged !== undefined && host.Privileged !== null && host.Privileged !== false)
    need('privileged', ['HostConfig', 'Privileged'], 'a privileged container is root on this machine');
  for (const { key, permission, usual, what } of spaces) space(check, key, permission, usual, what);
  const endpoints = objectOf(objectOf(options.NetworkingConfig).EndpointsConfig);
  for (const name of Object.keys(endpoints))
    if (name === 'host')
      need('host-network', ['NetworkingConfig', 'EndpointsConfig', name], 'the container would share the network of this machine');
  for (const [index, one] of listOf(host.Binds).entries()) bind(String(one), ['HostConfig', 'Binds', index]);
  // podman takes these for binds when they look like one.
  for (const one of Object.keys(objectOf(options.Volumes))) bind(one, ['Volumes', one]);
  for (const [index, one] of listOf(host.Mounts).entries()) mount(check, objectOf(one), ['HostConfig', 'Mounts', index]);
  podmanReadings(options, (keys, message) => need('other-mounts', keys, message));
  confinement(check);
  capabilities(check);
  devices(check);
  if (listOf(host.VolumesFrom).length > 0)
    need('other-containers', ['HostConfig', 'VolumesFrom'], 'the container would get what others have mounted');
  if (!isLocal(host.VolumeDriver))
    need('other-mounts', ['HostConfig', 'VolumeDriver'], `the volume driver ${String(host.VolumeDriver)} decides itself what it mounts`);
  return findings;
}

interface Check {
  readonly host: TwinObject;
  readonly policy: ModulePolicy;
  allows(permission: Permission): boolean;
  need(permission: Permission, keys: Keys, message: string): void;
  refuse(keys: Keys, message: string, setting: string): void;
  path(source: string, keys: Keys): void;
}

function space({ host, need }: Check, key: string, permission: Permission, usual: RegExp, what: string): void {
  const mode = host[key];
  if (mode === undefined || mode === null || mode === '') return;
  const text = String(mode);
  if (/^container:/.test(text)) need('other-containers', ['HostConfig', key], `the container would share its space with ${text.slice(10)}`);
  else if (!usual.test(text)) need(permission, ['HostConfig', key], `the container would share ${what}`);
}

function mount({ need, path }: Check, mount: TwinObject, keys: Keys): void {
  const [type, source] = [String(mount.Type), String(mount.Source ?? '')];
  if (type === 'bind' || source.includes('/')) {
    path(source, [...keys, 'Source']);
    return;
  }
  if (type === 'tmpfs') return;
  if (type !== 'volume') {
    need('other-mounts', [...keys, 'Type'], `a mount of the type ${type} is neither bind nor volume nor tmpfs`);
    return;
  }
  const driver = objectOf(objectOf(mount.VolumeOptions).DriverConfig);
  const at = [...keys, 'VolumeOptions', 'DriverConfig'];
  if (!isLocal(driver.Name))
    need('other-mounts', [...at, 'Name'], `the volume driver ${String(driver.Name)} decides itself what it mounts`);
  if (!isTwinObject(driver.Options) || Object.keys(driver.Options).length === 0) return;
  const { type: kind, o, device } = driver.Options;
  // To the kernel the flag is stronger than the type.
  if (/(^|,)\s*r?bind\s*(,|$)/.test(String(o ?? ''))) path(String(device ?? ''), [...at, 'Options', 'device']);
  else if (kind !== 'tmpfs') need('other-mounts', [...at, 'Options'], `the volume would mount ${String(device ?? 'a device')}`);
}

const isLocal = (driver: unknown): boolean => driver === undefined || driver === null || driver === '' || driver === 'local';

function confinement({ host, need }: Check): void {
  const safe = /^(no-new-privileges([=:]true)?|seccomp=builtin)$/;
  for (const [index, one] of listOf(host.SecurityOpt).entries()) {
    if (safe.test(String(one))) continue;
    const shown = String(one).slice(0, 60);
    need('unconfined', ['HostConfig', 'SecurityOpt', index], `${shown} takes the engine's confinement away or puts another in its place`);
  }
  for (const key of ['MaskedPaths', 'ReadonlyPaths'])
    if (host[key] !== undefined && host[key] !== null)
      need('unconfined', ['HostConfig', key], 'it bares what the engine hides of the kernel');
  if (String(host.Runtime ?? '').includes('/'))
    need('unconfined', ['HostConfig', 'Runtime'], 'it is a program of this machine that would run the container');
  if (/^container:/.test(String(host.Cgroup ?? '')))
    need('other-containers', ['HostConfig', 'Cgroup'], 'it is the group of another container');
}

function capabilities({ host, policy, refuse }: Check): void {
  const allowed = new Set(policy.capabilities.map(plainCapability));
  if (allowed.has('ALL')) return;
  for (const key of ['CapAdd', 'Capabilities'])
    for (const [index, one] of listOf(host[key]).entries()) {
      const name = plainCapability(String(one));
      if (!usualCapabilities.has(name) && !allowed.has(name))
        refuse(['HostConfig', key, index], `${String(one)} is more than containers usually may`, `capabilities: [${name}]`);
    }
}

const plainCapability = (name: string): string => name.trim().toUpperCase().replace(/^CAP_/, '');

function devices({ host, policy, refuse }: Check): void {
  if (policy.devices.includes('*')) return;
  const allowed = policy.devices.filter((one) => one.startsWith('/'));
  for (const [index, one] of listOf(host.Devices).entries()) {
    const device = String(objectOf(one).PathOnHost ?? '');
    // A link in /dev is the system's (serial/by-id/…): it counts by its own name, and by where it leads.
    const names = [realPath(device), device.split('/').includes('..') ? '' : device];
    if (!allowed.some((path) => names.some((name) => isInside(name, path))))
      refuse(['HostConfig', 'Devices', index], `${device} is a device of this machine`, `devices: [${device}]`);
  }
  if (listOf(host.DeviceRequests).length > 0 && !policy.devices.includes('gpu'))
    refuse(['HostConfig', 'DeviceRequests'], 'it asks for devices of this machine (GPUs)', 'devices: [gpu]');
  if (listOf(host.DeviceCgroupRules).length > 0)
    refuse(['HostConfig', 'DeviceCgroupRules'], 'it opens devices of this machine by number', 'devices: ["*"]');
}
