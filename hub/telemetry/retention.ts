import { type DatabaseSync, transaction } from '../database.ts';

export interface RetentionSettings {
  /** Telemetry older than this is removed. Default 7 days. */
  readonly maxAgeMs: number;
  /** Bodies on disk, in bytes; beyond it the oldest are removed. Default 2 GB. */
  readonly maxBytes: number;
}

export const defaultRetention: RetentionSettings = { maxAgeMs: 7 * 86_400_000, maxBytes: 2 * 1024 ** 3 };

/** What was taken away, for good. */
export interface Removed {
  readonly reason: 'age' | 'size';
  readonly messages: number;
  readonly events: number;
  readonly size: number;
  /** Arrival of the first and last message removed, epoch milliseconds. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** So many messages go in one transaction: new ones never wait long behind it. */
const chunk = 200;

/** Removes the oldest telemetry by age and size, and keeps account of it in the table `removed`. */
export class Retention {
  readonly #db: DatabaseSync;
  readonly #settings: RetentionSettings;
  #bytes: number;

  constructor(db: DatabaseSync, settings: RetentionSettings) {
    this.#db = db;
    this.#settings = settings;
    this.#bytes = Number(db.prepare('SELECT coalesce(sum(size), 0) AS bytes FROM messages').get()?.bytes ?? 0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  added(bytes: number): void {
    this.#bytes += bytes;
  }

  /** True when more waits to be removed; call again soon. */
  sweep(nowMs = Date.now()): boolean {
    const byAge = this.#remove('age', 'WHERE arrived_ms < ?', nowMs - this.#settings.maxAgeMs);
    const bySize = this.#bytes > this.#settings.maxBytes && this.#remove('size', 'WHERE arrived_ms >= ?', Number.MIN_SAFE_INTEGER);
    return byAge || (bySize && this.#bytes > this.#settings.maxBytes);
  }

  #remove(reason: Removed['reason'], where: string, value: number): boolean {
    const rows = this.#db.prepare(`SELECT id, size, events, arrived_ms FROM messages ${where} ORDER BY id LIMIT ${chunk}`).all(value);
    if (rows.length === 0) return false;
    const going: typeof rows = [];
    let size = 0;
    for (const row of rows) {
      if (reason === 'size' && this.#bytes - size <= this.#settings.maxBytes) break;
      going.push(row);
      size += Number(row.size);
    }
    transaction(this.#db, () => {
      const remove = this.#db.prepare('DELETE FROM messages WHERE id = ?');
      for (const row of going) remove.run(row.id as number);
      const times = going.map((row) => Number(row.arrived_ms));
      const events = going.reduce((sum, row) => sum + Number(row.events), 0);
      this.#db
        .prepare(
          `INSERT INTO removed VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET messages = messages + excluded.messages,
           events = events + excluded.events, size = size + excluded.size,
           first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)`,
        )
        .run(reason, going.length, events, size, Math.min(...times), Math.max(...times));
    });
    this.#bytes -= size;
    return going.length === chunk;
  }
}
