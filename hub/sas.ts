import { createHmac, timingSafeEqual } from 'node:crypto';

export interface SasToken {
  /** Percent-encoded or not, exactly as it came: the signature is over these characters. */
  readonly resource: string;
  readonly signature: string;
  /** Unix seconds, as written. */
  readonly expiry: string;
  readonly policy: string | undefined;
}

/** `SharedAccessSignature sr=…&sig=…&se=…[&skn=…]`, fields in any order; undefined when it is not one. */
export function parseSas(text: string): SasToken | undefined {
  const fields = /^SharedAccessSignature\s+(.+)$/.exec(text)?.[1];
  if (fields === undefined) return undefined;
  const found = new Map<string, string>();
  for (const field of fields.split('&')) {
    const equals = field.indexOf('=');
    const key = field.slice(0, equals);
    if (equals > 0 && !found.has(key)) found.set(key, field.slice(equals + 1));
  }
  const [resource, signature, expiry] = [found.get('sr'), decoded(found.get('sig')), found.get('se')];
  if (!resource || !signature || !expiry || !/^\d{1,12}$/.test(expiry)) return undefined;
  return { resource, signature, expiry, policy: found.get('skn') || undefined };
}

/** Base64 of HMAC-SHA256 over resource, newline, expiry. */
export function signSas(key: string, resource: string, expiry: string): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(`${resource}\n${expiry}`).digest('base64');
}

export function signedBy(token: SasToken, key: string): boolean {
  const expected = Buffer.from(signSas(key, token.resource, token.expiry));
  const given = Buffer.from(token.signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/**
 * The identity a token is for: the host part and the client id (`gw-1`, `gw-1/filter`), or undefined. Ids may be encoded once more inside the
 * encoded resource, as some SDKs do.
 */
export function audienceOf(token: SasToken): { readonly host: string; readonly ids: readonly string[] } | undefined {
  const [host, devices, deviceId, modules, moduleId, ...rest] = decoded(token.resource)?.split('/') ?? [];
  if (!host || devices?.toLowerCase() !== 'devices' || !deviceId || rest.length > 0) return undefined;
  if (modules !== undefined && (modules.toLowerCase() !== 'modules' || !moduleId)) return undefined;
  const id = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
  const twice = id.split('/').map(decoded).join('/');
  return { host, ids: twice === id ? [id] : [id, twice] };
}

/** Percent-decoded; undefined when the encoding is broken. */
function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
