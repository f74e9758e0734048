import { X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';
import { type CertificateFacts, certificateFacts } from './certificate.ts';

/**
 * The certificates of one gateway, as files, in the layout that OPC UA tools know:
 * `own/certs`, `own/private`, `trusted/certs`, `issuers/certs`, `rejected`; and `seen`, where and when each was met.
 * Everything here works without node-opcua, so `dragoman trust` is quick, and acts on a running gateway through the files alone.
 */
export const pkiFolder = (stateFolder: string): string => join(stateFolder, 'pki');

const ownCertificate = (pki: string): string => join(pki, 'own', 'certs', 'certificate.pem');
const trustedFolder = (pki: string): string => join(pki, 'trusted', 'certs');
const rejectedFolder = (pki: string): string => join(pki, 'rejected');
const seenFolder = (pki: string): string => join(pki, 'seen');

/** A server's certificate with where it was met. */
export interface ServerCertificate extends CertificateFacts {
  readonly state: 'pending' | 'trusted' | 'rejected';
  /** Endpoint that presented it first, and when; absent when the file was put there by hand. */
  readonly endpoint?: string;
  readonly firstSeen?: Date;
  readonly lastSeen?: Date;
  readonly pem: string;
}

interface Seen {
  readonly endpoint: string;
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** A person said no. */
  readonly rejected?: true;
}

/** This gateway's own certificate; undefined before the first connection made one. */
export async function ownCertificateFacts(stateFolder: string): Promise<CertificateFacts | undefined> {
  const pem = await readText(ownCertificate(pkiFolder(stateFolder)));
  return pem === undefined ? undefined : certificateFacts(new X509Certificate(pem));
}

/** Our certificate, to be handed to the server's administrator. `der` is what most servers want (`.der`, `.cer`). */
export async function exportOwnCertificate(stateFolder: string, format: 'pem' | 'der'): Promise<Uint8Array> {
  const pem = await readText(ownCertificate(pkiFolder(stateFolder)));
  if (pem === undefined) {
    throw new GatewayError('opcua-no-certificate', 'this gateway has no OPC UA certificate yet', {
      retry: 'after-fix',
      hint: 'It is made at the first connection to an OPC UA server: start the gateway once, or run `dragoman read`',
    });
  }
  return format === 'pem' ? Buffer.from(pem) : new X509Certificate(pem).raw;
}

/** Every server certificate that was met or put into the folders: pending ones first, then by subject. */
export async function listServerCertificates(stateFolder: string): Promise<ServerCertificate[]> {
  const pki = pkiFolder(stateFolder);
  const found = await Promise.all([
    ...(await certificatesIn(rejectedFolder(pki))).map((file) => describe(pki, file, 'pending')),
    ...(await certificatesIn(trustedFolder(pki))).map((file) => describe(pki, file, 'trusted')),
  ]);
  const order = { pending: 0, trusted: 1, rejected: 2 };
  return found.toSorted((a, b) => order[a.state] - order[b.state] || a.subject.localeCompare(b.subject));
}

/** Trusts the one certificate whose SHA-1 or SHA-256 begins like this. A running gateway notices at its next attempt. */
export async function trustCertificate(stateFolder: string, prefix: string): Promise<ServerCertificate> {
  const certificate = await find(stateFolder, prefix, ['pending', 'rejected', 'trusted']);
  await moveTo(pkiFolder(stateFolder), certificate, 'trusted');
  return { ...certificate, state: 'trusted' };
}

/** Says no: to a pending one, which then is not offered again, or to a trusted one, which is refused from the next connection on. */
export async function rejectCertificate(stateFolder: string, prefix: string): Promise<ServerCertificate> {
  const certificate = await find(stateFolder, prefix, ['pending', 'trusted', 'rejected']);
  await moveTo(pkiFolder(stateFolder), certificate, 'rejected');
  return { ...certificate, state: 'rejected' };
}

/** Forgets a certificate altogether; met again, it is pending again. */
export async function removeCertificate(stateFolder: string, prefix: string): Promise<ServerCertificate> {
  const pki = pkiFolder(stateFolder);
  const certificate = await find(stateFolder, prefix, ['pending', 'trusted', 'rejected']);
  for (const file of await filesOf(pki, certificate.sha1)) await rm(file, { force: true });
  await rm(seenFile(pki, certificate.sha1), { force: true });
  return certificate;
}

/** Notes that a server presented a certificate nobody trusts yet, so that it shows up as pending. */
export async function noteUntrusted(stateFolder: string, certificate: X509Certificate, endpoint: string): Promise<void> {
  const pki = pkiFolder(stateFolder);
  const { sha1 } = certificateFacts(certificate);
  const now = new Date().toISOString();
  const before = await readSeen(pki, sha1);
  await writeWhole(seenFile(pki, sha1), JSON.stringify({ endpoint, firstSeen: now, ...before, lastSeen: now }));
  if ((await filesOf(pki, sha1)).length === 0) {
    await writeWhole(join(rejectedFolder(pki), fileName(certificate)), certificate.toString());
  }
}

export async function readTrusted(stateFolder: string): Promise<X509Certificate[]> {
  return (await certificatesIn(trustedFolder(pkiFolder(stateFolder)))).map(({ certificate }) => certificate);
}

/** True when a person said no to this very certificate, whoever issued it. */
export async function isRejected(stateFolder: string, certificate: X509Certificate): Promise<boolean> {
  return (await readSeen(pkiFolder(stateFolder), certificateFacts(certificate).sha1))?.rejected === true;
}

/** Certificates of issuers that are not trusted by themselves but may stand between a server and a trusted one. */
export async function readIssuers(stateFolder: string): Promise<X509Certificate[]> {
  return (await certificatesIn(join(pkiFolder(stateFolder), 'issuers', 'certs'))).map(({ certificate }) => certificate);
}

interface CertificateFile {
  readonly file: string;
  readonly certificate: X509Certificate;
}

async function certificatesIn(folder: string): Promise<CertificateFile[]> {
  const names = await readdir(folder).catch(() => []);
  const found: CertificateFile[] = [];
  for (const name of names.filter((each) => /\.(pem|der|crt|cer)$/i.test(each)).toSorted()) {
    const file = join(folder, name);
    try {
      found.push({ file, certificate: new X509Certificate(await readFile(file)) });
    } catch {
      // Whatever lies there is no certificate, and so trusts nobody.
    }
  }
  return found;
}

async function describe(pki: string, { certificate }: CertificateFile, state: 'pending' | 'trusted'): Promise<ServerCertificate> {
  const facts = certificateFacts(certificate);
  const seen = await readSeen(pki, facts.sha1);
  return {
    ...facts,
    state: state === 'pending' && seen?.rejected ? 'rejected' : state,
    ...(seen && { endpoint: seen.endpoint, firstSeen: new Date(seen.firstSeen), lastSeen: new Date(seen.lastSeen) }),
    pem: certificate.toString(),
  };
}

async function find(stateFolder: string, prefix: string, states: readonly ServerCertificate['state'][]): Promise<ServerCertificate> {
  const wanted = prefix.replaceAll(/[:\s]/g, '').toLowerCase();
  const all = await listServerCertificates(stateFolder);
  const fitting = all.filter((each) => states.includes(each.state) && (each.sha1.startsWith(wanted) || each.sha256.startsWith(wanted)));
  const [only] = fitting;
  if (wanted.length >= 4 && only && fitting.every((each) => each.sha256 === only.sha256)) return only;
  const list = (some: readonly ServerCertificate[]): string => some.map((each) => `${each.sha1.slice(0, 8)} ${each.subject}`).join('; ');
  const message =
    wanted.length < 4
      ? `"${prefix}" is too short to name a certificate`
      : fitting.length === 0
        ? `no server certificate has a fingerprint that begins with "${prefix}"`
        : `"${prefix}" fits several certificates: ${list(fitting)}`;
  const hint =
    all.length === 0 ? 'No server has presented a certificate yet: start the gateway, or run `dragoman read`' : `Known: ${list(all)}`;
  throw new GatewayError('opcua-which-certificate', message, { retry: 'never', hint });
}

async function moveTo(pki: string, certificate: ServerCertificate, state: 'trusted' | 'rejected'): Promise<void> {
  const folder = state === 'trusted' ? trustedFolder(pki) : rejectedFolder(pki);
  const before = await filesOf(pki, certificate.sha1);
  const target = join(folder, fileName(new X509Certificate(certificate.pem)));
  await writeWhole(target, certificate.pem);
  for (const file of before) if (file !== target) await rm(file, { force: true });
  const { rejected: _, ...seen } = (await readSeen(pki, certificate.sha1)) ?? unseen();
  await writeWhole(seenFile(pki, certificate.sha1), JSON.stringify({ ...seen, ...(state === 'rejected' && { rejected: true }) }));
}

const unseen = (): Seen => ({ endpoint: 'put in by hand', firstSeen: new Date().toISOString(), lastSeen: new Date().toISOString() });

async function filesOf(pki: string, sha1: string): Promise<string[]> {
  const all = [...(await certificatesIn(rejectedFolder(pki))), ...(await certificatesIn(trustedFolder(pki)))];
  return all.filter(({ certificate }) => certificateFacts(certificate).sha1 === sha1).map(({ file }) => file);
}

/** `Mixer [sha1].pem`: readable in a folder listing, as other OPC UA tools name them. */
function fileName(certificate: X509Certificate): string {
  const commonName = /CN=([^\n]*)/.exec(certificate.subject)?.[1] ?? 'certificate';
  return `${commonName.replaceAll(/[^\w.-]+/g, '_').slice(0, 60)}[${certificateFacts(certificate).sha1}].pem`;
}

const seenFile = (pki: string, sha1: string): string => join(seenFolder(pki), `${sha1}.json`);

async function readSeen(pki: string, sha1: string): Promise<Seen | undefined> {
  const text = await readText(seenFile(pki, sha1));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Seen;
  } catch {
    return undefined;
  }
}

async function readText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** A reader sees the old file or the new one, never half of it. */
export async function writeWhole(file: string, content: string, mode = 0o644): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  const beside = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}.new`;
  await writeFile(beside, content, { mode });
  await rename(beside, file);
}
