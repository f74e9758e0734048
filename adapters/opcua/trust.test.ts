import { X509Certificate } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Issued, issue, makeCa, type TestCa } from '../../test/support/certificates.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { certificateFacts, colons, parseChain } from './certificate.ts';
import {
  exportOwnCertificate,
  listServerCertificates,
  noteUntrusted,
  ownCertificateFacts,
  rejectCertificate,
  removeCertificate,
  trustCertificate,
} from './trust.ts';
import { checkTrust } from './trust-check.ts';

let ca: TestCa;
let leaf: Issued;
let expired: Issued;
let certificate: X509Certificate;
const folder = tempFolder();
let count = 0;
/** A state folder of its own for each test. */
const fresh = (): string => join(folder.path, String(count++));

beforeAll(async () => {
  ca = await makeCa();
  leaf = await issue(ca, { commonName: 'Mixer PLC' });
  expired = await issue(ca, { commonName: 'Old PLC', notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') });
  certificate = new X509Certificate(leaf.certificate);
});
afterAll(() => folder[Symbol.dispose]());

describe('the list', () => {
  test('pending, trusted, rejected, forgotten', async () => {
    const state = fresh();
    expect(await listServerCertificates(state)).toEqual([]);
    await noteUntrusted(state, certificate, 'opc.tcp://10.0.0.1:4840');
    const [pending] = await listServerCertificates(state);
    expect(pending).toMatchObject({
      state: 'pending',
      subject: 'CN=Mixer PLC',
      sha1: leaf.sha1,
      sha256: leaf.sha256,
      endpoint: 'opc.tcp://10.0.0.1:4840',
    });
    expect(await readdir(join(state, 'pki', 'rejected'))).toEqual([`Mixer_PLC[${leaf.sha1}].pem`]);

    expect(await trustCertificate(state, leaf.sha1.slice(0, 6))).toMatchObject({ state: 'trusted' });
    expect(await listServerCertificates(state)).toMatchObject([{ state: 'trusted', firstSeen: pending!.firstSeen }]);
    expect(await readdir(join(state, 'pki', 'rejected'))).toEqual([]);

    await rejectCertificate(state, colons(leaf.sha256).slice(0, 14));
    expect(await listServerCertificates(state)).toMatchObject([{ state: 'rejected' }]);
    // Met again, it stays rejected and asks nobody.
    await noteUntrusted(state, certificate, 'opc.tcp://10.0.0.1:4840');
    expect(await listServerCertificates(state)).toMatchObject([{ state: 'rejected' }]);

    await removeCertificate(state, leaf.sha1);
    expect(await listServerCertificates(state)).toEqual([]);
  });

  test('a prefix must name exactly one', async () => {
    const state = fresh();
    await expect(trustCertificate(state, 'abcd')).rejects.toMatchObject({
      message: expect.stringMatching(/no server certificate/),
      hint: expect.stringMatching(/\w/),
    });
    await noteUntrusted(state, certificate, 'opc.tcp://a');
    await expect(trustCertificate(state, leaf.sha1.slice(0, 2))).rejects.toMatchObject({ message: expect.stringMatching(/too short/) });
    await expect(trustCertificate(state, '0000')).rejects.toMatchObject({ hint: expect.stringContaining(leaf.sha1.slice(0, 8)) });
  });

  test('what lies in the folders and is no certificate harms nothing', async () => {
    const state = fresh();
    await mkdir(join(state, 'pki', 'trusted', 'certs'), { recursive: true });
    await writeFile(join(state, 'pki', 'trusted', 'certs', 'garbage.pem'), Buffer.from([0, 1, 2, 255]));
    await noteUntrusted(state, certificate, 'opc.tcp://a');
    await writeFile(join(state, 'pki', 'seen', `${leaf.sha1}.json`), '{ torn');
    expect(await listServerCertificates(state)).toMatchObject([{ state: 'pending' }]);
  });

  test('our own certificate before there is one', async () => {
    const state = fresh();
    expect(await ownCertificateFacts(state)).toBeUndefined();
    await expect(exportOwnCertificate(state, 'der')).rejects.toMatchObject({ code: 'opcua-no-certificate' });
  });
});

describe('the verdict', () => {
  test('an unknown one, a trusted one, and one that a trusted issuer signed', async () => {
    const state = fresh();
    expect(await checkTrust(state, [certificate], 'ask')).toEqual({ kind: 'unknown' });
    await noteUntrusted(state, certificate, 'opc.tcp://a');
    await trustCertificate(state, leaf.sha1);
    expect(await checkTrust(state, [certificate], 'ask')).toEqual({ kind: 'trusted' });

    const byIssuer = fresh();
    await noteUntrusted(byIssuer, new X509Certificate(ca.certificate), 'by hand');
    // That its issuer comes along proves nothing.
    expect(await checkTrust(byIssuer, [certificate, new X509Certificate(ca.certificate)], 'ask')).toEqual({ kind: 'unknown' });
    await trustCertificate(byIssuer, new X509Certificate(ca.certificate).fingerprint);
    expect(await checkTrust(byIssuer, [certificate], 'ask')).toEqual({ kind: 'trusted' });
    await noteUntrusted(byIssuer, certificate, 'opc.tcp://a');
    await rejectCertificate(byIssuer, leaf.sha1);
    expect(await checkTrust(byIssuer, [certificate], 'ask')).toMatchObject({ kind: 'invalid', why: expect.stringMatching(/rejected/) });
  });

  test('another issuer of the same name is not the trusted one', async () => {
    const state = fresh();
    const impostor = await makeCa();
    const forged = new X509Certificate((await issue(impostor, { commonName: 'Mixer PLC' })).certificate);
    await noteUntrusted(state, new X509Certificate(ca.certificate), 'by hand');
    await trustCertificate(state, new X509Certificate(ca.certificate).fingerprint);
    expect(await checkTrust(state, [forged, new X509Certificate(impostor.certificate)], 'ask')).toEqual({ kind: 'unknown' });
  });

  test('an expired one names the day, and the clock', async () => {
    const state = fresh();
    const old = new X509Certificate(expired.certificate);
    await noteUntrusted(state, old, 'opc.tcp://a');
    await trustCertificate(state, expired.sha1);
    expect(await checkTrust(state, [old], 'ask')).toMatchObject({
      kind: 'invalid',
      why: expect.stringMatching(/expired on 2021-01-01.*clock/),
    });
    expect(await checkTrust(state, [old], expired.sha256)).toMatchObject({ kind: 'invalid' });
    expect(await checkTrust(state, [certificate], [expired.sha1, leaf.sha1])).toEqual({ kind: 'trusted' });
  });
});

test('a chain is taken apart, and garbage is refused', () => {
  const raw = certificate.raw;
  const issuer = new X509Certificate(ca.certificate).raw;
  expect(parseChain(Buffer.concat([raw, issuer])).map((each) => certificateFacts(each).subject)).toEqual([
    'CN=Mixer PLC',
    'CN=Dragoman test CA',
  ]);
  expect(parseChain(new Uint8Array())).toEqual([]);
  for (const bad of [
    raw.subarray(0, 50),
    Buffer.concat([raw, Buffer.from([1, 2, 3])]),
    Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
  ]) {
    expect(() => parseChain(bad)).toThrow();
  }
});
