import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';
import type { Log } from '../contract.ts';
import { type CertificateFacts, certificateFacts } from './certificate.ts';
import { cryptography } from './library.ts';
import { pkiFolder, writeWhole } from './trust.ts';

/** Who we are to servers. Made once, then the same for ever, because every server has to be told to trust it. */
export interface Identity extends CertificateFacts {
  readonly applicationUri: string;
  readonly chain: Buffer[];
  readonly privateKey: ReturnType<typeof cryptography.makePrivateKeyFromPem>;
}

const validDays = 3_650;
const warnBeforeDays = 60;
const dayMs = 86_400_000;

/** One at a time for each folder: two machines that connect at once must not make two certificates. */
const opening = new Map<string, Promise<Identity>>();

export async function openIdentity(stateFolder: string, log: Log): Promise<Identity> {
  const before = opening.get(stateFolder);
  if (before) return before;
  const identity = readOrMake(pkiFolder(stateFolder), thisGateway()).then((made) => {
    warnOfExpiry(made, log);
    return made;
  });
  opening.set(stateFolder, identity);
  // A replaced certificate is noticed at the next connection: nothing is kept beyond the reading of it.
  identity.catch(() => {}).finally(() => opening.delete(stateFolder));
  return identity;
}

/** What a new certificate says about its owner. */
export interface Owner {
  readonly commonName: string;
  readonly applicationUri: string;
  readonly dns: readonly string[];
  readonly ip?: readonly string[];
  readonly validDays: number;
}

function thisGateway(): Owner {
  const host = hostname();
  return { commonName: `Dragoman on ${host}`, applicationUri: `urn:${host}:dragoman`, dns: [host], validDays };
}

/** The certificate and key in `own/` of a pki folder, made for `owner` when there are none. */
export async function readOrMake(pki: string, owner: Owner): Promise<Identity> {
  const certificateFile = join(pki, 'own', 'certs', 'certificate.pem');
  const keyFile = join(pki, 'own', 'private', 'private_key.pem');
  if (!existsSync(certificateFile)) await make(certificateFile, keyFile, owner);
  try {
    const [certificatePem, keyPem] = await Promise.all([readFile(certificateFile, 'utf8'), readFile(keyFile, 'utf8')]);
    const certificate = new X509Certificate(certificatePem);
    const facts = certificateFacts(certificate);
    if (facts.applicationUri === undefined) throw new Error('it names no application URI');
    const privateKey = cryptography.makePrivateKeyFromPem(keyPem);
    return { ...facts, applicationUri: facts.applicationUri, chain: [certificate.raw], privateKey };
  } catch (error) {
    throw unusable(certificateFile, keyFile, error);
  }
}

async function make(certificateFile: string, keyFile: string, owner: Owner): Promise<void> {
  const key = await cryptography.generatePrivateKey(2048);
  const { cert } = await cryptography.createSelfSignedCertificate({
    privateKey: key,
    subject: `/CN=${owner.commonName.replaceAll(/[/=,+]/g, '_')}/O=Dragoman`,
    applicationUri: owner.applicationUri,
    dns: [...owner.dns],
    ...(owner.ip && { ip: [...owner.ip] }),
    validity: owner.validDays,
    notBefore: new Date(Date.now() - dayMs),
    purpose: cryptography.CertificatePurpose.ForApplication,
  });
  const { privPem } = await cryptography.privateKeyToPEM(key);
  // The key first: a certificate on disk promises that its key is there too.
  await writeWhole(keyFile, privPem, 0o600);
  await writeWhole(certificateFile, cert);
}

/** Each certificate is complained about once a day, not at every attempt to connect. */
const warned = new Map<string, number>();

function warnOfExpiry(identity: Identity, log: Log): void {
  const daysLeft = Math.floor((identity.validTo.getTime() - Date.now()) / dayMs);
  if (daysLeft >= warnBeforeDays || Date.now() - (warned.get(identity.sha256) ?? 0) < dayMs) return;
  warned.set(identity.sha256, Date.now());
  log.warn(
    { sha1: identity.sha1, validTo: identity.validTo.toISOString(), daysLeft },
    'the OPC UA certificate of this gateway expires soon',
  );
}

function unusable(certificateFile: string, keyFile: string, cause: unknown): GatewayError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GatewayError('opcua-own-certificate', `this gateway's OPC UA certificate cannot be used: ${why}`, {
    retry: 'after-fix',
    hint: `Restore ${certificateFile} and ${keyFile} from a backup, or remove both; a new one is then made and must be trusted on every server`,
    cause,
  });
}
