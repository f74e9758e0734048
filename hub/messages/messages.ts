import { randomUUID } from 'node:crypto';
import type { Commits } from '../core/commits.ts';
import type { CloudMessage, CloudMessages, Feedback, FeedbackRecord } from '../core/contract.ts';
import type { IdentityLink, Links } from '../core/links.ts';
import { Listeners } from '../core/listeners.ts';
import { RequestError } from '../core/request-error.ts';
import { expiryOf, propertyBag } from './message-form.ts';
import type { MessageQueue, QueuedMessage } from './queue.ts';

/** Messages that wait for one device, those in flight included. */
const maxQueued = 50;
/** After so many vain deliveries a message is given up. */
const maxDeliveries = 10;
/** Unacknowledged at one device at once: bounded, so that what a device does not read does not pile up. */
const window = 8;
/** A device that does not acknowledge gets the message again after this. */
const lockMs = 60_000;
const feedbackLifeMs = 3_600_000;

interface InFlight {
  readonly message: QueuedMessage;
  sentMs: number;
}

/** What a link has of its queue. */
interface Delivery {
  lastId: number;
  readonly inFlight: Map<number, InFlight>;
}

/** Cloud-to-device messages: on disk until a device acknowledged them (at least once), they expired, or nobody could take them. */
export class MessageDelivery implements CloudMessages, Feedback {
  readonly #queue: MessageQueue;
  readonly #commits: Commits;
  readonly #links: Links;
  readonly #mustExist: (deviceId: string) => void;
  readonly #deliveries = new WeakMap<IdentityLink, Delivery>();
  readonly #feedback = new Listeners<void>();
  /** Over and done with, on their way off the disk. */
  readonly #ending = new Set<number>();

  constructor(queue: MessageQueue, commits: Commits, links: Links, mustExist: (deviceId: string) => void) {
    this.#queue = queue;
    this.#commits = commits;
    this.#links = links;
    this.#mustExist = mustExist;
    links.onListening((link) => this.#send(link));
  }

  async enqueue(deviceId: string, message: CloudMessage): Promise<void> {
    const nowMs = Date.now();
    const expiresMs = expiryOf(message, nowMs);
    const messageId = message.messageId ?? randomUUID();
    const given = message.expiresMs === undefined ? undefined : expiresMs;
    const bag = propertyBag(deviceId, { ...message, messageId }, given);
    const { ack = 'none', body } = message;
    await this.#commits.run(() => {
      this.#mustExist(deviceId);
      if (this.#queue.count(deviceId) >= maxQueued) {
        throw new RequestError('DeviceMaximumQueueDepthExceeded', `${maxQueued} messages wait for ${deviceId} already`);
      }
      this.#queue.add({ deviceId, enqueuedMs: nowMs, expiresMs, messageId, ack, bag, body });
    });
    const link = this.#links.get(deviceId);
    if (link) this.#send(link);
  }

  async purge(deviceId: string): Promise<number> {
    const ended = await this.#commits.run(() => {
      this.#mustExist(deviceId);
      return this.#queue.of(deviceId).filter((message) => this.#queue.end(message, 'Purged', Date.now())).length;
    });
    this.#feedback.tell();
    return ended;
  }

  /** Called about once a second: what expired goes, what was not acknowledged in time goes out again. */
  check(nowMs: number): void {
    const expired = this.#queue.expired(nowMs);
    if (expired.length > 0) this.#end(expired, 'Expired');
    for (const link of this.#links) {
      for (const [id, flight] of this.#deliveries.get(link)?.inFlight ?? []) {
        if (nowMs - flight.sentMs < lockMs) continue;
        const message = this.#queue.get(id);
        if (message) this.#goOut(link, [message], 1);
      }
    }
  }

  forgetOldFeedback(nowMs: number): void {
    this.#queue.forgetFeedback(nowMs - feedbackLifeMs);
  }

  waiting(max: number, afterId = 0): readonly FeedbackRecord[] {
    return this.#queue.feedback(max, afterId);
  }

  settle(ids: readonly number[]): Promise<void> {
    return this.#commits.run(() => this.#queue.settleFeedback(ids));
  }

  onWaiting(listener: () => void): Disposable {
    return this.#feedback.add(listener);
  }

  /** As much as the link may have at once, in order. */
  #send(link: IdentityLink): void {
    const qos = link.listens('messages');
    if (qos === undefined) return;
    const delivery = this.#deliveries.get(link) ?? { lastId: 0, inFlight: new Map() };
    this.#deliveries.set(link, delivery);
    for (;;) {
      const messages = this.#queue.next(link.id, delivery.lastId, window - delivery.inFlight.size);
      if (messages.length === 0) return;
      delivery.lastId = (messages.at(-1) as QueuedMessage).id;
      // What the link before acknowledged a moment ago is not to go out again.
      const waiting = messages.filter(({ id }) => !this.#ending.has(id));
      this.#goOut(link, waiting, qos);
      // With QoS 0 nothing is in flight: on with what waits.
      if (delivery.inFlight.size >= window) return;
    }
  }

  #goOut(link: IdentityLink, messages: readonly QueuedMessage[], qos: 0 | 1): void {
    const nowMs = Date.now();
    const inFlight = this.#deliveries.get(link)?.inFlight;
    const given = messages.filter(({ deliveries, expiresMs }) => deliveries < maxDeliveries && expiresMs > nowMs);
    const tooOften = messages.filter(({ deliveries, expiresMs }) => deliveries >= maxDeliveries && expiresMs > nowMs);
    if (tooOften.length > 0) {
      for (const { id } of tooOften) inFlight?.delete(id);
      this.#end(tooOften, 'DeliveryCountExceeded');
    }
    if (given.length === 0) return;
    // Counting may come to the disk a moment later than the message goes out: a hub that ends between counts one less.
    this.#commits
      .run(() => {
        for (const message of given) this.#queue.goesOut(message);
      })
      .catch(() => {});
    for (const message of given) {
      const topic = `devices/${link.id}/messages/devicebound/${message.bag}`;
      if (qos === 0) {
        link.publish(topic, message.body);
        this.#end([message], 'Success');
        continue;
      }
      inFlight?.set(message.id, { message, sentMs: nowMs });
      link.deliver(topic, message.body, (acknowledged) => {
        inFlight?.delete(message.id);
        if (!acknowledged) return;
        this.#end([message], 'Success');
        this.#send(link);
      });
    }
  }

  #end(messages: readonly QueuedMessage[], statusCode: FeedbackRecord['statusCode']): void {
    const nowMs = Date.now();
    for (const { id } of messages) this.#ending.add(id);
    this.#commits
      .run(() => {
        for (const message of messages) this.#queue.end(message, statusCode, nowMs);
      })
      .then(
        () => this.#feedback.tell(),
        // The disk took nothing: the message stays, and goes out again with the next connection.
        () => {},
      )
      .finally(() => {
        for (const { id } of messages) this.#ending.delete(id);
      });
  }
}
