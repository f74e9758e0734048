import { isTwinObject, type TwinObject } from '../../twin/section.ts';

/** Keys of Docker's ContainerCreate body that mean something for a module; `HostConfig` and `NetworkingConfig` have their own. */
const bodyKeys = [
  ...['Hostname', 'Domainname', 'User', 'AttachStdin', 'AttachStdout', 'AttachStderr', 'ExposedPorts', 'Tty', 'OpenStdin', 'StdinOnce'],
  ...['Env', 'Cmd', 'Healthcheck', 'ArgsEscaped', 'Image', 'Volumes', 'WorkingDir', 'Entrypoint', 'NetworkDisabled', 'MacAddress'],
  ...['OnBuild', 'Labels', 'StopSignal', 'StopTimeout', 'Shell', 'HostConfig', 'NetworkingConfig'],
];

const hostKeys = [
  ...['Binds', 'LogConfig', 'NetworkMode', 'PortBindings', 'RestartPolicy', 'AutoRemove', 'VolumeDriver', 'VolumesFrom', 'ConsoleSize'],
  ...['CapAdd', 'CapDrop', 'Capabilities', 'Cgroup', 'CgroupnsMode', 'Dns', 'DnsOptions', 'DnsSearch', 'ExtraHosts', 'GroupAdd', 'IpcMode'],
  ...[
    'Links',
    'OomScoreAdj',
    'PidMode',
    'Privileged',
    'PublishAllPorts',
    'ReadonlyRootfs',
    'SecurityOpt',
    'StorageOpt',
    'Tmpfs',
    'UTSMode',
  ],
  ...['UsernsMode', 'ShmSize', 'Sysctls', 'Runtime', 'Isolation', 'Mounts', 'MaskedPaths', 'ReadonlyPaths', 'Init'],
  ...['CpuShares', 'Memory', 'NanoCpus', 'CgroupParent', 'BlkioWeight', 'BlkioWeightDevice', 'BlkioDeviceReadBps', 'BlkioDeviceWriteBps'],
  ...['BlkioDeviceReadIOps', 'BlkioDeviceWriteIOps', 'CpuPeriod', 'CpuQuota', 'CpuRealtimePeriod', 'CpuRealtimeRuntime', 'CpusetCpus'],
  ...['CpusetMems', 'Devices', 'DeviceCgroupRules', 'DeviceRequests', 'KernelMemory', 'KernelMemoryTCP', 'MemoryReservation', 'MemorySwap'],
  ...['MemorySwappiness', 'OomKillDisable', 'PidsLimit', 'Ulimits', 'CpuCount', 'CpuPercent', 'IOMaximumIOps', 'IOMaximumBandwidth'],
];

/** Said by the manifest elsewhere, or by us; nothing is lost without them. */
const silentlyLeftOut = ['Name', 'Platform', 'ContainerIDFile'];

/** What hangs below these, as far as we look into it; lists stand for their items. */
const below: Readonly<Record<string, readonly string[]>> = {
  '': bodyKeys,
  HostConfig: hostKeys,
  'HostConfig.LogConfig': ['Type', 'Config'],
  'HostConfig.Devices': ['PathOnHost', 'PathInContainer', 'CgroupPermissions'],
  'HostConfig.Mounts': [
    ...['Type', 'Source', 'Target', 'ReadOnly', 'Consistency', 'BindOptions', 'VolumeOptions', 'TmpfsOptions', 'ImageOptions'],
  ],
  'HostConfig.Mounts.VolumeOptions': ['NoCopy', 'Labels', 'DriverConfig', 'Subpath'],
  'HostConfig.Mounts.VolumeOptions.DriverConfig': ['Name', 'Options'],
  NetworkingConfig: ['EndpointsConfig'],
};

export interface ReadOptions {
  /** With every key as Docker writes it; without those that are not known here, unless they are kept. */
  readonly options: TwinObject;
  /** Keys that are not known here, from the top. */
  readonly unknown: readonly (readonly string[])[];
  /** Keys of one place that the engine would take for the same. */
  readonly twice: readonly (readonly string[])[];
}

/**
 * The engine reads keys in any case (`hostconfig`, even with a long s) and lets the last of several win: whoever looks for `HostConfig.Privileged` has
 * to read as it does. What it may know and we do not, it does not get, unless `keepUnknown`.
 */
export function readOptions(createOptions: TwinObject, { keepUnknown = false } = {}): ReadOptions {
  const unknown: string[][] = [];
  const twice: string[][] = [];
  const read = (value: unknown, place: string, keys: readonly string[]): unknown => {
    if (Array.isArray(value)) return value.map((item) => read(item, place, keys));
    const known = below[place];
    if (!known || !isTwinObject(value)) return value;
    const found = new Map<string, unknown>();
    for (const [written, inner] of Object.entries(value)) {
      const key = known.find((one) => fold(one) === fold(written));
      const path = [...keys, written];
      if (key === undefined) {
        if (silentlyLeftOut.some((one) => fold(one) === fold(written))) continue;
        unknown.push(path);
        if (keepUnknown) found.set(written, inner);
      } else {
        if (found.has(key)) twice.push(path);
        found.set(key, read(inner, place === '' ? key : `${place}.${key}`, path));
      }
    }
    return Object.fromEntries(found);
  };
  return { options: read(createOptions, '', []) as TwinObject, unknown, twice };
}

/** As Go compares: without case, with the two letters (long s, sign of Kelvin) that fold to an ASCII one. */
const fold = (key: string): string => key.toUpperCase().toLowerCase();

/** The engine takes one text for a list of one. */
export const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];

export const objectOf = (value: unknown): TwinObject => (isTwinObject(value) ? value : {});
