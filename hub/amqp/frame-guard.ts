/** What an open frame announces as the largest frame. */
export const largestFrameBytes = 65_536;

/**
 * Reads along what a peer sends and says when it stops being AMQP, before a library collects it: a frame that is larger than announced,
 * or something that is neither a frame nor a protocol header (Part 2 §2.3.1, Part 5 §5.3.2).
 */
export class FrameGuard {
  readonly #head = Buffer.alloc(8);
  #headLength = 0;
  #skip = 0;

  /** False when the connection must end. */
  admit(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
        continue;
      }
      this.#head[this.#headLength++] = chunk[at++] as number;
      if (this.#headLength < 8) continue;
      this.#headLength = 0;
      const size = this.#head.readUInt32BE(0);
      if (size === header) continue;
      if (size < 8 || size > largestFrameBytes) return false;
      this.#skip = size - 8;
    }
    return true;
  }
}

/** `AMQP` */
const header = 0x41_4d_51_50;
