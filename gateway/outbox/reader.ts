import { closeSync, openSync } from 'node:fs';
import { batchesOf, joined, type LoadedBlock } from './batches.ts';
import { type BlockHeader, decodeHeader, headerBytes, payloadIsSound } from './block.ts';
import type { SegmentLog } from './log.ts';
import type { Item, LostPart, ReadOptions } from './messages.ts';
import type { LogSegment } from './recovery.ts';
import { FileWindow, resync } from './segment.ts';
import type { Extent } from './track.ts';

/** Where the reader stands in a segment, and what it expects there. */
interface Place {
  readonly segment: LogSegment;
  readonly file: FileWindow;
  offset: number;
  /** Next sequence number and count of readings if nothing is missing. */
  sequence: number;
  readings: number;
}

type Found = { readonly block: LoadedBlock } | { readonly lost: LostPart };

/** Walks the log from a sequence number on; each destination has its own. */
export class LogReader {
  readonly #log: SegmentLog;
  #from = 0;
  #options: ReadOptions | undefined;
  #place: Place | undefined;
  #held: Found | undefined;

  constructor(log: SegmentLog) {
    this.#log = log;
  }

  start(from: number, options: ReadOptions): void {
    if (this.#place && (this.#place.segment.firstSequence > from || this.#place.sequence > from)) this.#leave();
    this.#held = undefined;
    this.#from = from;
    this.#options = options;
  }

  /** Nothing on disk is left to read: what is committed next can be handed out from memory. */
  get atEnd(): boolean {
    return this.#options !== undefined && !this.#held && this.#from > (this.#log.segments.at(-1)?.lastSequence ?? 0);
  }

  /** Batches from blocks that were committed a moment ago; `atEnd` must have been true before. */
  fresh(blocks: readonly LoadedBlock[]): Item[] {
    const from = this.#from;
    this.passed(blocks);
    return blocks.flatMap((block) => batchesOf(block, from, this.#options!)).map((batch) => ({ batch }));
  }

  /** The same when another reader has made the batches. */
  passed(blocks: readonly LoadedBlock[]): void {
    this.#from = blocks.at(-1)!.header.lastSequence + 1;
  }

  /** At least one item when there is one, up to `budgetBytes` of bodies, and no new one after this time of the monotonic clock. */
  read(budgetBytes: number, untilMs = Number.POSITIVE_INFINITY): Item[] {
    const options = this.#options;
    if (!options) return [];
    const items: Item[] = [];
    for (let bytes = 0; bytes < budgetBytes; ) {
      const found = this.#take();
      if (!found) break;
      const part = 'lost' in found ? [found] : this.#batches(found.block, options);
      if ('lost' in found) this.#from = Math.max(this.#from, found.lost.lastSequence + 1);
      items.push(...part);
      bytes += part.reduce((sum, item) => sum + ('batch' in item ? item.batch.body.byteLength : 0), 1);
      if (performance.now() > untilMs) break;
    }
    return items;
  }

  #batches(block: LoadedBlock, options: ReadOptions): Item[] {
    const from = this.#from;
    const limit = Math.min(options.maxBodyBytes, maxJoinedBytes);
    const small = limit / 4;
    const joins = block.header.firstSequence >= from && block.header.plainBytes <= small;
    const run = joins ? this.#run(block, small, limit) : [block];
    this.#from = run.at(-1)!.header.lastSequence + 1;
    if (run.length > 1) {
      try {
        return [{ batch: joined(run, options.compressed) }];
      } catch {
        // One of them does not unpack; the others go by themselves.
      }
    }
    return run.flatMap((one) => split(one, from, options));
  }

  #run(first: LoadedBlock, small: number, limit: number): LoadedBlock[] {
    const segment = this.#place?.segment;
    const run = [keep(first)];
    let bytes = first.header.plainBytes + 2;
    for (;;) {
      const next = this.#take();
      if (!next) return run;
      const fits = 'block' in next && this.#place?.segment === segment && next.block.header.plainBytes <= small;
      if (!fits || bytes + next.block.header.plainBytes + 1 > limit) {
        this.#held = 'block' in next ? { block: keep(next.block) } : next;
        return run;
      }
      run.push(keep(next.block));
      bytes += next.block.header.plainBytes + 1;
    }
  }

  #take(): Found | undefined {
    const held = this.#held;
    this.#held = undefined;
    if (held) return held;
    for (;;) {
      const place = this.#placed();
      if (!place) return undefined;
      if ('lost' in place) return place;
      const found = this.#step(place);
      if (found) return found;
    }
  }

  /** The segment that has `from`, opened; a lost part when it cannot be opened. */
  #placed(): Place | { lost: LostPart } | undefined {
    const { segments } = this.#log;
    const place = this.#place;
    if (place) {
      if (segments.includes(place.segment) && place.offset < place.segment.bytes) return place;
      const last = segments.at(-1) === place.segment;
      if (last) return undefined;
      this.#leave();
    }
    const segment = segments.find((s) => s.lastSequence >= Math.max(this.#from, place?.sequence ?? 0) && s.bytes > 0);
    if (!segment) return undefined;
    try {
      const file = new FileWindow(openSync(this.#log.path(segment.number), 'r'));
      this.#place = { segment, file, offset: 0, sequence: segment.firstSequence, readings: segment.readingsBefore };
      return this.#place;
    } catch {
      this.#from = segment.lastSequence + 1;
      return { lost: lostRange(segment) };
    }
  }

  /** One block forward; undefined when it was one that is finished. */
  #step(place: Place): Found | undefined {
    const { file, segment, offset } = place;
    let header = undefined as ReturnType<typeof decodeHeader>;
    try {
      header = decodeHeader(file.piece(offset, headerBytes));
      if (!header || offset + header.totalBytes > segment.bytes) return this.#damaged(place);
      place.offset = offset + header.totalBytes;
      place.sequence = header.lastSequence + 1;
      place.readings = header.readingsBefore + header.readings;
      if (header.lastSequence < this.#from) return undefined;
      const payload = file.piece(offset + headerBytes, header.metaBytes + header.bodyBytes);
      if (payloadIsSound(header, payload))
        return {
          block: { header, meta: payload.subarray(0, header.metaBytes), body: payload.subarray(header.metaBytes) },
        };
    } catch {
      // The disk does not give these bytes back.
      if (!header) return this.#damaged(place, false);
    }
    this.#from = header.lastSequence + 1;
    return { lost: lostBlock(header) };
  }

  /** Goes on at the next sound block; what lay between is lost. */
  #damaged(place: Place, search = true): Found | undefined {
    const { file, segment, sequence, readings: readingsBefore } = place;
    let next: number | undefined;
    try {
      next = search ? resync(file, place.offset + 1, segment.bytes) : undefined;
    } catch {
      next = undefined;
    }
    const header = next === undefined ? undefined : decodeHeader(file.piece(next, headerBytes));
    const through = header ? header.firstSequence - 1 : segment.lastSequence;
    const readingsThrough = header?.readingsBefore ?? segment.readingsThrough;
    place.offset = next ?? segment.bytes;
    place.sequence = through + 1;
    place.readings = readingsThrough;
    if (through < Math.max(sequence, this.#from)) return undefined;
    this.#from = through + 1;
    return { lost: lostRange({ firstSequence: sequence, lastSequence: through, readingsBefore, readingsThrough }) };
  }

  #leave(): void {
    if (this.#place) closeSync(this.#place.file.fd);
    this.#place = undefined;
  }

  close(): void {
    this.#leave();
  }
}

/** Largest body made of several blocks; as large as a block gets by itself. */
const maxJoinedBytes = 190_000;

/** The next read overwrites the window that the block lies in. */
function keep(block: LoadedBlock): LoadedBlock {
  return { ...block, meta: new Uint8Array(block.meta), body: new Uint8Array(block.body) };
}

function split(block: LoadedBlock, from: number, options: ReadOptions): Item[] {
  try {
    return batchesOf(block, from, options).map((batch) => ({ batch }));
  } catch {
    // The checksum held but the frame does not unpack: written from broken memory.
    return [{ lost: lostBlock(block.header) }];
  }
}

function lostBlock({ firstSequence, lastSequence, readings, readingsBefore, fromMs, toMs }: BlockHeader): LostPart {
  return { firstSequence, lastSequence, readingsBefore, readingsThrough: readingsBefore + readings, fromMs, toMs, reason: 'corrupt' };
}

function lostRange({ firstSequence, lastSequence, readingsBefore, readingsThrough }: Extent): LostPart {
  const unknown = { fromMs: Number.NaN, toMs: Number.NaN };
  return { firstSequence, lastSequence, readingsBefore, readingsThrough, ...unknown, reason: 'corrupt' };
}
