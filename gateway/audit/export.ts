import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../pause.ts';
import type { AuditEntry } from './entry.ts';
import type { AuditLog } from './log.ts';
import { entriesOf } from './show.ts';

const retryMs = 1_000;

/** Entries that wait in memory; with more, what is missing is read from the files again. */
const mostWaiting = 1_000;

/**
 * Hands every entry to `send`, in order, until the signal aborts; those too that a kill or a full outbox kept back. `send` resolves when the entry
 * is safe (in the outbox). Delivers at least once: the number of the entry tells duplicates. What was sent is remembered in the log's folder.
 */
export async function exportEntries(log: AuditLog, send: (entry: AuditEntry) => Promise<unknown>, signal: AbortSignal): Promise<void> {
  const cursor = join(log.folder, 'exported');
  let sent = await readCursor(cursor);
  let saved = sent;
  const live: AuditEntry[] = [];
  let more = Promise.withResolvers<void>();
  using _listening = log.onEntry((entry) => {
    if (live.length < mostWaiting) live.push(entry);
    more.resolve();
  });
  const wake = (): void => more.resolve();
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      more = Promise.withResolvers();
      try {
        for await (const entry of waiting()) {
          if (signal.aborted) break;
          await send(entry);
          sent = entry.sequence;
        }
        await save();
        if (sent === log.head.sequence && !signal.aborted) await more.promise;
      } catch {
        // The receiver says why by itself; the entry waits on disk.
        await pause(retryMs, signal);
      }
    }
  } finally {
    signal.removeEventListener('abort', wake);
    await save();
  }

  async function save(): Promise<void> {
    if (sent === saved) return;
    await saveCursor(cursor, sent);
    saved = sent;
  }

  /** From memory where that goes on where we are, else from the files. */
  async function* waiting(): AsyncGenerator<AuditEntry> {
    while (live[0] && live[0].sequence <= sent) live.shift();
    if (live[0]?.sequence !== sent + 1) {
      for await (const entry of entriesOf(log.folder, { after: sent })) yield entry;
      // Written, and not read yet: it comes with the next look.
      if (sent < log.head.sequence && live.length === 0) await Promise.race([more.promise, pause(100, signal)]);
    }
    for (let next = live.shift(); next; next = live.shift()) if (next.sequence === sent + 1) yield next;
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
