import type { EndpointCounters } from './counters.ts';
import { type Delivery, type EventContext, type Receiver, receiveRaw, rhea, type Session } from './library.ts';

/** What becomes of a delivery (part 3 §3.4). From left to right the worse one wins where several have a say. */
export type Outcome = 'accepted' | Rejection | 'released';

/** Refused for good, with the reason the peer is told. */
export interface Rejection {
  readonly condition: string;
  readonly description: string;
}

/** A message that waits for its outcome. */
export interface Incoming {
  readonly bytes: Buffer;
  /** Epoch milliseconds. */
  readonly receivedMs: number;
  /** Call once. Nothing happens when the link is gone meanwhile: the peer then sends the message again. */
  settle(outcome: Outcome): void;
}

export interface InflowOptions {
  readonly receiver: Receiver;
  readonly session: Session;
  /** Most deliveries under way and unsettled. */
  readonly credit: number;
  readonly maxMessageBytes: number;
  readonly counters: EndpointCounters;
  readonly take: (delivery: Incoming) => void;
  /** Gives refused messages back at once, for one who only looks. */
  readonly withoutPause?: boolean;
  /** A message is larger than we take; the link is useless until it is opened anew. */
  readonly tooLarge: (sizeBytes: number) => void;
}

interface Settlement {
  readonly delivery: Delivery;
  readonly outcome: Exclude<Outcome, 'accepted'>;
}

/** Credit given before the size of the messages is known. */
const firstCredit = 64;
/** Deliveries of one link may hold about this much memory at once. */
const heldBytes = 16 * 2 ** 20;
/** Rest after a refusal: no credit, and the message goes back only then. Doubles while refusals go on. */
const refusedPause = { firstMs: 1_000, mostMs: 30_000 } as const;

const accepted = (rhea.message as unknown as { accepted(): { described(): unknown } }).accepted().described();

/**
 * One receiving link: grants credit, hands deliveries over, settles them. At most `credit` are unsettled, fewer when they are large;
 * credit comes back as they settle, in a few frames rather than one for each.
 */
export class Inflow {
  readonly #options: InflowOptions;
  readonly #receiver: Receiver;
  readonly #later: Settlement[] = [];
  #flushing = false;
  #unsettled = 0;
  /** Moves towards the size of what comes; a large message counts at once, small ones slowly. */
  #usualBytes = heldBytes / firstCredit;
  #window: number;
  #pauseMs = 0;
  #pausing: NodeJS.Timeout | undefined;
  #open = false;
  #taking = true;

  constructor(options: InflowOptions) {
    this.#options = options;
    this.#receiver = options.receiver;
    this.#window = Math.min(options.credit, firstCredit);
    const { isAborted } = receiveRaw(options.session, options.receiver, options);
    options.receiver.on('message', (context: unknown) => this.#arrived(context as EventContext, isAborted()));
  }

  /** Deliveries handed over and not settled yet. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** The link is attached: messages may come. */
  start(): void {
    this.#open = true;
    this.#replenish();
  }

  /** Nothing more is taken; what was taken may still be settled. */
  quiesce(): void {
    this.#taking = false;
  }

  /** Nothing more is taken or settled: the link is gone or about to be. */
  stop(): void {
    this.#open = false;
    clearTimeout(this.#pausing);
    this.#pausing = undefined;
  }

  #arrived({ delivery, message }: EventContext, aborted: boolean): void {
    if (!delivery || !this.#open || !this.#taking) return;
    if (aborted) {
      delivery.update(true);
      this.#replenish();
      return;
    }
    const bytes = message as Buffer;
    const { length } = bytes;
    this.#usualBytes = length > this.#usualBytes ? length : this.#usualBytes + (length - this.#usualBytes) / 16;
    this.#window = Math.max(1, Math.min(this.#options.credit, Math.floor(heldBytes / Math.max(1, this.#usualBytes))));
    this.#unsettled++;
    this.#options.counters.deliveries++;
    this.#options.take({ bytes, receivedMs: Date.now(), settle: (outcome) => this.#settle(delivery, outcome) });
  }

  #settle(delivery: Delivery, outcome: Outcome): void {
    if (!this.#open) return;
    if (outcome === 'accepted') {
      this.#pauseMs = 0;
      delivery.update(true, accepted);
      this.#options.counters.accepted++;
      this.#settled(1);
      return;
    }
    this.#later.push({ delivery, outcome });
    if (outcome === 'released' && !this.#options.withoutPause) this.#pause();
    this.#flushSoon();
  }

  #settled(count: number): void {
    this.#unsettled -= count;
    this.#replenish();
  }

  /** The one who stores is in trouble: no new messages for a while. */
  #pause(): void {
    if (this.#pausing) return;
    this.#pauseMs = Math.min(refusedPause.mostMs, this.#pauseMs === 0 ? refusedPause.firstMs : this.#pauseMs * 2);
    this.#pausing = setTimeout(() => {
      this.#pausing = undefined;
      this.#flushSoon();
      this.#replenish();
    }, this.#pauseMs);
  }

  #flushSoon(): void {
    if (this.#flushing || this.#later.length === 0) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /**
   * One rejection, or all releases, and nothing else in this turn of the event loop: rhea writes dispositions at its end,
   * and gives a run of deliveries the outcome of the first where it should tell them apart.
   */
  #flush(): void {
    this.#flushing = false;
    if (!this.#open) return;
    const next = this.#later.findIndex(({ outcome }) => outcome !== 'released');
    if (next >= 0) {
      const [{ delivery, outcome }] = this.#later.splice(next, 1) as [Settlement];
      delivery.reject(outcome as Rejection);
      this.#options.counters.rejected++;
      this.#settled(1);
    } else if (!this.#pausing) {
      const released = this.#later.splice(0);
      for (const { delivery } of released) delivery.release();
      this.#options.counters.released += released.length;
      this.#settled(released.length);
    }
    if (!this.#pausing || this.#later.some(({ outcome }) => outcome !== 'released')) this.#flushSoon();
  }

  #replenish(): void {
    if (!this.#open || !this.#taking || this.#pausing) return;
    const granted = (this.#receiver as unknown as { readonly credit: number }).credit;
    const missing = this.#window - granted - this.#unsettled;
    if (missing > 0 && (missing >= this.#window / 4 || granted === 0)) this.#receiver.add_credit(missing);
  }
}
