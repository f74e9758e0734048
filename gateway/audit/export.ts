import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../pause.ts';
import type { AuditEntry } from './entry.ts';
import type { AuditLog } from './log.ts';
import { entriesOf } from './show.ts';

const retryMs = 1_000;

/**
 * Hands every entry to `send`, in order, until the signal aborts; those too that a kill or a full outbox kept back. `send` resolves when the entry
 * is safe (in the outbox). Delivers at least once: the number of the entry tells duplicates. What was sent is remembered in the log's folder.
 */
export async function exportEntries(log: AuditLog, send: (entry: AuditEntry) => Promise<unknown>, signal: AbortSignal): Promise<void> {
  const cursor = join(log.folder, 'exported');
  let sent = await readCursor(cursor);
  let more = Promise.withResolvers<void>();
  const wake = (): void => more.resolve();
  using _listening = log.onEntry(wake);
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      more = Promise.withResolvers();
      const before = sent;
      try {
        for await (const entry of entriesOf(log.folder, { after: sent })) {
          if (signal.aborted) break;
          await send(entry);
          sent = entry.sequence;
        }
      } catch {
        // The receiver says why by itself; the entry waits on disk.
        await pause(retryMs, signal);
        continue;
      } finally {
        if (sent > before) await saveCursor(cursor, sent);
      }
      if (sent < log.head.sequence && !signal.aborted) await Promise.race([more.promise, pause(retryMs, signal)]);
      else await more.promise;
    }
  } finally {
    signal.removeEventListener('abort', wake);
  }
}

async function readCursor(file: string): Promise<number> {
  const number = Number(await readFile(file, 'utf8').catch(() => '0'));
  return Number.isSafeInteger(number) && number > 0 ? number : 0;
}

async function saveCursor(file: string, sequence: number): Promise<void> {
  await writeFile(`${file}.new`, `${sequence}\n`);
  await rename(`${file}.new`, file);
}
