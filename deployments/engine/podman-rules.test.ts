import { expect, test } from 'vitest';
import type { TwinObject } from '../../twin/section.ts';
import { filterSpec } from '../testing/filter-spec.ts';
import { checkPolicy, ModulePolicy } from './policy.ts';

const findings = (createOptions: TwinObject, policy: Partial<ModulePolicy> = {}): readonly string[] =>
  checkPolicy(filterSpec({ createOptions }), ModulePolicy.parse(policy)).map(({ message }) => message);
const host = (HostConfig: TwinObject): TwinObject => ({ HostConfig });
const mounted = (mount: TwinObject): TwinObject => host({ Mounts: [{ Type: 'volume', Source: 'data', Target: '/x', ...mount }] });

/** Each of these gave a container of podman 4.3 a place of the machine that it was not allowed. */
test.for<{ at: string; options: TwinObject }>([
  { at: 'HostConfig.Binds[0]', options: host({ Binds: ['data:/x:O,upperdir=/etc,workdir=/tmp/w'] }) },
  { at: 'HostConfig.Binds[0]', options: host({ Binds: ['.:/x'] }) },
  { at: 'HostConfig.Binds[0]', options: host({ Binds: ['..:/x:ro'] }) },
  { at: "Volumes['..:/x']", options: { Volumes: { '..:/x': {} } } },
  { at: 'HostConfig.Mounts[0].Target', options: mounted({ Target: '/x,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/' }) },
  { at: 'HostConfig.Mounts[0].BindOptions', options: mounted({ BindOptions: { propagation: 'rslave,src=/' } }) },
  { at: 'HostConfig.Mounts[0].Source', options: mounted({ Source: '.' }) },
  { at: 'HostConfig.LogConfig.Config.path', options: host({ LogConfig: { Type: 'json-file', Config: { path: '/etc/cron.d/x' } } }) },
  {
    at: "HostConfig.LogConfig.Config['PATH=/etc/x']",
    options: host({ LogConfig: { Type: 'k8s-file', Config: { 'PATH=/etc/x': '' } } }),
  },
  {
    at: 'HostConfig.Mounts[0].VolumeOptions',
    options: mounted({
      VolumeOptions: { DriverConfig: { Name: 'local', Options: { type: 'tmpfs', o: 'size=1m,volume-opt=o=bind', device: '/' } } },
    }),
  },
])('$at', ({ at, options }) => {
  expect(findings(options)).toEqual([expect.stringContaining(`${at}: `)]);
  expect(findings(options, { allow: ['other-mounts'] })).toEqual([]);
});

test('a folder that is allowed is not a way to another one', () => {
  const policy = { folders: ['/srv/data'] };
  expect(findings(host({ Binds: ['/srv/data:/x:O,upperdir=/etc,workdir=/tmp/w'] }), policy)).toHaveLength(1);
  expect(findings(mounted({ Type: 'bind', Source: '/srv/data', Target: '/x,src=/' }), policy)).toHaveLength(1);
});

test.for([
  host({ Binds: ['data:/x', 'data:/x:ro', 'data:/x:rw,z,nocopy', '/anonymous', 'data:/x:O'] }),
  mounted({ TmpfsOptions: { SizeBytes: 1, Mode: 448 } }),
  mounted({
    VolumeOptions: { Labels: { a: 'b,c' }, DriverConfig: { Options: { type: 'tmpfs', o: 'size=1m,uid=1000', device: 'tmpfs' } } },
  }),
  host({ LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', tag: 'a,b' } } }),
])('nothing of the kind: %j', (options) => {
  expect(findings(options)).toEqual([]);
});
