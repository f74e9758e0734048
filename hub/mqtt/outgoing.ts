import { generate } from 'mqtt-packet';

/** Messages that one connection was sent with QoS 1 and has not acknowledged yet. */
export class Outgoing {
  readonly #waiting = new Map<number, (acknowledged: boolean) => void>();
  #lastId = 0;

  /** The packet to send. */
  add(topic: string, payload: string | Uint8Array, settled: (acknowledged: boolean) => void): Buffer {
    do this.#lastId = (this.#lastId % 65_535) + 1;
    while (this.#waiting.has(this.#lastId));
    this.#waiting.set(this.#lastId, settled);
    return generate({
      cmd: 'publish',
      topic,
      payload: typeof payload === 'string' ? payload : Buffer.from(payload),
      qos: 1,
      messageId: this.#lastId,
      retain: false,
      dup: false,
    });
  }

  /** An identifier that is not waited for says nothing. */
  acknowledged(messageId: number | undefined): void {
    const settled = this.#waiting.get(messageId ?? 0);
    this.#waiting.delete(messageId ?? 0);
    settled?.(true);
  }

  /** The connection ended: none of them will be acknowledged. */
  abandon(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const settled of waiting) settled(false);
  }
}
