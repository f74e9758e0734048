import type { Subscription } from './monitoring.ts';

/** A subscription may be this much later than its keep-alive before it counts as silent. */
const patience = 1.5;
/** … but the word must come before the points are stale, or they would be stale without a reason. */
const beforeStale = 0.8;

/** One subscription as we see it: which of its points have a value, and when it was heard last. Times are monotonic milliseconds. */
export class SubscriptionWatch {
  readonly subscription: Subscription;
  readonly #points: number[] = [];
  readonly #known: Uint8Array;
  #verified: Uint32Array = new Uint32Array(0);
  #knownCount = 0;
  #heardMs: number;
  #verifiedMs = 0;
  #nextSequence: number | undefined;
  /** Nothing came for longer than allowed; its points were marked bad. */
  silent = false;

  /** `known` has one flag for each observed point and is shared by all subscriptions. */
  constructor(subscription: Subscription, known: Uint8Array, nowMs: number) {
    this.subscription = subscription;
    this.#known = known;
    this.#heardMs = nowMs;
  }

  get points(): readonly number[] {
    return this.#points;
  }

  addPoint(index: number): void {
    this.#points.push(index);
  }

  /** How long nothing may come. */
  get silenceMs(): number {
    const { keepAliveMs, staleMs } = this.subscription;
    return Math.max(Math.min(keepAliveMs * patience, staleMs * beforeStale), 50);
  }

  silentForMs(nowMs: number): number {
    return nowMs - this.#heardMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** Numbers of messages that never arrived, seen by the number of this one. They count from 1 and wrap to 1. */
  missedBefore(sequenceNumber: number, isKeepAlive: boolean): number {
    const expected = this.#nextSequence;
    const next = sequenceNumber === 0xffffffff ? 1 : sequenceNumber + 1;
    this.#nextSequence = isKeepAlive ? sequenceNumber : next;
    if (expected === undefined || sequenceNumber < expected) return 0;
    return sequenceNumber - expected;
  }

  know(index: number): void {
    if (this.#known[index] === 0) {
      this.#known[index] = 1;
      this.#knownCount++;
    }
  }

  /** Points whose last value is proven to hold, when it is time to say so again; undefined when it was said a moment ago. */
  verified(nowMs: number, isKeepAlive: boolean): ArrayLike<number> | undefined {
    if (this.#knownCount === 0 || (!isKeepAlive && nowMs - this.#verifiedMs < this.subscription.staleMs / 4)) return undefined;
    this.#verifiedMs = nowMs;
    if (this.#verified.length !== this.#knownCount)
      this.#verified = Uint32Array.from(this.#points.filter((index) => this.#known[index] === 1));
    return this.#verified;
  }

  forget(): void {
    for (const index of this.#points) this.#known[index] = 0;
    this.#knownCount = 0;
  }
}
