const timeDigits = 17;
const now = (): number => performance.timeOrigin + performance.now();

/** Messages that begin with the time at which they were sent, and how late they arrive; among processes of one machine. */
export class Lateness {
  #late: number[] = [];
  #count = 0;

  /** A body of that many bytes, made now. */
  static body(bytes: number): Buffer {
    return Buffer.alloc(bytes, now().toFixed(3).padEnd(timeDigits).padEnd(bytes, 'x'));
  }

  arrived(body: Uint8Array): void {
    this.#count++;
    this.#late.push(now() - Number(Buffer.from(body.buffer, body.byteOffset, timeDigits).toString('latin1')));
  }

  /** `late P50 P99`, milliseconds since the last report, and `count N`, all that arrived. */
  report(): string {
    const sorted = this.#late.sort((a, b) => a - b);
    this.#late = [];
    const quantile = (part: number): string => (sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(2);
    return `late ${quantile(0.5)} ${quantile(0.99)}\ncount ${this.#count}\n`;
  }
}
