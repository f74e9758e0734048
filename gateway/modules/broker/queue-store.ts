import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RoutedMessage, RouteTarget } from '../../../deployments/contract.ts';
import { type DatabaseSync, openDatabase, type StatementSync } from '../../../hub/database.ts';
import { HubError } from '../../../hub/error.ts';
import { sizeOf } from './message-form.ts';
import { queueOf } from './queue-names.ts';
import type { FromWorker, ToWorker } from './queue-worker.ts';
import { type Change, type Failure, type Loss, openQueues } from './queue-writer.ts';

export interface Waiting {
  readonly id: number;
  readonly expiresMs: number | undefined;
  readonly bytes: number;
  readonly message: RoutedMessage;
}

export interface EndpointSum {
  readonly endpoint: string;
  readonly messages: number;
  readonly bytes: number;
  readonly losses: Readonly<Record<Loss, number>>;
}

export const noLosses: Readonly<Record<Loss, number>> = { expired: 0, refused: 0, removed: 0 };

/**
 * Nobody waits for a removal, so it travels with the next message that comes, or by itself after this: half as many waits for the disk, for a few
 * more messages that go out twice after a crash.
 */
const removalsWaitMs = 10;

interface Pending {
  readonly done: () => void;
  readonly failed: (error: HubError) => void;
}

/**
 * The queues on disk: an SQLite file of the broker's own. A worker thread writes it, so that nobody else in this process waits for the disk; what
 * comes while it writes shares the next commit. Reading is done here.
 */
export class QueueStore implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #reader: DatabaseSync;
  readonly #next: StatementSync;
  readonly #pending: Pending[] = [];
  #outgoing: Change[] = [];
  #soon = false;
  #timer: NodeJS.Timeout | undefined;
  #dead: HubError | undefined;
  #closed: () => void = () => {};
  /** Resolves with the cause when the thread broke and nothing can be stored any more. */
  readonly failed: Promise<HubError>;

  /** Rejects with HubError when the file cannot be opened. */
  static async open(folder: string): Promise<QueueStore> {
    const file = join(folder, 'queues.db');
    // Here first: what is wrong with the file is said as it is, not through a thread.
    openQueues(file).close();
    // The compiled package carries queue-worker.js beside queue-store.js.
    const program = import.meta.url.endsWith('.ts') ? './queue-worker.ts' : './queue-worker.js';
    const worker = new Worker(new URL(program, import.meta.url), { workerData: file, execArgv: [] });
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject).once('message', () => {
        worker.off('error', reject);
        resolve();
      });
    });
    return new QueueStore(worker, openDatabase(file, '', { readOnly: true }));
  }

  private constructor(worker: Worker, reader: DatabaseSync) {
    this.#worker = worker;
    this.#reader = reader;
    this.#next = reader.prepare('SELECT * FROM queue WHERE endpoint = ? AND priority = ? AND id > ? ORDER BY id LIMIT ?');
    worker.on('message', (message: FromWorker) => this.#take(message));
    this.failed = new Promise((resolve) => worker.on('error', (error) => resolve(this.#die(error as Error))));
  }

  /** Resolves when the message waits on disk for all its targets; rejects with HubError, with none of it there, when the disk does not take it. */
  add(message: RoutedMessage, targets: readonly RouteTarget[], nowMs: number): Promise<void> {
    const { source, properties, system, body } = message;
    return this.#change({
      kind: 'add',
      targets: targets.map(({ endpoint, priority, timeToLiveSecs }) => ({
        endpoint: queueOf(endpoint, message),
        priority,
        expiresMs: timeToLiveSecs < 0 ? undefined : nowMs + timeToLiveSecs * 1000,
      })),
      bytes: sizeOf(message),
      source,
      properties: JSON.stringify(properties),
      system: JSON.stringify(system),
      // The thread gets a copy: of a part of a larger memory, only that part.
      body: body.byteLength === body.buffer.byteLength ? body : new Uint8Array(body),
    });
  }

  /** In order, behind the message with this id: at least one, if there is one, then as many as fit into the bytes. */
  next(
    endpoint: string,
    priority: number,
    afterId: number,
    max: { readonly messages: number; readonly bytes: number },
  ): readonly Waiting[] {
    const found: Waiting[] = [];
    let bytes = 0;
    for (const row of this.#next.iterate(endpoint, priority, afterId, max.messages)) {
      bytes += row.size as number;
      if (found.length > 0 && bytes > max.bytes) break;
      found.push(toWaiting(row));
    }
    return found;
  }

  /** Resolves when it is gone for good, and noted as lost where it is. */
  remove(id: number, lost?: { readonly endpoint: string; readonly why: Loss }): Promise<void> {
    return this.#change({ kind: 'remove', id, ...(lost && { loss: { ...lost, atMs: Date.now() } }) });
  }

  /** Some of those whose time is over. */
  expired(nowMs: number, max: number): readonly { readonly id: number; readonly endpoint: string; readonly bytes: number }[] {
    return this.#reader
      .prepare('SELECT id, endpoint, size AS bytes FROM queue WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?')
      .all(nowMs, max) as unknown as readonly { id: number; endpoint: string; bytes: number }[];
  }

  /** Some of those that wait in this queue. */
  some(endpoint: string, max: number): readonly { readonly id: number; readonly bytes: number }[] {
    return this.#reader
      .prepare('SELECT id, size AS bytes FROM queue WHERE endpoint = ? LIMIT ?')
      .all(endpoint, max) as unknown as readonly { id: number; bytes: number }[];
  }

  /** What waits, and what was ever lost. */
  sums(): readonly EndpointSum[] {
    const sums = new Map<string, EndpointSum>();
    const waiting = this.#reader.prepare('SELECT endpoint, count(*) AS messages, sum(size) AS bytes FROM queue GROUP BY endpoint').all();
    for (const row of waiting as unknown as { endpoint: string; messages: number; bytes: number }[])
      sums.set(row.endpoint, { ...row, losses: noLosses });
    const losses = this.#reader.prepare('SELECT endpoint, why, messages FROM losses').all();
    for (const { endpoint, why, messages } of losses as unknown as { endpoint: string; why: Loss; messages: number }[]) {
      const sum = sums.get(endpoint) ?? { endpoint, messages: 0, bytes: 0, losses: noLosses };
      sums.set(endpoint, { ...sum, losses: { ...sum.losses, [why]: messages } });
    }
    return [...sums.values()];
  }

  priorities(endpoint: string): readonly number[] {
    return this.#reader
      .prepare('SELECT DISTINCT priority FROM queue WHERE endpoint = ? ORDER BY priority')
      .all(endpoint)
      .map((row) => row.priority as number);
  }

  /** JSON; undefined when upstream has nothing of this module, as it was made under this generation id. */
  reported(module: string, generation: string): string | undefined {
    const row = this.#reader.prepare('SELECT properties FROM reported WHERE module = ? AND generation = ?').get(module, generation);
    return row?.properties as string | undefined;
  }

  saveReported(module: string, generation: string, properties: string): Promise<void> {
    return this.#change({ kind: 'reported', module, generation, properties });
  }

  /** What upstream has of other modules is forgotten. */
  keepReported(modules: Iterable<string>): Promise<void> {
    return this.#change({ kind: 'keep-reported', modules: [...modules] });
  }

  /** What was given before is on disk when it resolves; what comes later is refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#dead) {
      this.#post();
      this.#dead = new HubError('broker-closed', 'the module broker ends', { retry: 'with-backoff' });
      const closed = new Promise<void>((resolve) => {
        this.#closed = resolve;
      });
      this.#worker.postMessage('close' satisfies ToWorker);
      await closed;
    }
    await this.#worker.terminate();
    this.#reader.close();
  }

  #change(change: Change): Promise<void> {
    if (this.#dead) return Promise.reject(this.#dead);
    return new Promise((done, failed) => {
      this.#pending.push({ done, failed });
      this.#outgoing.push(change);
      if (change.kind === 'remove') this.#timer ??= setTimeout(() => this.#post(), removalsWaitMs);
      else if (!this.#soon) {
        // What comes in one turn of the loop travels together.
        this.#soon = true;
        queueMicrotask(() => this.#post());
      }
    });
  }

  #post(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#soon = false;
    if (this.#outgoing.length === 0 || this.#dead) return;
    const changes = this.#outgoing;
    this.#outgoing = [];
    this.#worker.postMessage(changes satisfies ToWorker);
  }

  #take(message: FromWorker): void {
    if (message === 'ready') return;
    if (message === 'closed') {
      this.#closed();
      return;
    }
    const settled = this.#pending.splice(0, message.length);
    for (const [index, { done, failed }] of settled.entries()) {
      const failure = message[index];
      if (failure) failed(errorOf(failure));
      else done();
    }
  }

  #die(error: Error): HubError {
    const cause = new HubError('broker-store', `the queues of the module broker cannot be written any more: ${error.message}`, {
      retry: 'with-backoff',
      hint: 'start the gateway again; if this comes back, check the disk under its data folder',
      cause: error,
    });
    this.#dead = cause;
    for (const { failed } of this.#pending.splice(0)) failed(cause);
    this.#closed();
    return cause;
  }
}

const errorOf = ({ diskFull, reason }: Failure): HubError =>
  new HubError(diskFull ? 'disk-full' : 'queue-failed', diskFull ? 'the disk is full' : reason, {
    retry: 'with-backoff',
    hint: 'make room on the disk of the gateway; the module sends it again',
  });

function toWaiting(row: Record<string, unknown>): Waiting {
  return {
    id: row.id as number,
    expiresMs: (row.expires_ms as number | null) ?? undefined,
    bytes: row.size as number,
    message: {
      source: row.source as string,
      body: row.body as Uint8Array,
      properties: JSON.parse(row.properties as string) as Record<string, string>,
      system: JSON.parse(row.system as string) as Record<string, string>,
    },
  };
}
