import { type BlockHeader, compress, decompress, type EventEntry, entriesOf } from './block.ts';
import type { LogBatch, ReadOptions } from './messages.ts';

/**
 * A block in memory. From the disk `meta` and `body` are views into a buffer that goes on being used;
 * just written it has `plain`, which lies in the memory of its group, and `body` may be given away.
 */
export interface LoadedBlock {
  readonly header: BlockHeader;
  readonly meta: Uint8Array;
  readonly body: Uint8Array;
  readonly plain?: Uint8Array;
}

/** Its own memory, so that it can be moved to another thread. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  // Small buffers live in the shared pool of Node, and moving a large one for a small part moves too much.
  if (buffer instanceof ArrayBuffer && byteLength >= 16_384 && byteLength * 2 > buffer.byteLength) return bytes as Uint8Array<ArrayBuffer>;
  return new Uint8Array(bytes);
}

export function plainOf(block: LoadedBlock): Uint8Array {
  if (block.plain) return block.plain;
  return block.header.zstd ? decompress(block.body, block.header.plainBytes) : block.body;
}

/** The batches of one block, without the events before `from`. Throws when the body cannot be unpacked. */
export function batchesOf(block: LoadedBlock, from: number, options: ReadOptions): LogBatch[] {
  const { header } = block;
  if (header.firstSequence >= from && header.plainBytes <= options.maxBodyBytes) return [whole(block, options.compressed)];
  const entries = entriesOf(header, block.meta);
  if (entries.length === 1) return [whole(block, options.compressed)];
  const plain = plainOf(block);
  const skip = Math.max(0, from - header.firstSequence);
  let [at, readings] = [1, header.readingsBefore];
  for (const entry of entries.slice(0, skip)) [at, readings] = [at + entry.bytes + 1, readings + entry.readings];
  const batches: LogBatch[] = [];
  let first = skip;
  while (first < entries.length) {
    let [end, bytes] = [first, 1];
    while (end < entries.length && (end === first || bytes + entries[end]!.bytes + 1 <= options.maxBodyBytes))
      bytes += entries[end++]!.bytes + 1;
    const some = entries.slice(first, end);
    const readingsBefore = readings;
    readings += some.reduce((sum, e) => sum + e.readings, 0);
    batches.push({
      ...sums(header.firstSequence + first, some),
      ...dress(bracketed(plain.subarray(at, at + bytes - 2), some.length > 1), options.compressed),
      readingsBefore,
      readingsThrough: readings,
    });
    at += bytes - 1;
    first = end;
  }
  return batches;
}

function bodyOf(block: LoadedBlock, asStored: boolean): Pick<LogBatch, 'body' | 'inGroup'> {
  const { plain, body, header } = block;
  if (plain) return asStored ? { body: own(body) } : { body: nothing, inGroup: [plain.byteOffset, plain.byteOffset + plain.byteLength] };
  return { body: header.zstd && !asStored ? own(plainOf(block)) : new Uint8Array(body) };
}

const nothing = new Uint8Array(0);

function whole(block: LoadedBlock, compressed: boolean): LogBatch {
  const { firstSequence, lastSequence, events, readings, readingsBefore, fromMs, toMs } = block.header;
  const asStored = block.header.zstd && compressed;
  return {
    firstSequence,
    lastSequence,
    events,
    readings,
    fromMs,
    toMs,
    ...bodyOf(block, asStored),
    encoding: asStored ? 'zstd' : 'utf-8',
    readingsBefore,
    readingsThrough: readingsBefore + readings,
  };
}

/** One batch of several small blocks that follow each other: a backlog of crumbs leaves as loaves. */
export function joined(blocks: readonly LoadedBlock[], compressed: boolean): LogBatch {
  const texts = blocks.map((block) => (block.header.events > 1 ? plainOf(block).subarray(1, -1) : plainOf(block)));
  const out = new Uint8Array(texts.reduce((sum, text) => sum + text.length + 1, 1));
  let at = 0;
  for (const text of texts) {
    out[at] = at === 0 ? openBracket : comma;
    out.set(text, at + 1);
    at += text.length + 1;
  }
  out[at] = closeBracket;
  const headers = blocks.map((block) => block.header);
  const last = headers.at(-1)!;
  return {
    firstSequence: headers[0]!.firstSequence,
    lastSequence: last.lastSequence,
    events: headers.reduce((sum, h) => sum + h.events, 0),
    readings: headers.reduce((sum, h) => sum + h.readings, 0),
    fromMs: Math.min(...headers.map((h) => h.fromMs)),
    toMs: Math.max(...headers.map((h) => h.toMs)),
    ...dress(out, compressed),
    readingsBefore: headers[0]!.readingsBefore,
    readingsThrough: last.readingsBefore + last.readings,
  };
}

const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;

function bracketed(text: Uint8Array, array: boolean): Uint8Array<ArrayBuffer> {
  if (!array) return new Uint8Array(text);
  const out = new Uint8Array(text.length + 2);
  out[0] = openBracket;
  out.set(text, 1);
  out[text.length + 1] = closeBracket;
  return out;
}

function dress(plain: Uint8Array<ArrayBuffer>, compressed: boolean): Pick<LogBatch, 'body' | 'encoding'> {
  return compressed ? { body: own(compress(plain)), encoding: 'zstd' } : { body: plain, encoding: 'utf-8' };
}

function sums(
  firstSequence: number,
  entries: readonly EventEntry[],
): Omit<LogBatch, 'body' | 'encoding' | 'readingsBefore' | 'readingsThrough'> {
  return {
    firstSequence,
    lastSequence: firstSequence + entries.length - 1,
    events: entries.length,
    readings: entries.reduce((sum, e) => sum + e.readings, 0),
    fromMs: Math.min(...entries.map((e) => e.fromMs)),
    toMs: Math.max(...entries.map((e) => e.toMs)),
  };
}
