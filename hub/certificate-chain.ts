import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** DER, the client's own certificate first, then those of its issuers that it sent along. */
export type CertificateChain = readonly Buffer[];

export interface Proven {
  /** Of the client's own certificate. */
  readonly commonName: string;
  readonly expiresMs: number;
  /** The PEM in `authorities` that vouches for it. */
  readonly authority: string;
}

/** More issuers than this between a device and its authority are nobody's. */
const longestChain = 5;

/** What the client showed in the TLS handshake; none for a socket that is none of TLS. */
export function certificatesOf(socket: Pick<TLSSocket, 'getPeerCertificate'>): CertificateChain {
  const chain: Buffer[] = [];
  // The last one is its own issuer.
  for (let peer = socket.getPeerCertificate?.(true); peer?.raw && chain.length < 8; peer = peer.issuerCertificate) {
    if (chain.at(-1)?.equals(peer.raw)) break;
    chain.push(peer.raw);
  }
  return chain;
}

/**
 * Whether one of the authorities (PEM) vouches for the client, directly or over certificates that it sent along; else what is wrong, as a sentence.
 * Dates count, and issuers must be CAs.
 */
export function chainsTo(chain: CertificateChain, authorities: readonly string[], nowMs: number): Proven | string {
  const own = read(chain[0]);
  if (!own) return 'the device must show its client certificate, and showed none';
  const known = authorities.flatMap((pem) => {
    const certificate = read(pem);
    return certificate ? [{ pem, certificate }] : [];
  });
  const sent = chain.slice(1).flatMap((der) => read(der) ?? []);
  let certificate = own;
  for (let level = 0; level <= longestChain; level++) {
    const wrong = outOfDate(certificate, nowMs);
    if (wrong) return wrong;
    const authority = known.find((candidate) => issued(candidate.certificate, certificate));
    if (authority) {
      return (
        outOfDate(authority.certificate, nowMs) ?? {
          commonName: commonNameOf(own),
          expiresMs: own.validToDate.getTime(),
          authority: authority.pem,
        }
      );
    }
    const issuer = sent.find((candidate) => candidate !== certificate && issued(candidate, certificate));
    if (!issuer) break;
    certificate = issuer;
  }
  return `no authority that is known here issued the client certificate (its issuer is ${certificate.issuer.replaceAll('\n', ', ')})`;
}

/** The last CN of the subject; '' when it has none. */
export function commonNameOf(certificate: X509Certificate): string {
  const lines = certificate.subject?.split('\n') ?? [];
  return lines.findLast((line) => line.startsWith('CN='))?.slice(3) ?? '';
}

function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

function outOfDate(certificate: X509Certificate, nowMs: number): string | undefined {
  const [from, to] = [certificate.validFromDate, certificate.validToDate];
  if (nowMs >= from.getTime() && nowMs <= to.getTime()) return undefined;
  return `the certificate of ${commonNameOf(certificate)} is valid from ${from.toISOString()} to ${to.toISOString()}`;
}

export function read(certificate: Buffer | string | undefined): X509Certificate | undefined {
  try {
    return certificate === undefined ? undefined : new X509Certificate(certificate);
  } catch {
    return undefined;
  }
}
