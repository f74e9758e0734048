import type { Worker } from 'node:worker_threads';
import { ChunkPool } from './chunks.ts';
import type { Outbox, OutboxBatch, OutboxClock, OutboxCounters, OutboxCursor, OutboxEvent, OutboxSettings } from './contract.ts';
import { Deliveries } from './deliveries.ts';
import { GapBook } from './gaps.ts';
import { type Account, Ledger } from './ledger.ts';
import type { FromWorker, LogBatch, LostPart, Opened, StuckCause, ToWorker } from './messages.ts';
import { filled, Packer } from './packer.ts';
import { refusal } from './refusals.ts';
import { within } from './within.ts';

/** Groups under way to the disk at once: one that is written, one that waits. More would only make groups smaller. */
const maxInFlight = 2;
/** A group goes before its time when it has this size and the disk is idle, or this size and one is under way. */
const [eagerBytes, groupBytes] = [256 * 1024, 1024 * 1024];
const defaultQueueBytes = 32 * 1024 * 1024;
/** While the disk refuses, one group is tried this often. */
const probeEveryMs = 250;
/** A clean end takes no longer, however slow the disk is. */
const closeWithinMs = 950;

const systemClock: OutboxClock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };

/** Gives out numbers, packs, keeps the accounts and decides; the worker writes and reads. */
export class DurableOutbox implements Outbox {
  readonly #settings: OutboxSettings;
  readonly #clock: OutboxClock;
  readonly #worker: Worker;
  readonly #lock: AsyncDisposable;
  readonly #ledger: Ledger;
  readonly #gaps: GapBook;
  readonly #deliveries: Deliveries;
  readonly #name: string;
  readonly #cursor: OutboxCursor;
  readonly #tick: NodeJS.Timeout;
  readonly #chunks = new ChunkPool();
  #nextSequence: number;
  #nextGroup = 1;
  #open: Packer | undefined;
  readonly #inFlight: Packer[] = [];
  #queuedBytes = 0;
  /** Stored bytes for a byte of text, as the last group had it. */
  #ratio = 1;
  #due = false;
  #timer: NodeJS.Timeout | undefined;
  #blocked: { readonly cause: string; readonly message: string; probeAtMs: number } | undefined;
  #savedHead: number;
  #rolled = 0;
  #closed = false;
  #idle: (() => void) | undefined;
  readonly #ended = Promise.withResolvers<void>();

  constructor(settings: OutboxSettings, worker: Worker, opened: Opened, lock: AsyncDisposable) {
    this.#settings = settings;
    this.#clock = settings.clock ?? systemClock;
    this.#worker = worker;
    this.#lock = lock;
    const nowMs = this.#clock.wallMs();
    // A clock that was not set when the block was written says nothing about its age.
    const ageMs = (writtenMs: number): number => (writtenMs > 1.6e12 && writtenMs <= nowMs ? nowMs - writtenMs : 0);
    this.#ledger = new Ledger(opened, this.#clock.monotonicMs(), ageMs);
    this.#gaps = new GapBook(opened.saved);
    this.#nextSequence = opened.nextSequence;
    this.#savedHead = opened.saved.head;
    this.#deliveries = new Deliveries(opened.saved.head, opened.saved.headReadings, {
      post: (message) => this.#post(message),
      acked: (batch) => this.#acked(batch),
      lost: (part) => this.#lost(part),
      moved: () => this.#free(),
    });
    this.#name = settings.destinations?.[0]?.name ?? 'hub';
    this.#cursor = this.#makeCursor();
    worker.on('message', (message: FromWorker) => this.#receive(message));
    worker.on('error', (error) => this.#broke(error.message));
    worker.on('exit', () => this.#broke('the thread of the outbox ended'));
    this.#tick = setInterval(() => this.#housekeep(), Math.min(1000, Math.max(20, settings.maxAgeMs / 64))).unref();
    this.#free();
    this.#schedule();
  }

  append(event: OutboxEvent): Promise<void> {
    if (event.gap) return this.#appendGap(event);
    const cause = this.#refuses();
    if (cause !== undefined) {
      const { fromMs, toMs, readings } = event;
      this.#ledger.turnedAway(readings, cause);
      this.#gaps.note({ fromMs, toMs, readings, reason: cause });
      this.#schedule();
      return refusal(cause, this.#settings.folder, this.#blocked?.message);
    }
    let text: string;
    try {
      text = event.encode(this.#nextSequence);
    } catch (error) {
      return Promise.reject(error);
    }
    const group = this.#group();
    this.#nextSequence++;
    this.#ledger.queued(event.readings);
    this.#queuedBytes += group.add(text, event.readings, event.fromMs, event.toMs);
    if (group.bytes >= eagerBytes) this.#pump();
    return group.settled.promise;
  }

  #appendGap(event: OutboxEvent): Promise<void> {
    this.#gaps.note(event.gap!);
    this.#schedule();
    if (this.#closed) return refusal('closed', this.#settings.folder, undefined);
    this.#writeGaps();
    return this.#gaps.waiting > 0
      ? refusal(this.#blocked?.cause ?? 'refused', this.#settings.folder, this.#blocked?.message)
      : this.#group().settled.promise;
  }

  /** The cause when an event may not come in now. */
  #refuses(): string | undefined {
    if (this.#closed) return 'closed';
    if (this.#queuedBytes >= (this.#settings.maxQueueBytes ?? defaultQueueBytes)) return 'overflow';
    if (this.#noRoom()) return 'refused';
    const blocked = this.#blocked;
    if (!blocked) return undefined;
    const now = this.#clock.monotonicMs();
    if (now < blocked.probeAtMs) return blocked.cause;
    blocked.probeAtMs = now + probeEveryMs;
    return undefined;
  }

  #noRoom(): boolean {
    if (this.#settings.whenFull !== 'refuse-new') return false;
    // Room is kept for the gap record that says so.
    return this.#ledger.bytesOnDisk + this.#queuedBytes * this.#ratio + 4096 > this.#settings.maxSizeBytes;
  }

  #group(): Packer {
    if (!this.#open) {
      this.#open = new Packer(this.#nextGroup++, this.#nextSequence, this.#chunks);
      this.#schedule();
    }
    return this.#open;
  }

  #schedule(): void {
    if (this.#timer || this.#due) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#due = true;
      this.#pump();
    }, this.#settings.commitEveryMs);
  }

  #writeGaps(): void {
    const blocked = this.#blocked !== undefined && this.#clock.monotonicMs() < this.#blocked.probeAtMs;
    if (this.#gaps.waiting === 0 || blocked) return;
    for (const gap of this.#gaps.take()) {
      const { id: _, ...record } = gap;
      const group = this.#group();
      const text = this.#settings.encodeGap(record, this.#nextSequence);
      this.#nextSequence++;
      this.#ledger.queued(0);
      this.#queuedBytes += group.add(text, 0, gap.fromMs, gap.toMs, gap);
    }
  }

  #pump(): void {
    if (this.#inFlight.length >= maxInFlight) return;
    const enough = this.#open && this.#open.bytes >= (this.#inFlight.length === 0 ? eagerBytes : groupBytes);
    if (!this.#due && !enough) return;
    this.#writeGaps();
    const group = this.#open;
    this.#due = false;
    if (!group) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#open = undefined;
    this.#inFlight.push(group);
    this.#post({ kind: 'append', group: group.message(), writtenMs: this.#clock.wallMs() });
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'committed') this.#committed(message);
    else if (message.kind === 'stuck') this.#stuck(message.cause, message.message);
    else if (message.kind === 'items') this.#deliveries.served(message);
    else if (message.kind === 'closed') this.#ended.resolve();
  }

  #committed({ segment, bytes, fresh }: Extract<FromWorker, { kind: 'committed' }>): void {
    const group = this.#inFlight.shift()!;
    this.#queuedBytes -= group.bytes;
    this.#ratio = Math.min(1, (bytes / group.bytes) * 1.5);
    this.#blocked = undefined;
    this.#ledger.committed(group, segment, bytes, this.#clock.monotonicMs());
    this.#gaps.written(group.gaps.map(({ gap }) => gap));
    group.settled.resolve();
    if (fresh) this.#deliveries.served({ ...fresh, items: fresh.items.map((item) => filled(item, group)) });
    group.release();
    this.#free();
    this.#pump();
    if (this.#inFlight.length === 0) this.#idle?.();
  }

  #stuck(cause: StuckCause, message: string): void {
    const oldest = this.#ledger.segments[0];
    const mayDrop = cause !== 'disk-error' && oldest && (this.#settings.whenFull === 'drop-oldest' || oldest.pendingEvents === 0);
    if (mayDrop) {
      this.#drop(oldest, cause === 'limit' ? 'overflow' : 'disk-full');
      this.#post({ kind: 'retry' });
      return;
    }
    this.#refuseGroup(cause === 'limit' ? 'refused' : cause, message);
    this.#post({ kind: 'refuse' });
    this.#pump();
    if (this.#inFlight.length === 0) this.#idle?.();
  }

  #refuseGroup(cause: string, message: string): void {
    const group = this.#inFlight.shift()!;
    this.#queuedBytes -= group.bytes;
    this.#blocked = { cause, message, probeAtMs: this.#clock.monotonicMs() + probeEveryMs };
    this.#ledger.refused(group, cause);
    this.#gaps.refused(group.gaps.map(({ gap }) => gap));
    const { fromMs, toMs, readings, firstSequence, lastSequence } = group;
    this.#gaps.note({ fromMs, toMs, readings, reason: cause, firstSequence, lastSequence });
    this.#schedule();
    group.release();
    refusal(cause, this.#settings.folder, message).catch((error: unknown) => group.settled.reject(error));
  }

  /** The oldest part of the log goes; what it still held is told, and so is what its gap records told. */
  #drop(segment: Account, cause: string): void {
    const { head } = this.#deliveries;
    for (const { sequence, gap } of segment.gaps) {
      if (sequence > head) this.#gaps.note(gap);
    }
    if (segment.pendingEvents > 0) {
      const { fromMs, toMs, pendingReadings: readings, lastSequence } = segment;
      this.#gaps.note({ fromMs, toMs, readings, reason: cause, firstSequence: Math.max(head + 1, segment.firstSequence), lastSequence });
    }
    this.#ledger.dropped(segment, cause);
    this.#deliveries.skipTo(segment.lastSequence, 0);
    this.#save([segment.number]);
    this.#schedule();
  }

  cursor(name: string): OutboxCursor {
    if (name !== this.#name) throw new RangeError(`the outbox knows no destination "${name}"`);
    return this.#cursor;
  }

  #makeCursor(): OutboxCursor {
    const deliveries = this.#deliveries;
    let last: string | undefined;
    return {
      next: (options, signal) => deliveries.next(options, signal),
      acknowledge: (batch, mark) => {
        last = mark ?? last;
        deliveries.acknowledge(batch);
      },
      rewind: () => deliveries.rewind(),
      reject: (batch, reason) => this.#reject(batch, reason),
      get mark() {
        return last;
      },
      counters: () => {
        const { queued, acked, dropped, pending, droppedBy } = this.#ledger.counters();
        return { queued, acked, dropped, pending, droppedBy, position: deliveries.head, oldestMs: this.#ledger.segments[0]?.fromMs };
      },
    };
  }

  #reject(batch: OutboxBatch, reason: string): void {
    const part = this.#deliveries.reject(batch);
    if (!part) return;
    this.#ledger.finished(part.segment, part, 'rejected');
    const { fromMs, toMs, readings, firstSequence, lastSequence } = part;
    const inside = this.#ledger.segments.find((s) => s.number === part.segment)?.gaps ?? [];
    const gaps = inside.filter(({ sequence }) => sequence >= firstSequence && sequence <= lastSequence);
    const loss = { fromMs, toMs, readings, reason: `rejected: ${reason}`, firstSequence, lastSequence };
    for (const { gap } of gaps) this.#gaps.park(gap);
    if (gaps.length === part.events) this.#gaps.park(loss);
    else this.#gaps.note(loss);
    this.#deliveries.settle();
    this.#schedule();
  }

  #acked(batch: LogBatch): void {
    this.#ledger.finished(batch.segment, batch);
    this.#gaps.acked(batch.lastSequence);
  }

  #lost(part: LostPart): void {
    const segment = this.#ledger.segments.find((s) => s.number === part.segment);
    const { firstSequence, lastSequence, reason } = part;
    const [fromMs, toMs] = Number.isNaN(part.fromMs) && segment ? [segment.fromMs, segment.toMs] : [part.fromMs, part.toMs];
    const readings = this.#ledger.finished(part.segment ?? -1, { ...part, toMs }, 'corrupt');
    for (const { sequence, gap } of segment?.gaps ?? []) {
      if (sequence >= firstSequence && sequence <= lastSequence) this.#gaps.note(gap);
    }
    if (!this.#gaps.tellOnce(firstSequence, lastSequence)) return;
    this.#gaps.note({ fromMs, toMs, readings, reason, firstSequence, lastSequence });
    this.#schedule();
  }

  /** Segments that are finished go; the last one stays, it is written to. */
  #free(): void {
    const { head } = this.#deliveries;
    const finished = this.#ledger.segments.slice(0, -1).filter((s) => s.lastSequence <= head);
    if (finished.length === 0) return;
    for (const segment of finished) this.#ledger.removed(segment);
    this.#save(finished.map((s) => s.number));
    // Room again: what was refused is tried at once.
    if (this.#blocked?.probeAtMs !== Number.POSITIVE_INFINITY) this.#blocked = undefined;
    if (this.#gaps.waiting > 0) this.#schedule();
  }

  #save(remove: readonly number[]): void {
    const { head, headReadings } = this.#deliveries;
    this.#savedHead = head;
    this.#post({ kind: 'save', saved: this.#gaps.saved(head, headReadings), remove });
  }

  #housekeep(): void {
    const now = this.#clock.monotonicMs();
    const { maxAgeMs } = this.#settings;
    for (let oldest = this.#ledger.segments[0]; oldest && now - oldest.lastWrittenMs > maxAgeMs; oldest = this.#ledger.segments[0]) {
      if (oldest.pendingEvents === 0 && this.#ledger.segments.length === 1) break;
      this.#drop(oldest, 'expired');
    }
    const active = this.#ledger.segments.at(-1);
    if (active && active.number !== this.#rolled && active.pendingEvents > 0 && now - active.firstWrittenMs > maxAgeMs / 64) {
      this.#rolled = active.number;
      this.#post({ kind: 'roll' });
    }
    if (this.#gaps.dirty || this.#deliveries.head !== this.#savedHead) this.#save([]);
    if (this.#gaps.waiting > 0) this.#schedule();
  }

  counters(): OutboxCounters {
    const counters = this.#ledger.counters();
    return {
      ...counters,
      pendingEvents: counters.pendingEvents + this.#gaps.waiting,
      nextSequence: this.#nextSequence,
      gaps: this.#gaps.made,
    };
  }

  /** The thread is gone: nothing can be kept any more, and everything that comes is told so. */
  #broke(message: string): void {
    if (!this.#closed || this.#inFlight.length > 0) {
      while (this.#inFlight.length > 0) this.#refuseGroup('disk-error', message);
      this.#blocked = { cause: 'disk-error', message, probeAtMs: Number.POSITIVE_INFINITY };
    }
    this.#idle?.();
    this.#ended.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#tick);
    const end = performance.now() + closeWithinMs;
    this.#deliveries.close();
    this.#due = true;
    this.#pump();
    // A slow disk: what it did not take in time is lost with this process, and the next one says so.
    await within(
      end - 250,
      new Promise<void>((resolve) => {
        this.#idle = () => (this.#open ? undefined : resolve());
        if (this.#inFlight.length === 0) this.#idle();
      }),
    );
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#inFlight.length > 0) this.#refuseGroup('closed', 'the outbox was closed');
    const { head, headReadings } = this.#deliveries;
    clearTimeout(this.#timer);
    this.#post({ kind: 'close', saved: this.#gaps.saved(head, headReadings) });
    await within(end, this.#ended.promise);
    // A thread that hangs in a call to the disk ends when the disk answers; nobody waits for it.
    this.#worker.unref();
    await within(end, this.#worker.terminate());
    await this.#lock[Symbol.asyncDispose]();
  }
}
