import { crc16 } from './crc.ts';
import type { Framer, FrameSink } from './framing.ts';
import { RtuFramer } from './rtu.ts';

/** RTU as a machine sees it: requests come in, their length follows from the function code. Skips byte by byte what is none. */
export class RtuRequestFramer implements Framer {
  readonly #answers = new RtuFramer();
  #held = Buffer.alloc(0);

  encode(unitId: number, transaction: number, pdu: Uint8Array): Buffer {
    return this.#answers.encode(unitId, transaction, pdu);
  }

  push(chunk: Uint8Array, _expected: unknown, sink: FrameSink): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    let start = 0;
    while (this.#held.length - start >= 4) {
      const size = requestSize(this.#held, start);
      if (size > this.#held.length - start) break;
      if (size > 0 && crc16(this.#held, start, start + size - 2) === this.#held.readUInt16LE(start + size - 2)) {
        sink.frame(this.#held[start]!, -1, this.#held, start + 1, start + size - 2);
        start += size;
      } else {
        sink.garbage(1);
        start++;
      }
    }
    this.#held = this.#held.subarray(start);
  }

  reset(): number {
    const held = this.#held.length;
    this.#held = Buffer.alloc(0);
    return held;
  }
}

/** 0: no function we know. */
function requestSize(bytes: Buffer, start: number): number {
  const code = bytes[start + 1]!;
  if (code >= 1 && code <= 6) return 8;
  if (code === 22) return 10;
  if (code === 15 || code === 16) return (bytes[start + 6] ?? 0) + 9;
  if (code === 23) return (bytes[start + 10] ?? 0) + 13;
  return 0;
}
