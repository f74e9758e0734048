import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type CertificateWithKey, issueCertificate, makeAuthority } from '../deployments/certificates/issuing.ts';
import { afterFix } from './error.ts';
import { hubFiles, readIfThere, writeWhole } from './folder.ts';

/** What the TLS listener presents, and what a device must trust. All PEM. */
export interface ServerCertificate {
  readonly certificate: string;
  readonly privateKey: string;
  /** Absent when the certificate was given and its issuer is not in the file. */
  readonly ca: string | undefined;
  readonly expiresMs: number;
}

const dayMs = 86_400_000;
const caYears = 15;
const serverDays = 365;
/** A server certificate is made anew when it has less than this left. */
export const renewBeforeMs = 30 * dayMs;

/**
 * The certificate of this folder for `names` (host names and IP addresses): the stored one while it fits, else a new one
 * from the folder's own CA, which is made at the first call. Devices keep trusting `ca.pem` through every renewal.
 */
export async function ownCertificate(folder: string, names: readonly string[], nowMs = Date.now()): Promise<ServerCertificate> {
  const files = hubFiles(folder);
  const stored = readStored(folder, names, nowMs);
  if (stored) return stored;
  const ca = await loadOrMakeCa(folder, nowMs);
  const { certificate, privateKey } = await issueCertificate(ca, {
    commonName: names[0] ?? 'localhost',
    names,
    use: 'server',
    // A plant's clocks are not all right: valid since yesterday.
    notBeforeMs: nowMs - dayMs,
    notAfterMs: nowMs + serverDays * dayMs,
  });
  const chain = `${certificate}${ca.certificate}`;
  writeWhole(files.serverKey, privateKey, 0o600);
  writeWhole(files.serverCertificate, chain);
  return { certificate: chain, privateKey, ca: ca.certificate, expiresMs: new X509Certificate(certificate).validToDate.getTime() };
}

function readStored(folder: string, names: readonly string[], nowMs: number): ServerCertificate | undefined {
  const files = hubFiles(folder);
  const certificate = readIfThere(files.serverCertificate);
  const privateKey = readIfThere(files.serverKey);
  const ca = readIfThere(files.caCertificate);
  if (certificate === undefined || privateKey === undefined || ca === undefined) return undefined;
  try {
    const leaf = new X509Certificate(certificate);
    const expiresMs = leaf.validToDate.getTime();
    const fits =
      expiresMs - nowMs > renewBeforeMs &&
      leaf.verify(new X509Certificate(ca).publicKey) &&
      leaf.checkPrivateKey(createPrivateKey(privateKey)) &&
      names.every((name) => (isIP(name) ? leaf.checkIP(name) : leaf.checkHost(name, { subject: 'never' })) !== undefined);
    return fits ? { certificate, privateKey, ca, expiresMs } : undefined;
  } catch {
    // Half a write of an older day, or edited by hand: made anew.
    return undefined;
  }
}

async function loadOrMakeCa(folder: string, nowMs: number): Promise<CertificateWithKey> {
  const files = hubFiles(folder);
  const storedCertificate = readIfThere(files.caCertificate);
  const storedKey = readIfThere(files.caKey);
  if (storedCertificate !== undefined && storedKey !== undefined) return { certificate: storedCertificate, privateKey: storedKey };
  if (storedCertificate !== undefined) {
    // A new CA would silently lock out every device that trusts the old one.
    throw afterFix(
      'hub-ca-key-missing',
      `${files.caCertificate} is there but its key ${files.caKey} is not, so the server certificate cannot be renewed`,
      'restore the key from a backup, or move ca.pem away to make a new CA and give the new ca.pem to every device',
    );
  }
  const made = await makeAuthority({
    commonName: `Dragoman hub CA ${new Date(nowMs).toISOString().slice(0, 10)}`,
    pathLength: 0,
    notBeforeMs: nowMs - dayMs,
    notAfterMs: nowMs + caYears * 365.25 * dayMs,
  });
  writeWhole(files.caKey, made.privateKey, 0o600);
  writeWhole(files.caCertificate, made.certificate);
  return made;
}

/** A certificate and key that the plant's own CA gave. Rejects with a HubError that names the file and the cure. */
export function givenCertificate(certificateFile: string, keyFile: string, nowMs = Date.now()): ServerCertificate {
  const certificate = readGiven(certificateFile, '--cert');
  const privateKey = readGiven(keyFile, '--key');
  try {
    const leaf = new X509Certificate(certificate);
    if (!leaf.checkPrivateKey(createPrivateKey(privateKey))) throw new Error(`${keyFile} is not the key of this certificate`);
    if (leaf.validToDate.getTime() <= nowMs) throw new Error(`it expired on ${leaf.validToDate.toISOString()}`);
    const blocks = certificate.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
    const ca = blocks.length > 1 ? blocks.at(-1) : leaf.checkIssued(leaf) ? certificate : undefined;
    return { certificate, privateKey, ca: ca && `${ca.trim()}\n`, expiresMs: leaf.validToDate.getTime() };
  } catch (error) {
    throw afterFix(
      'hub-certificate',
      `the certificate ${certificateFile} cannot be used: ${(error as Error).message}`,
      'give PEM files: --cert with the server certificate (and its issuers), --key with its private key without a passphrase',
      error,
    );
  }
}

function readGiven(file: string, flag: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw afterFix('hub-certificate', `cannot read ${file}: ${(error as Error).message}`, `check the path after ${flag}`, error);
  }
}

/** Names a given certificate is for, as far as it says: `DNS:hub.plant, IP Address:10.0.0.5`. */
export function namesOf(certificate: string): readonly string[] {
  const names = new X509Certificate(certificate).subjectAltName ?? '';
  return names
    .split(', ')
    .map((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? '')
    .filter((name) => name !== '');
}
