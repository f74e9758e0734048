import { createHmac, timingSafeEqual } from 'node:crypto';
import type { HubCore, Right, SharedAccessPolicy } from '../core/contract.ts';
import { parseSas, type SasToken, signedBy } from '../sas.ts';

/** Who holds a token, what of, and until when. */
export interface Access {
  readonly policy: SharedAccessPolicy;
  /** Resource path below the hub, decoded, without slashes at the ends; empty is the whole hub. */
  readonly scope: readonly string[];
  /** Epoch milliseconds. */
  readonly expiresMs: number;
}

/** A token that opens nothing; the text says why and carries no secret. */
export class AccessError extends Error {}

/**
 * Checks a token that was signed with a key of a policy. The signature is over the characters of `sr` as they came, by either key.
 * `key`: `base64` as IoT Hub has it, `text` as Event Hubs has it (the characters of the key themselves), `either`.
 * Throws AccessError.
 */
export function openToken(
  text: string,
  core: Pick<HubCore, 'policies' | 'isOurName'>,
  key: 'base64' | 'text' | 'either' = 'base64',
  nowMs = Date.now(),
): Access {
  const token = parseSas(text);
  if (!token) throw new AccessError('it is not a SharedAccessSignature with sr, sig and se');
  if (token.policy === undefined) throw new AccessError('the token names no policy (skn)');
  const name = decoded(token.policy);
  const policy = name === undefined ? undefined : core.policies.get(name);
  // A policy that is not there takes as long as one that is, and is not told from a wrong key to whoever asks.
  const keys = policy ? [policy.primaryKey, policy.secondaryKey] : [absentKey];
  const signed = keys.map((candidate) => isSigned(token, candidate, key)).includes(true);
  if (!policy || !signed) throw new AccessError(`the token was not signed with a key of policy ${name ?? token.policy}`);
  const expiresMs = Number(token.expiry) * 1000;
  if (expiresMs <= nowMs) throw new AccessError(`the token expired ${new Date(expiresMs).toISOString()}; check the clock of the client`);
  return { policy, scope: scopeOf(token, core), expiresMs };
}

/** Whether a token opens a resource: it has the right, and its scope is a start of the resource's path, segment by segment. */
export function opens({ policy, scope }: Access, resource: readonly string[], right: Right): boolean {
  return policy.rights.includes(right) && scope.every((segment, index) => segment.toLowerCase() === resource[index]?.toLowerCase());
}

const absentKey = Buffer.alloc(32).toString('base64');

function isSigned(token: SasToken, key: string, form: 'base64' | 'text' | 'either'): boolean {
  return (form !== 'text' && signedBy(token, key)) || (form !== 'base64' && signedByText(token, key));
}

function signedByText(token: SasToken, key: string): boolean {
  const expected = Buffer.from(createHmac('sha256', key).update(`${token.resource}\n${token.expiry}`).digest('base64'));
  const given = Buffer.from(token.signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** `host`, `host:port/devices/gw-1`, `sb://host/name/ConsumerGroups/…`; encoded or not. */
function scopeOf(token: SasToken, core: Pick<HubCore, 'isOurName'>): readonly string[] {
  const resource = decoded(token.resource)?.replace(/^[a-z]+:\/\//i, '');
  const [host, ...path] = resource?.split('/') ?? [];
  if (!host || !core.isOurName(host)) throw new AccessError(`the token is for ${host || 'no host'}, which is no name of this hub`);
  return path.filter((segment) => segment !== '');
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
