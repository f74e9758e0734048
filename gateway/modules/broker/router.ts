import type { Endpoint, RoutedMessage, RouteTable, RouteTarget } from '../../../deployments/contract.ts';
import { isDiskFull } from '../../../hub/database.ts';
import { HubError } from '../../../hub/error.ts';
import { type HubLog, LogThrottle } from '../../../hub/log.ts';
import type { TelemetrySink } from '../../../hub/mqtt/connection-host.ts';
import type { IncomingMessage } from '../../../hub/telemetry/writer.ts';
import type { QueueCounters } from './contract.ts';
import { Delivery } from './delivery.ts';
import { routedFrom, sizeOf } from './message-form.ts';
import type { Outlet } from './outlets.ts';
import { endpointName, endpointNamed, type QueueStore } from './queue-store.ts';

/** Not yet on disk; above it nobody is read. */
const congestedBytes = 16 * 1024 * 1024;
const sweepEveryMs = 5_000;
const sweptAtOnce = 500;

export interface RouterParts {
  readonly store: QueueStore;
  readonly outletOf: (endpoint: Endpoint) => Outlet;
  readonly log: HubLog;
  readonly maxBytes: number;
  readonly retryMs: number;
}

const noRoutes: RouteTable = { specs: [], match: () => [], wants: () => false };

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
  /** The answer to the last message; they go out in the order of the messages, also where one is dropped at once. */
  #answered: Promise<void> = Promise.resolve();

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#maxBytes = parts.maxBytes;
    for (const { endpoint, messages, bytes } of parts.store.sums()) {
      const known = endpointNamed(endpoint);
      if (!known) continue;
      this.#bytes += bytes;
      this.#open(known, { messages, bytes });
    }
    this.#timer = setInterval(() => this.#sweep(), sweepEveryMs).unref();
  }

  setRoutes(routes: RouteTable, maxBytes: number): void {
    this.#routes = routes;
    this.#maxBytes = maxBytes;
  }

  wants(source: string): boolean {
    return this.#routes.wants(source);
  }

  /** What waits is tried as soon as it is there; call it once the outlets work. */
  start(): void {
    for (const delivery of this.#deliveries.values()) delivery.wake();
  }

  /** The receiver of these queues is there now. */
  wake(namePrefix: string): void {
    for (const [name, delivery] of this.#deliveries) if (name.startsWith(namePrefix)) delivery.wake();
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
  async take(message: RoutedMessage): Promise<void> {
    this.#count.received++;
    const targets = this.#routes.match(message);
    if (targets.length === 0) {
      this.#count.unrouted++;
      return;
    }
    const bytes = sizeOf(message);
    const all = bytes * targets.length;
    if (this.#bytes + all > this.#maxBytes) throw this.#noRoom(message.source);
    this.#bytes += all;
    this.#pendingBytes += bytes;
    try {
      await this.#parts.store.add(message, targets, Date.now());
    } catch (error) {
      this.#bytes -= all;
      throw this.#failed(error, message.source);
    } finally {
      this.#pendingBytes -= bytes;
      this.#drain();
    }
    for (const target of targets) this.#added(target, bytes);
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
    clearInterval(this.#timer);
    for (const delivery of this.#deliveries.values()) delivery.close();
  }

  #added({ endpoint, priority }: RouteTarget, bytes: number): void {
    const delivery = this.#deliveries.get(endpointName(endpoint)) ?? this.#open(endpoint, { messages: 0, bytes: 0 });
    delivery.added(priority, bytes);
  }

  #open(endpoint: Endpoint, waiting: { readonly messages: number; readonly bytes: number }): Delivery {
    const name = endpointName(endpoint);
    const { store, log, retryMs } = this.#parts;
    const freed = (bytes: number): void => {
      this.#bytes -= bytes;
    };
    const delivery = new Delivery({ name, store, outlet: this.#parts.outletOf(endpoint), log, retryMs, freed }, waiting);
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

  #failed(cause: unknown, source: string): HubError {
    this.#count.notStored++;
    const full = isDiskFull((cause as Error).cause);
    const reason = full ? 'the disk is full' : (cause as Error).message;
    const error = new HubError(full ? 'disk-full' : 'queue-failed', `a message of ${source} could not be stored: ${reason}`, {
      retry: 'with-backoff',
      hint: 'make room on the disk of the gateway; the module sends it again',
      cause,
    });
    this.#say(error);
    return error;
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

  /** What expired while its receiver was away. */
  #sweep(): void {
    const counts = new Map<string, number>();
    for (const { id, endpoint, bytes } of this.#parts.store.expired(Date.now(), sweptAtOnce)) {
      if (this.#deliveries.get(endpoint)?.expire(id, bytes)) counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
    }
    for (const [endpoint, messages] of counts) {
      this.#parts.log.warn({ endpoint, messages }, 'messages expired before their receiver came');
    }
  }
}
