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

/** Bodies that may wait for the disk; a hub that refuses faster than the disk takes must not fill the memory. */
const mostWaitingBytes = 4 * 1024 * 1024;

interface Waiting {
  readonly message: Refused;
  readonly reason: string;
  readonly number: number;
  readonly done: PromiseWithResolvers<void>;
}

/** What a hub will never take, kept with the reason so that a person can look at it: a folder a destination, a file a message. */
export class DeadLetters {
  readonly #folder: string;
  readonly #destination: string;
  #number = Date.now();
  /** They go one after the other, because trimming counts what is there. */
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #writing = false;
  /** Files that are there, oldest first, once they were looked at. What somebody else removed meanwhile goes from here in its turn. */
  #files: { readonly name: string; readonly bytes: number }[] | undefined;
  #bytes = 0;

  constructor(folder: string, destination: string) {
    this.#folder = join(folder, destination);
    this.#destination = destination;
  }

  /**
   * Rejects when the disk does not take it; the loss is accounted for elsewhere either way. Resolves for one that is not kept because
   * so many came behind it.
   */
  keep(message: Refused, reason: string): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ message, reason, number: ++this.#number, done });
    this.#waitingBytes += message.body.byteLength;
    while (this.#waiting.length > mostLetters || (this.#waitingBytes > mostWaitingBytes && this.#waiting.length > 1))
      this.#next().done.resolve();
    void this.#writeAll();
    return done.promise;
  }

  #next(): Waiting {
    const next = this.#waiting.shift()!;
    this.#waitingBytes -= next.message.body.byteLength;
    return next;
  }

  async #writeAll(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const next = this.#next();
      await this.#write(next).then(next.done.resolve, next.done.reject);
    }
    this.#writing = false;
  }

  async #write({ message, reason, number }: Waiting): Promise<void> {
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
    const text = Buffer.from(`${JSON.stringify(letter, undefined, 1)}\n`);
    // Before this one is there, so that it is counted once.
    const files = await this.#look();
    // Numbered, so that names sort by age.
    const name = `${number.toString(36).padStart(10, '0')}-${message.id.replace(/[^A-Za-z0-9_.-]/g, '_').slice(-80)}`;
    const part = join(this.#folder, `${name}.part`);
    await writeFile(part, text, { flush: true });
    await rename(part, join(this.#folder, `${name}.json`));
    files.push({ name: `${name}.json`, bytes: text.byteLength });
    this.#bytes += text.byteLength;
    await this.#trim(files);
  }

  async #look(): Promise<{ readonly name: string; readonly bytes: number }[]> {
    if (this.#files) return this.#files;
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('.json')).toSorted();
    this.#files = await Promise.all(
      names.map(async (name) => ({ name, bytes: await stat(join(this.#folder, name)).then(({ size }) => size, gone) })),
    );
    this.#bytes = this.#files.reduce((sum, { bytes }) => sum + bytes, 0);
    return this.#files;
  }

  async #trim(files: { readonly name: string; readonly bytes: number }[]): Promise<void> {
    while (files.length > 1 && (files.length > mostLetters || this.#bytes > mostBytes)) {
      await rm(join(this.#folder, files[0]!.name), { force: true });
      this.#bytes -= files.shift()!.bytes;
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
