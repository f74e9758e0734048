/**
 * Percent-encodes everything that RFC 3986 reserves, upper-case hex, as the device SDK does: `encodeURIComponent` plus `!'()*`.
 * A lone surrogate, which UTF-8 cannot carry, becomes U+FFFD instead of an exception.
 */
export function percentEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
