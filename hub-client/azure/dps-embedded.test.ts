import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EnrollmentInput, putEnrollment, setEnrollmentEnabled } from '../../hub/dps/enrollments.ts';
import { silentLog } from '../../hub/log.ts';
import { openRegistry } from '../../hub/registry.ts';
import { type Hub, startHub } from '../../hub/server.ts';
import { hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { HubSession } from '../contract.ts';
import { connect } from './client.ts';
import { azure } from './definition.ts';

const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
const hubFolder = tempFolder();
let hub: Hub;
let box: ReturnType<typeof tempFolder>;

beforeAll(async () => {
  hub = await startHub({ folder: hubFolder.path, mqttPort: 0, dpsScope: '0ne00AA11BB', log: silentLog });
});
afterAll(async () => {
  await hub.close();
  hubFolder[Symbol.dispose]();
});
beforeEach(() => {
  box = tempFolder();
  return () => box[Symbol.dispose]();
});

function enroll(input: EnrollmentInput): void {
  using db = openRegistry(hubFolder.path);
  putEnrollment(db, input);
}

async function open(dps: object, files: Readonly<Record<string, string>> = {}): Promise<HubSession> {
  const settings = azure.settings.parse({ dps: { idScope: hub.idScope, endpoint: `localhost:${hub.mqttPort}`, ...dps }, ca: 'ca' });
  const context = hubContext(box.path, { key, ca: hub.caPem!, ...files });
  return connect(settings, context, new AbortController().signal);
}

describe('provisioning by the embedded hub', () => {
  test('with a key of its own: the enrolled device, its first twin, telemetry', async () => {
    const attestation = { type: 'symmetricKey', primaryKey: key } as const;
    enroll({ id: 'sn-1', kind: 'individual', attestation, deviceId: 'press-1', twin: { properties: { desired: { rate: 5 } } } });
    await using session = await open({ registrationId: 'sn-1', key: { file: 'key' } });
    expect((await session.control!.twin()).desired).toMatchObject({ rate: 5 });
    await session.send(hubMessage('m-1'));
    expect(hub.core.identities.get({ deviceId: 'press-1' })?.connectionState).toBe('Connected');
  });

  test('with the key of a group, by default under the id of the gateway', async () => {
    enroll({ id: 'line-1', kind: 'group', attestation: { type: 'symmetricKey', primaryKey: key } });
    await using _session = await open({ groupKey: { file: 'key' } });
    expect(hub.core.identities.get({ deviceId: 'gw-test-1' })?.connectionState).toBe('Connected');
  });

  test('with a certificate of an authority', async () => {
    const ca = await makeCa('Line CA');
    const device = await issue(ca, { commonName: 'x-2', dns: [] });
    enroll({ id: 'line-x', kind: 'group', attestation: { type: 'authority', pem: ca.certificate } });
    const files = { crt: device.certificate, pem: device.privateKey };
    await using _session = await open({ certificate: 'crt', privateKey: 'pem' }, files);
    expect(hub.core.identities.get({ deviceId: 'x-2' })?.connectionState).toBe('Connected');
  });

  test('a device that was deleted in the hub is made again at its second attempt', async () => {
    enroll({ id: 'sn-9', kind: 'individual', attestation: { type: 'symmetricKey', primaryKey: key } });
    const dps = { registrationId: 'sn-9', key: { file: 'key' } };
    await (await open(dps))[Symbol.asyncDispose]();
    await hub.core.identities.delete({ deviceId: 'sn-9' });
    await expect(open(dps)).rejects.toMatchObject({ code: 'hub-credentials', retry: 'after-fix' });
    await using session = await open(dps);
    await session.send(hubMessage('m-9'));
  });

  test('says so when nobody enrolled it, when the key is another, when it is disabled', async () => {
    await expect(
      open({ registrationId: 'nobody', key: { file: 'other' } }, { other: Buffer.alloc(32).toString('base64') }),
    ).rejects.toMatchObject({
      code: 'dps-credentials',
      hint: expect.stringContaining('enrolment for "nobody"'),
    });
    enroll({ id: 'off', kind: 'individual', attestation: { type: 'symmetricKey', primaryKey: key } });
    {
      using db = openRegistry(hubFolder.path);
      setEnrollmentEnabled(db, 'individual', 'off', false);
    }
    await expect(open({ registrationId: 'off', key: { file: 'key' } })).rejects.toMatchObject({ code: 'dps-disabled' });
  });
});
