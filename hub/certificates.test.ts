import { X509Certificate } from 'node:crypto';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { issue, makeCa } from '../test/support/certificates.ts';
import { tempFolder } from '../test/support/temp.ts';
import { givenCertificate, namesOf, ownCertificate } from './certificates.ts';
import { hubFiles } from './folder.ts';

const dayMs = 86_400_000;
const serial = (pem: string): string => new X509Certificate(pem).serialNumber;

test('the CA stays; the server certificate is kept, renewed before it expires, and remade for a new name', async () => {
  using folder = tempFolder();
  const now = Date.now();
  const first = await ownCertificate(folder.path, ['hub.plant', '10.0.0.5', '::1'], now);
  expect(serial((await ownCertificate(folder.path, ['10.0.0.5'], now + 300 * dayMs)).certificate)).toBe(serial(first.certificate));
  const renewed = await ownCertificate(folder.path, ['hub.plant'], now + 340 * dayMs);
  const renamed = await ownCertificate(folder.path, ['other.plant'], now + 341 * dayMs);
  expect(new Set([first, renewed, renamed].map(({ certificate }) => serial(certificate))).size).toBe(3);
  const ca = new X509Certificate(first.ca as string);
  for (const { certificate, ca: same } of [first, renewed, renamed]) {
    expect(same).toBe(first.ca);
    expect(new X509Certificate(certificate).verify(ca.publicKey)).toBe(true);
  }
  expect(namesOf(first.certificate)).toContain('hub.plant');
  expect(ca.ca).toBe(true);
  expect(ca.validToDate.getTime() - now).toBeGreaterThan(10 * 365 * dayMs);
});

test('private keys are for their owner alone', async () => {
  using folder = tempFolder();
  await ownCertificate(folder.path, ['localhost']);
  const { caKey, serverKey } = hubFiles(folder.path);
  for (const file of [caKey, serverKey]) expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('a lost CA key is never silently replaced by another CA', async () => {
  using folder = tempFolder();
  await ownCertificate(folder.path, ['localhost']);
  rmSync(hubFiles(folder.path).caKey);
  await ownCertificate(folder.path, ['localhost']);
  await expect(ownCertificate(folder.path, ['new.name'])).rejects.toMatchObject({ code: 'hub-ca-key-missing' });
});

test('a damaged server certificate is made anew', async () => {
  using folder = tempFolder();
  await ownCertificate(folder.path, ['localhost']);
  writeFileSync(hubFiles(folder.path).serverCertificate, 'torn');
  expect(new X509Certificate((await ownCertificate(folder.path, ['localhost'])).certificate).checkHost('localhost')).toBe('localhost');
});

test('a given certificate: used with its key, refused with a foreign key, expired, absent or not PEM', async () => {
  using folder = tempFolder();
  const ca = await makeCa();
  const [good, other] = [await issue(ca, { commonName: 'hub', dns: ['hub.plant'] }), await issue(ca, { commonName: 'x' })];
  const old = await issue(ca, { commonName: 'old', notAfter: new Date(Date.now() - 1_000) });
  const write = (name: string, text: string): string => {
    const file = join(folder.path, name);
    writeFileSync(file, text);
    return file;
  };
  const key = write('good.key', good.privateKey);
  expect(givenCertificate(write('chain.pem', `${good.certificate}\n${ca.certificate}`), key).ca?.trim()).toBe(ca.certificate.trim());
  expect(givenCertificate(write('good.pem', good.certificate), key).ca).toBeUndefined();
  expect(() => givenCertificate(write('good.pem', good.certificate), write('other.key', other.privateKey))).toThrow(/not the key/);
  expect(() => givenCertificate(write('old.pem', old.certificate), write('old.key', old.privateKey))).toThrow(/expired/);
  expect(() => givenCertificate(write('bad.pem', 'no certificate'), key)).toThrow(/cannot be used/);
  expect(() => givenCertificate(join(folder.path, 'absent.pem'), key)).toThrow(/absent.pem/);
});
