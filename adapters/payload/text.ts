import { isUtf8 } from 'node:buffer';
import { UndecodableError } from './undecodable.ts';

/** UTF-8 with or without a byte order mark, which is removed. Other encodings are refused with the byte that gives them away. */
export function decodeText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(buffer)) throw new UndecodableError('not UTF-8 text', firstBadByte(buffer), hintOf(buffer));
  return buffer.toString('utf8', markLength(buffer));
}

/** Bytes of the byte order mark that the text begins with. */
export function markLength(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

function hintOf(buffer: Buffer): string {
  const utf16 = (buffer[0] === 0xff && buffer[1] === 0xfe) || (buffer[0] === 0xfe && buffer[1] === 0xff);
  return utf16 ? 'It begins like UTF-16; let the sender write UTF-8' : 'Let the sender write UTF-8, or read it with body: binary';
}

/** Bisects for the shortest beginning that cannot be continued to valid UTF-8; its last byte is the bad one. */
function firstBadByte(buffer: Buffer): number {
  let good = 0;
  let bad = buffer.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle;
    }
  }
  return bad - 1;
}
