import type { HubLog } from '../../../hub/log.ts';
import type { QueueCounters } from './contract.ts';
import type { Outcome, Outlet } from './outlets.ts';
import type { QueueStore, Waiting } from './queue-store.ts';

/** Longest wait between two tries, milliseconds. */
const longestWaitMs = 60_000;

export interface DeliveryParts {
  readonly name: string;
  readonly store: QueueStore;
  readonly outlet: Outlet;
  readonly log: HubLog;
  readonly retryMs: number;
  /** Bytes that left the disk. */
  readonly freed: (bytes: number) => void;
}

/**
 * Sends what waits for one endpoint: the best priority first, within one in order, as many at once as the outlet takes. A message is taken from
 * the disk after it was taken over; what a broken link left open goes out again, in order, before anything behind it.
 */
export class Delivery {
  readonly name: string;
  readonly #parts: DeliveryParts;
  /** Priorities that may have something on disk, best first, and the last message of each that went out. */
  readonly #lastIds = new Map<number, number>();
  #order: number[] = [];
  readonly #inFlight = new Set<number>();
  /** Settled, but not off the disk yet: they must not go out again. */
  readonly #leaving = new Set<number>();
  /** Since when; what was sent before a receiver came (back) says nothing about it. */
  #epoch = 0;
  #parked = false;
  /** Something went wrong: nothing new goes out until all that is under way has settled. */
  #dirty = false;
  /** After a failure one message goes first: were there more, those behind one that fails again would overtake it. */
  #probing = false;
  #retry: NodeJS.Timeout | undefined;
  #waitMs: number;
  #closed = false;
  readonly #count = { waiting: 0, bytes: 0, delivered: 0, expired: 0, refused: 0 };

  constructor(parts: DeliveryParts, waiting: { readonly messages: number; readonly bytes: number }) {
    this.name = parts.name;
    this.#parts = parts;
    this.#waitMs = parts.retryMs;
    this.#count.waiting = waiting.messages;
    this.#count.bytes = waiting.bytes;
    for (const priority of parts.store.priorities(parts.name)) this.#know(priority);
  }

  /** A message with this priority is on disk now. */
  added(priority: number, bytes: number): void {
    this.#know(priority);
    this.#count.waiting++;
    this.#count.bytes += bytes;
    this.#pump();
  }

  /** The receiver is there (again). */
  wake(): void {
    this.#epoch++;
    this.#parked = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#waitMs = this.#parts.retryMs;
    this.#probing = false;
    this.#restart();
  }

  /** Takes away what expired; false while it is being sent. */
  expire(id: number, bytes: number): boolean {
    if (this.#inFlight.has(id) || this.#leaving.has(id)) return false;
    this.#gone(bytes, 'expired');
    this.#takeOff(id);
    return true;
  }

  counters(): QueueCounters {
    const { waiting, bytes, delivered, expired, refused } = this.#count;
    return { endpoint: this.name, waiting, waitingBytes: bytes, delivered, expired, refused };
  }

  /** Sends nothing more; what is under way may still be taken off the disk. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  #know(priority: number): void {
    if (this.#lastIds.has(priority)) return;
    this.#lastIds.set(priority, 0);
    this.#order = [...this.#lastIds.keys()].sort((a, b) => a - b);
  }

  /** From the first message that is still there, once nothing is under way any more. */
  #restart(): void {
    if (this.#inFlight.size > 0 || this.#parked || this.#retry !== undefined || this.#closed) return;
    for (const priority of this.#order) this.#lastIds.set(priority, 0);
    this.#dirty = false;
    this.#pump();
  }

  #pump(): void {
    if (this.#parked || this.#dirty || this.#retry !== undefined || this.#closed) return;
    for (;;) {
      const room = (this.#probing ? 1 : this.#parts.outlet.window) - this.#inFlight.size;
      if (room <= 0) return;
      const messages = this.#next(room);
      if (messages.length === 0) return;
      for (const message of messages) this.#send(message);
    }
  }

  #next(max: number): readonly Waiting[] {
    for (const priority of this.#order) {
      const messages = this.#parts.store.next(this.name, priority, this.#lastIds.get(priority) ?? 0, max);
      const last = messages.at(-1);
      if (!last) continue;
      this.#lastIds.set(priority, last.id);
      return messages;
    }
    return [];
  }

  #send(waiting: Waiting): void {
    const { id, expiresMs, bytes, message } = waiting;
    if (this.#leaving.has(id)) return;
    if (expiresMs !== undefined && expiresMs <= Date.now()) {
      this.#gone(bytes, 'expired');
      this.#takeOff(id);
      return;
    }
    this.#inFlight.add(id);
    const epoch = this.#epoch;
    void this.#parts.outlet.send(message).then((outcome) => {
      this.#inFlight.delete(id);
      this.#settled(waiting, outcome, epoch);
    });
  }

  #settled({ id, bytes, message }: Waiting, outcome: Outcome, epoch: number): void {
    if (outcome.kind === 'taken' || outcome.kind === 'refused') {
      if (outcome.kind === 'refused') {
        const from = message.source;
        this.#parts.log.warn({ endpoint: this.name, from, reason: outcome.reason }, 'a message was refused for good and is lost');
      }
      this.#gone(bytes, outcome.kind === 'taken' ? 'delivered' : 'refused');
      this.#takeOff(id);
      if (!this.#dirty) {
        this.#waitMs = this.#parts.retryMs;
        this.#probing = false;
      }
    } else {
      this.#dirty = true;
      if (outcome.kind === 'away' && epoch === this.#epoch) this.#parked = true;
      if (outcome.kind === 'later') this.#wait(outcome.reason);
    }
    if (this.#dirty) this.#restart();
    else this.#pump();
  }

  #wait(reason: string): void {
    this.#probing = true;
    if (this.#retry !== undefined || this.#closed) return;
    this.#parts.log.debug({ endpoint: this.name, reason, inMs: this.#waitMs }, 'messages wait and are tried again');
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#restart();
    }, this.#waitMs);
    this.#waitMs = Math.min(this.#waitMs * 2, longestWaitMs);
  }

  #gone(bytes: number, why: 'delivered' | 'expired' | 'refused'): void {
    this.#count[why]++;
    this.#count.waiting--;
    this.#count.bytes -= bytes;
    this.#parts.freed(bytes);
  }

  #takeOff(id: number): void {
    this.#leaving.add(id);
    const done = (): void => void this.#leaving.delete(id);
    // A disk that does not take even this: the message stays, and goes out once more after a restart.
    this.#parts.store.remove([id]).then(done, () => {});
  }
}
