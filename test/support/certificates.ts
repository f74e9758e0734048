import { KeyObject, webcrypto, X509Certificate } from 'node:crypto';
// The x509 library needs this polyfill before it loads.
import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** A certificate authority that lives as long as the test. */
export interface TestCa {
  /** Its own certificate, PEM. */
  readonly certificate: string;
  readonly subject: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

export interface Issued {
  /** PEM. */
  readonly certificate: string;
  /** PKCS #8, PEM, without a passphrase. */
  readonly privateKey: string;
  /** Lower-case hex without colons, as IoT Hub writes thumbprints. */
  readonly sha1: string;
  readonly sha256: string;
}

export interface Wanted {
  readonly commonName: string;
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
  /** Default: a minute ago. */
  readonly notBefore?: Date;
  /** Default: tomorrow. */
  readonly notAfter?: Date;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;

const makeKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;

/** Commas and the like would otherwise end the attribute. */
const named = (commonName: string) => [{ CN: [commonName] }];

export async function makeCa(commonName = 'Dragoman test CA'): Promise<TestCa> {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: named(commonName),
    keys,
    notBefore: new Date(Date.now() - 10 * dayMs),
    notAfter: new Date(Date.now() + 10 * dayMs),
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey, false),
    ],
  });
  return { certificate: certificate.toString('pem'), subject: commonName, keys };
}

/** One certificate for servers and clients alike. Without `dns` and `ip` it is valid for localhost and 127.0.0.1. */
export async function issue(ca: TestCa, wanted: Wanted): Promise<Issued> {
  const keys = await makeKeys();
  const unnamed = !wanted.dns && !wanted.ip;
  const names: JsonGeneralNames = [
    ...(wanted.dns ?? (unnamed ? ['localhost'] : [])).map((value) => ({ type: 'dns', value }) as const),
    ...(wanted.ip ?? (unnamed ? ['127.0.0.1'] : [])).map((value) => ({ type: 'ip', value }) as const),
  ];
  const certificate = await X509CertificateGenerator.create({
    subject: named(wanted.commonName),
    issuer: named(ca.subject),
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    notBefore: wanted.notBefore ?? new Date(Math.min(Date.now(), wanted.notAfter?.getTime() ?? Infinity) - 60_000),
    notAfter: wanted.notAfter ?? new Date(Date.now() + dayMs),
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(names),
      await AuthorityKeyIdentifierExtension.create(ca.keys.publicKey, false),
      await SubjectKeyIdentifierExtension.create(keys.publicKey, false),
    ],
  });
  const pem = certificate.toString('pem');
  const parsed = new X509Certificate(pem);
  const thumbprint = (colons: string): string => colons.replaceAll(':', '').toLowerCase();
  return {
    certificate: pem,
    privateKey: KeyObject.from(keys.privateKey as webcrypto.CryptoKey)
      .export({ type: 'pkcs8', format: 'pem' })
      .toString(),
    sha1: thumbprint(parsed.fingerprint),
    sha256: thumbprint(parsed.fingerprint256),
  };
}
