import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { SecretReference } from '../../adapters/contract.ts';
import { GatewayError } from '../../model/error.ts';
import type { HubContext } from '../contract.ts';

/** A certificate and the key that belongs to it. */
export interface OwnCertificate {
  /** PEM, chain included. */
  readonly pem: string;
  readonly parsed: X509Certificate;
  /** PEM. */
  readonly key: string;
}

type Secrets = Pick<HubContext, 'secret'>;

/** Reads both, and compares them. Throws GatewayError `hub-certificate`, `after-fix`, that says which is wrong, never its content. */
export async function readCertificate(path: string, privateKey: SecretReference, context: Secrets): Promise<OwnCertificate> {
  const pem = await readPem(path, context);
  const key = await context.secret(privateKey);
  const parsed = parseCertificate(pem, path);
  const secretKey = attempt(() => createPrivateKey(key));
  if (!secretKey) {
    const locked = /ENCRYPTED/.test(key) ? ' It is protected by a passphrase.' : '';
    throw wrong(`The private key is not one in PEM form.${locked}`, 'Convert it: openssl pkey -in KEY -out key.pem');
  }
  if (!parsed.checkPrivateKey(secretKey)) {
    throw wrong(`The private key does not belong to the certificate ${path}.`, 'Both must come from the same request.');
  }
  return { pem, parsed, key };
}

/** PEM of the roots that the settings name in `ca`. Throws GatewayError `hub-certificate`, `after-fix`, when it is none. */
export async function readRoot(path: string, context: Secrets): Promise<string> {
  const pem = await readPem(path, context);
  parseCertificate(pem, path);
  return pem;
}

/** Certificates come the way of secrets, but are none, and whoever looks for one should not be told to write a secret. */
async function readPem(path: string, context: Secrets): Promise<string> {
  try {
    return await context.secret({ file: path });
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const why = error.cause instanceof Error ? `cannot be read (${error.cause.message})` : 'is empty';
    throw wrong(`The PEM file ${path} ${why}.`, 'Put it there, readable for the user that the gateway runs as.');
  }
}

function parseCertificate(pem: string, path: string): X509Certificate {
  const parsed = attempt(() => new X509Certificate(pem));
  if (parsed) return parsed;
  throw wrong(`${path} holds no certificate in PEM form.`, 'It must contain -----BEGIN CERTIFICATE-----.');
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function wrong(message: string, hint: string): GatewayError {
  return new GatewayError('hub-certificate', message, { retry: 'after-fix', hint });
}
