import { type Authentication, freshKey, normalThumbprint } from '../registry.ts';
import type { IdentityInput } from './contract.ts';
import { RequestError } from './request-error.ts';

/**
 * The authentication that an input asks for, with what it leaves open filled from `before`, or generated. Throws a RequestError for keys and
 * thumbprints that cannot be.
 */
export function wantedAuthentication(input: IdentityInput['authentication'], before: Authentication | undefined): Authentication {
  const type = input?.type ?? before?.type ?? 'sas';
  if (type === 'sas') {
    const old = before?.type === 'sas' ? before : undefined;
    const keys = input?.symmetricKey;
    return {
      type,
      primaryKey: key(keys?.primaryKey) ?? old?.primaryKey ?? freshKey(),
      secondaryKey: key(keys?.secondaryKey) ?? old?.secondaryKey ?? freshKey(),
    };
  }
  if (type === 'selfSigned') {
    const old = before?.type === 'selfSigned' ? before : undefined;
    const thumbprints = input?.x509Thumbprint;
    const primaryThumbprint = thumbprint(thumbprints?.primaryThumbprint) ?? old?.primaryThumbprint ?? '';
    const secondaryThumbprint = thumbprint(thumbprints?.secondaryThumbprint) ?? old?.secondaryThumbprint ?? '';
    if (primaryThumbprint === '' && secondaryThumbprint === '') {
      throw new RequestError('ArgumentInvalid', 'authentication of type selfSigned needs a thumbprint');
    }
    return { type, primaryThumbprint, secondaryThumbprint };
  }
  if (type === 'certificateAuthority' || type === 'none') return { type };
  throw new RequestError('ArgumentInvalid', `authentication cannot be of type ${JSON.stringify(type)}`);
}

function key(text: unknown): string | undefined {
  if (text === undefined || text === null || text === '') return undefined;
  if (!isKey(text)) throw new RequestError('ArgumentInvalid', 'a key is 16 to 64 bytes in base64');
  return text;
}

/** 16 to 64 bytes, base64. */
export function isKey(text: unknown): text is string {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return false;
  const bytes = Buffer.from(text, 'base64').length;
  return bytes >= 16 && bytes <= 64;
}

function thumbprint(text: unknown): string | undefined {
  if (text === undefined || text === null || text === '') return undefined;
  try {
    return normalThumbprint(String(text));
  } catch (error) {
    throw new RequestError('ArgumentInvalid', (error as Error).message);
  }
}
