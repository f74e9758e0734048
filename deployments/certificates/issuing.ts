import { createPrivateKey, webcrypto as crypto, KeyObject, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its private key, both PEM; the key is PKCS #8 without a passphrase. */
export interface CertificateWithKey {
  readonly certificate: string;
  readonly privateKey: string;
}

/** `RSA-2048` is what old TLS stacks in modules understand; authorities are always P-256. */
export type KeyKind = 'P-256' | 'RSA-2048';

export interface WantedCertificate {
  readonly commonName: string;
  /** Host names and IP addresses that it is valid for. */
  readonly names: readonly string[];
  /** Names of the form `azureiot://…`. */
  readonly uris?: readonly string[];
  readonly use: 'server' | 'client';
  readonly keys?: KeyKind;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface WantedAuthority {
  readonly commonName: string;
  /** How many authorities may stand between this one and a leaf. */
  readonly pathLength: number;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const rsa = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' } as const;

/** Loaded when the first certificate is made: a start with all of them on disk needs none of it. */
async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  // x509 needs this polyfill before it loads.
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

/** An authority that is its own issuer, or that `issuer` vouches for. */
export async function makeAuthority(wanted: WantedAuthority, issuer?: CertificateWithKey): Promise<CertificateWithKey> {
  const x509 = await loadX509();
  const keys = await makeKeys('P-256');
  const name = [{ CN: [wanted.commonName] }];
  const parent = issuer && new x509.X509Certificate(issuer.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: name,
    issuer: parent?.subjectName.toJSON() ?? name,
    publicKey: keys.publicKey,
    signingKey: issuer ? await signingKey(issuer.privateKey) : keys.privateKey,
    signingAlgorithm: ecdsa,
    notBefore: new Date(wanted.notBeforeMs),
    notAfter: new Date(wanted.notAfterMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, wanted.pathLength, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...(parent ? [await x509.AuthorityKeyIdentifierExtension.create(parent, false)] : []),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, privateKey: pem(keys.privateKey) };
}

/** A certificate of `issuer`, without the chain. Never valid for longer than its issuer. */
export async function issueCertificate(issuer: CertificateWithKey, wanted: WantedCertificate): Promise<CertificateWithKey> {
  const x509 = await loadX509();
  const kind = wanted.keys ?? 'P-256';
  const keys = await makeKeys(kind);
  const parent = new x509.X509Certificate(issuer.certificate);
  const encipher = kind === 'RSA-2048' ? x509.KeyUsageFlags.keyEncipherment : 0;
  const names = [
    ...wanted.names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
    ...(wanted.uris ?? []).map((value) => ({ type: 'url' as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [wanted.commonName] }],
    issuer: parent.subjectName.toJSON(),
    publicKey: keys.publicKey,
    signingKey: await signingKey(issuer.privateKey),
    signingAlgorithm: ecdsa,
    notBefore: new Date(wanted.notBeforeMs),
    notAfter: new Date(Math.min(wanted.notAfterMs, parent.notAfter.getTime())),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | encipher, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[wanted.use === 'server' ? 'serverAuth' : 'clientAuth']]),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(parent, false),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, privateKey: pem(keys.privateKey) };
}

const signingKey = (privateKey: string): Promise<webcrypto.CryptoKey> =>
  crypto.subtle.importKey('pkcs8', createPrivateKey(privateKey).export({ type: 'pkcs8', format: 'der' }), ecdsa, false, ['sign']);

const makeKeys = (kind: KeyKind): Promise<webcrypto.CryptoKeyPair> =>
  crypto.subtle.generateKey(kind === 'P-256' ? ecdsa : rsa, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;

const pem = (key: webcrypto.CryptoKey): string => KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }) as string;
