import { type DatabaseSync, openDatabase, transaction } from './database.ts';
import { hubFiles, makeFolder } from './folder.ts';

/**
 * `identities`: devices and modules; `id` is the MQTT client id (`gw-1`, `gw-1/filter`). A device's row refers to itself, so that
 * deleting it takes its modules along. Whatever belongs to an identity goes with it.
 * `messages`: cloud-to-device messages that wait, `feedback`: what became of those whose senders asked.
 * `configurations`: deployments by condition, with the state of their rollouts. `assignments`: which of them an identity has, and since when.
 * `enrollments`, `registrations`: the provisioning service. `authorities`: CAs of device certificates. `settings`: single values.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS identities (
    id TEXT PRIMARY KEY, device_id TEXT NOT NULL REFERENCES identities (id) ON DELETE CASCADE, module_id TEXT,
    generation_id TEXT NOT NULL, etag TEXT NOT NULL, status TEXT NOT NULL, status_reason TEXT, status_ms INTEGER,
    auth_type TEXT NOT NULL, primary_secret TEXT NOT NULL, secondary_secret TEXT NOT NULL,
    edge INTEGER NOT NULL DEFAULT 0, managed_by TEXT, created_ms INTEGER NOT NULL,
    connected_since_ms INTEGER, connection_ms INTEGER, last_activity_ms INTEGER) STRICT;
  CREATE INDEX IF NOT EXISTS identities_by_device ON identities (device_id);
  CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY REFERENCES identities ON DELETE CASCADE, subscriptions TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS twins (
    id TEXT PRIMARY KEY REFERENCES identities ON DELETE CASCADE, version INTEGER NOT NULL, etag TEXT NOT NULL, model_id TEXT NOT NULL,
    tags TEXT NOT NULL, desired TEXT NOT NULL, desired_metadata TEXT NOT NULL, desired_version INTEGER NOT NULL,
    reported TEXT NOT NULL, reported_metadata TEXT NOT NULL, reported_version INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, device_id TEXT NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    enqueued_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, deliveries INTEGER NOT NULL DEFAULT 0,
    message_id TEXT NOT NULL, ack TEXT NOT NULL, bag TEXT NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS messages_by_device ON messages (device_id);
  CREATE INDEX IF NOT EXISTS messages_by_expiry ON messages (expires_ms);
  CREATE TABLE IF NOT EXISTS feedback (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, device_id TEXT NOT NULL, generation_id TEXT NOT NULL,
    message_id TEXT NOT NULL, status TEXT NOT NULL, description TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS configurations (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, etag TEXT NOT NULL,
    document TEXT NOT NULL, rollout TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS assignments (
    id TEXT PRIMARY KEY REFERENCES identities ON DELETE CASCADE, applied TEXT NOT NULL, since_ms INTEGER NOT NULL,
    statuses TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS enrollments (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, enabled INTEGER NOT NULL, created_ms INTEGER NOT NULL, etag TEXT NOT NULL,
    attestation TEXT NOT NULL, device_id TEXT, edge INTEGER NOT NULL, reprovision TEXT NOT NULL, twin TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS registrations (
    registration_id TEXT PRIMARY KEY, enrollment_id TEXT NOT NULL, enrollment_kind TEXT NOT NULL, operation_id TEXT NOT NULL,
    state TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS authorities (name TEXT PRIMARY KEY, pem TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
`;

/** Opens the file of identities and all that belongs to them; it may be open in several processes at once. */
export function openRegistry(folder: string): DatabaseSync {
  makeFolder(folder);
  const db = openDatabase(hubFiles(folder).registry, '');
  if (hasTable(db, 'devices')) transaction(db, () => fromFirstForm(db));
  db.exec(schema);
  return db;
}

const hasTable = (db: DatabaseSync, name: string): boolean =>
  db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined;

/** A folder of the hub that knew devices only. */
function fromFirstForm(db: DatabaseSync): void {
  // Another process may have been faster.
  if (!hasTable(db, 'devices')) return;
  for (const name of ['devices', 'sessions', 'twins']) db.exec(`ALTER TABLE ${name} RENAME TO first_${name}`);
  db.exec(schema);
  db.exec(`
    INSERT INTO identities (id, device_id, generation_id, etag, status, auth_type, primary_secret, secondary_secret, created_ms, last_activity_ms)
      SELECT device_id, device_id, generation_id, 'MQ==', status, auth_type, primary_secret, secondary_secret, created_ms, last_activity_ms
      FROM first_devices;
    INSERT INTO sessions SELECT device_id, subscriptions FROM first_sessions;
    INSERT INTO twins SELECT device_id, reported_version + desired_version, 'AAAAAAAAAAE=', '', '{}',
      desired, '{}', desired_version, reported, '{}', reported_version FROM first_twins;
    DROP TABLE first_sessions; DROP TABLE first_twins; DROP TABLE first_devices;
  `);
}

/** One value that the hub remembers; `make` gives it at the first call. */
export function setting(db: DatabaseSync, name: string, make: () => string): string {
  const read = db.prepare('SELECT value FROM settings WHERE name = ?');
  const found = read.get(name)?.value as string | undefined;
  if (found !== undefined) return found;
  db.prepare('INSERT OR IGNORE INTO settings VALUES (?, ?)').run(name, make());
  return read.get(name)?.value as string;
}

export function changeSetting(db: DatabaseSync, name: string, value: string): void {
  db.prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value').run(name, value);
}
