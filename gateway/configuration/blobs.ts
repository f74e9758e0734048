import { hash } from 'node:crypto';
import { readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from './durable-file.ts';

export function digestOf(text: string): string {
  return hash('sha256', text, 'hex');
}

/** Texts by their SHA-256, each kept once: the files of all snapshots, and what was fetched. */
export class Blobs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Durable when it resolves; gives the digest. */
  async put(text: string): Promise<string> {
    const sha256 = digestOf(text);
    if ((await this.get(sha256)) === undefined) await writeDurably(join(this.#folder, sha256), text);
    return sha256;
  }

  /** Undefined where it is not there, or is not what its name says. */
  async get(sha256: string): Promise<string | undefined> {
    const text = await readFile(join(this.#folder, sha256), 'utf8').catch(() => undefined);
    return text !== undefined && digestOf(text) === sha256 ? text : undefined;
  }

  /** Those of the list that are here, by digest. */
  async all(digests: Iterable<string>): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const sha256 of new Set(digests)) {
      const text = await this.get(sha256);
      if (text !== undefined) found.set(sha256, text);
    }
    return found;
  }

  /** Removes what nobody names any more; what came within the last `graceMs` stays, its snapshot may be on its way. */
  async sweep(named: ReadonlySet<string>, graceMs = 3_600_000): Promise<void> {
    const before = Date.now() - graceMs;
    for (const name of await readdir(this.#folder).catch(() => [])) {
      if (named.has(name)) continue;
      const path = join(this.#folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found && found.mtimeMs < before) await unlink(path).catch(() => {});
    }
  }
}
