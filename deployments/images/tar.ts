import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';

const block = 512;
const roundedUp = (size: number): number => Math.ceil(size / block) * block;

/** One file of an archive; `content` only where it was asked for. */
export interface TarFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly content: Buffer | undefined;
}

/**
 * The files of a tar (ustar, GNU and pax; plain or gzipped), in order. `wants` says whose content is to be read; what lies between is passed over without
 * reading it where the archive is plain. Throws an Error that says what is wrong when it ends too early or is no tar.
 */
export async function* readTar(path: string, wants: (name: string, sizeBytes: number) => boolean): AsyncGenerator<TarFile> {
  await using handle = await open(path);
  const reader = (await isGzip(handle)) ? new StreamReader(path) : new FileReader(handle, (await handle.stat()).size);
  try {
    yield* files(reader, wants);
  } finally {
    reader.close();
  }
}

interface Reader {
  /** Exactly so many bytes; rejects when there are not. Undefined at the end. */
  read(size: number): Promise<Buffer | undefined>;
  skip(size: number): Promise<void>;
  close(): void;
}

async function* files(reader: Reader, wants: (name: string, sizeBytes: number) => boolean): AsyncGenerator<TarFile> {
  let next: { name?: string; size?: number } = {};
  for (;;) {
    const header = await reader.read(block);
    if (!header || header.every((byte) => byte === 0)) return;
    checkSum(header);
    const type = String.fromCharCode(header[156] || 48);
    const size = numberAt(header, 124, 12);
    if (type === 'x' || type === 'L') {
      const text = (await content(reader, size)).toString('utf8');
      next = type === 'L' ? { ...next, name: text.replace(/\0.*$/s, '') } : { ...next, ...extended(text) };
      continue;
    }
    const { name = nameOf(header), size: sizeBytes = size } = next;
    next = {};
    const plain = name.replace(/^\.\//, '');
    const wanted = type === '0' && wants(plain, sizeBytes);
    const bytes = wanted ? await content(reader, sizeBytes) : undefined;
    // Links and folders have a size that says nothing.
    if (!wanted && !'123456'.includes(type)) await reader.skip(roundedUp(sizeBytes));
    if (type === '0') yield { name: plain, sizeBytes, content: bytes };
  }
}

async function content(reader: Reader, size: number): Promise<Buffer> {
  const bytes = size === 0 ? Buffer.alloc(0) : await reader.read(roundedUp(size));
  if (!bytes) throw new Error('it ends in the middle of a file');
  return bytes.subarray(0, size);
}

function nameOf(header: Buffer): string {
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? textAt(header, 345, 155) : '';
  const name = textAt(header, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

const textAt = (header: Buffer, at: number, length: number): string => header.toString('utf8', at, at + length).replace(/\0.*$/s, '');

/** Octal text, or binary where the first bit is set. */
function numberAt(header: Buffer, at: number, length: number): number {
  if ((header[at]! & 0x80) !== 0) return Number(header.readBigUInt64BE(at + length - 8));
  const text = textAt(header, at, length).trim();
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function checkSum(header: Buffer): void {
  const said = numberAt(header, 148, 8);
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (sum !== said) throw new Error('it is no tar, or damaged');
}

/** `30 path=…\n`, of which two matter. */
function extended(text: string): { name?: string; size?: number } {
  const name = /(?:^|\n)\d+ path=([^\n]*)/.exec(text)?.[1];
  const size = /(?:^|\n)\d+ size=(\d+)/.exec(text)?.[1];
  return { ...(name !== undefined && { name }), ...(size !== undefined && { size: Number(size) }) };
}

async function isGzip(handle: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
  return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
}

class FileReader implements Reader {
  readonly #handle: FileHandle;
  readonly #size: number;
  #at = 0;

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  async read(size: number): Promise<Buffer | undefined> {
    if (this.#at >= this.#size) return undefined;
    const buffer = Buffer.alloc(this.#reach(size));
    const { bytesRead } = await this.#handle.read(buffer, 0, size, this.#at - size);
    if (bytesRead < size) throw new Error('it ends in the middle of a file');
    return buffer;
  }

  async skip(size: number): Promise<void> {
    this.#reach(size);
  }

  close(): void {}

  #reach(size: number): number {
    this.#at += size;
    if (this.#at > this.#size) throw new Error('it ends in the middle of a file');
    return size;
  }
}

class StreamReader implements Reader {
  readonly #stream;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    const source = createReadStream(path);
    this.#stream = source.pipe(createGunzip());
    source.once('error', (error) => this.#stream.destroy(error));
    this.#chunks = this.#stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async read(size: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    await this.#take(size, (part) => parts.push(part));
    const bytes = Buffer.concat(parts);
    if (bytes.length === 0) return undefined;
    if (bytes.length < size) throw new Error('it ends in the middle of a file');
    return bytes;
  }

  async skip(size: number): Promise<void> {
    let passed = 0;
    await this.#take(size, (part) => (passed += part.length));
    if (passed < size) throw new Error('it ends in the middle of a file');
  }

  close(): void {
    this.#stream.destroy();
  }

  async #take(size: number, onPart: (part: Buffer) => void): Promise<void> {
    let missing = size;
    while (missing > 0) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done) return;
        this.#rest = value;
      }
      const part = this.#rest.subarray(0, missing);
      onPart(part);
      missing -= part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
  }
}
