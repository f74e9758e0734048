import { type DatabaseSync, isDiskFull, type StatementSync, transaction } from '../database.ts';
import { bodyEncoding, type EventHead, headOf, parseEvents, plainBody, storedBody } from './events.ts';
import type { Retention } from './retention.ts';
import { Streams } from './streams.ts';

/** One telemetry message on its way to the disk. */
export interface IncomingMessage {
  readonly device: string;
  readonly arrivedMs: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type WriteOutcome =
  | { readonly ok: true; readonly events: number; readonly duplicates: number; readonly unread: number }
  | { readonly ok: false; readonly code: 'disk-full' | 'store-failed'; readonly reason: string };

/** Puts messages on disk, many in one transaction; runs in the store's worker thread. */
export class TelemetryWriter {
  readonly #db: DatabaseSync;
  readonly #streams: Streams;
  readonly #insert: StatementSync;
  readonly #retention: Retention;

  constructor(db: DatabaseSync, retention: Retention) {
    this.#db = db;
    this.#streams = new Streams(db);
    this.#retention = retention;
    this.#insert = db.prepare(
      `INSERT INTO messages (device, arrived_ms, from_ms, to_ms, events, subjects, duplicates, properties, encoding, size, body)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  /** All of them are on disk when it returns with `ok`, none when not. */
  write(messages: readonly IncomingMessage[]): WriteOutcome {
    const sum = { events: 0, duplicates: 0, unread: 0, bytes: 0 };
    try {
      transaction(this.#db, () => {
        for (const message of messages) this.#add(message, sum);
        this.#streams.save();
      });
    } catch (error) {
      this.#streams.reload();
      const code = isDiskFull(error) ? 'disk-full' : 'store-failed';
      return { ok: false, code, reason: (error as Error).message };
    }
    this.#retention.added(sum.bytes);
    return { ok: true, events: sum.events, duplicates: sum.duplicates, unread: sum.unread };
  }

  #add(message: IncomingMessage, sum: { events: number; duplicates: number; unread: number; bytes: number }): void {
    const encoding = bodyEncoding(message.properties['$.ce']);
    const heads = readHeads(message, encoding);
    if (!heads) sum.unread++;
    const duplicates: number[] = [];
    let [fromMs, toMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const subjects = new Set<string>();
    for (const [index, head] of (heads ?? []).entries()) {
      if (!this.#streams.note(message.device, head)) {
        duplicates.push(index);
        continue;
      }
      if (head.gap) this.#streams.noteLoss(message.device, head);
      fromMs = Math.min(fromMs, head.timeMs);
      toMs = Math.max(toMs, head.timeMs);
      subjects.add(head.subject);
    }
    const events = heads?.length ?? 0;
    sum.events += events - duplicates.length;
    sum.duplicates += duplicates.length;
    // Sent again as a whole after a lost PUBACK: it is here already.
    if (events > 0 && duplicates.length === events) return;
    const stored = storedBody(message.body, encoding);
    sum.bytes += stored.body.length;
    this.#insert.run(
      message.device,
      message.arrivedMs,
      Number.isFinite(fromMs) ? Math.trunc(fromMs) : message.arrivedMs,
      Number.isFinite(toMs) ? Math.trunc(toMs) : message.arrivedMs,
      events,
      `\n${[...subjects].join('\n')}\n`,
      duplicates.length > 0 ? JSON.stringify(duplicates) : null,
      JSON.stringify(message.properties),
      stored.encoding,
      stored.body.length,
      stored.body,
    );
  }
}

/** Undefined when the body holds no CloudEvents; it is kept as it is. */
function readHeads(message: IncomingMessage, encoding: ReturnType<typeof bodyEncoding>): readonly EventHead[] | undefined {
  try {
    return parseEvents(plainBody(message.body, encoding))?.map((event) => headOf(event, message.arrivedMs));
  } catch {
    return undefined;
  }
}
