import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { putEnrollment } from '../../hub/dps/enrollments.ts';
import { silentLog } from '../../hub/log.ts';
import { openRegistry } from '../../hub/registry.ts';
import { startHub } from '../../hub/server.ts';
import { memberKey } from '../../hub-client/azure/dps/group-key.ts';
import { assigned, assigning, serveDps } from '../../hub-client/azure/testcases/dps-script.ts';
import { startStrictPeer } from '../../hub-client/azure/testcases/strict-peer.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { type InitOptions, type InitSurroundings, init } from '../commands/init.ts';
import { loadConfig } from '../config.ts';

const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
const leftovers: AsyncDisposable[] = [];
let folder: ReturnType<typeof tempFolder>;
beforeEach(() => {
  folder = tempFolder();
});
afterEach(async () => {
  for (const one of leftovers.splice(0).reverse()) await one[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const put = (name: string, content: string): string => {
  const path = join(folder.path, name);
  writeFileSync(path, content);
  return path;
};
const inBox = (...names: string[]): string => join(folder.path, 'box', ...names);
const readBox = (...names: string[]): string => readFileSync(inBox(...names), 'utf8');
const modeOf = (...names: string[]): string => (statSync(inBox(...names)).mode & 0o777).toString(8);

/** Provisioning service and hub with one root, and a call that fits them. */
async function plant(options: Parameters<typeof startStrictPeer>[0] = {}) {
  const ca = options.ca ?? (await makeCa());
  const [dps, hub] = [await startStrictPeer({ ...options, ca }), await startStrictPeer({ ca, requestCert: options.requestCert ?? false })];
  leftovers.push(dps, hub);
  serveDps(dps, [assigning, assigned(`localhost:${hub.port}`, 'gw-leeds-1')]);
  const call: InitOptions = {
    idScope: '0ne00ABCDEF',
    registrationId: 'gw-leeds-1',
    keyFile: put('key.txt', `${key}\n`),
    endpoint: `localhost:${dps.port}`,
    ca: put('root.pem', ca.certificate),
    path: 'candyco/leeds',
    file: inBox('dragoman.yaml'),
  };
  return { ca, dps, hub, call };
}

async function run(options: InitOptions, more: Partial<InitSurroundings> = {}) {
  const [out, err]: string[][] = [[], []];
  const code = await init(options, {
    terminal: undefined,
    out: (line) => out!.push(line),
    err: (line) => err!.push(line),
    signal: new AbortController().signal,
    clockPort: 1,
    ...more,
  });
  return { code, out: out!.join('\n'), err: err!.join('\n') };
}

test('writes one small file and the key beside it, goes the whole way, and keeps what it learned', async () => {
  const { hub, dps, call } = await plant();
  const { code, out, err } = await run(call);
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out.split('\n').map((line) => line.trim().split(/ {2,}/)[0])).toEqual([
    'wrote dragoman.yaml, secrets/device-key, ca.pem',
    'name',
    'port',
    'TLS',
    'clock',
    'provision',
    'hub',
    expect.stringMatching(/^Ready\. Put mapping files into .*mappings, then: dragoman run --config /),
  ]);
  expect(readBox('dragoman.yaml')).toBe(`# Made by dragoman init. Paths are relative to this file.
gateway: gw-leeds-1
path: candyco/leeds               # where it stands: enterprise/site
mappings: [./mappings]            # files that say what to read from which machine
hub:
  kind: azure
  dps:                            # Device Provisioning says which hub, and as which device
    idScope: "0ne00ABCDEF"
    registrationId: gw-leeds-1
    key: { file: ./secrets/device-key }
    endpoint: "localhost:${dps.port}"
  ca: ./ca.pem                    # root of a private provisioning service and hub
`);
  expect(readBox('secrets', 'device-key').trim()).toBe(key);
  expect([modeOf('secrets', 'device-key'), modeOf('secrets')]).toEqual(['600', '700']);
  expect(JSON.parse(readBox('data', 'state', 'hub-client', 'assignment.json'))).toMatchObject({ hub: `localhost:${hub.port}` });
  expect(dps.connects).toHaveLength(1);
  expect(hub.events).toEqual(['connect', 'disconnect', 'close']);
  const { config, problems } = await loadConfig(inBox('dragoman.yaml'));
  expect(problems).toEqual([]);
  expect(config).toMatchObject({ gateway: 'gw-leeds-1', path: 'candyco/leeds' });
  expect(existsSync(inBox('mappings'))).toBe(true);
});

test('an empty box finds the embedded hub, and the first run needs no provisioning', async () => {
  using hubFolder = tempFolder();
  await using hub = await startHub({ folder: hubFolder.path, mqttPort: 0, dpsScope: '0ne00AA11BB', log: silentLog });
  {
    using db = openRegistry(hubFolder.path);
    putEnrollment(db, { id: 'line-1', kind: 'group', attestation: { type: 'symmetricKey', primaryKey: key } });
  }
  const call = { idScope: hub.idScope, groupKeyFile: put('group', key), endpoint: `localhost:${hub.mqttPort}`, ca: hub.caFile! };
  const { code, out, err } = await run({ ...call, gateway: 'Box-9', file: inBox('dragoman.yaml') });
  expect([out, err, code]).toEqual([expect.stringContaining(`localhost:${hub.mqttPort} takes the device`), '', 0]);
  expect(hub.core.identities.get({ deviceId: 'box-9' })?.status).toBe('enabled');
  expect((await loadConfig(inBox('dragoman.yaml'))).config?.gateway).toBe('Box-9');
});

test('the key of a group does not come onto the box, only the one derived for it', async () => {
  const { call, dps } = await plant();
  const { keyFile, ...rest } = call;
  expect((await run({ ...rest, groupKeyFile: keyFile! })).code).toBe(0);
  const member = Buffer.from(memberKey(Buffer.from(key, 'base64'), 'gw-leeds-1')).toString('base64');
  expect(readBox('secrets', 'device-key').trim()).toBe(member);
  const everything = readdirSync(inBox(), { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  for (const one of everything) expect(readFileSync(join(one.parentPath, one.name), 'utf8')).not.toContain(key);
  expect(dps.connects[0]?.clientId).toBe('gw-leeds-1');
});

test('with a certificate its common name is the registration', async () => {
  const { call, ca, hub } = await plant({ requestCert: true });
  const { keyFile: _, registrationId: __, ...rest } = call;
  const device = await issue(ca, { commonName: 'box-7.leeds', dns: [] });
  const more = { certificate: put('crt', device.certificate), privateKey: put('pem', device.privateKey) };
  const { code, out } = await run({ ...rest, ...more });
  expect(out).toContain('takes the device');
  expect(code).toBe(0);
  expect(hub.commonNames).toEqual(['box-7.leeds']);
  expect(modeOf('secrets', 'device-key.pem')).toBe('600');
  expect((await loadConfig(inBox('dragoman.yaml'))).config).toMatchObject({ gateway: 'box-7-leeds' });
});

describe('what is there', () => {
  test('is tested again by the same call, changed only by --force', async () => {
    const { call, hub } = await plant();
    await run(call);
    const again = await run(call);
    expect(again).toMatchObject({ code: 0, out: expect.stringContaining('everything is written already') });
    expect(hub.connects).toHaveLength(2);
    const before = readBox('dragoman.yaml');
    const other = await run({ ...call, path: 'candyco/york', keyFile: put('other', Buffer.from('another key of it').toString('base64')) });
    expect(other.code).toBe(1);
    expect(other.err).toMatch(/dragoman\.yaml, .*device-key is there already; nothing was changed/);
    expect(readBox('dragoman.yaml')).toBe(before);
    expect(readBox('secrets', 'device-key').trim()).toBe(key);
    const forced = await run({ ...call, path: 'candyco/york', force: true });
    expect(forced).toMatchObject({ code: 0, out: expect.stringContaining('wrote dragoman.yaml\n') });
    expect(readBox('dragoman.yaml')).toContain('candyco/york');
  });
});

test.for<{ rule: string; call: Partial<InitOptions>; says: string }>([
  { rule: 'nothing', call: {}, says: '--id-scope; one of --key-file' },
  { rule: 'no proof', call: { idScope: '0ne1' }, says: 'not given: one of --key-file' },
  { rule: 'two proofs', call: { idScope: '0ne1', keyFile: 'a', groupKeyFile: 'b' }, says: '--key-file and --group-key-file' },
  { rule: 'half a certificate', call: { idScope: '0ne1', certificate: 'a' }, says: 'belong together' },
  { rule: 'no scope', call: { idScope: '0ne 1', keyFile: 'a' }, says: '0ne00ABCDEF' },
])('a call with $rule is wrong: exit code 2, nothing written', async ({ call, says }) => {
  const { code, err } = await run({ file: inBox('dragoman.yaml'), ...call });
  expect(code).toBe(2);
  expect(err).toContain(says);
  expect(existsSync(inBox())).toBe(false);
});

describe('each failure has a line of its own, with what to do', () => {
  const hourMs = 3_600_000;
  type Plant = Awaited<ReturnType<typeof plant>>;
  const refused = (status: string) => ({ body: { operationId: '', status, registrationState: { status } } });
  test.for<{
    rule: string;
    server?: { notBefore?: Date; notAfter?: Date; dns?: string[] };
    break?: (plant: Plant) => Promise<Partial<InitOptions>> | Partial<InitOptions> | undefined;
    step: string;
    says: RegExp;
    hint: RegExp;
  }>([
    {
      rule: 'a name that does not exist',
      break: () => ({ endpoint: 'no-such-host.invalid' }),
      step: 'name',
      says: /no-such-host\.invalid:8883 \((ENOTFOUND|EAI_AGAIN)\)/,
      hint: /spelling|network/,
    },
    {
      rule: 'a port that is closed',
      break: async () => ({ endpoint: `localhost:${await freePort()}` }),
      step: 'port',
      says: /Nothing listens on localhost/,
      hint: /8883/,
    },
    {
      rule: 'a root that is unknown',
      break: async () => ({ ca: put('wrong.pem', (await makeCa()).certificate) }),
      step: 'TLS',
      says: /not signed by anyone we trust/,
      hint: /ca:/,
    },
    {
      rule: 'a certificate for another name',
      server: { dns: ['other.example'] },
      step: 'TLS',
      says: /for DNS:other\.example/,
      hint: /names/,
    },
    {
      rule: 'a clock that is behind',
      server: { notBefore: new Date(Date.now() + hourMs) },
      step: 'clock',
      says: /our clock is behind/,
      hint: /clock of this gateway says/,
    },
    {
      rule: 'a clock that is ahead',
      server: { notAfter: new Date(Date.now() - hourMs) },
      step: 'clock',
      says: /our clock is ahead/,
      hint: /clock of this gateway says/,
    },
    {
      rule: 'a key that is wrong',
      break: ({ dps }) => {
        dps.script.connack = 5;
        return {};
      },
      step: 'provision',
      says: /refused "gw-leeds-1" of scope 0ne00ABCDEF/,
      hint: /enrolment.*key.*clock/,
    },
    {
      rule: 'an enrolment that is disabled',
      break: ({ dps }) => {
        serveDps(dps, [refused('disabled')]);
        return {};
      },
      step: 'provision',
      says: /is disabled/,
      hint: /Enable it/,
    },
    {
      rule: 'a hub that refuses',
      break: ({ hub }) => {
        hub.script.connack = 5;
        return {};
      },
      step: 'hub',
      says: /refused device "gw-leeds-1"/,
      hint: /key/,
    },
  ])('$rule: $step', async ({ server, break: disturb, step, says, hint }) => {
    const ca = await makeCa();
    const all = await plant({ ca, ...(server && { server: await issue(ca, { commonName: 'localhost', ...server }) }) });
    const change = await disturb?.(all);
    const { code, out } = await run({ ...all.call, ...change });
    expect(code).toBe(1);
    const lines = out.split('\n');
    const at = lines.findIndex((line) => line.includes('failed: '));
    expect(lines[at]?.trim().split(/ {2,}/)[0]).toBe(step);
    expect(lines[at]).toMatch(says);
    expect(lines[at + 1]).toMatch(hint);
    expect(lines.at(-1)).toMatch(/Call the same again/);
    expect(out).not.toContain(key);
    expect(out.split('failed: ')).toHaveLength(2);
  });

  test('a key that is none; a file that is not there', async () => {
    const { call } = await plant();
    const wrong = await run({ ...call, keyFile: put('bad', 'HostName=h;DeviceId=d;SharedAccessKey=x') });
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('connection string') });
    const gone = await run({ ...call, keyFile: join(folder.path, 'gone') });
    expect(gone).toMatchObject({ code: 1, err: expect.stringContaining('--key-file') });
    expect(existsSync(inBox())).toBe(false);
  });

  test('a clock that the server contradicts', async () => {
    const { call, ca } = await plant();
    const { certificate, privateKey } = await issue(ca, { commonName: 'localhost' });
    let aheadMs = 0;
    await using clock = createServer({ cert: certificate, key: privateKey }, (_request, answer) => {
      answer.setHeader('Date', new Date(Date.now() - aheadMs).toUTCString());
      answer.statusCode = 404;
      answer.end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => clock.once('listening', resolve));
    const clockPort = (clock.address() as AddressInfo).port;
    expect((await run(call, { clockPort })).out).toMatch(/clock .*Z, as the server says/);
    aheadMs = 3 * hourMs + 5 * 60_000;
    const { code, out } = await run(call, { clockPort });
    expect(code).toBe(1);
    expect(out).toMatch(/clock +failed: The clock of this gateway says .*Z, 3 h 5 min ahead of that of localhost/);
    clock.closeAllConnections();
  });
});

describe('on a terminal', () => {
  /** Types the next answer when the next question stands there. */
  function person(answers: readonly (string | undefined)[]) {
    const [input, output] = [new PassThrough(), new PassThrough()];
    let screen = '';
    const left = [...answers];
    output.on('data', (chunk: Buffer) => {
      screen += chunk;
      // The editor of the line adds codes behind the question, for the cursor.
      if (!stripVTControlCharacters(screen).endsWith(': ')) return;
      const next = left.shift();
      setImmediate(() => (next === undefined ? input.end() : input.write(`${next}\r`)));
    });
    return { terminal: { input, output }, screen: () => screen };
  }

  test('asks for what is missing, and never shows the key', async () => {
    const { call } = await plant();
    const { idScope: _, registrationId: __, keyFile: ___, path: ____, ...rest } = call;
    const one = person(['0ne00ABCDEF', 'gw-leeds-1', '', 'candyco/leeds', key, '']);
    const { code, out } = await run(rest, one);
    expect(out).toContain('takes the device');
    expect(code).toBe(0);
    expect(one.screen()).toContain('Registration id of this gateway [');
    expect(one.screen()).not.toContain(key.slice(0, 6));
    expect(readBox('secrets', 'device-key').trim()).toBe(key);
    expect(readBox('dragoman.yaml')).toContain('gateway: gw-leeds-1\npath: candyco/leeds ');
  });

  test('derives the key of the device from that of its group', async () => {
    const { call } = await plant();
    const { keyFile: _, ...rest } = call;
    const one = person(['', key, 'y']);
    expect((await run(rest, one)).code).toBe(0);
    expect(Buffer.from(readBox('secrets', 'device-key').trim(), 'base64')).toEqual(memberKey(Buffer.from(key, 'base64'), 'gw-leeds-1'));
  });

  test('asks nothing when everything is given', async () => {
    const { call } = await plant();
    const one = person([]);
    expect((await run(call, one)).code).toBe(0);
    expect(one.screen()).toBe('');
  });

  test('writes nothing when the person gives up', async () => {
    const { call } = await plant();
    const { keyFile: _, ...rest } = call;
    const { code, err } = await run(rest, person([undefined]));
    expect(code).toBe(1);
    expect(err).toContain('nothing was written');
    expect(existsSync(inBox())).toBe(false);
  });
});
