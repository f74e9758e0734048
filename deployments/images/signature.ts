import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GatewayError } from '../../model/error.ts';
import type { Signer } from './contract.ts';

/** What a signer signs: one line. The digest is the image's id or that of a manifest of it. */
export const imageStatement = (digest: string): string => `dragoman image ${digest}\n`;

/** Larger is no signature. */
const largestFile = 64 * 1024;

export interface Verifier {
  readonly name: string;
  readonly key: KeyObject;
}

/** Throws `image-signer` for a key that is none, or of a kind that is not used here. */
export function verifierOf({ name, publicKey }: Signer): Verifier {
  const problem = (why: string, cause?: unknown): GatewayError =>
    new GatewayError('image-signer', `the public key of the signer ${name} ${why}`, {
      retry: 'after-fix',
      hint: 'make a pair with: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout',
      cause,
    });
  let key: KeyObject;
  if (/PRIVATE KEY/.test(publicKey)) throw problem('is a private one; a gateway has no need of it, and it must not lie here');
  try {
    key = createPublicKey(publicKey);
  } catch (error) {
    throw problem('cannot be read: PEM is expected', error);
  }
  if (key.asymmetricKeyType !== 'ed25519' && key.asymmetricKeyType !== 'ec')
    throw problem(`is of the kind ${key.asymmetricKeyType}; Ed25519 and ECDSA are known`);
  return { name, key };
}

/** Where a signature for an image may lie: beside its tar by the tar's name, and by digest in each of these folders. */
export function signatureFiles(digests: readonly string[], folders: readonly string[], tar: string | undefined): readonly string[] {
  const beside = tar === undefined ? [] : [`${tar}.sig`, `${tar.replace(/(\.tar)?(\.gz|\.tgz)?$/, '')}.sig`];
  const places = tar === undefined ? folders : [dirname(tar), ...folders];
  const byDigest = places.flatMap((folder) => digests.map((digest) => join(folder, `${digest.replace(':', '-')}.sig`)));
  return [...new Set([...beside, ...byDigest])];
}

export type SignatureFound =
  | { readonly signer: string; readonly file: string }
  /** Files that were there and are signatures of no signer for these digests. */
  | { readonly signer: undefined; readonly wrong: readonly string[] };

/** The first signature of one of these signers for one of these digests. */
export async function findSignature(
  digests: readonly string[],
  files: readonly string[],
  signers: readonly Verifier[],
): Promise<SignatureFound> {
  const wrong: string[] = [];
  const statements = digests.map((digest) => Buffer.from(imageStatement(digest)));
  for (const file of files) {
    const bytes = await readFile(file).catch(() => undefined);
    if (!bytes || bytes.length > largestFile) continue;
    for (const signature of signaturesIn(bytes))
      for (const { name, key } of signers)
        if (statements.some((statement) => isBy(key, statement, signature))) return { signer: name, file };
    wrong.push(file);
  }
  return { signer: undefined, wrong };
}

/** As it is, or Base64, one a line. */
function signaturesIn(bytes: Buffer): readonly Buffer[] {
  const lines = bytes.toString('latin1').split(/\r?\n/).filter(Boolean);
  const base64 = lines.every((line) => /^[A-Za-z0-9+/]+={0,2}$/.test(line));
  // openssl wraps at 64 characters: several lines may be one signature.
  return base64 ? [...lines.map((line) => Buffer.from(line, 'base64')), Buffer.from(lines.join(''), 'base64')] : [bytes];
}

function isBy(key: KeyObject, statement: Buffer, signature: Buffer): boolean {
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', statement, key, signature);
  } catch {
    return false;
  }
}
