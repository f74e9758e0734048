import type { DatabaseSync, StatementSync } from '../database.ts';
import type { Configuration, ConfigurationInput, ContentKind, Statuses } from './contract.ts';
import type { RolloutState } from './rollout/contract.ts';

/** What an identity has of configurations. */
export interface Assigned {
  /** Names the contents that are in its twin, in their order; empty: none yet. */
  readonly applied: string;
  /** When that began, epoch milliseconds. */
  readonly sinceMs: number;
  readonly statuses: Statuses;
}

const nothing: Assigned = { applied: '', sinceMs: 0, statuses: {} };

/** Configurations and who has them, in the registry's file. What it changes is for the caller to commit. */
export class ConfigurationStore {
  readonly #db: DatabaseSync;
  readonly #assigned: StatementSync;
  readonly #assign: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#assigned = db.prepare('SELECT applied, since_ms, statuses FROM assignments WHERE id = ?');
    this.#assign = db.prepare('INSERT OR REPLACE INTO assignments VALUES (?, ?, ?, ?)');
  }

  /** In the order of their ids. */
  all(): readonly { readonly configuration: Configuration; readonly rollout: RolloutState | undefined }[] {
    return this.#db.prepare('SELECT * FROM configurations ORDER BY id').all().map(toEntry);
  }

  /** Takes the place of one of this id; its rollout stays. */
  save({ id, kind, createdMs, updatedMs, etag, ...input }: Configuration): void {
    this.#db
      .prepare(
        `INSERT INTO configurations VALUES (?, ?, ?, ?, ?, ?, NULL)
         ON CONFLICT DO UPDATE SET kind = excluded.kind, created_ms = excluded.created_ms, updated_ms = excluded.updated_ms,
         etag = excluded.etag, document = excluded.document`,
      )
      .run(id, kind, createdMs, updatedMs, etag, JSON.stringify(input));
  }

  saveRollout(id: string, state: RolloutState | undefined): void {
    this.#db.prepare('UPDATE configurations SET rollout = ? WHERE id = ?').run(state ? JSON.stringify(state) : null, id);
  }

  remove(id: string): void {
    this.#db.prepare('DELETE FROM configurations WHERE id = ?').run(id);
  }

  assigned(identityId: string): Assigned {
    const row = this.#assigned.get(identityId);
    if (!row) return nothing;
    return { applied: row.applied as string, sinceMs: row.since_ms as number, statuses: JSON.parse(row.statuses as string) as Statuses };
  }

  assign(identityId: string, { applied, sinceMs, statuses }: Assigned): void {
    this.#assign.run(identityId, applied, sinceMs, JSON.stringify(statuses));
  }

  /** Whether parts of module twins are, or were, anywhere. */
  hasModuleStatuses(): boolean {
    const sql = "SELECT 1 FROM assignments WHERE id LIKE '%/%' AND id NOT LIKE '%/$edgeAgent' AND statuses != '{}' LIMIT 1";
    return this.#db.prepare(sql).get() !== undefined;
  }

  /** Identities that have something of configurations, by id. */
  allAssigned(): ReadonlyMap<string, Assigned> {
    const rows = this.#db.prepare('SELECT * FROM assignments').all();
    return new Map(
      rows.map((row) => [
        row.id as string,
        { applied: row.applied as string, sinceMs: row.since_ms as number, statuses: JSON.parse(row.statuses as string) as Statuses },
      ]),
    );
  }
}

function toEntry(row: Record<string, unknown>) {
  const configuration: Configuration = {
    id: row.id as string,
    kind: row.kind as ContentKind,
    createdMs: row.created_ms as number,
    updatedMs: row.updated_ms as number,
    etag: row.etag as string,
    ...(JSON.parse(row.document as string) as ConfigurationInput),
  };
  return { configuration, rollout: row.rollout === null ? undefined : (JSON.parse(row.rollout as string) as RolloutState) };
}
