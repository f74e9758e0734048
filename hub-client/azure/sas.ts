import { createHmac } from 'node:crypto';
import { type IdentityName, pathOf } from './identity-name.ts';
import { percentEncode } from './percent.ts';

export interface TokenClaims {
  /** `{hub}/devices/{device}`, not encoded. */
  readonly resource: string;
  /** The device key, decoded from base64. */
  readonly key: Uint8Array;
  /** Unix seconds, by the clock of the hub; ours must agree within the lifetime. */
  readonly expiresAtS: number;
  /** A shared access policy of the hub; absent for the key of a device. */
  readonly policy?: string;
}

/**
 * A SAS token. The signature covers the resource as it is written in the token, that is encoded:
 * `sig = base64(HMAC-SHA256(key, sr + "\n" + se))`.
 */
export function sasToken({ resource, key, expiresAtS, policy }: TokenClaims): string {
  const sr = percentEncode(resource);
  const signature = createHmac('sha256', key).update(`${sr}\n${expiresAtS}`).digest('base64');
  const skn = policy === undefined ? '' : `&skn=${percentEncode(policy)}`;
  return `SharedAccessSignature sr=${sr}&sig=${percentEncode(signature)}${skn}&se=${expiresAtS}`;
}

/** What a token of a device or module is for: `{hub}/devices/{device}[/modules/{module}]`. */
export const identityResource = (hub: string, name: IdentityName): string => `${hub}/${pathOf(name)}`;

/** The last second that a token issued now may be used. The end is cut, not rounded, so that it never outlives its lifetime. */
export const expiryOf = (nowMs: number, lifetimeMs: number): number => Math.floor((nowMs + lifetimeMs) / 1000);

/**
 * How long after its issue a token is replaced: 80 to 90 % of its lifetime, at random, so that a thousand gateways
 * that started together do not reconnect together. `random` is in 0 … 1.
 */
export const renewAfterMs = (lifetimeMs: number, random: number): number => Math.round(lifetimeMs * (0.8 + 0.1 * random));

/** The bytes of a base64 key, or undefined when the text is not base64 of at least one byte. Nothing of it goes into messages. */
export function decodeKey(text: string): Uint8Array | undefined {
  const trimmed = text.trim();
  if (trimmed.length === 0 || trimmed.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(trimmed)) return undefined;
  return Buffer.from(trimmed, 'base64');
}
