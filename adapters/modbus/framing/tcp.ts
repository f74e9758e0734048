import type { Framer, FrameSink } from './framing.ts';

/** Seven bytes: transaction 2, protocol 2 (0), length 2 (of unit and PDU), unit 1 (MODBUS Messaging on TCP/IP V1.0b §3.1.3). */
const headerSize = 7;
/** Unit and a PDU of at most 253 bytes; at least a function code and one byte follow the unit. */
const maxLength = 254;
const minLength = 3;

/** Modbus TCP. A wrong protocol id or length means that frame borders are lost for good, so it breaks the link. */
export class TcpFramer implements Framer {
  readonly #rest = Buffer.alloc(headerSize + maxLength);
  #held = 0;

  encode(unitId: number, transaction: number, pdu: Uint8Array): Buffer {
    const adu = Buffer.allocUnsafe(headerSize + pdu.length);
    adu.writeUInt16BE(transaction, 0);
    adu.writeUInt16BE(0, 2);
    adu.writeUInt16BE(pdu.length + 1, 4);
    adu[6] = unitId;
    adu.set(pdu, headerSize);
    return adu;
  }

  push(chunk: Uint8Array, _expected: unknown, sink: FrameSink): void {
    let at = 0;
    if (this.#held > 0) {
      at = this.#complete(chunk, sink);
      if (at < 0) return;
    }
    while (at < chunk.length) {
      const size = frameSize(chunk, at, chunk.length);
      if (size === broken) {
        this.#refuse(chunk, at, sink);
        return;
      }
      if (size === unknown || at + size > chunk.length) break;
      sink.frame(chunk[at + 6]!, (chunk[at]! << 8) | chunk[at + 1]!, chunk, at + headerSize, at + size);
      at += size;
    }
    if (at < chunk.length) {
      this.#rest.set(chunk.subarray(at), 0);
      this.#held = chunk.length - at;
    }
  }

  /** Adds to the frame begun by an earlier chunk; gives how many bytes of this one it took, -1 when nothing is left to do. */
  #complete(chunk: Uint8Array, sink: FrameSink): number {
    let at = 0;
    for (;;) {
      const size = frameSize(this.#rest, 0, this.#held);
      if (size === broken) {
        this.#refuse(this.#rest, 0, sink);
        return -1;
      }
      const wanted = size === unknown ? headerSize : size;
      const part = Math.min(wanted - this.#held, chunk.length - at);
      this.#rest.set(chunk.subarray(at, at + part), this.#held);
      this.#held += part;
      at += part;
      if (this.#held < wanted) return -1;
      if (size === unknown) continue;
      this.#held = 0;
      sink.frame(this.#rest[6]!, this.#rest.readUInt16BE(0), this.#rest, headerSize, size);
      return at;
    }
  }

  #refuse(bytes: Uint8Array, at: number, sink: FrameSink): void {
    this.#held = 0;
    const protocol = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const length = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    sink.broken(protocol !== 0 ? `protocol id ${protocol} instead of 0` : `length ${length} instead of ${minLength} to ${maxLength}`);
  }

  reset(): number {
    const held = this.#held;
    this.#held = 0;
    return held;
  }
}

const unknown = -1;
const broken = -2;

function frameSize(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < headerSize) return unknown;
  const length = (bytes[at + 4]! << 8) | bytes[at + 5]!;
  if (bytes[at + 2] !== 0 || bytes[at + 3] !== 0 || length < minLength || length > maxLength) return broken;
  return 6 + length;
}
