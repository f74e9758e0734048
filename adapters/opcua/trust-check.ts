import type { X509Certificate } from 'node:crypto';
import { certificateFacts, colons } from './certificate.ts';
import { isRejected, readIssuers, readTrusted } from './trust.ts';

export type Verdict = { readonly kind: 'trusted' } | { readonly kind: 'unknown' } | { readonly kind: 'invalid'; readonly why: string };

/**
 * Whether a server's certificate is trusted: it itself, or one that issued it over at most eight steps, lies in `trusted/certs`,
 * or its fingerprint stands in the settings; and every certificate on that way is valid today (OPC UA Part 4 §6.1.3).
 */
export async function checkTrust(
  stateFolder: string,
  chain: readonly X509Certificate[],
  pinned: 'ask' | string | readonly string[],
  now = new Date(),
): Promise<Verdict> {
  const [leaf, ...sent] = chain;
  if (!leaf) return { kind: 'invalid', why: 'the server presents no certificate' };
  const { sha1, sha256 } = certificateFacts(leaf);
  if (pinned !== 'ask') {
    const pins = typeof pinned === 'string' ? [pinned] : pinned;
    if (!pins.some((pin) => pin === sha1 || pin === sha256)) {
      return {
        kind: 'invalid',
        why: `the server presents a certificate with SHA-1 ${colons(sha1)}, which is not among the fingerprints under trust:`,
      };
    }
    return checkTime(leaf, now) ?? { kind: 'trusted' };
  }
  if (await isRejected(stateFolder, leaf))
    return { kind: 'invalid', why: `the certificate ${colons(sha1)} was rejected by a person (dragoman trust)` };
  const trusted = await readTrusted(stateFolder);
  const between = [...sent, ...(await readIssuers(stateFolder))];
  let at = leaf;
  for (let step = 0; step < 8; step++) {
    const invalid = checkTime(at, now);
    if (trusted.some((each) => each.fingerprint256 === at.fingerprint256)) return invalid ?? { kind: 'trusted' };
    const issuer = [...trusted, ...between].find((each) => each.ca && at.checkIssued(each) && at.verify(each.publicKey));
    if (!issuer || issuer.fingerprint256 === at.fingerprint256) return { kind: 'unknown' };
    if (invalid) return invalid;
    at = issuer;
  }
  return { kind: 'unknown' };
}

function checkTime(certificate: X509Certificate, now: Date): Verdict | undefined {
  const { subject, validFrom, validTo } = certificateFacts(certificate);
  const day = (date: Date): string => date.toISOString().slice(0, 10);
  if (now > validTo) {
    return {
      kind: 'invalid',
      why: `the certificate ${subject} expired on ${day(validTo)}, or this gateway's clock is wrong (it says ${day(now)})`,
    };
  }
  if (now < validFrom) {
    return {
      kind: 'invalid',
      why: `the certificate ${subject} is valid from ${day(validFrom)} on, or this gateway's clock is wrong (it says ${day(now)})`,
    };
  }
  return undefined;
}
