import type { IncomingHttpHeaders } from 'node:http';
import type { IfMatch } from '../core/contract.ts';

/** `If-Match: "MQ=="` without its quotes; undefined when the header is not there. */
export function ifMatchOf(headers: IncomingHttpHeaders): IfMatch {
  const written = headers['if-match']?.trim();
  if (!written) return undefined;
  return unquoted(written.replace(/^W\//, ''));
}

export const unquoted = (etag: string): string =>
  etag.length >= 2 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag;

export const quoted = (etag: string): string => `"${etag}"`;
