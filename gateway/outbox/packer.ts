import { type ChunkPool, grown } from './chunks.ts';
import type { Portion } from './ledger.ts';
import type { Group, Item, StoredGap } from './messages.ts';

/** Bytes of a block; below what the hubs that we know take as one message. */
export const blockBytes = 190_000;
const [comma, openBracket, closeBracket] = [0x2c, 0x5b, 0x5d];

/** Packs events into blocks, `[e1,e2,…]` as it may leave later, and blocks into a group that is committed at once. */
export class Packer implements Portion {
  readonly id: number;
  readonly firstSequence: number;
  lastSequence: number;
  readings = 0;
  events = 0;
  bytes = 0;
  fromMs = Number.POSITIVE_INFINITY;
  toMs = Number.NEGATIVE_INFINITY;
  /** One promise for all events of the group. */
  readonly settled = Promise.withResolvers<void>();
  readonly gaps: { readonly sequence: number; readonly gap: StoredGap }[] = [];
  readonly #pool: ChunkPool;
  #chunk: Buffer<SharedArrayBuffer>;
  /** Where the open block starts; its first byte is kept for a bracket. */
  #start = 0;
  #at = 1;
  #openEvents = 0;
  readonly #blocks: number[] = [];
  readonly #blockGaps: (StoredGap | undefined)[] = [];
  #table = new Float64Array(64);

  constructor(id: number, firstSequence: number, pool: ChunkPool) {
    this.id = id;
    this.firstSequence = firstSequence;
    this.lastSequence = firstSequence - 1;
    this.#pool = pool;
    this.#chunk = pool.take();
    // Whoever does not wait for the disk does not want to be killed by it.
    this.settled.promise.catch(() => {});
  }

  /** Gives the bytes that it took. A gap record has a block to itself, so that it can be found again when the block is dropped. */
  add(text: string, readings: number, fromMs: number, toMs: number, gap?: StoredGap): number {
    // Most texts are ASCII and small beside the chunk: counting their bytes would be a second walk through them.
    if (this.#chunk.length - this.#at - 4 < text.length * 3) this.#makeRoom(Buffer.byteLength(text));
    if (gap || this.#at - this.#start + text.length + 2 > blockBytes) this.#closeBlock();
    if (this.#openEvents > 0) this.#chunk[this.#at++] = comma;
    const bytes = this.#chunk.write(text, this.#at);
    this.#at += bytes;
    this.#openEvents++;
    this.#enter(bytes, readings, fromMs, toMs);
    if (gap) {
      this.gaps.push({ sequence: this.lastSequence, gap });
      this.#closeBlock(gap);
    }
    return bytes;
  }

  /** With the separators, and the brackets of this block and of the next one. */
  #makeRoom(bytes: number): void {
    if (this.#chunk.length - this.#at - 4 < bytes) this.#chunk = grown(this.#chunk, this.#at, this.#at + bytes + 4);
  }

  #enter(bytes: number, readings: number, fromMs: number, toMs: number): void {
    const row = this.events * 4;
    if (row === this.#table.length) {
      const larger = new Float64Array(row * 2);
      larger.set(this.#table);
      this.#table = larger;
    }
    this.#table[row] = bytes;
    this.#table[row + 1] = readings;
    this.#table[row + 2] = fromMs;
    this.#table[row + 3] = toMs;
    this.events++;
    this.lastSequence++;
    this.readings += readings;
    this.bytes += bytes;
    if (fromMs < this.fromMs) this.fromMs = fromMs;
    if (toMs > this.toMs) this.toMs = toMs;
  }

  #closeBlock(gap?: StoredGap): void {
    if (this.#openEvents === 0) return;
    const several = this.#openEvents > 1;
    if (several) {
      this.#chunk[this.#start] = openBracket;
      this.#chunk[this.#at++] = closeBracket;
    }
    this.#blocks.push(several ? this.#start : this.#start + 1, this.#at, this.#openEvents);
    this.#blockGaps.push(gap);
    this.#start = this.#at++;
    this.#openEvents = 0;
  }

  message(): Group {
    this.#closeBlock();
    const { id, firstSequence } = this;
    const table = this.#table.slice(0, this.events * 4);
    return { id, firstSequence, memory: this.#chunk.buffer, blocks: this.#blocks, gaps: this.#blockGaps, table };
  }

  /** A copy of a block that lies in the group's memory. */
  copy(start: number, end: number): Uint8Array<ArrayBuffer> {
    const body = Buffer.allocUnsafeSlow(end - start);
    this.#chunk.copy(body, 0, start, end);
    return body;
  }

  /** The worker is done with it. */
  release(): void {
    this.#pool.give(this.#chunk);
  }
}

/** Takes what the worker left in the memory of the group, before that is used again. */
export function filled(item: Item, group: Packer): Item {
  if (!('batch' in item) || !item.batch.inGroup) return item;
  const { inGroup, ...batch } = item.batch;
  return { batch: { ...batch, body: group.copy(...inGroup) } };
}
