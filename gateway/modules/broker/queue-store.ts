import { join } from 'node:path';
import type { Endpoint, RoutedMessage, RouteTarget } from '../../../deployments/contract.ts';
import { Commits } from '../../../hub/core/commits.ts';
import { type DatabaseSync, openDatabase, type StatementSync } from '../../../hub/database.ts';
import { sizeOf } from './message-form.ts';

/**
 * `queue`: one row a message and endpoint; `id` rises for ever, so order within an endpoint and priority is order of ids. `expires_ms` NULL: never.
 * `reported`: what upstream has of a module's reported properties.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL, priority INTEGER NOT NULL, expires_ms INTEGER, size INTEGER NOT NULL,
    source TEXT NOT NULL, properties TEXT NOT NULL, system TEXT NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS queue_by_endpoint ON queue (endpoint, priority, id);
  CREATE INDEX IF NOT EXISTS queue_by_expiry ON queue (expires_ms) WHERE expires_ms IS NOT NULL;
  CREATE TABLE IF NOT EXISTS reported (module TEXT PRIMARY KEY, properties TEXT NOT NULL) STRICT;
`;

export interface Waiting {
  readonly id: number;
  readonly priority: number;
  readonly expiresMs: number | undefined;
  readonly bytes: number;
  readonly message: RoutedMessage;
}

export interface EndpointSum {
  readonly endpoint: string;
  readonly messages: number;
  readonly bytes: number;
}

/** `$upstream`, `modules/filter/inputs/in1`: the name of a queue, and its key on disk. */
export const endpointName = (endpoint: Endpoint): string =>
  endpoint.kind === 'upstream' ? '$upstream' : `modules/${endpoint.module}/inputs/${endpoint.input}`;

/** Undefined: not a name that {@link endpointName} makes. */
export function endpointNamed(name: string): Endpoint | undefined {
  if (name === '$upstream') return { kind: 'upstream' };
  const [, module, input] = /^modules\/([^/]+)\/inputs\/(.+)$/s.exec(name) ?? [];
  return module !== undefined && input !== undefined ? { kind: 'input', module, input } : undefined;
}

/** The queues on disk: an SQLite file of the broker's own. Changes that come in one turn of the loop share one wait for the disk. */
export class QueueStore implements Disposable {
  readonly db: DatabaseSync;
  readonly commits: Commits;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #next: StatementSync;

  /** Throws HubError when the file cannot be opened. */
  constructor(folder: string) {
    this.db = openDatabase(join(folder, 'queues.db'), schema, { pageSizeBytes: 8192 });
    this.commits = new Commits(this.db);
    this.#insert = this.db.prepare(
      'INSERT INTO queue (endpoint, priority, expires_ms, size, source, properties, system, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#remove = this.db.prepare('DELETE FROM queue WHERE id = ?');
    this.#next = this.db.prepare('SELECT * FROM queue WHERE endpoint = ? AND priority = ? AND id > ? ORDER BY id LIMIT ?');
  }

  /** Resolves when the message waits on disk for all its targets; rejects, with none of it there, when the disk does not take it. */
  add(message: RoutedMessage, targets: readonly RouteTarget[], nowMs: number): Promise<void> {
    const bytes = sizeOf(message);
    const properties = JSON.stringify(message.properties);
    const system = JSON.stringify(message.system);
    return this.commits.run(() => {
      for (const { endpoint, priority, timeToLiveSecs } of targets) {
        const expiresMs = timeToLiveSecs < 0 ? null : nowMs + timeToLiveSecs * 1000;
        this.#insert.run(endpointName(endpoint), priority, expiresMs, bytes, message.source, properties, system, message.body);
      }
    });
  }

  /** In order, behind the message with this id. */
  next(endpoint: string, priority: number, afterId: number, max: number): readonly Waiting[] {
    return this.#next.all(endpoint, priority, afterId, max).map(toWaiting);
  }

  /** Resolves when they are gone for good. */
  remove(ids: readonly number[]): Promise<void> {
    return this.commits.run(() => {
      for (const id of ids) this.#remove.run(id);
    });
  }

  /** Some of those whose time is over. */
  expired(nowMs: number, max: number): readonly { readonly id: number; readonly endpoint: string; readonly bytes: number }[] {
    return this.db
      .prepare('SELECT id, endpoint, size AS bytes FROM queue WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?')
      .all(nowMs, max) as unknown as readonly { id: number; endpoint: string; bytes: number }[];
  }

  sums(): readonly EndpointSum[] {
    return this.db
      .prepare('SELECT endpoint, count(*) AS messages, sum(size) AS bytes FROM queue GROUP BY endpoint')
      .all() as unknown as readonly EndpointSum[];
  }

  priorities(endpoint: string): readonly number[] {
    return this.db
      .prepare('SELECT DISTINCT priority FROM queue WHERE endpoint = ? ORDER BY priority')
      .all(endpoint)
      .map((row) => row.priority as number);
  }

  [Symbol.dispose](): void {
    this.commits.flush();
    this.db.close();
  }
}

function toWaiting(row: Record<string, unknown>): Waiting {
  return {
    id: row.id as number,
    priority: row.priority as number,
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
