import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { HubSession } from '../contract.ts';
import { connect } from './client.ts';
import { type AzureSettings, azure } from './definition.ts';
import { memberKey } from './dps/group-key.ts';
import { register } from './dps/register.ts';
import { openRegistration } from './dps/registration.ts';
import { DpsSettings } from './dps/settings.ts';
import { sasToken } from './sas.ts';
import { assigned, assigning, type DpsAnswer, serveDps } from './testcases/dps-script.ts';
import { type StrictPeer, startStrictPeer } from './testcases/strict-peer.ts';

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

async function startPeer(options: Parameters<typeof startStrictPeer>[0] = {}): Promise<StrictPeer> {
  const peer = await startStrictPeer(options);
  leftovers.push(peer);
  return peer;
}

const silent = { debug() {} };

async function registerAt(
  peer: Pick<StrictPeer, 'port' | 'ca'>,
  options: { answerTimeoutMs?: number; withinMs?: number; settings?: object; files?: Record<string, string>; signal?: AbortSignal } = {},
) {
  const { answerTimeoutMs, withinMs, settings: more = { key: { file: 'key' } }, files, signal } = options;
  const settings = DpsSettings.parse({ idScope: '0ne00ABCDEF', endpoint: `localhost:${peer.port}`, ca: 'ca', ...more });
  const context = hubContext(folder.path, { key, ca: peer.ca.certificate, ...files }, 'GW-1');
  const registration = await openRegistration(settings, undefined, context);
  return register(
    registration,
    {
      timeoutMs: 5_000,
      keepAliveMs: 60_000,
      log: silent,
      ...(answerTimeoutMs !== undefined && { answerTimeoutMs }),
      ...(withinMs !== undefined && { withinMs }),
    },
    signal ?? new AbortController().signal,
  );
}

const failureOf = (attempt: Promise<unknown>): Promise<GatewayError> =>
  attempt.then(
    () => {
      throw new Error('it worked');
    },
    (error: unknown) => {
      if (error instanceof GatewayError) return error;
      throw error;
    },
  );

test('the key of a group member is that of the published vector', () => {
  const group = Buffer.from('8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==', 'base64');
  expect(Buffer.from(memberKey(group, 'sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6')).toString('base64')).toBe(
    'Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=',
  );
});

describe('a registration', () => {
  test('goes over the wire as that of the unmodified SDK does', async () => {
    const peer = await startPeer();
    const story = async (run: () => Promise<unknown>): Promise<readonly string[]> => {
      serveDps(peer, [{ ...assigning, retryAfter: 1 }, assigned('plant.azure-devices.net', 'gw-1')]);
      peer.events.length = 0;
      peer.published.length = 0;
      await run();
      await peer.until(() => peer.events.includes('close'));
      const names = peer.events
        .map((event) => event.replace(/\$rid=[\w-]+/, '$rid=R'))
        .filter((event) => event !== 'unsubscribe' && event !== 'tls-error');
      return [...names, ...peer.published.map(({ text }) => text)];
    };
    const theirs = await story(() => registerWithSdk(peer, 'gw-1'));
    const ours = await story(() => registerAt(peer));
    expect(ours).toEqual(theirs);
    expect(peer.events.filter((event) => event.startsWith('violation'))).toEqual([]);
    const [sdk, mine] = peer.connects;
    const clean = (text: unknown): string => String(text).replace(/(ClientVersion|sig|se)=[^&]*/g, '$1=…');
    expect(clean(mine?.username)).toBe(clean(sdk?.username));
    // The SDK leaves the resource unencoded; the signature covers what stands there, so both hold.
    expect(decodeURIComponent(clean(mine?.password))).toBe(
      decodeURIComponent(clean(sdk?.password)).replace(/(.*)&skn=registration(.*)/, '$1&skn=registration$2'),
    );
    expect(mine).toMatchObject({ clientId: sdk?.clientId, clean: true, protocolVersion: 4 });
    expect(mine?.will).toBeUndefined();
  });

  test('gives hub and device, after the waits it was told', async () => {
    const peer = await startPeer();
    serveDps(peer, [
      { status: 429, retryAfter: 0, body: { errorCode: 429001, message: 'slow down' } },
      assigning,
      { status: 503, retryAfter: 0, body: '' },
      { ...assigning, retryAfter: 1 },
      assigned('localhost:8884', 'other-id'),
    ]);
    const startMs = performance.now();
    expect(await registerAt(peer)).toEqual({ hub: 'localhost:8884', deviceId: 'other-id' });
    expect(performance.now() - startMs).toBeGreaterThan(1_200);
    const steps = peer.published.map(({ topic }) => /registrations\/(PUT|GET)/.exec(topic)?.[1]);
    expect(steps).toEqual(['PUT', 'PUT', 'GET', 'GET', 'GET']);
    expect(peer.published[2]?.topic).toMatch(/iotdps-get-operationstatus\/\?\$rid=[\w-]+&operationId=4\.op\/1$/);
    expect(new Set(peer.published.map(({ topic }) => /\$rid=([^&]+)/.exec(topic)?.[1])).size).toBe(5);
  });

  test('with the key of a group proves itself with the derived one', async () => {
    const peer = await startPeer();
    serveDps(peer, [assigned('h', 'gw-1')]);
    await registerAt(peer, { settings: { groupKey: { file: 'key' } } });
    const { password, clientId } = peer.connects[0]!;
    expect(clientId).toBe('gw-1');
    const expiresAtS = Number(/se=(\d+)/.exec(String(password))?.[1]);
    const member = memberKey(Buffer.from(key, 'base64'), 'gw-1');
    expect(String(password)).toBe(
      sasToken({ resource: '0ne00ABCDEF/registrations/gw-1', key: member, expiresAtS, policy: 'registration' }),
    );
  });

  test('with a certificate shows it; its common name is the registration id', async () => {
    const peer = await startPeer({ requestCert: true });
    serveDps(peer, [assigned('h', 'box-7')]);
    const device = await issue(peer.ca, { commonName: 'box-7', dns: [] });
    const files = { crt: device.certificate, pem: device.privateKey };
    const settings = { certificate: 'crt', privateKey: 'pem' };
    expect(await registerAt(peer, { settings, files })).toEqual({ hub: 'h', deviceId: 'box-7' });
    expect(peer.connects[0]).toMatchObject({ clientId: 'box-7' });
    expect(peer.connects[0]?.password).toBeUndefined();
    expect(peer.commonNames).toEqual(['box-7']);
    const other = await failureOf(registerAt(peer, { settings: { ...settings, registrationId: 'box-8' }, files }));
    expect(other).toMatchObject({ code: 'dps-registration', retry: 'after-fix', message: expect.stringMatching(/box-8.*box-7/) });
    const spaced = await issue(peer.ca, { commonName: 'box 7', dns: [] });
    const unusable = await failureOf(registerAt(peer, { settings, files: { crt: spaced.certificate, pem: spaced.privateKey } }));
    expect(unusable).toMatchObject({ code: 'dps-registration', message: expect.stringContaining('"box 7"') });
  });

  const refused = (status: string, more: object = {}): DpsAnswer => ({
    body: { operationId: '', status, registrationState: { status, ...more } },
  });
  test.for<{ rule: string; answer: DpsAnswer; code: string; says: RegExp; transient?: boolean }>([
    { rule: 'disabled', answer: refused('disabled'), code: 'dps-disabled', says: /The enrolment of "gw-1" is disabled/ },
    {
      rule: 'failed',
      answer: refused('failed', { errorCode: 400207, errorMessage: 'no hub' }),
      code: 'dps-failed',
      says: /could not assign "gw-1" to a hub \(no hub, error 400207\)/,
    },
    { rule: 'unassigned', answer: refused('unassigned'), code: 'dps-unassigned', says: /has no hub for "gw-1" yet/, transient: true },
    { rule: 'a status nobody knows', answer: refused('dancing'), code: 'dps-answer', says: /"dancing"/, transient: true },
    {
      rule: '401',
      answer: { status: 401, body: { errorCode: 401002, trackingId: 'T-1', message: 'Unauthorized' } },
      code: 'dps-credentials',
      says: /401: Unauthorized, error 401002, tracking id T-1/,
    },
    { rule: '404', answer: { status: 404, body: { errorCode: 404201, message: 'not found' } }, code: 'dps-unknown', says: /not found/ },
    { rule: '400', answer: { status: 400, body: 'x' }, code: 'dps-refused', says: /400: x/ },
    { rule: 'no JSON', answer: { body: '<html>' }, code: 'dps-answer', says: /no JSON object/, transient: true },
    {
      rule: 'an operation without an id',
      answer: { status: 202, body: { status: 'assigning' } },
      code: 'dps-answer',
      says: /without an id/,
      transient: true,
    },
    {
      rule: 'no hub',
      answer: { body: { status: 'assigned', registrationState: {} } },
      code: 'dps-answer',
      says: /without hub/,
      transient: true,
    },
    { rule: 'a hub that is none', answer: assigned('https://evil/', 'gw-1'), code: 'dps-answer', says: /https/, transient: true },
    { rule: 'a device that is none', answer: assigned('h', '../x'), code: 'dps-answer', says: /device/, transient: true },
  ])('$rule is $code', async ({ answer, code, says, transient = false }) => {
    const peer = await startPeer();
    serveDps(peer, [answer]);
    const error = await failureOf(registerAt(peer));
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(says);
    expect(error.message).not.toContain(key);
    expect(error instanceof NotConnectedError).toBe(transient);
    expect(error.message).toContain(`localhost:${peer.port}`);
  });

  test.for([
    { connack: 5, code: 'dps-credentials', hint: /ID scope 0ne00ABCDEF.*enrolment.*key.*clock/ },
    { connack: 4, code: 'dps-credentials', hint: /clock/ },
    { connack: 3, code: 'dps-unavailable', hint: undefined },
    { connack: 2, code: 'dps-protocol', hint: /endpoint/ },
  ])('CONNACK $connack is $code', async ({ connack, code, hint }) => {
    const peer = await startPeer();
    peer.script.connack = connack;
    const error = await failureOf(registerAt(peer));
    expect(error).toMatchObject({ code, message: expect.stringContaining('"gw-1" of scope 0ne00ABCDEF') });
    if (hint) expect(error.hint).toMatch(hint);
  });

  test('that gets no answer, that is always busy, that is stopped, that loses the link', async () => {
    const peer = await startPeer();
    expect(await failureOf(registerAt(peer, { answerTimeoutMs: 200 }))).toMatchObject({ code: 'hub-no-answer' });
    serveDps(peer, [{ status: 429, retryAfter: 0, body: '' }]);
    expect(await failureOf(registerAt(peer, { withinMs: 400 }))).toMatchObject({ code: 'hub-throttled', retry: 'with-backoff' });
    serveDps(peer, [{ ...assigning, retryAfter: 60 }]);
    expect(await failureOf(registerAt(peer, { withinMs: 5_000 }))).toMatchObject({ code: 'dps-slow' });
    const stop = new AbortController();
    const stopped = failureOf(registerAt(peer, { signal: stop.signal }));
    const asked = peer.published.length;
    await peer.until(() => peer.published.length > asked);
    setTimeout(() => stop.abort(), 50);
    expect(await stopped).toMatchObject({ code: 'hub-connect-stopped' });
    const lost = failureOf(registerAt(peer));
    const before = peer.published.length;
    await peer.until(() => peer.published.length > before);
    setTimeout(() => peer.reset(), 50);
    expect(await lost).toMatchObject({ code: 'hub-link-lost' });
  });

  test('nothing listens: says where and what usually does', async () => {
    const port = await freePort();
    const error = await failureOf(registerAt({ port, ca: await makeCa() }));
    expect(error).toMatchObject({ code: 'hub-unreachable', hint: expect.stringContaining('Device Provisioning listens on 8883') });
  });
});

describe('a session by provisioning', () => {
  const settingsFor = (dps: StrictPeer, more: object = {}): AzureSettings =>
    azure.settings.parse({ dps: { idScope: '0ne1', endpoint: `localhost:${dps.port}`, key: { file: 'key' } }, ca: 'ca', ...more });
  const contextOf = (ca: string) => hubContext(folder.path, { key, ca }, 'gw-1');
  const stored = (): { hub: string; deviceId: string } => JSON.parse(readFileSync(join(folder.path, 'assignment.json'), 'utf8'));

  async function plant() {
    const ca = await makeCa();
    return { ca, dps: await startPeer({ ca }), first: await startPeer({ ca }), second: await startPeer({ ca }) };
  }
  async function open(settings: AzureSettings, ca: string): Promise<HubSession> {
    const session = await connect(settings, contextOf(ca), new AbortController().signal);
    leftovers.push(session);
    return session;
  }
  const at = (peer: StrictPeer): string => `localhost:${peer.port}`;

  test('asks once, keeps the answer, and uses it at the next start without asking', async () => {
    const { ca, dps, first } = await plant();
    serveDps(dps, [assigning, assigned(at(first), 'assigned-id')]);
    const session = await open(settingsFor(dps), ca.certificate);
    await session.send(hubMessage('m-1'));
    expect(first.published[0]?.topic).toMatch(/^devices\/assigned-id\/messages\/events\//);
    expect(String(first.connects[0]?.password)).toMatch(/^SharedAccessSignature sr=localhost%2Fdevices%2Fassigned-id&/);
    expect(stored()).toMatchObject({ hub: at(first), deviceId: 'assigned-id' });
    await session[Symbol.asyncDispose]();
    await open(settingsFor(dps), ca.certificate);
    expect(first.connects).toHaveLength(2);
    expect(dps.connects).toHaveLength(1);
  });

  test('asks again when the registration is another, and when the file is broken', async () => {
    const { ca, dps, first, second } = await plant();
    serveDps(dps, [assigned(at(first), 'gw-1')]);
    await open(settingsFor(dps), ca.certificate);
    serveDps(dps, [assigned(at(second), 'gw-2')]);
    const other = settingsFor(dps, { dps: { ...settingsFor(dps).dps, registrationId: 'gw-2' } });
    await open(other, ca.certificate);
    expect(stored().hub).toBe(at(second));
    mkdirSync(folder.path, { recursive: true });
    for (const text of ['', '{"hub":', '[]', '{"hub":1}']) {
      writeFileSync(join(folder.path, 'assignment.json'), text);
      const before = dps.connects.length;
      await open(other, ca.certificate);
      expect(dps.connects.length).toBe(before + 1);
    }
  });

  test('moves when its hub refuses it for the second time and Device Provisioning names another', async () => {
    const { ca, dps, first, second } = await plant();
    serveDps(dps, [assigned(at(first), 'gw-1'), assigned(at(second), 'gw-1')]);
    await (await open(settingsFor(dps), ca.certificate))[Symbol.asyncDispose]();
    first.script.connack = 5;
    expect(await failureOf(open(settingsFor(dps), ca.certificate))).toMatchObject({ code: 'hub-credentials' });
    expect(dps.connects).toHaveLength(1);
    const session = await open(settingsFor(dps), ca.certificate);
    expect(dps.connects).toHaveLength(2);
    await session.send(hubMessage('m-1'));
    expect(second.published).toHaveLength(1);
    expect(stored().hub).toBe(at(second));
  });

  test('asks ever more seldom while Device Provisioning names the same hub', async () => {
    const { ca, dps, first } = await plant();
    serveDps(dps, [assigned(at(first), 'gw-1')]);
    first.script.connack = 5;
    const asked: number[] = [];
    let last: GatewayError | undefined;
    for (let attempt = 1; attempt <= 9; attempt++) {
      const before = dps.connects.length;
      last = await failureOf(open(settingsFor(dps), ca.certificate));
      if (dps.connects.length > before) asked.push(attempt);
      if (asked.at(-1) === attempt && attempt > 1) expect(last.message).toContain('asked again and names the same hub');
    }
    expect(asked).toEqual([1, 2, 4, 8]);
    expect(last).toMatchObject({ code: 'hub-credentials', retry: 'after-fix' });
  });

  test('says what Device Provisioning says, when that is why; and what the hub says, when it cannot be asked', async () => {
    const { ca, dps, first } = await plant();
    serveDps(dps, [assigned(at(first), 'gw-1'), { body: { status: 'disabled', registrationState: { status: 'disabled' } } }]);
    first.script.connack = 5;
    await failureOf(open(settingsFor(dps), ca.certificate));
    expect(await failureOf(open(settingsFor(dps), ca.certificate))).toMatchObject({ code: 'dps-disabled' });
    await failureOf(open(settingsFor(dps), ca.certificate));
    dps.script.connack = 3;
    expect(await failureOf(open(settingsFor(dps), ca.certificate))).toMatchObject({ code: 'hub-credentials' });
  });

  test('a renewal that finds the device elsewhere ends the session; the next one is there', async () => {
    const { ca, dps, first, second } = await plant();
    serveDps(dps, [assigned(at(first), 'gw-1')]);
    const session = await open({ ...settingsFor(dps), tokenLifetime: 2_000 }, ca.certificate);
    writeFileSync(join(folder.path, 'assignment.json'), JSON.stringify({ ...stored(), hub: at(second) }));
    expect(await session.closed).toMatchObject({ code: 'hub-moved', retry: 'with-backoff', message: expect.stringContaining(at(second)) });
    await open(settingsFor(dps), ca.certificate);
    await second.until(() => second.connects.length === 2);
    expect(first.connects).toHaveLength(1);
  });

  test('a hub whose name is gone counts as a refusal', async () => {
    const { ca, dps, second } = await plant();
    serveDps(dps, [assigned('no-such-hub.invalid', 'gw-1'), assigned(at(second), 'gw-1')]);
    const first = await failureOf(open(settingsFor(dps), ca.certificate));
    expect(first).toMatchObject({ code: 'hub-unreachable' });
    // A machine without any name server says so instead, and must not burden the service.
    if (!first.message.includes('ENOTFOUND')) return;
    await open(settingsFor(dps), ca.certificate);
    expect(second.connects).toHaveLength(1);
  });
});

test.for([
  { given: {}, at: 'idScope', says: 'expected string' },
  { given: { idScope: '0ne1' }, at: 'key', says: 'how the device proves itself' },
  { given: { idScope: '0ne1', key: { env: 'K' }, groupKey: { env: 'G' } }, at: 'groupKey', says: 'keep one' },
  { given: { idScope: '0ne1', certificate: 'c' }, at: 'privateKey', says: 'needs its private key' },
  { given: { idScope: '0ne1', privateKey: 'c', key: { env: 'K' } }, at: 'certificate', says: 'needs its certificate' },
  { given: { idScope: '0ne 1', key: { env: 'K' } }, at: 'idScope', says: '0ne00ABCDEF' },
  { given: { idScope: '0ne1', registrationId: 'a/b', key: { env: 'K' } }, at: 'registrationId', says: 'letters' },
  { given: { idScope: '0ne1', key: { env: 'K' }, endpoint: 'https://x' }, at: 'endpoint', says: 'without a scheme' },
])('settings: $given', ({ given, at, says }) => {
  const issues = azure.settings.safeParse({ dps: given }).error?.issues ?? [];
  const found = issues.find(({ path }) => path.join('.') === `dps.${at}`);
  expect(found?.message).toContain(says);
});

test('settings: with dps nothing else names a hub or a device', () => {
  const dps = { idScope: '0ne1', key: { env: 'K' } };
  const both = azure.settings.safeParse({ dps, host: 'h', key: { env: 'K' } });
  expect(both.error?.issues.map(({ path }) => path[0])).toEqual(['host', 'key']);
  expect(azure.settings.safeParse({ dps }).success).toBe(true);
});

/** As much of the CommonJS packages as is used here. */
function registerWithSdk(peer: StrictPeer, registrationId: string): Promise<unknown> {
  const require = createRequire(import.meta.url);
  const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device') as {
    ProvisioningDeviceClient: {
      create(host: string, scope: string, transport: unknown, security: unknown): { register(): Promise<unknown> };
    };
  };
  type Library = { connect(uri: string, options: object): unknown };
  const { Mqtt } = require('azure-iot-provisioning-device-mqtt') as { Mqtt: new () => { _mqttBase: { mqttProvider: Library } } };
  const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key') as {
    SymmetricKeySecurityClient: new (id: string, key: string) => unknown;
  };
  const transport = new Mqtt();
  const library = transport._mqttBase.mqttProvider;
  // By itself it takes port 8883 and the roots that come with Node.
  transport._mqttBase.mqttProvider = {
    connect: (_uri, options) => library.connect(`mqtts://localhost:${peer.port}`, { ...options, ca: peer.ca.certificate }),
  };
  const client = ProvisioningDeviceClient.create(
    'localhost',
    '0ne00ABCDEF',
    transport,
    new SymmetricKeySecurityClient(registrationId, key),
  );
  return client.register();
}
