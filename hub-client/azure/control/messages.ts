import type { CloudMessage } from '../../contract.ts';

/** One delivery of a cloud-to-device message. */
export interface Delivery {
  readonly topic: string;
  readonly message: CloudMessage;
  /** Takes it from the hub's queue, as long as the link lives over which it came. */
  readonly acknowledge: () => void;
}

type Handler = (message: CloudMessage) => Promise<void>;

/** The hub keeps 50 for a device; what comes beyond this stays there. */
const most = 100;

/**
 * Hands messages to the handler one after another, in the order in which they came, and acknowledges each when it was dealt with.
 * One that the handler refuses stays in the hub's queue, which offers it again to a later connection.
 */
export class Messages {
  readonly #refused: (message: CloudMessage, error: unknown) => void;
  readonly #queue: Delivery[] = [];
  #handler: Handler | undefined;
  #current: Delivery | undefined;
  /** Came over a link that was replaced while it was dealt with; `done` when it may be acknowledged as soon as it comes again. */
  #orphan: { readonly delivery: Delivery; done: boolean; acknowledge: (() => void) | undefined } | undefined;
  #held = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(refused: (message: CloudMessage, error: unknown) => void) {
    this.#refused = refused;
  }

  set handler(handler: Handler) {
    this.#handler = handler;
    this.#next();
  }

  get hasHandler(): boolean {
    return this.#handler !== undefined;
  }

  take(delivery: Delivery): void {
    const orphan = this.#orphan;
    if (orphan && isSame(orphan.delivery, delivery)) {
      if (orphan.done) {
        this.#orphan = undefined;
        delivery.acknowledge();
      } else orphan.acknowledge = delivery.acknowledge;
      return;
    }
    if (this.#queue.length >= most) return;
    this.#queue.push(delivery);
    this.#next();
  }

  /** Begins no further message until `resume`; resolves when the one at hand is dealt with, or after `withinMs`. */
  async hold(withinMs: number): Promise<void> {
    this.#held = true;
    if (!this.#current) return;
    const idle = Promise.withResolvers<void>();
    this.#idle = idle;
    const enough = setTimeout(idle.resolve, withinMs);
    await idle.promise;
    clearTimeout(enough);
    this.#idle = undefined;
  }

  /** The link was replaced: what was not acknowledged comes again over the new one. */
  replaced(): void {
    this.#queue.length = 0;
    if (this.#current) this.#orphan = { delivery: this.#current, done: false, acknowledge: undefined };
  }

  resume(): void {
    this.#held = false;
    this.#next();
  }

  close(): void {
    this.#held = true;
    this.#queue.length = 0;
  }

  #next(): void {
    if (this.#held || this.#current || !this.#handler) return;
    const delivery = this.#queue.shift();
    if (!delivery) return;
    this.#current = delivery;
    void this.#dealWith(delivery, this.#handler);
  }

  async #dealWith(delivery: Delivery, handler: Handler): Promise<void> {
    let taken = false;
    try {
      await handler(delivery.message);
      taken = true;
    } catch (error) {
      this.#refused(delivery.message, error);
    }
    this.#current = undefined;
    const orphan = this.#orphan?.delivery === delivery ? this.#orphan : undefined;
    if (!orphan) {
      if (taken) delivery.acknowledge();
    } else if (!taken) this.#orphan = undefined;
    else if (orphan.acknowledge) {
      this.#orphan = undefined;
      orphan.acknowledge();
    } else orphan.done = true;
    this.#idle?.resolve();
    this.#next();
  }
}

function isSame(one: Delivery, other: Delivery): boolean {
  return one.topic === other.topic && Buffer.compare(one.message.body, other.message.body) === 0;
}
