import type { DatabaseSync } from './database.ts';

/** Topic filter to granted QoS. */
export type Subscriptions = Map<string, 0 | 1>;

/**
 * What an identity subscribed to, on disk before the SUBACK: the Azure SDK connects with clean=false and trusts the hub
 * to remember, through token renewals, lost links and restarts of the hub.
 */
export function loadSession(db: DatabaseSync, id: string): Subscriptions | undefined {
  const row = db.prepare('SELECT subscriptions FROM sessions WHERE id = ?').get(id);
  return row && new Map(JSON.parse(row.subscriptions as string) as [string, 0 | 1][]);
}

export function saveSession(db: DatabaseSync, id: string, subscriptions: Subscriptions): void {
  db.prepare('INSERT INTO sessions VALUES (?, ?) ON CONFLICT DO UPDATE SET subscriptions = excluded.subscriptions').run(
    id,
    JSON.stringify([...subscriptions]),
  );
}

export function dropSession(db: DatabaseSync, id: string): void {
  db.prepare('DELETE FROM sessions WHERE id = ?').run(id);
}
