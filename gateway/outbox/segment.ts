import { readSync } from 'node:fs';
import { type BlockHeader, decodeHeader, headerBytes, magic, payloadIsSound } from './block.ts';

const windowBytes = 128 * 1024;
const namePattern = /^(\d{10})\.seg$/;

export const segmentName = (number: number): string => `${String(number).padStart(10, '0')}.seg`;

/** Number of the segment, or undefined for a file that is none. */
export function segmentNumber(name: string): number | undefined {
  const match = namePattern.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Reads a file in large steps and hands out small pieces; a piece is valid until the next call. */
export class FileWindow {
  readonly fd: number;
  #buffer: Buffer = Buffer.allocUnsafeSlow(windowBytes);
  #start = 0;
  #length = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** May be shorter than asked at the end of the file. */
  piece(offset: number, length: number): Buffer {
    if (offset < this.#start || offset + length > this.#start + this.#length) this.#fill(offset, length);
    const from = offset - this.#start;
    return this.#buffer.subarray(from, Math.min(from + length, this.#length));
  }

  #fill(offset: number, length: number): void {
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(length);
    else if (this.#buffer.length > windowBytes && length <= windowBytes) this.#buffer = Buffer.allocUnsafeSlow(windowBytes);
    this.#start = offset;
    this.#length = 0;
    while (this.#length < this.#buffer.length) {
      const read = readSync(this.fd, this.#buffer, this.#length, this.#buffer.length - this.#length, offset + this.#length);
      if (read === 0) break;
      this.#length += read;
    }
  }
}

/** The block at `offset` when it lies wholly within `size`; with `verify` its payload has been checked, too. */
export function blockAt(file: FileWindow, offset: number, size: number, verify: boolean): BlockHeader | undefined {
  const header = decodeHeader(file.piece(offset, headerBytes));
  if (!header || offset + header.totalBytes > size) return undefined;
  if (verify && !payloadIsSound(header, file.piece(offset + headerBytes, header.metaBytes + header.bodyBytes))) return undefined;
  return header;
}

/** Offset of the next sound block at or after `offset`, found by its magic number, or undefined when there is none. */
export function resync(file: FileWindow, offset: number, size: number): number | undefined {
  let at = offset;
  while (at + headerBytes <= size) {
    const piece = file.piece(at, Math.min(windowBytes, size - at));
    const found = piece.indexOf(magic);
    if (found < 0) {
      at += Math.max(1, piece.length - magic.length + 1);
      continue;
    }
    if (blockAt(file, at + found, size, true)) return at + found;
    at += found + 1;
  }
  return undefined;
}

export type Scanned =
  | { readonly header: BlockHeader; readonly offset: number }
  | { readonly damage: { readonly from: number; readonly to: number } };

/** All blocks of a segment in order; what lies between sound ones is named as damage. */
export function* scan(file: FileWindow, size: number, verify: boolean): Generator<Scanned> {
  let offset = 0;
  while (offset < size) {
    const header = blockAt(file, offset, size, verify);
    if (header) {
      yield { header, offset };
      offset += header.totalBytes;
      continue;
    }
    const next = resync(file, offset + 1, size) ?? size;
    yield { damage: { from: offset, to: next } };
    offset = next;
  }
}
