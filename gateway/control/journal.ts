import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Value } from '../../model/value.ts';
import { lockFolder } from '../outbox/lock.ts';
import type { WriteReport, WriteRequest } from './contract.ts';

/** One key: what was asked under it, and what came of it; without `report` it was sent, and the process ended before the answer. */
export interface Known extends Pick<WriteRequest, 'key' | 'equipment' | 'point' | 'value' | 'who' | 'from'> {
  readonly atMs: number;
  /** Epoch milliseconds until which the key must not be forgotten. */
  readonly untilMs: number;
  /** It was going to be sent. */
  readonly sent: boolean;
  readonly report?: WriteReport;
}

/** Keys that are kept. Beyond it the oldest refused ones go; what was sent is kept until its time is over, and then new writes are refused. */
const mostKeys = 10_000;
/** A refused request with a longer value is not remembered: it would be refused again. */
const longestRefused = 2_000;
const largestFile = 4_000_000;

interface Waiting {
  readonly line: string;
  /** Whether somebody waits for it to be on disk. */
  readonly flush: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Which writes were asked for, so that none is done twice, not even after kill -9: the intent is on disk before anything is sent.
 * One line a change; the file is rewritten at the start and when it has grown.
 */
export class WriteJournal implements AsyncDisposable {
  readonly #path: string;
  readonly #folder: string;
  readonly #lock: AsyncDisposable;
  readonly #known: Map<string, Known>;
  readonly #now: () => number;
  #file: FileHandle;
  #size = 0;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  /** A line was cut off by an error of the disk; the next one must not stick to it. */
  #torn = false;

  private constructor(folder: string, lock: AsyncDisposable, known: Map<string, Known>, file: FileHandle, now: () => number) {
    this.#folder = folder;
    this.#path = join(folder, 'writes.jsonl');
    this.#lock = lock;
    this.#known = known;
    this.#file = file;
    this.#now = now;
  }

  /** Rejects when another process has the folder, or the disk does not take the file. */
  static async open(folder: string, now: () => number = Date.now): Promise<WriteJournal> {
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const lock = await lockFolder(folder);
    try {
      const path = join(folder, 'writes.jsonl');
      const known = await readKnown(path);
      for (const [key, { untilMs, sent, report }] of known) if (untilMs < now() && (report || !sent)) known.delete(key);
      return new WriteJournal(folder, lock, known, await rewrite(folder, path, known), now);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  get(key: string): Known | undefined {
    return this.#known.get(key);
  }

  /** Everything that is remembered, the oldest first. */
  all(): IterableIterator<Known> {
    return this.#known.values();
  }

  /** Resolves when it is on disk; only then may it be sent. Rejects when the disk or the bound does not take it. */
  async intent(intent: Omit<Known, 'report' | 'sent'>): Promise<void> {
    if (!this.#makeRoom()) throw new Error(`${mostKeys} writes of the last day are remembered, and no more can be`);
    const known: Known = { ...intent, sent: true };
    this.#known.set(known.key, known);
    try {
      await this.#append(known, true);
    } catch (error) {
      this.#known.delete(known.key);
      throw error;
    }
  }

  /** Outlives this process at once, and a loss of power with the next intent: what would be lost is an outcome, which is unknown then. */
  outcome(known: Known, report: WriteReport): void {
    if (!known.sent && (!this.#makeRoom() || lineOf(known).length > longestRefused)) return;
    const settled: Known = { ...known, report };
    this.#known.set(known.key, settled);
    this.#append(settled, false).catch(() => {});
  }

  #makeRoom(): boolean {
    if (this.#known.size < mostKeys) return true;
    const now = this.#now();
    for (const [key, { untilMs, report }] of this.#known) if (untilMs < now && report) this.#known.delete(key);
    for (const [key, { sent }] of this.#known) {
      if (this.#known.size < mostKeys) break;
      if (!sent) this.#known.delete(key);
    }
    return this.#known.size < mostKeys;
  }

  #append(known: Known, flush: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line: lineOf(known), flush, resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  /** Lines that come together share one flush. */
  async #drain(): Promise<void> {
    await null;
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(
          group.map(({ line }) => line).join(''),
          group.some(({ flush }) => flush),
        );
        for (const { resolve } of group) resolve();
      } catch (error) {
        this.#torn = true;
        for (const { reject } of group) reject(error);
      }
    }
    this.#writing = undefined;
  }

  async #write(lines: string, flush: boolean): Promise<void> {
    if (this.#size > largestFile) {
      const file = await rewrite(this.#folder, this.#path, this.#known);
      await this.#file.close();
      this.#file = file;
      this.#size = 0;
    }
    await this.#file.appendFile(this.#torn ? `\n${lines}` : lines);
    if (flush) await this.#file.datasync();
    this.#torn = false;
    this.#size += lines.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#writing) await this.#writing;
    await this.#file.close();
    await this.#lock[Symbol.asyncDispose]();
  }
}

const bigints = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
const lineOf = (known: Known): string => `${JSON.stringify(known, bigints)}\n`;

/** The last line of a key counts; what was cut off in a kill was never confirmed and counts for nothing. */
async function readKnown(path: string): Promise<Map<string, Known>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const known = new Map<string, Known>();
  for (const line of text.split('\n')) {
    const one = parsed(line);
    if (one) known.set(one.key, one);
  }
  return known;
}

function parsed(line: string): Known | undefined {
  try {
    const one = JSON.parse(line) as Partial<Known> | null;
    const whole = one && typeof one.key === 'string' && typeof one.untilMs === 'number' && typeof one.equipment === 'string';
    return whole ? ({ ...one, value: one.value as Value } as Known) : undefined;
  } catch {
    return undefined;
  }
}

/** The whole of it anew, in one step; gives the file to append to. */
async function rewrite(folder: string, path: string, known: ReadonlyMap<string, Known>): Promise<FileHandle> {
  const file = await open(`${path}.new`, 'w', 0o640);
  try {
    await file.writeFile(Array.from(known.values(), lineOf).join(''));
    await file.sync();
    await rename(`${path}.new`, path);
    const directory = await open(folder, 'r');
    await directory.sync().catch(() => {});
    await directory.close();
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
