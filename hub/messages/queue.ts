import type { FeedbackRecord } from '../core/contract.ts';
import type { DatabaseSync, StatementSync } from '../database.ts';

/** A cloud-to-device message that waits on the disk. */
export interface QueuedMessage {
  readonly id: number;
  readonly deviceId: string;
  readonly enqueuedMs: number;
  readonly expiresMs: number;
  /** How often it went out. */
  readonly deliveries: number;
  readonly messageId: string;
  readonly ack: 'none' | 'positive' | 'negative' | 'full';
  /** The part of the topic behind `devicebound/`. */
  readonly bag: string;
  readonly body: Uint8Array;
}

/** The queues of all devices, in the registry's file. What it changes is for the caller to commit. */
export class MessageQueue {
  readonly #db: DatabaseSync;
  readonly #next: StatementSync;
  readonly #count: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#next = db.prepare('SELECT * FROM messages WHERE device_id = ? AND id > ? ORDER BY id LIMIT ?');
    this.#count = db.prepare('SELECT count(*) AS count FROM messages WHERE device_id = ?');
  }

  add(message: Omit<QueuedMessage, 'id' | 'deliveries'>): void {
    this.#db
      .prepare('INSERT INTO messages (device_id, enqueued_ms, expires_ms, message_id, ack, bag, body) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(message.deviceId, message.enqueuedMs, message.expiresMs, message.messageId, message.ack, message.bag, message.body);
  }

  /** The oldest of a device behind the one with this id. */
  next(deviceId: string, afterId: number, max: number): readonly QueuedMessage[] {
    return this.#next.all(deviceId, afterId, max).map(toMessage);
  }

  get(id: number): QueuedMessage | undefined {
    const row = this.#db.prepare('SELECT * FROM messages WHERE id = ?').get(id);
    return row && toMessage(row);
  }

  of(deviceId: string): readonly QueuedMessage[] {
    return this.#next.all(deviceId, 0, -1).map(toMessage);
  }

  expired(nowMs: number): readonly QueuedMessage[] {
    return this.#db.prepare('SELECT * FROM messages WHERE expires_ms <= ? LIMIT 500').all(nowMs).map(toMessage);
  }

  goesOut(message: QueuedMessage): void {
    this.#db.prepare('UPDATE messages SET deliveries = deliveries + 1 WHERE id = ?').run(message.id);
  }

  /**
   * Takes a message away for good, and tells its sender when it asked. False when it was gone already.
   */
  end(message: QueuedMessage, statusCode: FeedbackRecord['statusCode'], nowMs: number): boolean {
    if (this.#db.prepare('DELETE FROM messages WHERE id = ?').run(message.id).changes === 0) return false;
    const asked = message.ack === 'full' || message.ack === (statusCode === 'Success' ? 'positive' : 'negative');
    if (!asked) return true;
    const owner = this.#db.prepare('SELECT generation_id FROM identities WHERE id = ?').get(message.deviceId);
    this.#db
      .prepare('INSERT INTO feedback (time_ms, device_id, generation_id, message_id, status, description) VALUES (?, ?, ?, ?, ?, ?)')
      .run(nowMs, message.deviceId, (owner?.generation_id as string) ?? '', message.messageId, statusCode, statusCode);
    return true;
  }

  count(deviceId: string): number {
    return this.#count.get(deviceId)?.count as number;
  }

  /** Of those devices that have any. */
  counts(): ReadonlyMap<string, number> {
    const rows = this.#db.prepare('SELECT device_id, count(*) AS count FROM messages GROUP BY device_id').all();
    return new Map(rows.map((row) => [row.device_id as string, row.count as number]));
  }

  feedback(max: number, afterId: number): readonly FeedbackRecord[] {
    return this.#db
      .prepare('SELECT * FROM feedback WHERE id > ? ORDER BY id LIMIT ?')
      .all(afterId, max)
      .map((row) => ({
        id: row.id as number,
        originalMessageId: row.message_id as string,
        deviceId: row.device_id as string,
        deviceGenerationId: row.generation_id as string,
        enqueuedTimeUtc: new Date(row.time_ms as number).toISOString(),
        statusCode: row.status as FeedbackRecord['statusCode'],
        description: row.description as string,
      }));
  }

  settleFeedback(ids: readonly number[]): void {
    const remove = this.#db.prepare('DELETE FROM feedback WHERE id = ?');
    for (const id of ids) remove.run(id);
  }

  /** Nobody asked for it in time. */
  forgetFeedback(beforeMs: number): void {
    this.#db.prepare('DELETE FROM feedback WHERE time_ms <= ?').run(beforeMs);
  }
}

function toMessage(row: Record<string, unknown>): QueuedMessage {
  return {
    id: row.id as number,
    deviceId: row.device_id as string,
    enqueuedMs: row.enqueued_ms as number,
    expiresMs: row.expires_ms as number,
    deliveries: row.deliveries as number,
    messageId: row.message_id as string,
    ack: row.ack as QueuedMessage['ack'],
    bag: row.bag as string,
    body: row.body as Uint8Array,
  };
}
