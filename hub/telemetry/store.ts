import { Worker } from 'node:worker_threads';
import { HubError } from '../error.ts';
import type { HubLog } from '../log.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './worker.ts';
import type { IncomingMessage, WriteOutcome } from './writer.ts';

export interface StoreCounters {
  readonly messages: number;
  readonly events: number;
  readonly duplicates: number;
  /** Messages that hold no CloudEvents. */
  readonly unread: number;
  readonly refused: number;
  readonly pending: number;
}

/** Called once for each message, in the order of `append`: undefined when it is on disk. */
export type Stored = (error: HubError | undefined) => void;

/** While more than this waits for the disk, in bytes, connections stop reading. */
const congestedBytes = 64 * 1024 * 1024;

/** Hands messages to the worker that writes them, and tells each sender when its message is on disk. */
export class TelemetryStore {
  readonly #worker: Worker;
  readonly #log: HubLog;
  readonly #waiting: { readonly stored: Stored; readonly bytes: number }[] = [];
  readonly #count = { messages: 0, events: 0, duplicates: 0, unread: 0, refused: 0 };
  readonly #drained = new Set<() => void>();
  #outgoing: IncomingMessage[] = [];
  #pendingBytes = 0;
  #failing = false;
  #closed: () => void = () => {};
  #dead: HubError | undefined;
  /** Called after each batch that came to the disk. */
  onStored: () => void = () => {};
  /** Resolves with the cause when the worker broke and nothing can be stored any more. */
  readonly failed: Promise<HubError>;

  static async open(settings: WorkerSettings, log: HubLog): Promise<TelemetryStore> {
    // The compiled package carries worker.js beside store.js.
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    // Flags of the program (a test runner's, --input-type) are not meant for this thread.
    const worker = new Worker(new URL(file, import.meta.url), { workerData: settings, execArgv: [] });
    await new Promise<void>((resolve, reject) => {
      worker.once('message', () => {
        worker.off('error', reject);
        resolve();
      });
      worker.once('error', reject);
    });
    return new TelemetryStore(worker, log);
  }

  private constructor(worker: Worker, log: HubLog) {
    this.#worker = worker;
    this.#log = log;
    worker.on('message', (message: FromWorker) => this.#take(message));
    this.failed = new Promise((resolve) => {
      worker.on('error', (error) => {
        const cause = new HubError('hub-store', `the telemetry store ended: ${(error as Error).message}`, {
          retry: 'with-backoff',
          hint: 'start the hub again; if it keeps ending, check the disk under its data folder',
          cause: error,
        });
        this.#dead = cause;
        this.#settle(this.#waiting.length, cause);
        this.#closed();
        resolve(cause);
      });
    });
  }

  /** Takes the body over: its memory must not be touched afterwards. */
  append(message: IncomingMessage, stored: Stored): void {
    if (this.#dead) {
      stored(this.#dead);
      return;
    }
    this.#waiting.push({ stored, bytes: message.body.length });
    this.#pendingBytes += message.body.length;
    // What arrives in one turn of the loop travels together.
    if (this.#outgoing.push(message) === 1) queueMicrotask(() => this.#post());
  }

  get congested(): boolean {
    return this.#pendingBytes > congestedBytes;
  }

  /** Calls back once, when the store is not congested any more. */
  onceDrained(call: () => void): void {
    this.#drained.add(call);
  }

  counters(): StoreCounters {
    return { ...this.#count, pending: this.#waiting.length };
  }

  /** Everything appended is on disk, or refused, when it resolves. */
  async close(): Promise<void> {
    if (this.#dead) return;
    const closed = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    this.#post();
    this.#worker.postMessage('close' satisfies ToWorker);
    await closed;
    await this.#worker.terminate();
  }

  #post(): void {
    if (this.#outgoing.length === 0 || this.#dead) return;
    const messages = this.#outgoing;
    this.#outgoing = [];
    const transfer = [...new Set(messages.map(({ body }) => body.buffer as ArrayBuffer))];
    this.#worker.postMessage({ messages } satisfies ToWorker, transfer);
  }

  #take(message: FromWorker): void {
    if (message === 'ready') return;
    if (message === 'closed') {
      this.#closed();
      return;
    }
    if ('sweepFailed' in message) {
      this.#log.warn({ reason: message.sweepFailed }, 'old telemetry could not be removed');
      return;
    }
    const { count, outcome } = message;
    this.#account(count, outcome);
    this.#settle(count, outcome.ok ? undefined : storeError(outcome));
    if (outcome.ok) this.onStored();
  }

  #account(count: number, outcome: WriteOutcome): void {
    if (outcome.ok) {
      this.#count.messages += count;
      this.#count.events += outcome.events;
      this.#count.duplicates += outcome.duplicates;
      this.#count.unread += outcome.unread;
      if (this.#failing) this.#log.info({}, 'telemetry is taken again');
      this.#failing = false;
      return;
    }
    this.#count.refused += count;
    if (!this.#failing) {
      const error = storeError(outcome);
      this.#log.error({ code: error.code, reason: outcome.reason, hint: error.hint }, error.message);
    }
    this.#failing = true;
  }

  #settle(count: number, error: HubError | undefined): void {
    for (const { stored, bytes } of this.#waiting.splice(0, count)) {
      this.#pendingBytes -= bytes;
      stored(error);
    }
    if (this.congested || this.#drained.size === 0) return;
    const calls = [...this.#drained];
    this.#drained.clear();
    for (const call of calls) call();
  }
}

function storeError(outcome: WriteOutcome & { ok: false }): HubError {
  return outcome.code === 'disk-full'
    ? new HubError('hub-disk-full', 'no room for telemetry: it is refused, and gateways keep theirs', {
        retry: 'with-backoff',
        hint: 'make room on the disk of the hub, or let it keep less',
      })
    : new HubError('hub-store-failed', 'telemetry cannot be written: it is refused, and gateways keep theirs', { retry: 'with-backoff' });
}
