/** At most `maxBytes` of UTF-8 and an ellipsis; never ends in the middle of a character. */
export function clipped(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  return `${bytes
    .subarray(0, maxBytes)
    .toString('utf8')
    .replace(/\uFFFD+$/u, '')}…`;
}
