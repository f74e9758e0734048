/**
 * Memory that both threads see, used again and again: a group of events is written into it once and compressed from where it lies.
 * Strings in messages cost twice the CPU, most of it in fresh pages (docs/decisions/0005-outbox-engine.md).
 */
export class ChunkPool {
  readonly #free: Buffer<SharedArrayBuffer>[] = [];

  take(): Buffer<SharedArrayBuffer> {
    return this.#free.pop() ?? Buffer.from(new SharedArrayBuffer(chunkBytes));
  }

  /** Only when nobody reads it any more. Large ones were for a burst and are not kept. */
  give(chunk: Buffer<SharedArrayBuffer>): void {
    if (this.#free.length < 3 && chunk.length <= 4 * chunkBytes) this.#free.push(chunk);
  }
}

const chunkBytes = 512 * 1024;

/** A larger one with the same first bytes. */
export function grown(chunk: Buffer<SharedArrayBuffer>, used: number, needed: number): Buffer<SharedArrayBuffer> {
  const larger = Buffer.from(new SharedArrayBuffer(Math.max(chunk.length * 2, needed)));
  chunk.copy(larger, 0, 0, used);
  return larger;
}
