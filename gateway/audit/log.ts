import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { GatewayError } from '../../model/error.ts';
import { lockFolder } from '../outbox/lock.ts';
import { chained, genesis, type Head, readLine, shownHash as shown } from './chain.ts';
import type { AuditEntry, AuditRecord } from './entry.ts';
import { continuedAction, droppedAction, tornHash } from './notes.ts';
import { headFile, linesOf, segmentFile, segmentsOf } from './segments.ts';

export interface AuditOptions {
  /** A new file begins beyond this; default 8 MB. */
  readonly segmentBytes?: number;
  /** With more files the oldest one goes, and an entry says so: a hub that asks for nonsense day and night must not fill the disk. Default 128, 1 GB. */
  readonly mostSegments?: number;
  readonly now?: () => number;
}

interface Waiting {
  readonly line: string;
  readonly entry: AuditEntry;
  readonly resolve: (entry: AuditEntry) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Who did what, when, from where. Only ever appended to; each line is tied to the one before by its hash. One process a folder.
 * Several entries that come together share one flush to the disk.
 */
export class AuditLog implements AsyncDisposable {
  readonly folder: string;
  readonly #lock: AsyncDisposable;
  readonly #segmentBytes: number;
  readonly #mostSegments: number;
  readonly #now: () => number;
  readonly #listeners = new Set<(entry: AuditEntry) => void>();
  #file: FileHandle;
  #segment: number;
  #size: number;
  #head: Head;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #dropping: Promise<void> | undefined;
  #broken: GatewayError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    folder: string,
    lock: AsyncDisposable,
    file: FileHandle,
    at: { segment: number; size: number; head: Head },
    options: AuditOptions,
  ) {
    this.folder = folder;
    this.#lock = lock;
    this.#file = file;
    this.#segment = at.segment;
    this.#size = at.size;
    this.#head = at.head;
    this.#segmentBytes = options.segmentBytes ?? 8_000_000;
    this.#mostSegments = options.mostSegments ?? 128;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Goes on where the log ends. Half an entry at its end (the process was killed while writing) stays as it is and is noted.
   * Rejects with GatewayError when another process has the folder.
   */
  static async open(folder: string, options: AuditOptions = {}): Promise<AuditLog> {
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const lock = await lockFolder(folder);
    try {
      const last = (await segmentsOf(folder)).at(-1);
      const segment = last?.number ?? 1;
      const { head, torn } = await endOf(folder);
      const file = await open(segmentFile(folder, segment), 'a', 0o640);
      const log = new AuditLog(folder, lock, file, { segment, size: (await file.stat()).size, head }, options);
      if (torn) await log.#continueAfter(torn);
      return log;
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  get head(): Head {
    return this.#head;
  }

  /** Called with each entry once it is on disk, in order: for the export. A listener must not throw. */
  onEntry(listener: (entry: AuditEntry) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Resolves when the entry is on disk. After an error of the disk every call rejects: an entry with a gap before it proves nothing. */
  append(record: AuditRecord): Promise<AuditEntry> {
    if (this.#broken) return Promise.reject(this.#broken);
    const { entry, line } = chained(record, this.#head, this.#now());
    this.#head = { sequence: entry.sequence, hash: entry.hash };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, line, resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // What comes in the same turn goes in one flush.
    await null;
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(group);
      } catch (cause) {
        this.#fail(cause as Error, group);
        break;
      }
      for (const { entry, resolve } of group) {
        for (const listener of this.#listeners) listener(entry);
        resolve(entry);
      }
      // Nobody waits for it: it may lag behind the lines, which are what counts.
      if (this.#waiting.length === 0) await this.#saveHead(group.at(-1)!.entry).catch(() => {});
    }
    this.#writing = undefined;
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    if (this.#size > this.#segmentBytes) await this.#nextSegment();
    const bytes = Buffer.from(group.map(({ line }) => `${line}\n`).join(''));
    await this.#file.appendFile(bytes);
    await this.#file.datasync();
    this.#size += bytes.length;
  }

  async #nextSegment(): Promise<void> {
    const file = await open(segmentFile(this.folder, this.#segment + 1), 'ax', 0o640);
    await this.#file.close();
    this.#file = file;
    this.#segment++;
    this.#size = 0;
    await syncFolder(this.folder);
    this.#dropping ??= this.#dropOldest()
      .catch(() => {})
      .finally(() => {
        this.#dropping = undefined;
      });
  }

  /** The note is on disk before the file goes, so that a kill in between leaves too much, never a gap that nothing explains. */
  async #dropOldest(): Promise<void> {
    const segments = await segmentsOf(this.folder);
    for (const segment of segments.slice(0, Math.max(0, segments.length - this.#mostSegments))) {
      const { lines } = await linesOf(segment);
      const last = lines.map(readLine).findLast((read) => 'entry' in read);
      if (!last || 'wrong' in last) return;
      await this.append({
        kind: 'log',
        action: droppedAction,
        who: 'gateway',
        from: 'retention',
        target: basename(segment.file),
        outcome: 'done',
        details: { through: last.entry.sequence, hash: last.entry.hash },
      });
      await rm(segment.file, { force: true });
    }
  }

  async #saveHead({ sequence, hash }: Head): Promise<void> {
    const aside = `${headFile(this.folder)}.new`;
    const file = await open(aside, 'w', 0o640);
    try {
      await file.writeFile(`${JSON.stringify({ sequence, hash })}\n`);
    } finally {
      await file.close();
    }
    await rename(aside, headFile(this.folder));
  }

  #fail(cause: Error, group: readonly Waiting[]): void {
    this.#broken = new GatewayError('audit-disk', `the audit log in ${this.folder} cannot be written: ${cause.message}`, {
      retry: 'after-fix',
      hint: 'Make room on the disk or give back its rights, and restart the gateway. Until then nothing that must be audited is done',
      cause,
    });
    for (const { reject } of [...group, ...this.#waiting]) reject(this.#broken);
    this.#waiting = [];
  }

  async #continueAfter({ text, ended }: NonNullable<End['torn']>): Promise<void> {
    if (!ended) {
      await this.#file.appendFile('\n');
      this.#size++;
    }
    const details = { torn: tornHash(text), characters: text.length };
    const reason = 'the gateway was stopped while it wrote; the entry before was never confirmed';
    await this.append({
      kind: 'log',
      action: continuedAction,
      who: 'gateway',
      from: 'start',
      target: 'audit log',
      outcome: 'done',
      reason,
      details,
    });
  }

  /** What was appended before is on disk afterwards. Twice is once. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#writing || this.#dropping) await Promise.all([this.#writing, this.#dropping]);
    await this.#file.close();
    await this.#lock[Symbol.asyncDispose]();
  }
}

interface End {
  /** What the next entry is tied to. */
  readonly head: Head;
  /** Half an entry that nothing has noted yet. */
  readonly torn: { readonly text: string; readonly ended: boolean } | undefined;
}

/** From the last line back to one that is sound. A line that was changed keeps its place, by the hash that it shows; `verify` names it. */
async function endOf(folder: string): Promise<End> {
  let torn: End['torn'];
  let changed = 0;
  let shownHash: string | undefined;
  for (const segment of (await segmentsOf(folder)).toReversed()) {
    const { lines, torn: rest } = await linesOf(segment);
    if (rest !== '') torn = { text: rest, ended: false };
    for (const line of (rest !== '' && shown(rest) ? [...lines, rest] : lines).toReversed()) {
      const read = readLine(line);
      if ('entry' in read) {
        const { sequence, hash } = read.entry;
        return { head: { sequence: sequence + changed, hash: shownHash ?? hash }, torn };
      }
      const hash = shown(line);
      if (hash !== undefined) {
        changed++;
        shownHash ??= hash;
      } else if (changed === 0) torn ??= { text: line, ended: true };
    }
  }
  return { head: { sequence: changed, hash: shownHash ?? genesis }, torn };
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network shares cannot; the file itself is flushed all the same.
    if (!['EINVAL', 'ENOTSUP', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle.close();
  }
}
