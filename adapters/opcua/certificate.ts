import { X509Certificate } from 'node:crypto';

/** What a person compares before trusting a certificate. */
export interface CertificateFacts {
  /** Lower-case hex without colons. Servers show SHA-1, browsers and people of today SHA-256. */
  readonly sha1: string;
  readonly sha256: string;
  /** `CN=Mixer, O=Candyco`. */
  readonly subject: string;
  readonly applicationUri: string | undefined;
  readonly validFrom: Date;
  readonly validTo: Date;
  readonly selfSigned: boolean;
}

const plainHex = (colons: string): string => colons.replaceAll(':', '').toLowerCase();

export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  return {
    sha1: plainHex(certificate.fingerprint),
    sha256: plainHex(certificate.fingerprint256),
    subject: certificate.subject.split('\n').join(', '),
    applicationUri: /(?:^|, )URI:("(?:[^"\\]|\\.)*"|[^,]*)/.exec(certificate.subjectAltName ?? '')?.[1]?.replaceAll('"', ''),
    validFrom: certificate.validFromDate,
    validTo: certificate.validToDate,
    selfSigned: certificate.checkIssued(certificate),
  };
}

/** Splits what a server sends: its certificate in DER, perhaps followed by those of its issuers. Throws when it is none. */
export function parseChain(der: Uint8Array): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let at = 0; at < der.length; ) {
    // A DER sequence: tag 0x30, then the length, long form 0x81 to 0x84 (X.690 §8.1.3).
    const first = der[at + 1] ?? 0;
    const extra = first < 0x80 ? 0 : first & 0x7f;
    let length = extra === 0 ? first : 0;
    for (let i = 0; i < extra; i++) length = length * 256 + (der[at + 2 + i] ?? 0);
    const end = at + 2 + extra + length;
    if (der[at] !== 0x30 || extra > 4 || end > der.length) throw new Error('this is not a certificate in DER');
    chain.push(new X509Certificate(der.subarray(at, end)));
    at = end;
  }
  return chain;
}

/** `AB:CD:…`, as tools print it. */
export function colons(hex: string): string {
  return hex.toUpperCase().replaceAll(/..(?!$)/g, '$&:');
}
