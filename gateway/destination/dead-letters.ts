import { mkdir, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HubMessage } from '../../hub-client/contract.ts';

/** Oldest go first beyond either; a hub that refuses everything must not fill the disk. */
const [mostLetters, mostBytes] = [200, 64 * 1024 * 1024];

export interface DeadLetter {
  readonly id: string;
  readonly destination: string;
  /** Why the hub refused it, as the hub said it. */
  readonly reason: string;
  readonly time: string;
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly about?: HubMessage['about'];
  /** Text as it is; anything else as base64. */
  readonly body: string;
  readonly bodyIs: 'text' | 'base64';
}

/** What a hub will never take, kept with the reason so that a person can look at it: a folder a destination, a file a message. */
export class DeadLetters {
  readonly #folder: string;
  readonly #destination: string;
  #number = Date.now();

  constructor(folder: string, destination: string) {
    this.#folder = join(folder, destination);
    this.#destination = destination;
  }

  /** Rejects when the disk does not take it; the loss is accounted for elsewhere either way. */
  async keep(message: Pick<HubMessage, 'id' | 'body' | 'contentType' | 'contentEncoding' | 'about'>, reason: string): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o750 });
    const isText = message.contentEncoding === 'utf-8' && isUtf8(message.body);
    const letter: DeadLetter = {
      id: message.id,
      destination: this.#destination,
      reason,
      time: new Date().toISOString(),
      contentType: message.contentType,
      contentEncoding: message.contentEncoding,
      ...(message.about && { about: message.about }),
      bodyIs: isText ? 'text' : 'base64',
      body: Buffer.from(message.body).toString(isText ? 'utf8' : 'base64'),
    };
    // Numbered, so that names sort by age.
    const name = `${(++this.#number).toString(36).padStart(10, '0')}-${message.id.replace(/[^A-Za-z0-9_.-]/g, '_').slice(-80)}`;
    const part = join(this.#folder, `${name}.part`);
    await writeFile(part, `${JSON.stringify(letter, undefined, 1)}\n`, { flush: true });
    await rename(part, join(this.#folder, `${name}.json`));
    await this.#trim();
  }

  async #trim(): Promise<void> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('.json')).toSorted();
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(this.#folder, name))).size));
    let bytes = sizes.reduce((sum, size) => sum + size, 0);
    for (let index = 0; index < names.length - 1; index++) {
      if (names.length - index <= mostLetters && bytes <= mostBytes) return;
      await unlink(join(this.#folder, names[index]!));
      bytes -= sizes[index]!;
    }
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** All that are kept below the folder, oldest first; a folder that is not there has none. */
export async function listDeadLetters(folder: string): Promise<readonly (DeadLetter & { readonly file: string })[]> {
  const entries = await readdir(folder, { recursive: true }).catch(() => [] as string[]);
  const files = entries
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => join(folder, name));
  return Promise.all(files.map(async (file) => ({ ...(JSON.parse(await readFile(file, 'utf8')) as DeadLetter), file })));
}
