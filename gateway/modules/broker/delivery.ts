import type { RoutedMessage } from '../../../deployments/contract.ts';
import type { HubLog } from '../../../hub/log.ts';
import type { QueueCounters } from './contract.ts';
import type { Outcome, Outlet } from './outlets.ts';
import { type EndpointSum, noLosses, type QueueStore, type Waiting } from './queue-store.ts';
import type { Loss } from './queue-writer.ts';

/** Longest wait between two tries, milliseconds. */
const longestWaitMs = 60_000;

export interface DeliveryParts {
  readonly name: string;
  readonly store: QueueStore;
  readonly outlet: Outlet;
  readonly log: HubLog;
  readonly retryMs: number;
  /** Bytes that left the queue. */
  readonly freed: (bytes: number) => void;
  /** A message that its endpoint will never take; it leaves the disk when this resolves. Never rejects. */
  readonly refused: (message: RoutedMessage, id: number, reason: string) => Promise<void>;
}

/**
 * Sends what waits in one queue: the best priority first, within one in order, as many at once as the outlet takes. A message is taken from
 * the disk after it was taken over; what a broken link left open goes out again, in order, before anything behind it. What other queues of the same
 * outlet have ready and is better goes first, unless their link is broken.
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
  #waitsForRoom = false;
  #clearing = false;
  /** Expired, and not said yet. */
  #unsaid = 0;
  readonly #count = { waiting: 0, bytes: 0, delivered: 0, ...noLosses };

  constructor(parts: DeliveryParts, { messages, bytes, losses }: Omit<EndpointSum, 'endpoint'>) {
    this.name = parts.name;
    this.#parts = parts;
    this.#waitMs = parts.retryMs;
    this.#count = { waiting: messages, bytes, delivered: 0, ...losses };
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
    // It may be lost without being known to be.
    if (this.#inFlight.size > 0) this.#dirty = true;
    this.#restart();
  }

  /** Takes away what will not be sent any more, and resolves when it is gone from the disk; undefined while it is being sent. */
  lose(id: number, bytes: number, why: 'expired' | 'removed'): Promise<void> | undefined {
    return this.#inFlight.has(id) || this.#leaving.has(id) ? undefined : this.#lost(id, bytes, why);
  }

  /** Nothing waits, nothing is under way, and nothing was ever lost: nobody needs this object. */
  get isBlank(): boolean {
    const { waiting, expired, refused, removed } = this.#count;
    return waiting + expired + refused + removed + this.#inFlight.size + this.#leaving.size === 0;
  }

  /** How many expired since the last call; each is to be said once. */
  takeUnsaid(): number {
    const unsaid = this.#unsaid;
    this.#unsaid = 0;
    return unsaid;
  }

  counters(): QueueCounters {
    const { bytes, ...counts } = this.#count;
    return { endpoint: this.name, waitingBytes: bytes, ...counts };
  }

  /** Sends nothing more; what is under way may still be taken off the disk. */
  close(): void {
    this.#closed = true;
    this.#parts.outlet.turns.claim(this, undefined);
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
    if (this.#parked || this.#dirty || this.#clearing || this.#retry !== undefined || this.#closed) return;
    const { window, budget } = this.#parts.outlet;
    for (;;) {
      const messages = (this.#probing ? 1 : window) - this.#inFlight.size;
      if (messages <= 0) return;
      if (budget.room === 0) {
        this.#onceRoom();
        return;
      }
      const next = this.#next({ messages, bytes: budget.room });
      if (next.length === 0) return;
      const expired = next.map((message) => this.#send(message)).filter((gone) => gone !== undefined);
      if (expired.length > 0) {
        this.#clear(expired);
        return;
      }
    }
  }

  /** Goes on when they are off the disk: a long queue that expired while this process was down must not stop everybody else. */
  #clear(expired: readonly Promise<void>[]): void {
    this.#clearing = true;
    void Promise.all(expired).then(() => {
      this.#clearing = false;
      this.#pump();
    });
  }

  #onceRoom(): void {
    if (this.#waitsForRoom) return;
    this.#waitsForRoom = true;
    this.#parts.outlet.budget.onceRoom(() => {
      this.#waitsForRoom = false;
      this.#pump();
    });
  }

  #next(max: { readonly messages: number; readonly bytes: number }): readonly Waiting[] {
    const { turns } = this.#parts.outlet;
    // One that has just failed may fail again: nobody waits for it.
    const claim = (priority: number): void => turns.claim(this, this.#probing ? undefined : priority);
    try {
      for (const priority of this.#order) {
        if (!turns.admits(this, priority)) {
          claim(priority);
          turns.onceAdmitted(this, priority, () => this.#pump());
          return [];
        }
        const messages = this.#parts.store.next(this.name, priority, this.#lastIds.get(priority) ?? 0, max);
        const last = messages.at(-1);
        if (!last) continue;
        this.#lastIds.set(priority, last.id);
        claim(priority);
        return messages;
      }
      turns.claim(this, undefined);
    } catch (error) {
      this.#parts.log.error({ endpoint: this.name, reason: (error as Error).message }, 'a queue of the module broker cannot be read');
      this.#dirty = true;
      turns.claim(this, undefined);
      this.#wait((error as Error).message);
    }
    return [];
  }

  /** Gives when it is off the disk where its time is over. */
  #send(waiting: Waiting): Promise<void> | undefined {
    const { id, expiresMs, bytes, message } = waiting;
    if (this.#leaving.has(id)) return undefined;
    if (expiresMs !== undefined && expiresMs <= Date.now()) return this.#lost(id, bytes, 'expired');
    const { outlet } = this.#parts;
    this.#inFlight.add(id);
    outlet.budget.take(bytes);
    const epoch = this.#epoch;
    void outlet.send(message, String(id)).then((outcome) => {
      this.#inFlight.delete(id);
      this.#settled(waiting, outcome, epoch);
      // Last: whoever goes on now must know already what went wrong.
      outlet.budget.give(bytes);
    });
    return undefined;
  }

  #settled({ id, bytes, message }: Waiting, outcome: Outcome, epoch: number): void {
    if (outcome.kind === 'away' || outcome.kind === 'later') {
      this.#dirty = true;
      this.#parts.outlet.turns.claim(this, undefined);
      if (outcome.kind === 'later') this.#wait(outcome.reason);
      else if (epoch === this.#epoch) this.#parked = true;
    } else {
      if (outcome.kind === 'taken') this.#delivered(id, bytes);
      else this.#refuse(message, id, bytes, outcome.reason);
      if (!this.#dirty) {
        this.#waitMs = this.#parts.retryMs;
        this.#probing = false;
      }
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

  #delivered(id: number, bytes: number): void {
    this.#count.delivered++;
    void this.#leaves(id, bytes);
  }

  #refuse(message: RoutedMessage, id: number, bytes: number, reason: string): void {
    this.#leaving.add(id);
    void this.#parts.refused(message, id, reason).then(() => this.#lost(id, bytes, 'refused'));
  }

  #lost(id: number, bytes: number, why: Loss): Promise<void> {
    this.#count[why]++;
    if (why === 'expired') this.#unsaid++;
    return this.#leaves(id, bytes, why);
  }

  #leaves(id: number, bytes: number, why?: Loss): Promise<void> {
    this.#count.waiting--;
    this.#count.bytes -= bytes;
    this.#parts.freed(bytes);
    this.#leaving.add(id);
    return this.#takeOff(id, why);
  }

  /** A disk that does not take even this is asked again; until then the message stays, and goes out once more after a restart. */
  async #takeOff(id: number, why?: Loss): Promise<void> {
    try {
      await this.#parts.store.remove(id, why && { endpoint: this.name, why });
      this.#leaving.delete(id);
    } catch {
      if (!this.#closed) setTimeout(() => void this.#takeOff(id, why), longestWaitMs).unref();
    }
  }
}
