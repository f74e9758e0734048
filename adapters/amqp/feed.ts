import type { SampleState } from '../../model/sample.ts';
import type { Incoming, Outcome } from './inflow.ts';

/** One who wants the messages of an address: the observation of one machine. */
export interface Subscriber {
  /** Whose messages it wants: the user that a machine logged in as. Undefined: everybody's. */
  readonly user: string | undefined;
  take(delivery: SharedDelivery): void;
  /** Messages may come now; none need have come yet. */
  attached(): void;
  /** No messages come from there until `attached`, and why. */
  detached(state: SampleState): void;
}

/** A message that several subscribers may have a say in. */
export interface SharedDelivery {
  readonly bytes: Buffer;
  readonly receivedMs: number;
  /**
   * Call once for each time it was taken. The peer hears of it when all have; the worst outcome counts.
   * `seen` is no vote: what was only looked at goes back.
   */
  finish(outcome: Outcome | 'seen'): void;
}

/** Messages that nobody takes are kept this long: a reload of the mapping takes less. */
const keptMs = 5_000;

/**
 * The messages of one address, given to all who subscribed. One link feeds them all: two links on one queue would each get
 * half of the messages.
 */
export class Feed {
  readonly address: string;
  readonly #onIdle: () => void;
  readonly #subscribers = new Set<Subscriber>();
  #kept: SharedDelivery[] = [];
  #idle: NodeJS.Timeout | undefined;
  /** `attached`, or why not; undefined while it is being opened. */
  #state: 'attached' | SampleState | undefined;

  /** `onIdle` is called when nobody has subscribed for a while. */
  constructor(address: string, onIdle: () => void) {
    this.address = address;
    this.#onIdle = onIdle;
  }

  /** Whether somebody takes what this user sends. */
  wants(user: string | undefined): boolean {
    for (const subscriber of this.#subscribers) if (subscriber.user === undefined || subscriber.user === user) return true;
    return false;
  }

  /** Disposing gives up; what it took and did not finish must be handed back with `giveBack`. */
  subscribe(subscriber: Subscriber): Disposable {
    this.#subscribers.add(subscriber);
    if (this.#state === 'attached') subscriber.attached();
    else if (this.#state) subscriber.detached(this.#state);
    const kept = this.#kept;
    this.#kept = [];
    for (const delivery of kept) subscriber.take(delivery);
    return {
      [Symbol.dispose]: () => {
        if (this.#subscribers.delete(subscriber)) this.#lookLater();
      },
    };
  }

  /** Deliveries that a subscriber took and does not want to finish; the next one gets them. */
  giveBack(deliveries: readonly SharedDelivery[]): void {
    this.#kept.push(...deliveries);
    this.#lookLater();
  }

  /** `user` is who sent it, where the sender logged in here. */
  deliver(incoming: Incoming, user?: string): void {
    let shared: Sharing | undefined;
    for (const subscriber of this.#subscribers) {
      if (subscriber.user !== undefined && subscriber.user !== user) continue;
      if (shared) shared.holders++;
      else shared = new Sharing(incoming);
      subscriber.take(shared);
    }
    if (shared) return;
    if (this.#subscribers.size > 0) incoming.settle(notFor(user));
    else this.giveBack([new Sharing(incoming)]);
  }

  attached(): void {
    this.#state = 'attached';
    for (const subscriber of this.#subscribers) subscriber.attached();
  }

  detached(state: SampleState): void {
    this.#state = state;
    // The peer sends them again.
    this.#kept = [];
    for (const subscriber of this.#subscribers) subscriber.detached(state);
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#kept = [];
  }

  #lookLater(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      const kept = this.#kept;
      this.#kept = [];
      for (const delivery of kept) delivery.finish('released');
      if (this.#subscribers.size === 0) this.#onIdle();
    }, keptMs);
  }
}

/** The address is taken, but not what this one sends to it. */
function notFor(user: string | undefined): Outcome {
  return {
    condition: 'amqp:not-allowed',
    description: `nobody here takes what ${user ?? 'somebody without a login'} sends to this address`,
  };
}

class Sharing implements SharedDelivery {
  readonly #incoming: Incoming;
  holders = 1;
  #worst: Outcome | undefined;

  constructor(incoming: Incoming) {
    this.#incoming = incoming;
  }

  get bytes(): Buffer {
    return this.#incoming.bytes;
  }

  get receivedMs(): number {
    return this.#incoming.receivedMs;
  }

  finish(outcome: Outcome | 'seen'): void {
    if (outcome !== 'seen' && (this.#worst === undefined || rank(outcome) > rank(this.#worst))) this.#worst = outcome;
    if (--this.holders === 0) this.#incoming.settle(this.#worst ?? 'released');
  }
}

const rank = (outcome: Outcome): number => (outcome === 'accepted' ? 0 : outcome === 'released' ? 2 : 1);
