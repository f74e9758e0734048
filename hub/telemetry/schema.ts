import type { DatabaseSync } from '../database.ts';
import { openDatabase } from '../database.ts';
import { hubFiles } from '../folder.ts';

/**
 * `messages`: one row a message, its body as it came (or zstd of it). `duplicates` lists indexes of events inside it
 * that had arrived before. `subjects` is a text of the form "\ncooker-1\nmixer-1\n".
 * `streams`: one row for each device, source and life of an outbox; `ranges`: the sequence numbers that arrived.
 * `losses`: what gateways said they lost. `removed`: what retention took, summed up by reason.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, arrived_ms INTEGER NOT NULL,
    from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, events INTEGER NOT NULL, subjects TEXT NOT NULL,
    duplicates TEXT, properties TEXT NOT NULL, encoding TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS messages_by_time ON messages (to_ms);
  CREATE INDEX IF NOT EXISTS messages_by_device ON messages (device);
  CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY, device TEXT NOT NULL, source TEXT NOT NULL, epoch TEXT NOT NULL,
    duplicates INTEGER NOT NULL DEFAULT 0, UNIQUE (device, source, epoch)) STRICT;
  CREATE TABLE IF NOT EXISTS ranges (
    stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, first)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS losses (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first INTEGER, last INTEGER,
    from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, readings INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS losses_by_stream ON losses (stream);
  CREATE TABLE IF NOT EXISTS removed (
    reason TEXT PRIMARY KEY, messages INTEGER NOT NULL, events INTEGER NOT NULL, size INTEGER NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL) STRICT;
`;

const pageSizeBytes = 16 * 1024;

/** For the one process that writes. The file never grows over `hardLimitBytes`: it is refused more before the disk is full. */
export function openTelemetry(folder: string, hardLimitBytes: number): DatabaseSync {
  const db = openDatabase(hubFiles(folder).telemetry, schema, { pageSizeBytes });
  const size = db.prepare('PRAGMA page_size').get()?.page_size as number;
  db.exec(`PRAGMA max_page_count=${Math.max(16, Math.floor(hardLimitBytes / size))}`);
  return db;
}

/** For everybody who looks. */
export function openTelemetryReader(folder: string): DatabaseSync {
  return openDatabase(hubFiles(folder).telemetry, '', { readOnly: true });
}
