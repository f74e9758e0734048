import type { DatabaseSync } from '../database.ts';
import type { EventHead } from './events.ts';
import { note, type Range } from './sequences.ts';

interface Stream {
  readonly id: number;
  readonly ranges: Range[];
  /** First numbers of the rows on disk, as of the last save. */
  saved: Map<number, string>;
  changed: boolean;
  newDuplicates: number;
}

/** More sources than this are stored but not counted: a source that names itself anew for each event must not fill the memory. */
const maxStreams = 10_000;

/**
 * Which events arrived, by device, source and life of the outbox; in memory, and on disk with the transaction that
 * stores the events. The device is part of the key, so that nobody can spoil another one's account.
 */
export class Streams {
  readonly #db: DatabaseSync;
  readonly #streams = new Map<string, Stream>();
  readonly #changed = new Set<Stream>();

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.reload();
  }

  /** Back to what is on disk; after a transaction that was rolled back. */
  reload(): void {
    this.#streams.clear();
    this.#changed.clear();
    for (const row of this.#db.prepare('SELECT id, device, source, epoch FROM streams').all()) {
      this.#streams.set(keyOf(row.device as string, row.source as string, row.epoch as string), this.#load(row.id as number));
    }
  }

  /** True when the event is new; also for one that is not counted. */
  note(device: string, head: EventHead): boolean {
    if (head.sequence === undefined) return true;
    const stream = this.#stream(device, head);
    if (!stream) return true;
    const fresh = note(stream.ranges, head.sequence, head.timeMs);
    if (fresh) stream.changed = true;
    else stream.newDuplicates++;
    this.#changed.add(stream);
    return fresh;
  }

  /** Keeps a loss that the gateway stated. */
  noteLoss(device: string, head: EventHead): void {
    const { gap } = head;
    const stream = gap && this.#stream(device, head);
    if (!gap || !stream) return;
    this.#db
      .prepare('INSERT INTO losses (stream, first, last, from_ms, to_ms, readings, reason) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(stream.id, gap.firstSequence ?? null, gap.lastSequence ?? null, whole(gap.fromMs), whole(gap.toMs), gap.readings, gap.reason);
  }

  /** Writes what changed; inside the caller's transaction. */
  save(): void {
    for (const stream of this.#changed) {
      if (stream.newDuplicates > 0) {
        this.#db.prepare('UPDATE streams SET duplicates = duplicates + ? WHERE id = ?').run(stream.newDuplicates, stream.id);
        stream.newDuplicates = 0;
      }
      if (stream.changed) this.#saveRanges(stream);
      stream.changed = false;
    }
    this.#changed.clear();
  }

  #stream(device: string, head: EventHead): Stream | undefined {
    const key = keyOf(device, head.source, head.epoch);
    const known = this.#streams.get(key);
    if (known) return known;
    if (this.#streams.size >= maxStreams || head.source.length + head.epoch.length > 1_000) return undefined;
    const added = this.#db.prepare('INSERT INTO streams (device, source, epoch) VALUES (?, ?, ?)').run(device, head.source, head.epoch);
    const stream: Stream = { id: Number(added.lastInsertRowid), ranges: [], saved: new Map(), changed: false, newDuplicates: 0 };
    this.#streams.set(key, stream);
    return stream;
  }

  #load(id: number): Stream {
    const ranges = this.#db
      .prepare('SELECT first, last, first_ms AS firstMs, last_ms AS lastMs FROM ranges WHERE stream = ? ORDER BY first')
      .all(id)
      .map((row) => ({ ...row }) as unknown as Range);
    return { id, ranges, saved: new Map(ranges.map((range) => [range.first, written(range)])), changed: false, newDuplicates: 0 };
  }

  /** Nearly always one row: the last one that grew. */
  #saveRanges(stream: Stream): void {
    const upsert = this.#db.prepare('INSERT OR REPLACE INTO ranges VALUES (?, ?, ?, ?, ?)');
    const wanted = new Map<number, string>();
    for (const range of stream.ranges) {
      const text = written(range);
      wanted.set(range.first, text);
      if (stream.saved.get(range.first) !== text) upsert.run(stream.id, range.first, range.last, whole(range.firstMs), whole(range.lastMs));
    }
    const remove = this.#db.prepare('DELETE FROM ranges WHERE stream = ? AND first = ?');
    for (const first of stream.saved.keys()) if (!wanted.has(first)) remove.run(stream.id, first);
    stream.saved = wanted;
  }
}

const keyOf = (device: string, source: string, epoch: string): string => JSON.stringify([device, source, epoch]);
const written = (range: Range): string => `${range.last} ${range.firstMs} ${range.lastMs}`;
const whole = (ms: number): number => Math.trunc(ms);
