import { lrc } from './crc.ts';
import type { Framer, FrameSink } from './framing.ts';

const colon = 0x3a;
const cr = 0x0d;
const lf = 0x0a;
/** Colon, 255 bytes as hex pairs (unit, PDU, LRC), CR, LF. */
const maxFrame = 1 + 2 * 255 + 2;

/** ASCII mode: `:`, hex pairs, LRC, CR LF. A colon always begins a new frame, which makes it find its feet by itself. */
export class AsciiFramer implements Framer {
  readonly #held = Buffer.alloc(maxFrame);
  #size = 0;

  encode(unitId: number, _transaction: number, pdu: Uint8Array): Buffer {
    const body = Buffer.allocUnsafe(pdu.length + 2);
    body[0] = unitId;
    body.set(pdu, 1);
    body[body.length - 1] = lrc(body, 0, body.length - 1);
    return Buffer.from(`:${body.toString('hex').toUpperCase()}\r\n`, 'latin1');
  }

  push(chunk: Uint8Array, _expected: unknown, sink: FrameSink): void {
    for (const byte of chunk) {
      if (byte === colon) {
        if (this.#size > 0) sink.garbage(this.#size);
        this.#held[0] = byte;
        this.#size = 1;
      } else if (this.#size === 0) sink.garbage(1);
      else if (this.#size === maxFrame) sink.garbage(this.reset() + 1);
      else {
        this.#held[this.#size++] = byte;
        if (byte === lf) this.#line(sink);
      }
    }
  }

  #line(sink: FrameSink): void {
    const size = this.reset();
    const text = this.#held.toString('latin1', 1, size - 2);
    const whole = this.#held[size - 2] === cr && text.length >= 8 && text.length % 2 === 0 && /^[0-9A-Fa-f]+$/.test(text);
    const body = whole ? Buffer.from(text, 'hex') : undefined;
    if (body && lrc(body, 0, body.length - 1) === body.at(-1)) sink.frame(body[0]!, -1, body, 1, body.length - 1);
    else sink.garbage(size);
  }

  reset(): number {
    const held = this.#size;
    this.#size = 0;
    return held;
  }
}
