import type { Endpoint, RoutedMessage, RouteTable } from '../../../deployments/contract.ts';
import { HubError } from '../../../hub/error.ts';
import { type HubLog, LogThrottle } from '../../../hub/log.ts';
import type { TelemetrySink } from '../../../hub/mqtt/connection-host.ts';
import type { IncomingMessage } from '../../../hub/telemetry/writer.ts';
import type { DeadLetters } from '../../destination/dead-letters.ts';
import type { QueueCounters } from './contract.ts';
import { Delivery } from './delivery.ts';
import { routedFrom, sizeOf } from './message-form.ts';
import type { Outlet } from './outlets.ts';
import { endpointOf, moduleOf, queueOf } from './queue-names.ts';
import { type EndpointSum, noLosses, type QueueStore } from './queue-store.ts';

/** Not yet on disk; above it nobody is read. */
const congestedBytes = 16 * 1024 * 1024;
const sweepEveryMs = 5_000;
const sweptAtOnce = 500;
const droppedAtOnce = 500;

export interface RouterParts {
  readonly store: QueueStore;
  /** Called once for each queue that leads there. */
  readonly outletOf: (endpoint: Endpoint) => Outlet;
  readonly log: HubLog;
  readonly maxBytes: number;
  readonly retryMs: number;
  readonly deadLetters: DeadLetters;
}

const nothing: Omit<EndpointSum, 'endpoint'> = { messages: 0, bytes: 0, losses: noLosses };
const noRoutes: RouteTable = { specs: [], endpoints: [], match: () => [], wants: () => false };

/** Finds the queues of each message, and tells its sender when it waits there on disk. */
export class Router implements TelemetrySink, Disposable {
  readonly #parts: RouterParts;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #drained = new Set<() => void>();
  readonly #throttle = new LogThrottle(60_000);
  readonly #count = { received: 0, unrouted: 0, notStored: 0 };
  readonly #timer: NodeJS.Timeout;
  #routes: RouteTable = noRoutes;
  #maxBytes: number;
  #bytes = 0;
  #pendingBytes = 0;
  #sweeping = false;
  #closed = false;
  /** The answer to the last message; they go out in the order of the messages, also where one is dropped at once. */
  #answered: Promise<void> = Promise.resolve();

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#maxBytes = parts.maxBytes;
    for (const { endpoint, ...sum } of parts.store.sums()) {
      const leads = endpointOf(endpoint);
      if (!leads) continue;
      this.#bytes += sum.bytes;
      this.#open(endpoint, leads, sum);
    }
    this.#timer = setInterval(() => void this.#sweep(), sweepEveryMs).unref();
  }

  setRoutes(routes: RouteTable, maxBytes: number): void {
    this.#routes = routes;
    this.#maxBytes = maxBytes;
  }

  wants(source: string, kind?: Endpoint['kind']): boolean {
    return this.#routes.wants(source, kind);
  }

  /** What waits is tried as soon as it is there; call it once the outlets work. */
  start(): void {
    for (const delivery of this.#deliveries.values()) delivery.wake();
  }

  /** What these queues wait for may be there now. */
  wake(which: (queue: string) => boolean): void {
    for (const [name, delivery] of this.#deliveries) if (which(name)) delivery.wake();
  }

  /**
   * Drops what waits for modules that are neither among these nor at the end of a route; some at once, so that messages that arrive have their turn.
   * What they said themselves goes upstream. Ends early when routes lead there again.
   */
  async keepOnly(modules: ReadonlySet<string>): Promise<void> {
    for (const [name, delivery] of [...this.#deliveries]) {
      const module = moduleOf(name);
      if (module === undefined || modules.has(module)) continue;
      const isInput = endpointOf(name)?.kind === 'input';
      if (isInput) await this.#drop(module, delivery);
      if (!delivery.isBlank || (isInput && this.#leadsTo(module))) continue;
      delivery.close();
      this.#deliveries.delete(name);
    }
  }

  get congested(): boolean {
    return this.#pendingBytes > congestedBytes;
  }

  onceDrained(call: () => void): void {
    this.#drained.add(call);
  }

  append(message: IncomingMessage, stored: (error: HubError | undefined) => void): void {
    const taken = this.take(routedFrom(message)).then(
      () => undefined,
      (error) => error as HubError,
    );
    this.#answered = this.#answered.then(async () => stored(await taken));
  }

  /** Resolves when it waits on disk wherever it is to go, also when that is nowhere. Rejects with a HubError when there is no room. */
  async take(message: RoutedMessage, kind?: Endpoint['kind']): Promise<void> {
    this.#count.received++;
    const all = this.#routes.match(message);
    const targets = kind === undefined ? all : all.filter(({ endpoint }) => endpoint.kind === kind);
    if (targets.length === 0) {
      this.#count.unrouted++;
      return;
    }
    const bytes = sizeOf(message);
    const bytesOfAll = bytes * targets.length;
    if (this.#bytes + bytesOfAll > this.#maxBytes) throw this.#noRoom(message.source);
    this.#bytes += bytesOfAll;
    this.#pendingBytes += bytes;
    try {
      await this.#parts.store.add(message, targets, Date.now());
    } catch (error) {
      this.#bytes -= bytesOfAll;
      throw this.#failed(error as HubError, message.source);
    } finally {
      this.#pendingBytes -= bytes;
      this.#drain();
    }
    for (const { endpoint, priority } of targets) this.#added(queueOf(endpoint, message), endpoint, priority, bytes);
  }

  counters(): {
    received: number;
    unrouted: number;
    notStored: number;
    waiting: number;
    waitingBytes: number;
    maxBytes: number;
    queues: readonly QueueCounters[];
  } {
    const queues = [...this.#deliveries.values()].map((delivery) => delivery.counters());
    const waiting = queues.reduce((sum, queue) => sum + queue.waiting, 0);
    return { ...this.#count, waiting, waitingBytes: this.#bytes, maxBytes: this.#maxBytes, queues };
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#sayExpired();
    for (const delivery of this.#deliveries.values()) delivery.close();
  }

  #added(name: string, endpoint: Endpoint, priority: number, bytes: number): void {
    const delivery = this.#deliveries.get(name) ?? this.#open(name, endpoint, nothing);
    delivery.added(priority, bytes);
  }

  #open(name: string, endpoint: Endpoint, sum: Omit<EndpointSum, 'endpoint'>): Delivery {
    const { store, log, retryMs } = this.#parts;
    const freed = (bytes: number): void => {
      this.#bytes -= bytes;
    };
    const refused = (message: RoutedMessage, id: number, reason: string): Promise<void> => this.#refused(name, message, id, reason);
    const delivery = new Delivery({ name, store, outlet: this.#parts.outletOf(endpoint), log, retryMs, freed, refused }, sum);
    this.#deliveries.set(name, delivery);
    return delivery;
  }

  #noRoom(source: string): HubError {
    this.#count.notStored++;
    const megabytes = Math.round(this.#maxBytes / 1e6);
    const error = new HubError('queues-full', `the queues of the module broker are full (${megabytes} MB): ${source} has to wait`, {
      retry: 'with-backoff',
      hint: 'see which queue grows (dragoman status), bring its receiver back, shorten timeToLiveSecs or raise storeLimits.maxSizeBytes',
    });
    this.#say(error);
    return error;
  }

  #failed(cause: HubError, source: string): HubError {
    this.#count.notStored++;
    const { code, retry, hint = '' } = cause;
    const error = new HubError(code, `a message of ${source} could not be stored: ${cause.message}`, { retry, hint, cause });
    this.#say(error);
    return error;
  }

  /** Kept aside for a person to look at; gone for the endpoint. */
  async #refused(endpoint: string, { source, system, body }: RoutedMessage, id: number, reason: string): Promise<void> {
    const { deadLetters, log } = this.#parts;
    const held = this.#throttle.admit(`refused ${endpoint}`);
    if (held !== undefined) {
      const fields = { endpoint, from: source, reason, ...(held > 0 && { repeated: held }) };
      log.warn(fields, 'a message was refused for good; dragoman dead-letters shows it');
    }
    const { messageId = `queue-${id}`, contentType = '', contentEncoding = 'utf-8' } = system;
    const letter = { id: messageId, body, contentType, contentEncoding };
    await deadLetters.keep(letter, `${source} to ${endpoint}: ${reason}`).catch((error: Error) => {
      log.error({ endpoint, from: source, reason: error.message }, 'a dead letter could not be written');
    });
  }

  #say({ code, message, hint }: HubError): void {
    const held = this.#throttle.admit(code);
    if (held !== undefined) this.#parts.log.warn({ reason: message, hint, ...(held > 0 && { repeated: held }) }, 'messages are not taken');
  }

  #drain(): void {
    if (this.congested) return;
    const calls = [...this.#drained];
    this.#drained.clear();
    for (const call of calls) call();
  }

  #leadsTo(module: string): boolean {
    return this.#routes.endpoints.some((endpoint) => endpoint.kind === 'input' && endpoint.module === module);
  }

  async #drop(module: string, delivery: Delivery): Promise<void> {
    let messages = 0;
    for (let more = true; more && !this.#closed && !this.#leadsTo(module); ) {
      const found = this.#parts.store.some(delivery.name, droppedAtOnce);
      const leaving = found.map(({ id, bytes }) => delivery.lose(id, bytes, 'removed')).filter((gone) => gone !== undefined);
      await Promise.all(leaving);
      messages += leaving.length;
      more = found.length === droppedAtOnce && leaving.length > 0;
    }
    if (messages > 0)
      this.#parts.log.warn(
        { module, endpoint: delivery.name, messages },
        'messages were dropped: their module is not in the deployment any more',
      );
  }

  /** What expired while its receiver was away; some at once, so that messages that arrive have their turn. */
  async #sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      for (let more = true; more && !this.#closed; ) {
        const found = this.#parts.store.expired(Date.now(), sweptAtOnce);
        const leaving = found.map(({ id, endpoint, bytes }) => this.#deliveries.get(endpoint)?.lose(id, bytes, 'expired'));
        await Promise.all(leaving);
        more = found.length === sweptAtOnce && leaving.some((gone) => gone !== undefined);
      }
    } catch (error) {
      this.#parts.log.error({ reason: (error as Error).message }, 'expired messages could not be removed');
    } finally {
      this.#sweeping = false;
    }
    this.#sayExpired();
  }

  #sayExpired(): void {
    for (const [endpoint, delivery] of this.#deliveries) {
      const messages = delivery.takeUnsaid();
      if (messages > 0) this.#parts.log.warn({ endpoint, messages }, 'messages expired before their receiver took them');
    }
  }
}
