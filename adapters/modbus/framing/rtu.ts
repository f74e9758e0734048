import { crc16 } from './crc.ts';
import type { Expected, Framer, FrameSink } from './framing.ts';

/** A serial frame is at most 256 bytes: unit, PDU of 253, CRC. */
const maxFrame = 256;
/** Unit, function with the error bit, exception code, CRC. */
const exceptionSize = 5;

/**
 * RTU, on a serial line or inside a TCP stream. No length and no transaction travels with a frame, and Node cannot measure the silences
 * between frames, so answers are found by what is expected: unit, function, length and CRC must all hold. Anything else is skipped byte by
 * byte, and what is left of it goes with the silence (`reset`).
 */
export class RtuFramer implements Framer {
  readonly #held = Buffer.alloc(2 * maxFrame);
  #size = 0;

  encode(unitId: number, _transaction: number, pdu: Uint8Array): Buffer {
    const adu = Buffer.allocUnsafe(pdu.length + 3);
    adu[0] = unitId;
    adu.set(pdu, 1);
    adu.writeUInt16LE(crc16(adu, 0, pdu.length + 1), pdu.length + 1);
    return adu;
  }

  push(chunk: Uint8Array, expected: Expected | undefined, sink: FrameSink): void {
    let at = 0;
    while (at < chunk.length) {
      const part = Math.min(chunk.length - at, this.#held.length - this.#size);
      this.#held.set(chunk.subarray(at, at + part), this.#size);
      this.#size += part;
      at += part;
      this.#scan(expected, sink);
      // A frame that begins in the first half fits; what is older belongs to none.
      if (this.#size > maxFrame) this.#drop(this.#size - maxFrame, sink);
    }
  }

  /** Delivers frames until what is held is the beginning of one, or nothing. */
  #scan(expected: Expected | undefined, sink: FrameSink): void {
    for (let start = 0; start < this.#size; ) {
      const size = this.#frameAt(start, expected);
      if (size === 0) {
        start++;
        continue;
      }
      if (start > 0) {
        this.#drop(start, sink);
        start = 0;
      }
      const bytes = Buffer.from(this.#held.subarray(0, size));
      this.#shift(size);
      sink.frame(bytes[0]!, -1, bytes, 1, size - 2);
    }
  }

  /** Size of the complete frame at `start`: the expected answer, or at the very beginning also one that somebody else asked for; else 0. */
  #frameAt(start: number, expected: Expected | undefined): number {
    const held = this.#held;
    const left = this.#size - start;
    if (left < exceptionSize) return 0;
    const code = held[start + 1]!;
    const awaited = expected && held[start] === expected.unitId && (code & 0x7f) === expected.functionCode;
    if (!awaited && start > 0) return 0;
    const size =
      code & 0x80
        ? exceptionSize
        : code >= 1 && code <= 4
          ? held[start + 2]! + 5
          : code === 5 || code === 6 || code === 15 || code === 16
            ? 8
            : 0;
    if (size === 0 || size > left || size > maxFrame) return 0;
    if (awaited && code <= 4 && start > 0 && held[start + 2] !== expected.byteCount) return 0;
    return crc16(held, start, start + size - 2) === held.readUInt16LE(start + size - 2) ? size : 0;
  }

  #drop(bytes: number, sink: FrameSink): void {
    this.#shift(bytes);
    sink.garbage(bytes);
  }

  #shift(bytes: number): void {
    this.#held.copyWithin(0, bytes, this.#size);
    this.#size -= bytes;
  }

  reset(): number {
    const held = this.#size;
    this.#size = 0;
    return held;
  }
}
