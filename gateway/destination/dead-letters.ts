import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
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

type Refused = Pick<HubMessage, 'id' | 'body' | 'contentType' | 'contentEncoding' | 'about'>;

/** What a hub will never take, kept with the reason so that a person can look at it: a folder a destination, a file a message. */
export class DeadLetters {
  readonly #folder: string;
  readonly #destination: string;
  #number = Date.now();
  /** The one that is being written; they go one after the other, because trimming counts what is there. */
  #last: Promise<void> = Promise.resolve();

  constructor(folder: string, destination: string) {
    this.#folder = join(folder, destination);
    this.#destination = destination;
  }

  /** Rejects when the disk does not take it; the loss is accounted for elsewhere either way. */
  keep(message: Refused, reason: string): Promise<void> {
    const number = ++this.#number;
    const kept = this.#last.then(() => this.#write(message, reason, number));
    this.#last = kept.catch(() => {});
    return kept;
  }

  async #write(message: Refused, reason: string, number: number): Promise<void> {
    // So many came since that it would be trimmed at once.
    if (this.#number - number >= mostLetters) return;
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
    const name = `${number.toString(36).padStart(10, '0')}-${message.id.replace(/[^A-Za-z0-9_.-]/g, '_').slice(-80)}`;
    const part = join(this.#folder, `${name}.part`);
    await writeFile(part, `${JSON.stringify(letter, undefined, 1)}\n`, { flush: true });
    await rename(part, join(this.#folder, `${name}.json`));
    await this.#trim();
  }

  async #trim(): Promise<void> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('.json')).toSorted();
    const sizes = await Promise.all(names.map((name) => stat(join(this.#folder, name)).then(({ size }) => size, gone)));
    let bytes = sizes.reduce((sum, size) => sum + size, 0);
    for (let index = 0; index < names.length - 1; index++) {
      if (names.length - index <= mostLetters && bytes <= mostBytes) return;
      await rm(join(this.#folder, names[index]!), { force: true });
      bytes -= sizes[index]!;
    }
  }
}

/** `dragoman dead-letters --remove` ran meanwhile. */
const gone = (): number => 0;

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
