import { type NotificationMessage, PublishRequest, type PublishResponse, type Session } from './library.ts';

/** Longest that a publish request may wait at the server, in ms; silence is noticed by the watchdog, long before. */
const requestLifeMs = 600_000;

/** Whoever owns a subscription. */
export interface Subscriber {
  /** In the order of the server. A message without data is a keep-alive; `more` says that the next is on its way. */
  message(subscriptionId: number, message: NotificationMessage, more: boolean): void;
  /** The session or its subscriptions are gone. */
  failed(error: Error): void;
  /** True while no more should be asked for: the consumer is behind, and the server's queues keep the newest. */
  full(): boolean;
}

/**
 * Keeps publish requests waiting at the server and acknowledges what came (OPC UA Part 4 §5.14.5). One for each session,
 * because a request that waits is answered with whatever subscription has something to say.
 * The library has such an engine of its own, which hands each value to an emitter; ten thousand emitters are what we do without.
 */
export class Publisher {
  readonly #session: Session;
  readonly #subscribers = new Map<number, Subscriber>();
  #acknowledgements: { subscriptionId: number; sequenceNumber: number }[] = [];
  #waiting = 0;
  /** What the server takes at once, once it complained. */
  #most = Number.POSITIVE_INFINITY;
  #refusals = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  add(subscriptionId: number, subscriber: Subscriber): void {
    this.#subscribers.set(subscriptionId, subscriber);
    this.fill();
  }

  remove(subscriptionId: number): void {
    this.#subscribers.delete(subscriptionId);
  }

  /** Asks for what is missing; called again when a consumer caught up. Two more requests than subscriptions cover the time on the wire. */
  fill(): void {
    const wanted = this.#subscribers.size === 0 ? 0 : Math.min(this.#subscribers.size + 2, this.#most);
    while (this.#waiting < wanted && !this.#isFull()) this.#send();
  }

  #isFull(): boolean {
    for (const subscriber of this.#subscribers.values()) if (subscriber.full()) return true;
    return false;
  }

  #send(): void {
    const request = new PublishRequest({
      requestHeader: { timeoutHint: requestLifeMs },
      subscriptionAcknowledgements: this.#acknowledgements,
    });
    this.#acknowledgements = [];
    this.#waiting++;
    this.#session.publish(request, (error, response) => {
      this.#waiting--;
      if (error || !response) this.#refused(error ?? new Error('the server answered a publish request with nothing'));
      else this.#take(response);
    });
  }

  #take({ subscriptionId, notificationMessage, moreNotifications }: PublishResponse): void {
    this.#refusals = 0;
    // A keep-alive carries the number of the message to come, so there is nothing to acknowledge.
    if (notificationMessage.notificationData?.length) {
      this.#acknowledgements.push({ subscriptionId, sequenceNumber: notificationMessage.sequenceNumber });
    }
    this.#subscribers.get(subscriptionId)?.message(subscriptionId, notificationMessage, moreNotifications);
    this.fill();
  }

  #refused(error: Error): void {
    if (/BadTooManyPublishRequests/.test(error.message)) {
      this.#most = Math.max(1, this.#waiting);
      return;
    }
    // A request that waited its whole life, or one from before the last subscription was deleted: another takes its place.
    if (/BadTimeout|BadNoSubscription/.test(error.message) && ++this.#refusals <= 5) {
      this.fill();
      return;
    }
    for (const subscriber of new Set(this.#subscribers.values())) subscriber.failed(error);
  }
}
