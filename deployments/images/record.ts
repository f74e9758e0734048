import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeWhole } from '../whole-file.ts';

const Entry = z.object({
  /** Under which names it came. */
  references: z.array(z.string()),
  /** By which it is known, beside those that the engine knows. */
  digests: z.array(z.string()),
  /** It was here before; it is only known, and never removed. */
  foreign: z.boolean(),
});
const Stored = z.object({ images: z.record(z.string(), Entry), coming: z.record(z.string(), z.array(z.string())) });
export type Entry = z.infer<typeof Entry>;

/** Which images came to the engine through us, on disk; those and no others are removed. */
export class ImageRecord {
  readonly #path: string;
  readonly #images: Map<string, Entry>;
  /** Under way, perhaps when a kill came: by reference, the ids that were here before. */
  readonly #coming: Map<string, readonly string[]>;
  #written: Promise<void> = Promise.resolve();

  private constructor(path: string, images: Map<string, Entry>, coming: ReadonlyMap<string, readonly string[]>) {
    this.#path = path;
    this.#images = images;
    this.#coming = new Map(coming);
  }

  /** A file that is missing or damaged is an empty one: then images stay that nobody needs, no more. */
  static async open(path: string): Promise<ImageRecord> {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const stored = text === undefined ? undefined : Stored.safeParse(parsed(text)).data;
    return new ImageRecord(path, new Map(Object.entries(stored?.images ?? {})), new Map(Object.entries(stored?.coming ?? {})));
  }

  digestsOf(id: string): readonly string[] {
    return this.#images.get(id)?.digests ?? [];
  }

  /** Of ours. */
  entries(): readonly (readonly [id: string, entry: Entry])[] {
    return [...this.#images].filter(([, { foreign }]) => !foreign);
  }

  /** Before the engine is asked to get an image; `before` are the ids that it has. Durable once it resolves. */
  async expect(reference: string, before: readonly string[]): Promise<void> {
    if (this.#coming.has(reference)) return;
    this.#coming.set(reference, before);
    await this.#write();
  }

  /** It is here. What was not expected, or was here before under whatever name, is not ours. */
  async arrived(reference: string, id: string, digests: readonly string[]): Promise<void> {
    const known = this.#images.get(id);
    const before = this.#coming.get(reference);
    const entry: Entry = {
      references: [...new Set([...(known?.references ?? []), reference])],
      digests: [...new Set([...(known?.digests ?? []), ...digests])],
      foreign: known ? known.foreign : !before || before.includes(id),
    };
    const changed = this.#coming.delete(reference);
    if (!changed && JSON.stringify(known) === JSON.stringify(entry)) return;
    this.#images.set(id, entry);
    await this.#write();
  }

  async forget(id: string): Promise<void> {
    if (this.#images.delete(id)) await this.#write();
  }

  #write(): Promise<void> {
    const text = (): string => JSON.stringify({ images: Object.fromEntries(this.#images), coming: Object.fromEntries(this.#coming) });
    const written = this.#written.then(() => writeWhole(this.#path, text()));
    this.#written = written.catch(() => {});
    return written;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
