import { type DatabaseSync, isDiskFull, openDatabase, type StatementSync, transaction } from '../../../hub/database.ts';

/**
 * `queue`: one row a message and endpoint; `id` rises for ever, so order within an endpoint and priority is order of ids; it begins with the time, so
 * that it does not come again in a new file. `expires_ms` NULL: never.
 * `losses`: how many messages each endpoint never got, and why. `reported`: what upstream has of a module's reported properties.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL, priority INTEGER NOT NULL, expires_ms INTEGER, size INTEGER NOT NULL,
    source TEXT NOT NULL, properties TEXT NOT NULL, system TEXT NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS queue_by_endpoint ON queue (endpoint, priority, id, size);
  CREATE INDEX IF NOT EXISTS queue_by_expiry ON queue (expires_ms) WHERE expires_ms IS NOT NULL;
  CREATE TABLE IF NOT EXISTS losses (
    endpoint TEXT NOT NULL, why TEXT NOT NULL, messages INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    PRIMARY KEY (endpoint, why)) STRICT;
  CREATE TABLE IF NOT EXISTS reported (module TEXT PRIMARY KEY, generation TEXT NOT NULL, properties TEXT NOT NULL) STRICT;
`;

/** Throws HubError when the file cannot be opened. */
export function openQueues(file: string): DatabaseSync {
  const db = openDatabase(file, schema, { pageSizeBytes: 8192 });
  const begin = "INSERT INTO sqlite_sequence SELECT 'queue', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'queue')";
  db.prepare(begin).run(Date.now() * 1_000);
  return db;
}

/** Moved in one transaction at the most; about. */
const movedAtOnce = { messages: 1_000, bytes: 8 * 1024 * 1024 };

/**
 * Messages of versions before, which all waited in `$upstream`, go where those of their module wait now. Some at a time: neither the log of the file nor
 * a disk that is nearly full has to take all of them at once, and a kill in between does no harm.
 */
export function giveOwnQueues(db: DatabaseSync): void {
  const page = db.prepare(`SELECT priority, id, size FROM queue WHERE endpoint = '$upstream' AND (priority, id) > (?, ?)
    ORDER BY priority, id LIMIT ${movedAtOnce.messages}`);
  const move = db.prepare(`UPDATE queue SET endpoint = endpoint || '/' || (system ->> '$.connectionModuleId')
    WHERE id = ? AND (system ->> '$.connectionModuleId') IS NOT NULL`);
  let last = { priority: -1, id: -1 };
  for (;;) {
    const rows = page.all(last.priority, last.id) as unknown as readonly { priority: number; id: number; size: number }[];
    if (rows.length === 0) return;
    transaction(db, () => {
      let bytes = 0;
      for (const row of rows) {
        if (bytes > movedAtOnce.bytes) break;
        move.run(row.id);
        bytes += row.size;
        last = row;
      }
    });
  }
}

/** `expired`: its time was over; `refused`: the endpoint will never take it; `removed`: its module is not in the deployment any more. */
export type Loss = 'expired' | 'refused' | 'removed';

export type Change =
  | {
      readonly kind: 'add';
      readonly targets: readonly { readonly endpoint: string; readonly priority: number; readonly expiresMs: number | undefined }[];
      readonly bytes: number;
      readonly source: string;
      /** JSON. */
      readonly properties: string;
      readonly system: string;
      readonly body: Uint8Array;
    }
  | {
      readonly kind: 'remove';
      readonly id: number;
      readonly loss?: { readonly endpoint: string; readonly why: Loss; readonly atMs: number };
    }
  | { readonly kind: 'reported'; readonly module: string; readonly generation: string; readonly properties: string }
  | { readonly kind: 'keep-reported'; readonly modules: readonly string[] };

export interface Failure {
  readonly diskFull: boolean;
  readonly reason: string;
}

/** Puts changes on disk, many in one transaction; runs in the worker thread. */
export class QueueWriter {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #lose: StatementSync;
  readonly #report: StatementSync;
  readonly #keepReported: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#insert = db.prepare(
      'INSERT INTO queue (endpoint, priority, expires_ms, size, source, properties, system, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#remove = db.prepare('DELETE FROM queue WHERE id = ?');
    this.#lose = db.prepare(`INSERT INTO losses VALUES (?1, ?2, 1, ?3, ?3)
      ON CONFLICT (endpoint, why) DO UPDATE SET messages = messages + 1, last_ms = excluded.last_ms`);
    this.#report = db.prepare('INSERT OR REPLACE INTO reported VALUES (?, ?, ?)');
    this.#keepReported = db.prepare('DELETE FROM reported WHERE module NOT IN (SELECT value FROM json_each(?))');
  }

  /** One outcome for each change: undefined when it is on disk. */
  write(changes: readonly Change[]): readonly (Failure | undefined)[] {
    const failure = this.#all(changes);
    if (!failure) return changes.map(() => undefined);
    // What makes room must not fail with what needs it.
    const removals = changes.filter(({ kind }) => kind === 'remove');
    const removed = removals.length === changes.length ? failure : this.#all(removals);
    return changes.map(({ kind }) => (kind === 'remove' ? removed : failure));
  }

  #all(changes: readonly Change[]): Failure | undefined {
    try {
      transaction(this.#db, () => {
        for (const change of changes) this.#one(change);
      });
      return undefined;
    } catch (error) {
      return { diskFull: isDiskFull(error), reason: (error as Error).message };
    }
  }

  #one(change: Change): void {
    if (change.kind === 'reported') this.#report.run(change.module, change.generation, change.properties);
    else if (change.kind === 'keep-reported') this.#keepReported.run(JSON.stringify(change.modules));
    else if (change.kind === 'add') {
      const { targets, bytes, source, properties, system, body } = change;
      for (const { endpoint, priority, expiresMs } of targets)
        this.#insert.run(endpoint, priority, expiresMs ?? null, bytes, source, properties, system, body);
    } else {
      const gone = this.#remove.run(change.id).changes === 1;
      if (gone && change.loss) this.#lose.run(change.loss.endpoint, change.loss.why, change.loss.atMs);
    }
  }
}
