import type { Commits } from './core/commits.ts';
import type { DatabaseSync } from './database.ts';

/** Topic filter to granted QoS. */
export type Subscriptions = Map<string, 0 | 1>;

/**
 * What identities subscribed to, on disk before the SUBACK: the Azure SDK connects with clean=false and trusts the hub
 * to remember, through token renewals, lost links and restarts of the hub.
 */
export class Sessions {
  readonly #db: DatabaseSync;
  readonly #commits: Commits;
  /** On their way to the disk. */
  readonly #saving = new Map<string, Subscriptions>();

  constructor(db: DatabaseSync, commits: Commits) {
    this.#db = db;
    this.#commits = commits;
  }

  /** Also what a connection before subscribed to a moment ago. */
  load(id: string): Subscriptions | undefined {
    const saving = this.#saving.get(id);
    if (saving) return new Map(saving);
    const row = this.#db.prepare('SELECT subscriptions FROM sessions WHERE id = ?').get(id);
    return row && new Map(JSON.parse(row.subscriptions as string) as [string, 0 | 1][]);
  }

  /** Resolves when it is on disk; calls resolve in their order. */
  async save(id: string, subscriptions: Subscriptions): Promise<void> {
    this.#saving.set(id, subscriptions);
    try {
      await this.#commits.run(() => {
        // Dropped in the meantime, or changed again.
        if (this.#saving.get(id) === subscriptions) this.#write(id, subscriptions);
      });
    } finally {
      if (this.#saving.get(id) === subscriptions) this.#saving.delete(id);
    }
  }

  drop(id: string): void {
    this.#saving.delete(id);
    this.#db.prepare('DELETE FROM sessions WHERE id = ?').run(id);
  }

  #write(id: string, subscriptions: Subscriptions): void {
    this.#db
      .prepare('INSERT INTO sessions VALUES (?, ?) ON CONFLICT DO UPDATE SET subscriptions = excluded.subscriptions')
      .run(id, JSON.stringify([...subscriptions]));
  }
}
