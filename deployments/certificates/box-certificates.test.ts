import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { capability, titled } from '../../test/support/capabilities.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { fileKeyStore } from '../key-store.ts';
import { BoxCertificates, type IssuedCertificate } from './box-certificates.ts';

const yearMs = 365 * 86_400_000;

function open(folder: string, now: () => number = Date.now): Promise<BoxCertificates> {
  return BoxCertificates.open({ store: fileKeyStore(folder), deviceId: 'gw-1', now });
}

const serial = ({ certificate }: { certificate: string }): string => new X509Certificate(certificate).serialNumber;
const blocks = (pem: string): readonly string[] => pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];

/** Whether the leaf leads over the chain that it carries to one of the roots. */
function chained(bundle: string, issued: IssuedCertificate): boolean {
  const [leaf, edge] = blocks(issued.certificate).map((pem) => new X509Certificate(pem));
  return (
    leaf !== undefined &&
    edge !== undefined &&
    leaf.verify(edge.publicKey) &&
    blocks(bundle).some((root) => edge.verify(new X509Certificate(root).publicKey))
  );
}

test('authorities are made once, for the owner alone; the certificate of the broker is kept, renewed and remade for a new name', async () => {
  using folder = tempFolder();
  let now = Date.now();
  const first = await open(folder.path, () => now);
  const broker = await first.broker(['gw.plant', '10.0.0.5']);
  for (const name of readdirSync(folder.path)) expect([name, statSync(join(folder.path, name)).mode & 0o777]).toEqual([name, 0o600]);
  const again = await open(folder.path, () => now);
  expect(again.trustBundle).toBe(first.trustBundle);
  expect(serial(await again.broker(['10.0.0.5']))).toBe(serial(broker));
  const renamed = await again.broker(['other.plant']);
  expect(serial(renamed)).not.toBe(serial(broker));
  now += yearMs - 10 * 86_400_000;
  const renewed = await again.broker(['other.plant']);
  expect(serial(renewed)).not.toBe(serial(renamed));
  expect(chained(first.trustBundle, renewed)).toBe(true);
});

test('over thirty years, whoever read the trust bundle two years ago still trusts what is issued today', async () => {
  using folder = tempFolder();
  const start = Date.now();
  let now = start;
  const bundles: string[] = [];
  for (let half = 0; half < 60; half++, now = start + (half * yearMs) / 2) {
    const box = await open(folder.path, () => now);
    const broker = await box.broker(['gw.plant']);
    bundles.push(box.trustBundle);
    expect(broker.expiresMs - now, `half-year ${half}`).toBeGreaterThan(30 * 86_400_000);
    expect(new X509Certificate(blocks(broker.certificate)[1] as string).validToDate.getTime()).toBeGreaterThanOrEqual(broker.expiresMs);
    expect(chained(bundles[Math.max(0, half - 4)] as string, broker), `half-year ${half}`).toBe(true);
  }
  expect(new Set(bundles).size).toBeGreaterThan(1);
});

test('a damaged root is never silently replaced; a lost edge CA is made anew below the same root', async () => {
  using folder = tempFolder();
  const { trustBundle } = await open(folder.path);
  rmSync(join(folder.path, 'edge-ca.pem'));
  expect((await open(folder.path)).trustBundle).toBe(trustBundle);
  writeFileSync(join(folder.path, 'root-ca-1.pem'), trustBundle);
  await expect(open(folder.path)).rejects.toMatchObject({ code: 'box-certificates-damaged' });
});

test('a client that knows only the trust bundle connects by name, and not by a foreign one', async () => {
  using folder = tempFolder();
  const box = await open(folder.path);
  const { certificate, privateKey } = await box.broker(['gw.plant']);
  const server = createServer({ cert: certificate, key: privateKey }, (socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const handshake = async (servername: string): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port, servername, ca: box.trustBundle });
    await once(socket, 'secureConnect').finally(() => socket.destroy());
  };
  await handshake('gw.plant');
  await expect(handshake('other.plant')).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  server.close();
});

const openssl = capability('openssl');
describe.skipIf(!openssl.ok)(titled('openssl', openssl), () => {
  test.for([
    { rule: 'a server of a module', purpose: 'sslserver', not: 'sslclient', make: 'server' },
    { rule: 'an identity of a module', purpose: 'sslclient', not: 'sslserver', make: 'identity' },
  ] as const)('verifies $rule, for its purpose only', async ({ purpose, not, make }) => {
    using folder = tempFolder();
    const box = await open(folder.path);
    const expiresMs = Date.now() + 86_400_000;
    const issued = await (make === 'server'
      ? box.server({ commonName: '10.1.2.3', names: ['10.1.2.3', 'filter'], expiresMs })
      : box.identity({ commonName: 'filter', uris: ['azureiot://hub/devices/gw-1/modules/filter'], expiresMs }));
    const root = join(folder.path, 'bundle.pem');
    const leaf = join(folder.path, 'leaf.pem');
    writeFileSync(root, box.trustBundle);
    writeFileSync(leaf, issued.certificate);
    const verify = (wanted: string) =>
      spawnSync('openssl', ['verify', '-x509_strict', '-CAfile', root, '-untrusted', leaf, '-purpose', wanted, leaf], { encoding: 'utf8' });
    expect(verify(purpose)).toMatchObject({ status: 0, stderr: '' });
    expect(verify(not).status).not.toBe(0);
    const parsed = new X509Certificate(issued.certificate);
    expect(parsed.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(Math.abs(issued.expiresMs - expiresMs)).toBeLessThan(1_000);
    if (make === 'server') expect([parsed.checkIP('10.1.2.3'), parsed.checkHost('filter')]).toEqual(['10.1.2.3', 'filter']);
  });
});
