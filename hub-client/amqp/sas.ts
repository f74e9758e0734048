import { createHmac } from 'node:crypto';

/** A shared access policy of a Service Bus or Event Hubs namespace, or of one entity in it. */
export interface Policy {
  readonly name: string;
  /** As the portal shows it: the text itself is the key, it is not decoded from base64. */
  readonly key: string;
}

/**
 * A SAS token for Service Bus and Event Hubs: `sig = base64(HMAC-SHA256(key, sr + "\n" + se))`, where `sr` is the encoded audience as it
 * stands in the token. `expiresAtS` are Unix seconds by the clock of the service; ours must agree within the lifetime.
 */
export function serviceBusToken(audience: string, policy: Policy, expiresAtS: number): string {
  const sr = percentEncode(audience);
  const signature = createHmac('sha256', policy.key).update(`${sr}\n${expiresAtS}`).digest('base64');
  return `SharedAccessSignature sr=${sr}&sig=${percentEncode(signature)}&se=${expiresAtS}&skn=${percentEncode(policy.name)}`;
}

/** The last second that a ready-made token may be used, or undefined when its text has none. */
export function tokenExpiryS(token: string): number | undefined {
  const written = /(?:^|[& ])se=(\d+)/.exec(token)?.[1];
  return written === undefined ? undefined : Number(written);
}

/**
 * How long after its issue a token is replaced: 70 to 80 % of its lifetime, at random, so that a fleet that started together does not
 * renew together. `random` is in 0 … 1.
 */
export const renewAfterMs = (lifetimeMs: number, random: number): number => Math.round(lifetimeMs * (0.7 + 0.1 * random));

/** Everything but letters, digits and `-_.~` (RFC 3986 §2.3). */
const percentEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
