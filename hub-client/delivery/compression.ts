import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';

export const compressions = ['none', 'gzip', 'zstd'] as const;
export type Compression = (typeof compressions)[number];

const compressors = { gzip: promisify(gzip), zstd: promisify(zstdCompress) } as const;

/** What a message says of its body, and the body: at once when there is nothing to do, else when zlib's threads are done. */
export interface Packed {
  readonly contentEncoding: string;
  readonly body: Uint8Array | Promise<Uint8Array>;
}

/**
 * Compresses a body that comes as `utf-8`, off the main thread; one that is compressed already stays as it is.
 * Several calls finish in any order: {@link file://./ordered-window.ts} puts them on the wire in the order of the calls.
 */
export function packed(body: Uint8Array, contentEncoding: string, compression: Compression): Packed {
  if (compression === 'none' || contentEncoding !== 'utf-8') return { contentEncoding, body };
  return { contentEncoding: compression, body: compressors[compression](body) };
}
