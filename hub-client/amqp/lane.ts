import type { Log } from '../../adapters/contract.ts';
import { GatewayError, type NotConnectedError } from '../../model/error.ts';
import type { HubMessage } from '../contract.ts';
import type { Packed } from '../delivery/compression.ts';
import { OrderedWindow } from '../delivery/ordered-window.ts';
import type { Broker } from './broker.ts';
import { givenBack, judge, type Outcome } from './outcome.ts';
import type { SenderLink } from './sender-link.ts';

/** What all lanes of one session share. */
export interface LaneOptions {
  readonly broker: Broker;
  /** `host:port`, for texts. */
  readonly at: string;
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly ackTimeoutMs: number;
  readonly open: (address: string, signal: AbortSignal) => Promise<SenderLink>;
  readonly encode: (message: HubMessage, body: Uint8Array, contentEncoding: string) => Buffer;
  /** The whole session is over. May be called more than once. */
  readonly over: (error: Error) => void;
  /** Messages are on the wire and none was settled for `ackTimeoutMs`. */
  readonly overdue: (address: string, waiting: number) => void;
  readonly log: Log;
}

/** Bound on bytes under way, beside the count. */
const maxInFlightBytes = 4 * 1024 * 1024;
/** A broker that gives a message back gets it again after 0.1, 0.2, 0.4 … s, so many times. */
const mostAttempts = 6;
const firstPauseMs = 100;
/** So long without credit is worth a line in the log. */
const noCreditMs = 10_000;
/** A link that is detached sooner than this is not opened again: something is wrong with it. */
const shortLifeMs = 10_000;
/** Ids of deliveries are 32 bits, and the library counts on beyond them: a link is replaced long before. */
const mostDeliveries = 2 ** 31;

/** One message on its way. */
interface Item {
  readonly encoded: Buffer;
  readonly number: number;
  readonly settle: (error?: Error) => void;
  attempts: number;
}

/**
 * All messages to one address, in the order of the calls. When the broker gives one back, nothing new follows until it and what was on the
 * wire behind it has been settled and sent again in order.
 */
export class Lane {
  readonly address: string;
  /** Messages that are not settled. */
  pending = 0;
  /** By the monotonic clock, milliseconds. */
  usedMs = performance.now();
  /** Messages taken since the queue was last looked for. */
  unchecked = 0;

  readonly #options: LaneOptions;
  readonly #window: OrderedWindow;
  readonly #stop = new AbortController();
  #link: SenderLink | undefined;
  #opening: Promise<void> | undefined;
  #openedMs = 0;
  #sent = 0;
  #onWire = 0;
  /** Outcomes are coming in: nothing goes out before all that came together are known. */
  #hearing = false;
  /** Given back, not yet sent again. */
  #again: Item[] = [];
  /** Sent again, not settled. */
  #retried = 0;
  #pauseTimer: NodeJS.Timeout | undefined;
  #creditTimer: NodeJS.Timeout | undefined;
  #warned = false;

  constructor(address: string, options: LaneOptions) {
    this.address = address;
    this.#options = options;
    this.#window = new OrderedWindow({
      count: options.window,
      bytes: maxInFlightBytes,
      ackTimeoutMs: options.ackTimeoutMs,
      overdue: (waiting) => options.overdue(address, waiting),
      ready: () => this.#ready(),
    });
  }

  get where(): string {
    return `${this.address} at ${this.#options.at}`;
  }

  /** Largest message that the broker takes at this address, everything included; undefined when it names none. */
  get maxMessageBytes(): number | undefined {
    return this.#link?.maxMessageBytes;
  }

  /** Opens the link now; otherwise the first message does. */
  open(): Promise<void> {
    if (this.#link) return Promise.resolve();
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async send(message: HubMessage, { body, contentEncoding }: Packed): Promise<void> {
    this.pending++;
    this.usedMs = performance.now();
    if (!this.#link) this.open().catch((error: Error) => this.#options.over(error));
    const { encode, maxBodyBytes } = this.#options;
    try {
      await this.#window.send(
        body,
        (made, settle) => this.#put({ encoded: encode(message, made, contentEncoding), number: this.#sent++, settle, attempts: 0 }),
        (made) => {
          if (made.byteLength > maxBodyBytes) throw tooLarge(message.id, made.byteLength, maxBodyBytes, this.where);
        },
      );
    } finally {
      this.pending--;
    }
  }

  /** Nothing more goes on the wire; resolves when what is there was settled, or after `withinMs`. */
  async drain(withinMs: number): Promise<void> {
    this.#window.pause();
    await this.#window.drained(withinMs);
  }

  close(reason: NotConnectedError): void {
    clearTimeout(this.#pauseTimer);
    clearTimeout(this.#creditTimer);
    this.#stop.abort();
    this.#window.close(reason);
    this.#link?.close();
    this.#link = undefined;
  }

  async #open(): Promise<void> {
    const link = await this.#options.open(this.address, this.#stop.signal);
    if (this.#stop.signal.aborted) {
      link.close();
      return;
    }
    this.#link = link;
    this.#openedMs = performance.now();
    this.#sent = 0;
    link.onCredit = () => this.#advance();
    void link.lost.then((error) => this.#lost(link, error));
    this.#advance();
  }

  /** An idle link that the broker takes away is opened again when it is needed; messages on the wire have an unknown outcome. */
  #lost(link: SenderLink, error: GatewayError | undefined): void {
    if (this.#link !== link || error === undefined) return;
    this.#link = undefined;
    const shortLived = performance.now() - this.#openedMs < shortLifeMs;
    if (this.#onWire > 0 || this.#again.length > 0 || shortLived) this.#options.over(error);
    else if (this.pending > 0) this.open().catch((failure: Error) => this.#options.over(failure));
    else this.#options.log.debug({ address: this.address, reason: error.message }, 'an idle link was detached by the broker');
  }

  #ready(): boolean {
    const link = this.#link;
    if (!link || this.#hearing || this.#again.length + this.#retried > 0 || this.#sent >= mostDeliveries) return false;
    if (link.credit > 0) return true;
    if (this.#onWire === 0) this.#watchCredit();
    return false;
  }

  #watchCredit(): void {
    this.#creditTimer ??= setTimeout(() => {
      this.#warned = true;
      this.#options.log.warn({ address: this.address }, 'the broker grants no credit; messages wait for it');
    }, noCreditMs);
  }

  /** Credit came, or a message was settled. */
  #advance(): void {
    const link = this.#link;
    if (!link) return;
    if (link.credit > 0) {
      clearTimeout(this.#creditTimer);
      this.#creditTimer = undefined;
      if (this.#warned) this.#options.log.info({ address: this.address }, 'the broker grants credit again');
      this.#warned = false;
    }
    if (this.#again.length > 0) {
      if (this.#onWire === 0) this.#pause();
    } else if (this.#sent >= mostDeliveries) this.#replace();
    else this.#window.pump();
  }

  /** Everything on the wire is settled, and some of it was given back: after a pause it goes again, in order. */
  #pause(): void {
    const attempts = Math.max(...this.#again.map((item) => item.attempts));
    this.#pauseTimer ??= setTimeout(
      () => {
        this.#pauseTimer = undefined;
        const items = this.#again.toSorted((a, b) => a.number - b.number);
        this.#again = [];
        // These were on the wire together before; their number is within the window, and the library's buffer holds them without credit.
        for (const item of items) this.#put(item);
        this.#advance();
      },
      firstPauseMs * 2 ** (attempts - 1),
    );
  }

  #replace(): void {
    if (this.#onWire > 0) return;
    const old = this.#link;
    this.#link = undefined;
    old?.close();
    this.open().catch((error: Error) => this.#options.over(error));
  }

  #put(item: Item): void {
    const limit = this.#link?.maxMessageBytes;
    if (limit !== undefined && item.encoded.byteLength > limit) {
      item.settle(tooLarge(undefined, item.encoded.byteLength, limit, this.where));
      return;
    }
    this.#onWire++;
    if (item.attempts > 0) this.#retried++;
    this.#link?.send(item.encoded, (outcome) => this.#ended(item, outcome));
  }

  #ended(item: Item, outcome: Outcome): void {
    this.#onWire--;
    if (item.attempts > 0) this.#retried--;
    const verdict = judge(outcome, this.#options.broker, this.where);
    if (!this.#hearing) {
      this.#hearing = true;
      process.nextTick(() => {
        this.#hearing = false;
        this.#advance();
      });
    }
    switch (verdict.kind) {
      case 'taken':
        this.unchecked++;
        item.settle();
        break;
      case 'refused':
        item.settle(verdict.error);
        break;
      case 'over':
        this.#options.over(verdict.error);
        return;
      case 'again':
        if (++item.attempts >= mostAttempts) {
          this.#options.over(givenBack(item.attempts, this.#options.broker, this.where));
          return;
        }
        this.#again.push(item);
        break;
    }
  }
}

function tooLarge(id: string | undefined, bytes: number, limit: number, where: string): GatewayError {
  const what = id === undefined ? 'A message' : `Message ${id}`;
  return new GatewayError('message-too-large', `${what} has ${bytes} bytes; ${where} takes ${limit}.`, { retry: 'never' });
}
