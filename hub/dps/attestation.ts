import { createHash, createHmac } from 'node:crypto';
import { type CertificateChain, chainsTo, commonNameOf, read } from '../certificate-chain.ts';
import type { IdentityInput } from '../core/contract.ts';
import { parseSas, type SasToken, signedBy } from '../sas.ts';
import type { Enrollment } from './enrollments.ts';

/** Who asks, and with what. */
export interface Claim {
  readonly idScope: string;
  readonly registrationId: string;
  readonly password: string | undefined;
  readonly certificates: CertificateChain;
  readonly nowMs: number;
}

/** Proven by this enrollment; the device will prove itself to the hub by `authentication`. */
export interface Attested {
  readonly enrollment: Enrollment;
  readonly authentication: NonNullable<IdentityInput['authentication']>;
  /** When the proof ends, epoch milliseconds. */
  readonly expiresMs: number | undefined;
}

/**
 * The enrollment that lets this device in, or what is wrong, for the log. An individual enrollment comes before all groups, also when its proof
 * fails: else a disabled one would come in by its group.
 */
export function attest(claim: Claim, individual: Enrollment | undefined, groups: readonly Enrollment[]): Attested | string {
  if (individual) return prove(claim, individual);
  let wrong = `no enrollment is for ${claim.registrationId}, and there is no group`;
  for (const group of groups) {
    const found = prove(claim, group);
    if (typeof found !== 'string') return found;
    wrong = `no enrollment is for ${claim.registrationId}, and it does not prove that it is of a group: ${found}`;
  }
  return wrong;
}

/** The key of one device of a group: base64 of the HMAC-SHA256 of its registration id by the group's key. */
export function deviceKey(groupKey: string, registrationId: string): string {
  return createHmac('sha256', Buffer.from(groupKey, 'base64')).update(registrationId, 'utf8').digest('base64');
}

function prove(claim: Claim, enrollment: Enrollment): Attested | string {
  const { attestation } = enrollment;
  if (attestation.type === 'symmetricKey') return proveKey(claim, enrollment);
  const own = read(claim.certificates[0]);
  if (!own) return 'the device must show its client certificate, and showed none';
  if (!sameId(commonNameOf(own), claim.registrationId)) {
    return `the client certificate is for "${commonNameOf(own)}", not for ${claim.registrationId}`;
  }
  const thumbprints = ['sha1', 'sha256'].map((name) => createHash(name).update(own.raw).digest('hex'));
  if (attestation.type === 'thumbprint') {
    const { primaryThumbprint, secondaryThumbprint } = attestation;
    if (!thumbprints.some((one) => one === primaryThumbprint || one === secondaryThumbprint)) {
      return `the client certificate is another one (its SHA-1 thumbprint is ${thumbprints[0]})`;
    }
    return { enrollment, authentication: selfSigned(primaryThumbprint, secondaryThumbprint), expiresMs: undefined };
  }
  const chain = chainsTo(claim.certificates, [attestation.pem], claim.nowMs);
  if (typeof chain === 'string') return chain;
  return { enrollment, authentication: selfSigned(thumbprints[1] as string, ''), expiresMs: chain.expiresMs };
}

function proveKey(claim: Claim, enrollment: Enrollment): Attested | string {
  const { attestation, kind } = enrollment;
  if (attestation.type !== 'symmetricKey') throw new TypeError('not an enrollment with keys');
  const token = parseSas(claim.password ?? '');
  if (!token) return 'the password is not a SharedAccessSignature';
  if (!isFor(token, claim)) return 'the token is for another resource';
  if (token.policy !== undefined && token.policy !== 'registration') return `the token names the policy ${token.policy}, not registration`;
  // Registration ids know no case; whoever made the key wrote it as given, or in lower case.
  const spellings = kind === 'individual' ? [undefined] : [claim.registrationId, claim.registrationId.toLowerCase()];
  for (const spelling of spellings) {
    const keys = [attestation.primaryKey, attestation.secondaryKey].map((key) => (spelling === undefined ? key : deviceKey(key, spelling)));
    if (!keys.some((key) => signedBy(token, key))) continue;
    const expiresMs = Number(token.expiry) * 1000;
    if (expiresMs <= claim.nowMs) return `the token expired at ${new Date(expiresMs).toISOString()}; is the device's clock right?`;
    const [primaryKey, secondaryKey] = keys;
    return {
      enrollment,
      expiresMs,
      authentication: { type: 'sas', symmetricKey: { primaryKey: primaryKey as string, secondaryKey: secondaryKey as string } },
    };
  }
  return kind === 'individual'
    ? 'the token is not signed with a key of this enrollment'
    : `the token is not signed with a key of group ${enrollment.id}`;
}

const selfSigned = (primaryThumbprint: string, secondaryThumbprint: string): NonNullable<IdentityInput['authentication']> => ({
  type: 'selfSigned',
  x509Thumbprint: { primaryThumbprint, secondaryThumbprint },
});

/** `{idScope}/registrations/{registrationId}`; some clients encode it, the Node SDK does not. */
function isFor(token: SasToken, { idScope, registrationId }: Claim): boolean {
  try {
    const [scope, registrations, id, ...rest] = decodeURIComponent(token.resource).split('/');
    return rest.length === 0 && registrations === 'registrations' && sameId(scope ?? '', idScope) && sameId(id ?? '', registrationId);
  } catch {
    return false;
  }
}

export const sameId = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
