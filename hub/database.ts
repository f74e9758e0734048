import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterFix } from './error.ts';

export type { DatabaseSync, StatementSync } from 'node:sqlite';

export interface OpenOptions {
  readonly pageSizeBytes?: number;
  /** For a process that only looks: fails when the file is not there. */
  readonly readOnly?: boolean;
}

/**
 * One SQLite file, shared safely between processes (write-ahead log): commits are on disk when they return
 * (synchronous=FULL), readers never block the writer, a writer waits up to 5 s for another.
 */
export function openDatabase(file: string, schema: string, options: OpenOptions = {}): DatabaseSync {
  try {
    // Keys are inside: the file (and the log beside it, which takes the same mode) is for its owner alone.
    if (!options.readOnly) closeSync(openSync(file, 'a', 0o600));
    const db = new DatabaseSync(file, { timeout: 5_000, readOnly: options.readOnly ?? false });
    if (options.readOnly) return db;
    db.exec(`PRAGMA page_size=${options.pageSizeBytes ?? 4096}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;`);
    db.exec('PRAGMA journal_size_limit=67108864; PRAGMA foreign_keys=ON;');
    db.exec(schema);
    return db;
  } catch (error) {
    throw afterFix(
      'hub-database',
      `cannot open ${file}: ${(error as Error).message}`,
      'check that the folder exists, is writable and has room; a damaged file can be moved away, the hub then starts a new one',
      error,
    );
  }
}

/** All or nothing. */
export function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite has already rolled back by itself after some errors (a full disk), then this has nothing to do.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** SQLITE_FULL, or an I/O error while writing: there is no room for more. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode ?? 0;
  return (code & 0xff) === 13 || code === 778;
}

/**
 * Takes the exclusive lock of a file, or gives undefined when another process holds it. The operating system
 * releases it when the process ends, however it ends; a process id in a file could not promise that.
 */
export function takeLock(file: string): Disposable | undefined {
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch {
    db.close();
    return undefined;
  }
  return { [Symbol.dispose]: () => db.close() };
}
