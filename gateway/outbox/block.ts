import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { StoredGap } from './messages.ts';

/**
 * The unit on disk. All numbers little-endian; the README beside this file has the table.
 * A block is a header of 88 bytes, the meta part (where its events lie, or the gap record it holds) and the body:
 * the JSON text as it may go on the wire, one event or an array of events, plain or as one zstd frame.
 */
export const headerBytes = 88;
/** "DGB1" */
export const magic = Buffer.from([0x44, 0x47, 0x42, 0x31]);
const version = 1;
const flagZstd = 1;
const flagGap = 2;
const flagMetaZstd = 4;
/** Below this zstd costs more than it saves. */
const worthCompressing = 256;
/** Nothing we write comes near; a header that claims more is damage. */
const maxPartBytes = 512 * 1024 * 1024;

export interface BlockHeader {
  readonly zstd: boolean;
  readonly gap: boolean;
  /** The table of events is a zstd frame, too. */
  readonly metaZstd: boolean;
  readonly metaBytes: number;
  readonly bodyBytes: number;
  readonly plainBytes: number;
  readonly events: number;
  readonly readings: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Counts blocks from 0 for the life of the outbox: a step over a number is a lost block. */
  readonly ordinal: number;
  /** Readings in all blocks before this one: tells how many a lost block held. */
  readonly readingsBefore: number;
  /** Highest id of a gap record written so far; a restart knows by it which pending ones it need not repeat. */
  readonly lastGapId: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Wall clock when it was written. */
  readonly writtenMs: number;
  readonly payloadCrc: number;
  /** Header, meta and body. */
  readonly totalBytes: number;
}

/** One event of a block: its length in the plain text, and what it holds. */
export interface EventEntry {
  readonly bytes: number;
  readonly readings: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface NewBlock {
  /** JSON text, UTF-8; may lie in memory that is used again later. */
  readonly plain: Buffer;
  /** For each event: bytes, readings, fromMs, toMs. */
  readonly table: Float64Array;
  readonly gap: StoredGap | undefined;
  readonly firstSequence: number;
  readonly ordinal: number;
  readonly readingsBefore: number;
  readonly lastGapId: number;
  readonly writtenMs: number;
}

export interface EncodedBlock {
  readonly header: BlockHeader;
  readonly headerPart: Buffer;
  readonly meta: Buffer;
  /** As stored. */
  readonly body: Buffer;
  readonly plain: Buffer;
}

const zstdLevel1 = { [constants.ZSTD_c_compressionLevel]: 1 };

export function compress(plain: Uint8Array): Buffer {
  return zstdCompressSync(plain, { params: zstdLevel1, pledgedSrcSize: plain.byteLength });
}

/** `plainBytes` only sizes the buffer; one that fits saves a third of the time. */
export function decompress(body: Uint8Array, plainBytes: number): Buffer {
  return zstdDecompressSync(body, { chunkSize: Math.max(plainBytes, 64), maxOutputLength: Math.max(plainBytes, 64) });
}

export function encodeBlock(block: NewBlock): EncodedBlock {
  const { plain, table, gap } = block;
  const events = table.length / 4;
  const listed = gap ? Buffer.from(JSON.stringify(gap)) : events > 1 ? encodeTable(table) : empty;
  const metaZstd = listed.length >= worthCompressing && !gap;
  const meta = metaZstd ? compress(listed) : listed;
  const packed = plain.length >= worthCompressing ? compress(plain) : undefined;
  const zstd = packed !== undefined && packed.length < plain.length;
  const body = zstd ? packed : Buffer.from(plain);
  const payloadCrc = crc32(body, crc32(meta));
  let [readings, fromMs, toMs] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < table.length; i += 4) {
    readings += table[i + 1]!;
    fromMs = Math.min(fromMs, table[i + 2]!);
    toMs = Math.max(toMs, table[i + 3]!);
  }
  const header: BlockHeader = {
    zstd,
    metaZstd,
    gap: gap !== undefined,
    metaBytes: meta.length,
    bodyBytes: body.length,
    plainBytes: plain.length,
    events,
    readings,
    firstSequence: block.firstSequence,
    lastSequence: block.firstSequence + events - 1,
    ordinal: block.ordinal,
    readingsBefore: block.readingsBefore,
    lastGapId: block.lastGapId,
    fromMs,
    toMs,
    writtenMs: block.writtenMs,
    payloadCrc,
    totalBytes: headerBytes + meta.length + body.length,
  };
  return { header, headerPart: encodeHeader(header), meta, body, plain };
}

const empty = Buffer.alloc(0);

function encodeHeader(header: BlockHeader): Buffer {
  const out = Buffer.alloc(headerBytes);
  magic.copy(out, 0);
  out.writeUInt8(version, 4);
  out.writeUInt8((header.zstd ? flagZstd : 0) | (header.gap ? flagGap : 0) | (header.metaZstd ? flagMetaZstd : 0), 5);
  out.writeUInt16LE(headerBytes, 6);
  out.writeUInt32LE(header.metaBytes, 8);
  out.writeUInt32LE(header.bodyBytes, 12);
  out.writeUInt32LE(header.plainBytes, 16);
  out.writeUInt32LE(header.events, 20);
  out.writeBigUInt64LE(BigInt(header.firstSequence), 24);
  out.writeBigUInt64LE(BigInt(header.ordinal), 32);
  out.writeBigUInt64LE(BigInt(header.readingsBefore), 40);
  out.writeUInt32LE(header.readings, 48);
  out.writeUInt32LE(header.lastGapId, 52);
  out.writeDoubleLE(header.fromMs, 56);
  out.writeDoubleLE(header.toMs, 64);
  out.writeDoubleLE(header.writtenMs, 72);
  out.writeUInt32LE(header.payloadCrc, 80);
  out.writeUInt32LE(crc32(out.subarray(0, 84)), 84);
  return out;
}

/** The header at `at`, or undefined when these bytes are none. Says nothing about the payload. */
export function decodeHeader(bytes: Buffer, at = 0): BlockHeader | undefined {
  if (bytes.length - at < headerBytes || bytes.readUInt32LE(at) !== magic.readUInt32LE(0)) return undefined;
  if (crc32(bytes.subarray(at, at + 84)) !== bytes.readUInt32LE(at + 84)) return undefined;
  if (bytes.readUInt8(at + 4) !== version || bytes.readUInt16LE(at + 6) !== headerBytes) return undefined;
  const flags = bytes.readUInt8(at + 5);
  const metaBytes = bytes.readUInt32LE(at + 8);
  const bodyBytes = bytes.readUInt32LE(at + 12);
  if (metaBytes > maxPartBytes || bodyBytes > maxPartBytes) return undefined;
  const firstSequence = Number(bytes.readBigUInt64LE(at + 24));
  const events = bytes.readUInt32LE(at + 20);
  return {
    zstd: (flags & flagZstd) !== 0,
    gap: (flags & flagGap) !== 0,
    metaZstd: (flags & flagMetaZstd) !== 0,
    metaBytes,
    bodyBytes,
    plainBytes: bytes.readUInt32LE(at + 16),
    events,
    readings: bytes.readUInt32LE(at + 48),
    firstSequence,
    lastSequence: firstSequence + events - 1,
    ordinal: Number(bytes.readBigUInt64LE(at + 32)),
    readingsBefore: Number(bytes.readBigUInt64LE(at + 40)),
    lastGapId: bytes.readUInt32LE(at + 52),
    fromMs: bytes.readDoubleLE(at + 56),
    toMs: bytes.readDoubleLE(at + 64),
    writtenMs: bytes.readDoubleLE(at + 72),
    payloadCrc: bytes.readUInt32LE(at + 80),
    totalBytes: headerBytes + metaBytes + bodyBytes,
  };
}

export function payloadIsSound(header: BlockHeader, payload: Uint8Array): boolean {
  return payload.length === header.metaBytes + header.bodyBytes && crc32(payload) === header.payloadCrc;
}

/** The events of a block, in order. */
export function entriesOf(header: BlockHeader, meta: Uint8Array): readonly EventEntry[] {
  if (header.events === 1) return [{ bytes: header.plainBytes, readings: header.readings, fromMs: header.fromMs, toMs: header.toMs }];
  return decodeTable(header.metaZstd ? zstdDecompressSync(meta) : meta, header.events);
}

export function gapOf(meta: Uint8Array): StoredGap {
  return JSON.parse(Buffer.from(meta).toString('utf8')) as StoredGap;
}

/** Four LEB128 numbers an event: bytes, readings, zigzag of the step of `fromMs`, `toMs - fromMs`. */
function encodeTable(table: Float64Array): Buffer {
  // None of them has more than 54 bits, which is eight bytes.
  const out = Buffer.allocUnsafe(table.length * 8);
  let at = 0;
  const put = (n: number): void => {
    let rest = n;
    // Not by shifting: times go beyond 32 bits.
    while (rest >= 128) {
      out[at++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    out[at++] = rest;
  };
  let last = 0;
  for (let i = 0; i < table.length; i += 4) {
    const from = Math.floor(table[i + 2]!);
    const step = from - last;
    last = from;
    put(table[i]!);
    put(table[i + 1]!);
    put(step < 0 ? -step * 2 - 1 : step * 2);
    put(Math.max(0, Math.ceil(table[i + 3]!) - from));
  }
  return out.subarray(0, at);
}

function decodeTable(meta: Uint8Array, events: number): EventEntry[] {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let weight = 1; ; weight *= 128) {
      const byte = meta[at++];
      if (byte === undefined) throw new RangeError('the event table of a block ends too early');
      value += (byte & 127) * weight;
      if (byte < 128) return value;
    }
  };
  const entries: EventEntry[] = [];
  let last = 0;
  for (let i = 0; i < events; i++) {
    const bytes = number();
    const readings = number();
    const step = number();
    last += step % 2 === 0 ? step / 2 : -(step + 1) / 2;
    entries.push({ bytes, readings, fromMs: last, toMs: last + number() });
  }
  return entries;
}
