import { setTimeout as sleep } from 'node:timers/promises';
import { NotConnectedError } from '../../model/error.ts';
import type { SampleBatch, SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { Log, ObservedPoint } from '../contract.ts';
import type { OpcuaAddress } from './address.ts';
import { BatchQueue } from './batch-queue.ts';
import { Columns } from './columns.ts';
import { translateFailure } from './failures.ts';
import type { NotificationMessage } from './library.ts';
import { createSubscription, deleteSubscriptions, type Group, groupsOf, type Item, monitor } from './monitoring.ts';
import { changesOf, valuesOf } from './notification.ts';
import { compilePart, type Part } from './part.ts';
import { poll } from './poller.ts';
import type { Publisher, Subscriber } from './publisher.ts';
import { badBatch, openStructures, readItems, type ServerView } from './reader.ts';
import { type Place, readNamespaces, resolvePlaces } from './resolve.ts';
import type { ServerLink } from './server-link.ts';
import type { OpcuaSettings } from './settings.ts';
import { SubscriptionWatch } from './watch.ts';

export interface Counters {
  notifications: number;
  keepAlives: number;
  values: number;
  lost: number;
  silences: number;
  refreshes: number;
  latePolls: number;
  badNodes: number;
  retries: number;
}

export interface ObservationContext {
  readonly link: ServerLink;
  readonly view: ServerView;
  readonly publisher: Publisher;
  readonly settings: OpcuaSettings;
  readonly counters: Counters;
  readonly log: Log;
  readonly equipment: string;
}

/** This many values may wait for each point before the server is asked to hold back. */
const mostWaiting = 4;

/** A node that the server did not have is looked for again: after a boot, PLCs fill their address space late. */
const retryFirstMs = 5_000;
const retryMostMs = 30_000;

/** One `observe`: subscriptions, polls and their watchdog, from resolving the nodes to deleting what was made on the server. */
export class Observation implements Subscriber {
  readonly #context: ObservationContext;
  readonly #points: readonly ObservedPoint<OpcuaAddress>[];
  readonly #parts: readonly (Part | undefined)[];
  readonly #structures: boolean;
  readonly #known: Uint8Array;
  readonly #queue = new BatchQueue();
  readonly #watches = new Map<number, SubscriptionWatch>();
  readonly #items = new Map<number, Item>();
  readonly #stop = new AbortController();
  readonly #mostValues: number;
  /** Messages with structures wait for the types; the order of all messages is kept through this. */
  #order: Promise<void> = Promise.resolve();

  constructor(context: ObservationContext, points: readonly ObservedPoint<OpcuaAddress>[]) {
    this.#context = context;
    this.#points = points;
    this.#parts = points.map(({ address }) => compilePart(address));
    this.#structures = this.#parts.some((part) => part?.structured);
    this.#known = new Uint8Array(points.length);
    this.#mostValues = points.length * mostWaiting + 10_000;
    this.#queue.onTaken = () => {
      if (!this.full()) this.#context.publisher.fill();
    };
  }

  async *run(signal: AbortSignal): AsyncGenerator<SampleBatch> {
    if (signal.aborted) return;
    const close = (): void => this.#queue.close();
    signal.addEventListener('abort', close, { once: true });
    this.#context.link.lost.then((error) => this.#queue.fail(error));
    const work = this.#work().catch((error) => this.failed(error));
    try {
      for (let batch = await this.#queue.next(); batch; batch = await this.#queue.next()) yield batch;
    } finally {
      signal.removeEventListener('abort', close);
      this.#queue.close();
      this.#stop.abort();
      await this.#cleanUp(work);
    }
  }

  // --- setting up ---------------------------------------------------------------------------------------------------

  async #work(): Promise<void> {
    const all = this.#points.map((_, index) => index);
    const bad = await this.#start(all);
    const watchdog = this.#watch();
    await this.#retry(bad);
    await watchdog;
  }

  /** Resolves and watches these points; gives those that the server does not have. */
  async #start(indexes: readonly number[]): Promise<readonly number[]> {
    const { view } = this.#context;
    const places = await this.#resolve(indexes);
    if (this.#stop.signal.aborted) return [];
    const items: Item[] = [];
    const states = new Map<number, SampleState>();
    indexes.forEach((index, i) => {
      const { nodeId, bad } = places[i]!;
      if (nodeId) items.push({ index, point: this.#points[index]!, nodeId, part: this.#parts[index] });
      else states.set(index, bad);
    });
    this.#startPolls(items.filter(({ point }) => point.address.poll));
    for (const group of groupsOf(
      items.filter(({ point }) => !point.address.poll),
      this.#context.settings.publishingInterval,
    )) {
      await this.#subscribe(group, states);
    }
    this.#context.counters.badNodes = states.size;
    if (states.size > 0) this.#queue.push(badBatch([...states.keys()], (index) => states.get(index)!, view));
    return [...states.keys()];
  }

  async #resolve(indexes: readonly number[]): Promise<Place[]> {
    const { session, limits } = this.#context.view;
    const namespaces = await readNamespaces(session);
    return resolvePlaces(
      session,
      indexes.map((index) => this.#points[index]!.address.node),
      namespaces,
      limits,
    );
  }

  async #subscribe({ publishingMs, staleMs, items }: Group, states: Map<number, SampleState>): Promise<void> {
    const { view, publisher, log, equipment } = this.#context;
    if (this.#stop.signal.aborted) return;
    const subscription = await createSubscription(view.session, publishingMs, staleMs);
    const watch = new SubscriptionWatch(subscription, this.#known, performance.now());
    this.#watches.set(subscription.id, watch);
    publisher.add(subscription.id, this);
    // The first look-up of a structure's type reads many nodes; done now, it holds up no message.
    const structured = items.filter(({ part }) => part?.structured);
    if (structured.length > 0) await readItems(view, structured);
    let slowest = 0;
    const answers = await monitor(view.session, subscription, items, view.limits);
    for (const [i, item] of items.entries()) {
      const { bad, samplingMs } = answers[i]!;
      if (bad) {
        states.set(item.index, bad);
        continue;
      }
      this.#items.set(item.index, item);
      watch.addPoint(item.index);
      slowest = Math.max(slowest, samplingMs);
    }
    watch.heard(performance.now());
    const { publishingMs: revisedMs, keepAliveMs } = subscription;
    log.debug({ equipment, items: watch.points.length, publishingMs, revisedMs, keepAliveMs, samplingMs: slowest }, 'subscribed');
  }

  #startPolls(items: readonly Item[]): void {
    const { view, settings, link } = this.#context;
    const events = {
      push: (batch: SampleBatch) => this.#push(batch),
      failed: (error: Error) => this.failed(error),
      full: () => this.full(),
      late: () => void this.#context.counters.latePolls++,
    };
    for (const [everyMs, group] of Map.groupBy(items, ({ point }) => point.everyMs)) {
      const staleMs = Math.min(...group.map(({ point }) => point.staleAfterMs));
      const plan = {
        everyMs,
        items: group,
        patienceMs: Math.min(settings.timeout, staleMs * 0.8),
        giveUpMs: settings.giveUpAfter,
        where: link.peer.where,
      };
      void poll(view, plan, events, this.#stop.signal);
    }
  }

  /** Looks for missing nodes again, slowly, as long as some are missing. */
  async #retry(missing: readonly number[]): Promise<void> {
    const { settings, counters } = this.#context;
    let waitMs = retryFirstMs;
    let left = missing;
    while (left.length > 0 && (await pause(Math.min(waitMs, settings.sessionTimeout / 2), this.#stop.signal))) {
      counters.retries++;
      left = await this.#start(left);
      waitMs = Math.min(waitMs * 2, retryMostMs);
    }
  }

  // --- what the server sends ----------------------------------------------------------------------------------------

  full(): boolean {
    return this.#queue.values > this.#mostValues;
  }

  failed(error: Error): void {
    this.#queue.fail(translateFailure(error, this.#context.link.peer));
  }

  message(subscriptionId: number, message: NotificationMessage, more: boolean): void {
    const watch = this.#watches.get(subscriptionId);
    if (!watch || this.#stop.signal.aborted) return;
    if (!this.#structures) {
      this.#take(watch, message, more);
      return;
    }
    watch.heard(performance.now());
    const values = valuesOf(message);
    this.#order = this.#order
      .then(() => openStructures(this.#context.view.session, values))
      .then(() => this.#take(watch, message, more))
      .catch((error) => this.failed(error));
  }

  #take(watch: SubscriptionWatch, message: NotificationMessage, more: boolean): void {
    const { counters, view } = this.#context;
    const now = performance.now();
    watch.heard(now);
    const changes = changesOf(message);
    const isKeepAlive = changes.length === 0;
    let size = 0;
    for (const { monitoredItems, status } of changes) {
      size += monitoredItems?.length ?? 0;
      if (status) this.#ended(status.name);
    }
    const columns = new Columns(size, Date.now(), view.writeNodeId);
    for (const { monitoredItems } of changes) {
      if (!monitoredItems) continue;
      for (let i = 0; i < monitoredItems.length; i++) {
        const { clientHandle, value } = monitoredItems[i]!;
        if (clientHandle >= this.#known.length) continue;
        columns.add(clientHandle, value, this.#parts[clientHandle]);
        watch.know(clientHandle);
      }
    }
    counters.notifications++;
    counters.values += size;
    if (isKeepAlive) counters.keepAlives++;
    const missed = watch.missedBefore(message.sequenceNumber, isKeepAlive);
    const wasSilent = watch.silent;
    watch.silent = false;
    // Until all values were read again, nobody may claim that the old ones hold.
    const verified = more || missed > 0 || wasSilent ? undefined : watch.verified(now, isKeepAlive);
    const batch = columns.finish(verified);
    if (missed > 0) {
      counters.lost += missed;
      this.#push({ ...batch, lost: [...(batch.lost ?? []), { reason: `${missed} messages of the server did not arrive` }] });
    } else if (size > 0 || verified) this.#push(batch);
    if (missed > 0 || wasSilent) void this.#refresh(watch);
  }

  #ended(status: string): void {
    const { where } = this.#context.link.peer;
    this.#queue.fail(
      new NotConnectedError('opcua-subscription-ended', `${where} ended the subscription (${status})`, {
        retry: 'with-backoff',
        hint: 'The gateway subscribes anew by itself',
      }),
    );
  }

  #push(batch: SampleBatch): void {
    this.#queue.push(batch);
  }

  /** After a gap the values as they are now, because a subscription only tells what changes. */
  async #refresh(watch: SubscriptionWatch): Promise<void> {
    const { counters, view } = this.#context;
    counters.refreshes++;
    try {
      const items = watch.points.flatMap((index) => this.#items.get(index) ?? []);
      for (const batch of await readItems(view, items)) this.#push(batch);
    } catch (error) {
      if (!this.#stop.signal.aborted) this.failed(error as Error);
    }
  }

  // --- what the server does not send --------------------------------------------------------------------------------

  /** Marks points bad when their subscription went silent, in time; gives the connection up when it stays so. */
  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    const limits = [...this.#watches.values()].map((watch) => watch.silenceMs);
    const stepMs = Math.max(25, Math.min(1_000, ...limits.map((ms) => ms / 5)));
    while (await pause(stepMs, signal)) {
      if (this.full()) {
        // We asked for nothing, so silence proves nothing.
        for (const watch of this.#watches.values()) watch.heard(performance.now());
        continue;
      }
      for (const watch of this.#watches.values()) this.#check(watch);
    }
  }

  #check(watch: SubscriptionWatch): void {
    const { link, settings, counters, view } = this.#context;
    const silentMs = watch.silentForMs(performance.now());
    const seconds = (silentMs / 1_000).toFixed(1);
    if (silentMs > Math.max(settings.giveUpAfter, watch.silenceMs)) {
      const message = `${link.peer.where} has been silent for ${seconds} s on a living connection`;
      this.#queue.fail(
        new NotConnectedError('opcua-silent', message, {
          retry: 'with-backoff',
          hint: 'The server hangs, or the network swallows its packets; the gateway connects anew',
        }),
      );
    } else if (!watch.silent && silentMs > watch.silenceMs) {
      watch.silent = true;
      counters.silences++;
      const state: SampleState = {
        status: statuses.BadNoCommunication,
        reason: `neither data nor keep-alive from ${link.peer.where} for ${seconds} s`,
      };
      if (watch.points.length > 0) this.#push(badBatch(watch.points, () => state, view));
    }
  }

  async #cleanUp(work: Promise<void>): Promise<void> {
    const { link, publisher, view } = this.#context;
    const patienceMs = 1_000;
    await Promise.race([work, sleep(patienceMs, undefined, { ref: false })]);
    const ids = [...this.#watches.keys()];
    for (const id of ids) publisher.remove(id);
    this.#watches.clear();
    if (ids.length === 0 || link.isLost()) return;
    await Promise.race([deleteSubscriptions(view.session, ids).catch(() => {}), sleep(patienceMs, undefined, { ref: false })]);
  }
}

/** False when the signal aborted first. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  return !signal.aborted;
}
