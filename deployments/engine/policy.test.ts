import { linkSync, mkdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import type { TwinObject } from '../../twin/section.ts';
import type { ManifestProblem } from '../contract.ts';
import { filterSpec } from '../testing/filter-spec.ts';
import { checkPolicy, type Guarded, ModulePolicy } from './policy.ts';

const spec = (createOptions: TwinObject) => filterSpec({ createOptions });
const check = (options: TwinObject, policy: Partial<ModulePolicy> = {}, guarded?: Guarded): readonly ManifestProblem[] =>
  checkPolicy(spec(options), ModulePolicy.parse(policy), guarded);
const host = (HostConfig: TwinObject): TwinObject => ({ HostConfig });
const volume = (Options: TwinObject, Name = 'local'): TwinObject =>
  host({ Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Name, Options } } }] });

describe('what a container can do to itself needs nobody', () => {
  test.for<{ rule: string; options: TwinObject }>([
    { rule: 'nothing', options: {} },
    { rule: 'ports, memory, cpu', options: host({ PortBindings: { '80/tcp': [{ HostPort: '80' }] }, Memory: 1, NanoCpus: 2 }) },
    { rule: 'a volume by name', options: host({ Binds: ['data:/data:ro', '/anonymous'] }) },
    { rule: 'volumes and memory as mounts', options: host({ Mounts: [{ Type: 'volume', Source: 'data' }, { Type: 'tmpfs' }] }) },
    { rule: 'a volume in memory', options: volume({ type: 'tmpfs', device: 'tmpfs', o: 'size=1m' }) },
    { rule: 'its own spaces', options: host({ NetworkMode: 'bridge', IpcMode: 'private', PidMode: '', UTSMode: null }) },
    { rule: 'usual capabilities, again', options: host({ CapDrop: ['ALL'], CapAdd: ['NET_BIND_SERVICE', 'cap_chown'] }) },
    { rule: 'no new privileges', options: host({ SecurityOpt: ['no-new-privileges', 'no-new-privileges:true'], Privileged: false }) },
    { rule: 'an anonymous volume', options: { Volumes: { '/data': {} } } },
    { rule: 'a runtime that the engine knows', options: host({ Runtime: 'nvidia' }) },
  ])('$rule', ({ options }) => {
    expect(check(options)).toEqual([]);
  });
});

interface Refusal {
  readonly options: TwinObject;
  /** Within createOptions. */
  readonly at: string;
  /** What allows it, and what that is called in the hint. */
  readonly policy: Partial<ModulePolicy>;
  readonly setting: string;
}

const refusals: readonly Refusal[] = [
  { options: host({ Privileged: true }), at: 'HostConfig.Privileged', policy: { allow: ['privileged'] }, setting: 'allow: [privileged]' },
  {
    options: { hostConfig: { privileged: true } },
    at: 'HostConfig.Privileged',
    policy: { allow: ['privileged'] },
    setting: 'allow: [privileged]',
  },
  // A long s: to Go's JSON reader it is one.
  { options: { hoſtConfig: { Binds: ['/srv:/x'] } }, at: 'HostConfig.Binds[0]', policy: { folders: ['/srv'] }, setting: 'folders: [/srv]' },
  {
    options: host({ NetworkMode: 'host' }),
    at: 'HostConfig.NetworkMode',
    policy: { allow: ['host-network'] },
    setting: 'allow: [host-network]',
  },
  {
    options: { NetworkingConfig: { EndpointsConfig: { host: {} } } },
    at: 'NetworkingConfig.EndpointsConfig.host',
    policy: { allow: ['host-network'] },
    setting: 'allow: [host-network]',
  },
  {
    options: host({ NetworkMode: 'ns:/proc/1/ns/net' }),
    at: 'HostConfig.NetworkMode',
    policy: { allow: ['host-network'] },
    setting: 'allow: [host-network]',
  },
  {
    options: host({ NetworkMode: 'container:gateway' }),
    at: 'HostConfig.NetworkMode',
    policy: { allow: ['other-containers'] },
    setting: 'allow: [other-containers]',
  },
  { options: host({ PidMode: 'host' }), at: 'HostConfig.PidMode', policy: { allow: ['host-pid'] }, setting: 'allow: [host-pid]' },
  { options: host({ IpcMode: 'host' }), at: 'HostConfig.IpcMode', policy: { allow: ['host-ipc'] }, setting: 'allow: [host-ipc]' },
  { options: host({ UTSMode: 'host' }), at: 'HostConfig.UTSMode', policy: { allow: ['host-uts'] }, setting: 'allow: [host-uts]' },
  { options: host({ UsernsMode: 'host' }), at: 'HostConfig.UsernsMode', policy: { allow: ['host-users'] }, setting: 'allow: [host-users]' },
  { options: host({ Binds: ['/srv/data:/d'] }), at: 'HostConfig.Binds[0]', policy: { folders: ['/srv'] }, setting: 'folders: [/srv/data]' },
  {
    options: host({ Binds: ['/srv/../opt:/d'] }),
    at: 'HostConfig.Binds[0]',
    policy: { folders: ['/opt'] },
    setting: 'folders: [/opt]',
  },
  {
    options: host({ Mounts: [{ Type: 'bind', Source: '/srv', Target: '/x' }] }),
    at: 'HostConfig.Mounts[0].Source',
    policy: { folders: ['/srv'] },
    setting: 'folders: [/srv]',
  },
  {
    options: volume({ type: 'tmpfs', o: 'size=1m,rbind', device: '/srv' }),
    at: 'HostConfig.Mounts[0].VolumeOptions.DriverConfig.Options.device',
    policy: { folders: ['/srv'] },
    setting: 'folders: [/srv]',
  },
  {
    options: volume({ type: 'ext4', device: '/dev/sda1' }),
    at: 'HostConfig.Mounts[0].VolumeOptions.DriverConfig.Options',
    policy: { allow: ['other-mounts'] },
    setting: 'allow: [other-mounts]',
  },
  {
    options: host({ Mounts: [{ Type: 'image', Source: 'evil:1', Target: '/x' }] }),
    at: 'HostConfig.Mounts[0].Type',
    policy: { allow: ['other-mounts'] },
    setting: 'allow: [other-mounts]',
  },
  { options: { Volumes: { '/srv:/x': {} } }, at: "Volumes['/srv:/x']", policy: { folders: ['/srv'] }, setting: 'folders: [/srv]' },
  {
    options: host({ Binds: ['/var/run/docker.sock:/docker.sock'] }),
    at: 'HostConfig.Binds[0]',
    policy: { allow: ['engine-socket'] },
    setting: 'allow: [engine-socket]',
  },
  {
    options: host({ Binds: ['/run:/x'] }),
    at: 'HostConfig.Binds[0]',
    policy: { allow: ['engine-socket'] },
    setting: 'allow: [engine-socket]',
  },
  {
    options: host({ Binds: ['/var/lib/docker/volumes:/x'] }),
    at: 'HostConfig.Binds[0]',
    policy: { allow: ['engine-socket'] },
    setting: 'allow: [engine-socket]',
  },
  {
    options: host({ Devices: [{ PathOnHost: '/dev/ttyUSB0' }] }),
    at: 'HostConfig.Devices[0]',
    policy: { devices: ['/dev/ttyUSB0'] },
    setting: 'devices: [/dev/ttyUSB0]',
  },
  {
    options: host({ DeviceRequests: [{ Count: -1 }] }),
    at: 'HostConfig.DeviceRequests',
    policy: { devices: ['gpu'] },
    setting: 'devices: [gpu]',
  },
  {
    options: host({ DeviceCgroupRules: ['c *:* rwm'] }),
    at: 'HostConfig.DeviceCgroupRules',
    policy: { devices: ['*'] },
    setting: 'devices: ["*"]',
  },
  {
    options: host({ CapAdd: ['cap_net_admin'] }),
    at: 'HostConfig.CapAdd[0]',
    policy: { capabilities: ['NET_ADMIN'] },
    setting: 'capabilities: [NET_ADMIN]',
  },
  // A text is a list of one to the engine.
  { options: host({ CapAdd: 'ALL' }), at: 'HostConfig.CapAdd[0]', policy: { capabilities: ['ALL'] }, setting: 'capabilities: [ALL]' },
  ...[
    'seccomp=unconfined',
    'apparmor:unconfined',
    'label=disable',
    'systempaths=unconfined',
    'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}',
  ].map(
    (option): Refusal => ({
      options: host({ SecurityOpt: [option] }),
      at: 'HostConfig.SecurityOpt[0]',
      policy: { allow: ['unconfined'] },
      setting: 'allow: [unconfined]',
    }),
  ),
  { options: host({ MaskedPaths: [] }), at: 'HostConfig.MaskedPaths', policy: { allow: ['unconfined'] }, setting: 'allow: [unconfined]' },
  { options: host({ Runtime: '/tmp/run' }), at: 'HostConfig.Runtime', policy: { allow: ['unconfined'] }, setting: 'allow: [unconfined]' },
  {
    options: host({ VolumesFrom: ['gateway'] }),
    at: 'HostConfig.VolumesFrom',
    policy: { allow: ['other-containers'] },
    setting: 'allow: [other-containers]',
  },
];

describe('what is refused, where, and what allows it', () => {
  test.for(refusals)('$at, until $setting', ({ options, at, policy, setting }) => {
    const [problem, ...others] = check(options);
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ severity: 'error', rule: 'module-policy', hint: expect.stringContaining(`modules.policy.${setting}`) });
    expect(problem!.message.toLowerCase().replace('ſ', 's')).toContain(`${at.toLowerCase()}: `);
    expect(problem!.path).toMatch(/^modulesContent\.\$edgeAgent\['properties.desired'\]\.modules\.filter\.settings\.createOptions[.[]/);
    expect(check(options, policy).filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  test('all of it at once', () => {
    expect(check(host({ Privileged: true, PidMode: 'host', Binds: ['/a:/a', '/b:/b'], CapAdd: ['SYS_ADMIN'] }))).toHaveLength(5);
  });

  test('two keys that the engine takes for one: nobody knows which it hears', () => {
    const [problem] = check({ HostConfig: { Memory: 1 }, hostconfig: { Privileged: true } });
    expect(problem).toMatchObject({ severity: 'error', message: expect.stringContaining('hostconfig') });
  });

  test('a key that nobody knows is kept from the engine, and that is said', () => {
    expect(check({ HostConfig: { Newest: 1 } })).toMatchObject([{ severity: 'warn', rule: 'unknown-option' }]);
    expect(check({ HostConfig: { Newest: 1 } }, { allow: ['unknown-options'] })).toEqual([]);
  });
});

describe('links', () => {
  test('out of an allowed folder lead where they lead', () => {
    using folder = tempFolder();
    mkdirSync(join(folder.path, 'allowed'));
    symlinkSync('/etc', join(folder.path, 'allowed', 'data'));
    const policy = { folders: [join(folder.path, 'allowed')] };
    expect(check(host({ Binds: [`${folder.path}/allowed/new:/x`] }), policy)).toEqual([]);
    const [problem] = check(host({ Binds: [`${folder.path}/allowed/data/new:/x`] }), policy);
    expect(problem!.message).toContain('(/etc/new) is a place on this machine that modules may not mount');
  });

  test('to the socket of the engine are its socket; so is another name of it', async () => {
    using folder = tempFolder();
    const socket = join(folder.path, 'engine', 'socket');
    mkdirSync(join(folder.path, 'engine'));
    const server = createServer().listen(socket);
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      symlinkSync(socket, join(folder.path, 'link'));
      mkdirSync(join(folder.path, 'elsewhere'));
      linkSync(socket, join(folder.path, 'elsewhere', 'second-name'));
      const policy = { folders: ['/'] };
      const guarded = { sockets: [socket], folders: [] };
      for (const source of ['link', 'elsewhere/second-name', 'engine', 'engine/socket', '', 'engine/../engine/socket']) {
        const [problem] = check(host({ Binds: [`${join(folder.path, source)}:/x`] }), policy, guarded);
        expect(problem?.hint).toContain('modules.policy.allow: [engine-socket]');
      }
      expect(check(host({ Binds: [`${folder.path}/other:/x`] }), policy, guarded)).toEqual([]);
    } finally {
      server.close();
    }
  });

  test('what belongs to the gateway is mounted by nobody, whatever the policy says', () => {
    const all = { folders: ['/'], allow: ['engine-socket'] } satisfies Partial<ModulePolicy>;
    for (const source of ['/srv/gateway', '/srv/gateway/keys', '/srv', '/']) {
      const [problem] = check(host({ Binds: [`${source}:/x`] }), all, { sockets: [], folders: ['/srv/gateway'] });
      expect(problem?.message).toContain('belongs to the gateway');
    }
  });
});
