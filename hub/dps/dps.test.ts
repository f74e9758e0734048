import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { DatabaseSync } from '../database.ts';
import { silentLog } from '../log.ts';
import { openRegistry } from '../registry.ts';
import { type Hub, startHub } from '../server.ts';
import { connectSimulatedDevice, sasToken } from '../simulator.ts';
import { readTelemetry } from '../telemetry/reader.ts';
import { deviceKey } from './attestation.ts';
import {
  type EnrollmentInput,
  getEnrollment,
  listEnrollments,
  putEnrollment,
  removeEnrollment,
  setEnrollmentEnabled,
} from './enrollments.ts';

const folder = tempFolder();
const groupKey = Buffer.alloc(64, 5).toString('base64');
let hub: Hub;
let db: DatabaseSync;

beforeAll(async () => {
  hub = await startHub({ folder: folder.path, mqttPort: 0, dpsScope: '0ne00AA11BB', log: silentLog });
  // Another connection, as the command line has it.
  db = openRegistry(folder.path);
});

afterAll(async () => {
  db.close();
  await hub.close();
  folder[Symbol.dispose]();
});

/** The unmodified packages in a process of their own. */
async function register(
  registrationId: string,
  proof: { key: string } | { x509: { cert: string; key: string } },
): Promise<Record<string, unknown>> {
  const given = { provisioningHost: `localhost:${hub.mqttPort}`, idScope: hub.idScope, registrationId, ...proof };
  const script = fileURLToPath(new URL('../testcases/register.ts', import.meta.url));
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: hub.caFile };
  await using child = startChild(process.execPath, [script, JSON.stringify(given)], { env });
  return JSON.parse(await child.line(/^\{/m, 20_000)) as Record<string, unknown>;
}

const assignedHub = (): string => `localhost:${hub.mqttPort}`;

test('the published vector of derived keys', () => {
  const key = '8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==';
  expect(deviceKey(key, 'sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6')).toBe('Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=');
});

describe('the unmodified provisioning package', () => {
  test('registers with a key of its own, finds its twin, and is the same device the second time', async () => {
    const enrollment = putEnrollment(db, {
      id: 'SN-1',
      kind: 'individual',
      attestation: { type: 'symmetricKey' },
      deviceId: 'press-1',
      edge: true,
      twin: { tags: { site: 'leeds' }, properties: { desired: { rate: 5 } } },
    });
    const key = enrollment.attestation.type === 'symmetricKey' ? enrollment.attestation.primaryKey : '';
    const first = await register('sn-1', { key });
    expect(first).toMatchObject({
      assignedHub: assignedHub(),
      deviceId: 'press-1',
      status: 'assigned',
      substatus: 'initialAssignment',
      desired: { rate: 5, $version: 2 },
    });
    expect(hub.core.twins.get({ deviceId: 'press-1' })?.tags).toEqual({ site: 'leeds' });
    expect(hub.core.identities.listModules('press-1')).toHaveLength(2);
    expect((await readTelemetry(folder.path, { device: 'press-1' }).next()).value?.event).toMatchObject({ data: { hello: 'press-1' } });
    const generation = hub.core.identities.get({ deviceId: 'press-1' })?.generationId;
    await hub.core.twins.patch({ deviceId: 'press-1' }, { properties: { desired: { rate: 7 } } });
    expect(await register('sn-1', { key })).toMatchObject({ createdDateTimeUtc: first.createdDateTimeUtc, desired: { rate: 7 } });
    expect(hub.core.identities.get({ deviceId: 'press-1' })?.generationId).toBe(generation);
  });

  test('registers with a key of a group, and never with the key of the group itself', async () => {
    putEnrollment(db, { id: 'line-1', kind: 'group', attestation: { type: 'symmetricKey', primaryKey: groupKey } });
    expect(await register('sn-2', { key: deviceKey(groupKey, 'sn-2') })).toMatchObject({
      deviceId: 'sn-2',
      symmetricKey: { enrollmentGroupId: 'line-1' },
    });
    expect(await register('sn-3', { key: groupKey })).toMatchObject({ message: expect.stringContaining('Not authorized') });
  });

  test('registers with its own certificate, and with one of an authority', async () => {
    const ca = await makeCa('Line CA');
    const [own, member] = [await issue(await makeCa(), { commonName: 'x-1' }), await issue(ca, { commonName: 'x-2' })];
    putEnrollment(db, { id: 'x-1', kind: 'individual', attestation: { type: 'thumbprint', primaryThumbprint: own.sha1 } });
    putEnrollment(db, { id: 'line-x', kind: 'group', attestation: { type: 'authority', pem: ca.certificate } });
    expect(await register('x-1', { x509: { cert: own.certificate, key: own.privateKey } })).toMatchObject({ deviceId: 'x-1' });
    expect(await register('x-2', { x509: { cert: member.certificate, key: member.privateKey } })).toMatchObject({
      deviceId: 'x-2',
      x509: { enrollmentGroupId: 'line-x' },
    });
    expect(hub.core.identities.get({ deviceId: 'x-2' })?.authentication).toMatchObject({
      type: 'selfSigned',
      x509Thumbprint: { primaryThumbprint: member.sha256 },
    });
  });

  test('is told when its enrollment is disabled, and when the device is another one', async () => {
    putEnrollment(db, { id: 'off', kind: 'individual', enabled: false, attestation: { type: 'symmetricKey', primaryKey: groupKey } });
    expect(await register('off', { key: groupKey })).toMatchObject({ message: 'status is disabled' });
    await hub.core.identities.create({ deviceId: 'taken' });
    putEnrollment(db, { id: 'taken', kind: 'individual', attestation: { type: 'symmetricKey', primaryKey: groupKey } });
    const refused = await register('taken', { key: groupKey });
    expect(refused).toMatchObject({ error: 'ProvisioningRegistrationFailedError' });
    expect(JSON.stringify(refused.result)).toContain('was not made by this enrollment');
  });
});

describe('packet by packet', () => {
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  interface Asked {
    readonly id?: string;
    readonly scope?: string;
    readonly key?: string;
    readonly connect?: object;
    readonly resource?: string;
    readonly expiry?: number;
  }

  function client({ id = 'raw', scope = hub.idScope, key = groupKey, connect = {}, resource, expiry = inAnHour }: Asked = {}) {
    const token = `${sasToken(resource ?? `${scope}/registrations/${id}`, key, expiry)}&skn=registration`;
    const username = `${scope}/registrations/${id}/api-version=2019-03-31&ClientVersion=x`;
    const packet = { clientId: id, username, password: Buffer.from(token), clean: true, ...connect };
    return connectSimulatedDevice({ port: hub.mqttPort, ca: hub.caPem as string, deviceId: id, connect: packet });
  }
  const enroll = (input: Partial<EnrollmentInput> = {}) =>
    putEnrollment(db, { id: 'raw', kind: 'individual', attestation: { type: 'symmetricKey', primaryKey: groupKey }, ...input });

  async function ask(device: Awaited<ReturnType<typeof client>>, topic: string, body: string): Promise<{ topic: string; body: unknown }> {
    device.publish(topic, body);
    const answer = await device.next('publish');
    return { topic: answer.topic, body: JSON.parse(answer.payload.toString()) };
  }
  const put = '$dps/registrations/PUT/iotdps-register/?$rid=1';
  const poll = (operationId: string): string => `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=${operationId}`;

  const rows: readonly { rule: string; code: number; with: Asked }[] = [
    { rule: 'its key', code: 0, with: {} },
    { rule: 'upper case, which is the same', code: 0, with: { id: 'RAW' } },
    { rule: 'another scope', code: 5, with: { scope: '0neFFFFFFFF' } },
    { rule: 'another key', code: 5, with: { key: Buffer.alloc(32).toString('base64') } },
    { rule: 'a token for another registration', code: 5, with: { resource: '0ne00AA11BB/registrations/else' } },
    { rule: 'an expired token', code: 5, with: { expiry: 1 } },
    { rule: 'no token', code: 5, with: { connect: { password: undefined } } },
    { rule: 'nobody', code: 5, with: { id: 'nobody' } },
    { rule: 'another client id', code: 2, with: { connect: { clientId: 'else' } } },
    { rule: 'no api-version', code: 4, with: { connect: { username: '0ne00AA11BB/registrations/raw/x=1' } } },
  ];
  test.for(rows)('$rule: $code', async ({ code, with: asked }) => {
    enroll();
    await using device = await client(asked);
    expect(device.connack.returnCode).toBe(code);
  });

  test('register, poll, and an operation that is found after a restart of nothing but the connection', async () => {
    enroll();
    const accepted = await (async () => {
      await using device = await client();
      return await ask(device, put, '{"registrationId":"raw"}');
    })();
    expect(accepted).toMatchObject({ topic: '$dps/registrations/res/202/?$rid=1&retry-after=1', body: { status: 'assigning' } });
    await using device = await client();
    const { operationId } = accepted.body as { operationId: string };
    expect(await ask(device, poll(operationId), ' ')).toMatchObject({
      topic: '$dps/registrations/res/200/?$rid=2',
      body: { operationId, status: 'assigned', registrationState: { registrationId: 'raw', deviceId: 'raw' } },
    });
    expect(await ask(device, poll('4.of.somebody'), ' ')).toMatchObject({
      topic: '$dps/registrations/res/404/?$rid=2',
      body: { errorCode: 404001 },
    });
    expect((await ask(device, put, '{"registrationId":"else"}')).topic).toContain('/res/400/');
    expect((await ask(device, put, '{oops')).topic).toContain('/res/400/');
  });

  test('a disabled enrollment of its own keeps a device out of a group that it could prove', async () => {
    enroll({ id: 'line-2', kind: 'group', attestation: { type: 'symmetricKey', primaryKey: groupKey } });
    const own = Buffer.alloc(32, 1).toString('base64');
    enroll({ id: 'out', enabled: false, attestation: { type: 'symmetricKey', primaryKey: own } });
    const asMember = { id: 'out', key: deviceKey(groupKey, 'out') };
    await using refused = await client(asMember);
    expect(refused.connack.returnCode).toBe(5);
    removeEnrollment(db, 'individual', 'out');
    await using member = await client(asMember);
    expect(member.connack.returnCode).toBe(0);
  });

  test('may do nothing else: telemetry, twins and other filters close the connection', async () => {
    enroll();
    for (const topic of ['devices/raw/messages/events/', '$iothub/twin/GET/?$rid=1', '$dps/registrations/else/']) {
      await using device = await client();
      device.publish(topic, '{}');
      await device.closed;
    }
    await using device = await client();
    device.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$iothub/methods/POST/#', qos: 0 }] });
    await device.closed;
  });

  test('a twin is set back where the enrollment says so; "never" leaves even the keys', async () => {
    const registered = async (): Promise<unknown> => {
      await using device = await client({ id: 're' });
      const { body } = await ask(device, put, '{"registrationId":"re"}');
      return (await ask(device, poll((body as { operationId: string }).operationId), ' ')).body;
    };
    const twin = { properties: { desired: { a: 1 } } };
    enroll({ id: 're', reprovision: 'reset-twin', twin });
    await registered();
    await hub.core.twins.patch({ deviceId: 're' }, { tags: { x: 1 }, properties: { desired: { a: 2, b: 3 } } });
    expect(await registered()).toMatchObject({ registrationState: { substatus: 'deviceDataReset' } });
    const { tags, properties } = hub.core.twins.get({ deviceId: 're' }) ?? {};
    expect(tags).toEqual({});
    expect(properties?.desired).toMatchObject({ a: 1 });
    expect(properties?.desired).not.toHaveProperty('b');
    enroll({ id: 're', reprovision: 'never' });
    const own = Buffer.alloc(32, 3).toString('base64');
    await hub.core.identities.update({ deviceId: 're', authentication: { symmetricKey: { primaryKey: own } } });
    await registered();
    expect(hub.core.identities.get({ deviceId: 're' })?.authentication.symmetricKey.primaryKey).toBe(own);
  });
});

describe('enrollments', () => {
  test('are listed, disabled and taken away; wrong ones are refused', async () => {
    const key = { type: 'symmetricKey' } as const;
    putEnrollment(db, { id: 'e-1', kind: 'group', attestation: key });
    expect(listEnrollments(db, 'group').map(({ id }) => id)).toContain('e-1');
    expect(setEnrollmentEnabled(db, 'group', 'e-1', false)).toBe(true);
    expect(getEnrollment(db, 'group', 'e-1')?.enabled).toBe(false);
    expect(removeEnrollment(db, 'group', 'e-1')).toBe(true);
    expect(getEnrollment(db, 'group', 'e-1')).toBeUndefined();
    const leaf = await issue(await makeCa(), { commonName: 'leaf' });
    const wrong: readonly EnrollmentInput[] = [
      { id: 'a/b', kind: 'individual', attestation: key },
      { id: 'a', kind: 'individual', attestation: { type: 'symmetricKey', primaryKey: 'short' } },
      { id: 'a', kind: 'group', attestation: { type: 'authority', pem: leaf.certificate } },
      { id: 'a', kind: 'individual', attestation: { type: 'authority', pem: leaf.certificate } },
      { id: 'a', kind: 'group', attestation: { type: 'thumbprint', primaryThumbprint: leaf.sha1 } },
      { id: 'a', kind: 'group', deviceId: 'x', attestation: key },
    ];
    for (const input of wrong) expect(() => putEnrollment(db, input)).toThrow();
  });
});
