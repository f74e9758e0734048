import { readFileSync, renameSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from '../../adapters/contract.ts';
import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { Answered } from './applier.ts';

/** The last known twin. */
export interface StoredTwin {
  /** Absent until the hub was met. */
  readonly desired?: { readonly version: number; readonly properties: TwinObject };
  readonly answered: Readonly<Record<string, Answered>>;
  readonly reported: {
    /** What the hub is known to have taken over. */
    readonly acknowledged: TwinObject;
    /** What it shall have; the difference is pending. */
    readonly wanted: TwinObject;
  };
}

const properties = z.custom<TwinObject>(isTwinObject);
const Answer = z.object({
  version: z.number(),
  status: z.enum(['applied', 'refused', 'failed', 'waiting']),
  message: z.string(),
  value: z.unknown().optional(),
  applied: z.unknown().optional(),
});
const Stored = z.object({
  format: z.literal(1),
  desired: z.object({ version: z.number(), properties }).optional(),
  // Not z.record, which drops a key named __proto__.
  answered: properties.transform((all) => Object.fromEntries(Object.entries(all).map(([section, one]) => [section, Answer.parse(one)]))),
  reported: z.object({ acknowledged: properties, wanted: properties }),
});

const nothing: StoredTwin = { answered: {}, reported: { acknowledged: {}, wanted: {} } };

/** `twin.json` in the data folder. Replaced as a whole: written beside it, synced, renamed; a crash leaves the one before. */
export class TwinFile {
  readonly #folder: string;
  readonly #path: string;
  readonly #log: Log;
  readonly #contents: () => StoredTwin;
  #current: Promise<boolean> = Promise.resolve(true);
  #next: Promise<boolean> | undefined;
  #failing: string | undefined;

  constructor(folder: string, log: Log, contents: () => StoredTwin) {
    this.#folder = folder;
    this.#path = join(folder, 'twin.json');
    this.#log = log;
    this.#contents = contents;
  }

  /** What was saved last; nothing on a first start. A file that cannot be understood is set aside as `twin.json.damaged`. */
  static read(folder: string, log: Log): StoredTwin {
    const path = join(folder, 'twin.json');
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn({ file: path, reason: (error as Error).message }, unreadable);
      return nothing;
    }
    try {
      return Stored.parse(JSON.parse(text)) as StoredTwin;
    } catch (error) {
      const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
      log.warn({ file: path, reason, kept: `${path}.damaged` }, unreadable);
      try {
        renameSync(path, `${path}.damaged`);
      } catch {
        // It will be overwritten; the reason is in the log.
      }
      return nothing;
    }
  }

  /** True once everything that was so at the time of the call is on disk; false when it could not be written, which is logged once. */
  save(): Promise<boolean> {
    // A write that has begun may lack what the caller means; all who call meanwhile share the next one.
    this.#next ??= this.#current.then(() => {
      this.#next = undefined;
      this.#current = this.#write();
      return this.#current;
    });
    return this.#next;
  }

  async #write(): Promise<boolean> {
    try {
      await mkdir(this.#folder, { recursive: true });
      const fresh = `${this.#path}.new`;
      {
        await using file = await open(fresh, 'w', 0o640);
        await file.writeFile(JSON.stringify({ format: 1, ...this.#contents() }));
        await file.datasync();
      }
      await rename(fresh, this.#path);
      // The new name must survive a power cut, too.
      await using folder = await open(this.#folder, 'r');
      await folder.sync();
      if (this.#failing !== undefined) this.#log.info({ file: this.#path }, 'the twin is saved again');
      this.#failing = undefined;
      return true;
    } catch (error) {
      const reason = (error as Error).message;
      if (this.#failing !== reason) {
        this.#log.error(
          { file: this.#path, reason, hint: 'until it can be written, a restart forgets what was not yet reported' },
          'cannot save the twin',
        );
      }
      this.#failing = reason;
      return false;
    }
  }
}

const unreadable = 'the saved twin cannot be read; starting without it, the hub will be asked';
