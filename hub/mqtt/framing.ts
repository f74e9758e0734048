/** A client broke MQTT; its connection ends. */
export class ProtocolViolation extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'ProtocolViolation';
    this.code = code;
  }
}

/**
 * Cuts a byte stream into whole MQTT packets (MQTT 3.1.1 §2.2). In front of the parser, because the parser would
 * collect up to 256 MB of a packet before anybody may say no.
 */
export class PacketFramer {
  /** Largest packet in bytes, header included; may rise once the client is known. */
  limitBytes: number;
  #header: number[] = [];
  #packet: Buffer | undefined;
  #filled = 0;
  #startedMs = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Since when an incomplete packet waits for its rest; undefined between packets. */
  get waitingSinceMs(): number | undefined {
    return this.#packet || this.#header.length > 0 ? this.#startedMs : undefined;
  }

  /**
   * Calls `take` for each packet that is complete now. `owned` tells that nobody else looks at the packet's ArrayBuffer,
   * so that it may be transferred. Throws ProtocolViolation on a length that is too long or malformed.
   */
  push(chunk: Buffer, take: (packet: Buffer, owned: boolean) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#packet) {
        const taken = chunk.copy(this.#packet, this.#filled, at);
        at += taken;
        this.#filled += taken;
        if (this.#filled < this.#packet.length) return;
        const whole = this.#packet;
        this.#packet = undefined;
        take(whole, true);
        continue;
      }
      if (this.#header.length === 0) this.#startedMs = Date.now();
      this.#header.push(chunk[at++] as number);
      const length = this.#remainingLength();
      if (length === undefined) continue;
      const headerBytes = this.#header.length;
      const total = headerBytes + length;
      if (total > this.limitBytes) {
        throw new ProtocolViolation('packet-too-large', `a packet of ${total} bytes; at most ${this.limitBytes} are taken here`);
      }
      const start = at - headerBytes;
      if (start >= 0 && start + total <= chunk.length) {
        this.#header = [];
        at = start + total;
        take(chunk.subarray(start, at), false);
        continue;
      }
      this.#packet = Buffer.allocUnsafeSlow(total);
      this.#packet.set(this.#header);
      this.#filled = headerBytes;
      this.#header = [];
    }
  }

  /** §2.2.3: seven bits a byte, least significant first, at most four bytes. Undefined while bytes are missing. */
  #remainingLength(): number | undefined {
    const bytes = this.#header;
    const last = bytes.at(-1) as number;
    if (bytes.length === 1) return undefined;
    if (last >= 0x80) {
      if (bytes.length === 5) throw new ProtocolViolation('malformed-packet', 'a remaining length of more than four bytes');
      return undefined;
    }
    let length = 0;
    for (let i = bytes.length - 1; i >= 1; i--) length = length * 128 + ((bytes[i] as number) & 0x7f);
    return length;
  }
}
