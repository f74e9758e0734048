import type { Worker } from 'node:worker_threads';
import { ChunkPool } from './chunks.ts';
import type { Outbox, OutboxClock, OutboxCounters, OutboxCursor, OutboxEvent, OutboxSettings } from './contract.ts';
import { Cursor } from './cursor.ts';
import { GapBook } from './gaps.ts';
import { type Account, Ledger, type Way } from './ledger.ts';
import { Losses } from './losses.ts';
import type { FromWorker, LogBatch, LostPart, Opened, Position, StuckCause, ToWorker } from './messages.ts';
import { filled, Packer } from './packer.ts';
import { refusal } from './refusals.ts';
import { within } from './within.ts';

/** Groups under way to the disk at once: one that is written, one that waits. More would only make groups smaller. */
const maxInFlight = 2;
/** A group goes before its time when it has this size and the disk is idle, or this size and one is under way. */
const [eagerBytes, groupBytes] = [256 * 1024, 1024 * 1024];
const defaultQueueBytes = 32 * 1024 * 1024;
/** What only optional destinations still want may take so much of the log; less when the required ones need the room. */
const optionalShare = 0.5;
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
  readonly #losses: Losses;
  readonly #cursors: ReadonlyMap<string, Cursor>;
  /** By index in the settings. */
  readonly #order: readonly Cursor[];
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
  /** A position or a mark that is not saved yet. */
  #moved = false;
  #rolled = 0;
  #closed = false;
  #idle: (() => void) | undefined;
  #ended = false;
  readonly #end = Promise.withResolvers<void>();

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
    this.#losses = new Losses(this.#ledger, this.#gaps);
    this.#nextSequence = opened.nextSequence;
    const events = {
      post: (message: ToWorker) => this.#post(message),
      lost: (part: LostPart) => {
        this.#losses.unreadable(part);
        this.#schedule();
      },
      rejected: (way: Way, batch: LogBatch, reason: string, readings: number | undefined) => {
        this.#losses.rejected(way, batch, reason, readings);
        this.#schedule();
      },
      acknowledged: (destination: string, lastSequence: number) => this.#gaps.acked(destination, lastSequence),
      moved: () => {
        this.#moved = true;
        this.#free();
      },
      oldestInMemoryMs: () => (this.#inFlight[0] ?? this.#open)?.fromMs,
    };
    this.#order = opened.destinations.map((found, i) => new Cursor(this.#ledger, i, found, events));
    this.#cursors = new Map(opened.destinations.map(({ name }, i) => [name, this.#order[i]!]));
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
    while (this.#full()) {
      const [kept] = this.#kept();
      if (!kept) return true;
      this.#drop(kept, 'overtaken');
    }
    return false;
  }

  #full(): boolean {
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
    else if (message.kind === 'items') this.#order[message.destination]!.served(message.epoch, message.items);
  }

  #committed({ segment, bytes, fresh }: Extract<FromWorker, { kind: 'committed' }>): void {
    const group = this.#inFlight.shift()!;
    this.#queuedBytes -= group.bytes;
    this.#ratio = Math.min(1, (bytes / group.bytes) * 1.5);
    this.#blocked = undefined;
    this.#ledger.committed(group, segment, bytes, this.#clock.monotonicMs());
    this.#gaps.written(group.gaps.map(({ gap }) => gap));
    group.settled.resolve();
    for (const { readers, items } of fresh) {
      const bodied = items.map((item) => filled(item, group));
      for (const { destination, epoch } of readers) this.#order[destination]!.served(epoch, bodied);
    }
    group.release();
    this.#free();
    this.#pump();
    if (this.#inFlight.length === 0) this.#idle?.();
  }

  #stuck(cause: StuckCause, message: string): void {
    const oldest = this.#ledger.segments[0];
    const overtakes = oldest !== undefined && oldest.lastSequence <= this.#ledger.requiredHead;
    if (oldest && cause !== 'disk-error' && (overtakes || this.#settings.whenFull === 'drop-oldest')) {
      this.#drop(oldest, overtakes ? 'overtaken' : cause === 'limit' ? 'overflow' : 'disk-full');
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

  /** The oldest part of the log goes. */
  #drop(segment: Account, cause: string): void {
    this.#losses.dropped(segment, cause);
    this.#ledger.removed(segment);
    this.#save([segment.number]);
    for (const cursor of this.#order) cursor.skipped();
    this.#schedule();
  }

  cursor(name: string): OutboxCursor {
    const cursor = this.#cursors.get(name);
    if (!cursor) throw new RangeError(`the outbox knows no destination "${name}"`);
    return cursor;
  }

  /** Segments that everybody has passed go; the last one stays, it is written to. So do those that optional destinations have too many of. */
  #free(): void {
    const { segments, head } = this.#ledger;
    const finished: number[] = [];
    while (segments.length > 1 && segments[0]!.lastSequence <= head) {
      finished.push(segments[0]!.number);
      this.#ledger.removed(segments[0]!);
    }
    if (finished.length > 0) this.#save(finished);
    const [oldest, ...others] = this.#kept();
    const tooMuch = oldest && others.reduce((sum, { bytes }) => sum + bytes, oldest.bytes) > this.#settings.maxSizeBytes * optionalShare;
    if (tooMuch) this.#drop(oldest, 'overtaken');
    if (finished.length === 0 && !tooMuch) return;
    // Room again: what was refused is tried at once.
    if (this.#blocked?.probeAtMs !== Number.POSITIVE_INFINITY) this.#blocked = undefined;
    if (this.#gaps.waiting > 0) this.#schedule();
  }

  /** Closed segments that only optional destinations still want. */
  #kept(): readonly Account[] {
    const { segments, head, requiredHead } = this.#ledger;
    if (requiredHead <= head) return [];
    return segments.filter((segment, i) => i < segments.length - 1 && segment.lastSequence <= requiredHead);
  }

  #save(remove: readonly number[]): void {
    this.#moved = false;
    this.#post({ kind: 'save', saved: this.#gaps.saved(this.#positions()), remove });
  }

  #positions(): readonly Position[] {
    return this.#order.map((cursor) => cursor.position());
  }

  #housekeep(): void {
    const now = this.#clock.monotonicMs();
    const { maxAgeMs } = this.#settings;
    for (let oldest = this.#ledger.segments[0]; oldest && now - oldest.lastWrittenMs > maxAgeMs; oldest = this.#ledger.segments[0]) {
      if (oldest.lastSequence <= this.#ledger.head && this.#ledger.segments.length === 1) break;
      this.#drop(oldest, 'expired');
    }
    const active = this.#ledger.segments.at(-1);
    if (
      active &&
      active.number !== this.#rolled &&
      active.lastSequence > this.#ledger.head &&
      now - active.firstWrittenMs > maxAgeMs / 64
    ) {
      this.#rolled = active.number;
      this.#post({ kind: 'roll' });
    }
    if (this.#gaps.dirty || this.#moved) this.#save([]);
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
    this.#ended = true;
    this.#end.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#tick);
    const end = performance.now() + closeWithinMs;
    for (const cursor of this.#order) cursor.close();
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
    clearTimeout(this.#timer);
    this.#post({ kind: 'close', saved: this.#gaps.saved(this.#positions()) });
    await within(end, this.#end.promise);
    if (!this.#ended) {
      // A thread that hangs in a call to the disk ends when the disk answers; nobody waits for it.
      this.#worker.unref();
      void this.#worker.terminate();
    }
    await this.#lock[Symbol.asyncDispose]();
  }
}
