import { createHmac } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { hubFiles } from '../folder.ts';
import { signSas } from '../sas.ts';
import { opens, openToken } from './access.ts';
import { openPolicies, Policies } from './policies.ts';

const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64');

describe('the file of policies', () => {
  test('is made once, with keys for the five built-in ones, for its owner alone', () => {
    using folder = tempFolder();
    const first = openPolicies(folder.path);
    expect(first.names).toEqual(['iothubowner', 'service', 'device', 'registryRead', 'registryReadWrite']);
    expect(first.get('registryReadWrite')?.rights).toEqual(['registryRead', 'registryWrite']);
    expect(openPolicies(folder.path).get('service')).toEqual(first.get('service'));
    expect(statSync(hubFiles(folder.path).policies).mode & 0o777).toBe(0o600);
  });

  test('takes what another file says, and stays with it', () => {
    using folder = tempFolder();
    const file = join(folder.path, 'given.yaml');
    writeFileSync(
      file,
      `policies:\n- { name: service, primaryKey: ${key(1)} }\n- { name: dashboard, rights: [registryRead], primaryKey: ${key(2)}, secondaryKey: ${key(3)} }\n`,
    );
    expect(openPolicies(folder.path, file).names).toEqual(['service', 'dashboard']);
    const kept = openPolicies(folder.path);
    expect(kept.get('service')).toEqual({ name: 'service', rights: ['serviceConnect'], primaryKey: key(1), secondaryKey: key(1) });
    expect(kept.get('dashboard')?.secondaryKey).toBe(key(3));
    expect(kept.get('iothubowner')).toBeUndefined();
  });

  test.for([
    ['policies: []', /policies: Too small/],
    ['policies: [{ name: a, primaryKey: short }]', /policies.0.primaryKey: a key is base64 of 16 to 64 bytes/],
    [`policies: [{ name: a, primaryKey: ${key(1)} }]`, /policies.0.rights: policy a says none/],
    [`policies: [{ name: a, rights: [admin], primaryKey: ${key(1)} }]`, /policies.0.rights.0: .*"registryRead"/],
    [`policies: [{ name: service, primaryKey: ${key(1)} }, { name: service, primaryKey: ${key(2)} }]`, /there are two policies service/],
    [`policies:\n  - { name: service, primaryKey: "${key(1)}\n`, /given.yaml is not a file of policies: line/],
  ] as const)('%s is refused', ([text, says]) => {
    using folder = tempFolder();
    const file = join(folder.path, 'given.yaml');
    writeFileSync(file, text);
    expect(() => openPolicies(folder.path, file)).toThrow(says);
    expect(() => openPolicies(folder.path, file)).not.toThrow(key(1));
  });

  test('that is not there is named', () => {
    using folder = tempFolder();
    expect(() => openPolicies(folder.path, join(folder.path, 'none.yaml'))).toThrow(/there is no file .*none.yaml/);
  });
});

describe('a token', () => {
  const core = {
    policies: new Policies([
      { name: 'service', rights: ['serviceConnect'], primaryKey: key(1), secondaryKey: key(2) },
      { name: 'odd name', rights: ['registryRead'], primaryKey: key(3), secondaryKey: key(3) },
    ]),
    isOurName: (host: string) => host.split(':')[0] === 'hub.plant',
  };
  const soon = Math.floor(Date.now() / 1000) + 60;
  const token = (sr: string, by = key(1), skn = '&skn=service', se = soon): string =>
    `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signSas(by, sr, String(se)))}&se=${se}${skn}`;

  test.for([
    ['the whole hub, bare', 'hub.plant', ['devices', 'gw-1'], true],
    ['the whole hub, with a port', 'hub.plant:8443', ['devices', 'gw-1'], true],
    ['devices, encoded', 'hub.plant%2Fdevices', ['devices', 'gw-1'], true],
    ['one device, encoded in lower case', 'hub.plant%2fdevices%2fgw-1', ['devices', 'gw-1'], true],
    ['another device', 'hub.plant%2Fdevices%2Fgw-2', ['devices', 'gw-1'], false],
    ['a start of its name', 'hub.plant%2Fdevices%2Fgw', ['devices', 'gw-1'], false],
    ['a module, of its device', 'hub.plant%2Fdevices%2Fgw-1%2Fmodules%2Fm', ['devices', 'gw-1'], false],
    ['devices, of something else', 'hub.plant%2Fdevices', ['statistics', 'devices'], false],
    ['an event hub', 'sb%3A%2F%2Fhub.plant%2Fevents%2F', ['events', 'ConsumerGroups'], true],
  ] as const)('for %s', ([, sr, resource, open]) => {
    expect(opens(openToken(token(sr), core), resource, 'serviceConnect')).toBe(open);
    expect(opens(openToken(token(sr), core), resource, 'registryRead')).toBe(false);
  });

  test('is good with either key, and with an encoded name of its policy', () => {
    expect(openToken(token('hub.plant', key(2)), core).policy.name).toBe('service');
    expect(openToken(token('hub.plant', key(3), '&skn=odd%20name'), core).policy.name).toBe('odd name');
    expect(openToken(token('hub.plant'), core).expiresMs).toBe(soon * 1000);
  });

  test('of Event Hubs is signed with the text of the key', () => {
    const sr = 'sb%3A%2F%2Fhub.plant%2Fevents';
    const sig = encodeURIComponent(createHmac('sha256', key(1)).update(`${sr}\n${soon}`).digest('base64'));
    const text = `SharedAccessSignature sr=${sr}&sig=${sig}&se=${soon}&skn=service`;
    expect(openToken(text, core, 'either').scope).toEqual(['events']);
    expect(openToken(text, core, 'text').scope).toEqual(['events']);
    expect(() => openToken(text, core)).toThrow(/not signed/);
  });

  test.for([
    ['is none', 'Bearer x', /not a SharedAccessSignature/],
    ['names no policy', token('hub.plant', key(1), ''), /names no policy/],
    ['has a wrong key', token('hub.plant', key(9)), /not signed with a key of policy service/],
    ['names a policy that is not there', token('hub.plant', key(1), '&skn=nobody'), /not signed with a key of policy nobody/],
    ['has expired', token('hub.plant', key(1), '&skn=service', 1_000), /expired 1970-01-01T00:16:40.000Z; check the clock/],
    ['is for another hub', token('other.plant'), /for other.plant, which is no name of this hub/],
    ['was altered', token('hub.plant').replace('sr=hub.plant', 'sr=hub.plant%2f'), /not signed/],
  ] as const)('that %s is refused', ([, text, says]) => {
    expect(() => openToken(text, core)).toThrow(says);
  });
});
