/** A message as it came. */
export interface Packet {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  /** The broker kept it from before. */
  readonly retain: boolean;
  /** 0 with QoS 0. */
  readonly messageId: number;
  readonly userProperties: Readonly<Record<string, string | string[]>> | undefined;
  readonly receivedMs: number;
}

export interface InboxParts {
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** In the order in which they came (MQTT 5 §4.6). */
  readonly acknowledge: (messageIds: readonly number[]) => void;
  /** The broker must hold back; `resume` when it may go on. */
  readonly resume: () => void;
}

/** Messages that were taken together; acknowledged when everything made of them is durable. */
export class Delivery {
  readonly packets: readonly Packet[];
  readonly bytes: number;
  /** Batches that are not durable yet; undefined until it is known how many there are. */
  pending: number | undefined;

  constructor(packets: readonly Packet[], bytes: number) {
    this.packets = packets;
    this.bytes = bytes;
  }
}

/**
 * Between the wire and the one who observes, and on to the disk: counts every message until its readings are durable, and says when the
 * broker must hold back. Acknowledgements leave in the order of arrival, whatever the order in which they became due.
 */
export class Inbox {
  readonly #parts: InboxParts;
  #waiting: Packet[] = [];
  #waitingBytes = 0;
  readonly #taken: Delivery[] = [];
  #takenMessages = 0;
  #takenBytes = 0;
  #refused = false;
  #held = false;
  #onDrained: () => void = () => {};
  /** Called when a message came. */
  onPacket: () => void = () => {};

  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Messages that are not acknowledged yet, QoS 0 counted too. */
  get unsettled(): number {
    return this.#waiting.length + this.#takenMessages;
  }

  /** False when the next one must wait for `resume`. */
  push(packet: Packet): boolean {
    this.#waiting.push(packet);
    this.#waitingBytes += packet.payload.byteLength;
    this.onPacket();
    this.#held = this.#isFull();
    return !this.#held;
  }

  /** Everything that waits. */
  take(): Delivery {
    const delivery = new Delivery(this.#waiting, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#taken.push(delivery);
    this.#takenMessages += delivery.packets.length;
    this.#takenBytes += delivery.bytes;
    return delivery;
  }

  /** It was made into so many batches. */
  expect(delivery: Delivery, batches: number): void {
    delivery.pending = batches;
    this.#settle();
  }

  /** One of its batches is durable. */
  durable(delivery: Delivery): void {
    if (delivery.pending === undefined || delivery.pending === 0) return;
    delivery.pending--;
    this.#settle();
  }

  /** The newest delivery was not handed on whole; its messages wait again, before all others. */
  putBack(delivery: Delivery): void {
    if (this.#taken.at(-1) !== delivery) return;
    this.#taken.pop();
    this.#takenMessages -= delivery.packets.length;
    this.#takenBytes -= delivery.bytes;
    this.#waiting = [...delivery.packets, ...this.#waiting];
    this.#waitingBytes += delivery.bytes;
    // A late word about a batch of it must change nothing.
    delivery.pending = 0;
  }

  /** Something was not taken: nothing is acknowledged any more, so that the broker gives it again, in order, to the next connection. */
  refuse(): void {
    this.#refused = true;
  }

  /** Resolves when nothing that was taken waits for the disk any more, after `withinMs` at the latest. */
  async drained(withinMs: number): Promise<void> {
    if (this.#taken.length === 0 || this.#refused) return;
    const waiting = Promise.withResolvers<void>();
    const timer = setTimeout(waiting.resolve, withinMs);
    this.#onDrained = waiting.resolve;
    await waiting.promise;
    clearTimeout(timer);
  }

  #settle(): void {
    if (this.#refused) return;
    const ids: number[] = [];
    while (this.#taken[0]?.pending === 0) {
      const delivery = this.#taken.shift()!;
      this.#takenMessages -= delivery.packets.length;
      this.#takenBytes -= delivery.bytes;
      for (const { qos, messageId } of delivery.packets) if (qos > 0) ids.push(messageId);
    }
    if (ids.length > 0) this.#parts.acknowledge(ids);
    if (this.#taken.length === 0) this.#onDrained();
    if (this.#held && !this.#isFull()) {
      this.#held = false;
      this.#parts.resume();
    }
  }

  #isFull(): boolean {
    return this.unsettled >= this.#parts.maxMessages || this.#waitingBytes + this.#takenBytes >= this.#parts.maxBytes;
  }
}
