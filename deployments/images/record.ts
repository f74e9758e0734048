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
const Stored = z.object({ images: z.record(z.string(), Entry), coming: z.array(z.string()) });
export type Entry = z.infer<typeof Entry>;

/** Which images came to the engine through us, on disk; those and no others are removed. */
export class ImageRecord {
  readonly #path: string;
  readonly #images: Map<string, Entry>;
  /** Under way when a kill came: what is there under these names is ours. */
  readonly #coming: Set<string>;
  #written: Promise<void> = Promise.resolve();

  private constructor(path: string, images: Map<string, Entry>, coming: Set<string>) {
    this.#path = path;
    this.#images = images;
    this.#coming = coming;
  }

  /** A file that is missing or damaged is an empty one: then images stay that nobody needs, no more. */
  static async open(path: string): Promise<ImageRecord> {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const stored = text === undefined ? undefined : Stored.safeParse(parsed(text)).data;
    return new ImageRecord(path, new Map(Object.entries(stored?.images ?? {})), new Set(stored?.coming));
  }

  digestsOf(id: string): readonly string[] {
    return this.#images.get(id)?.digests ?? [];
  }

  /** Of ours. */
  entries(): readonly (readonly [id: string, entry: Entry])[] {
    return [...this.#images].filter(([, { foreign }]) => !foreign);
  }

  /** Before the engine is asked for an image that it has not. Durable once it resolves. */
  async expect(reference: string): Promise<void> {
    if (this.#coming.has(reference)) return;
    this.#coming.add(reference);
    await this.#write();
  }

  /** It is here; `wasHere` before us, under whatever name. */
  async arrived(reference: string, id: string, digests: readonly string[], wasHere: boolean): Promise<void> {
    const before = this.#images.get(id);
    const expected = this.#coming.delete(reference);
    const entry: Entry = {
      references: [...new Set([...(before?.references ?? []), reference])],
      digests: [...new Set([...(before?.digests ?? []), ...digests])],
      foreign: before ? before.foreign : wasHere && !expected,
    };
    if (before && !expected && JSON.stringify(before) === JSON.stringify(entry)) return;
    this.#images.set(id, entry);
    await this.#write();
  }

  async forget(id: string): Promise<void> {
    if (this.#images.delete(id)) await this.#write();
  }

  #write(): Promise<void> {
    const text = (): string => JSON.stringify({ images: Object.fromEntries(this.#images), coming: [...this.#coming] });
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
