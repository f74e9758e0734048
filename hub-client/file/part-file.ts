import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Kind, partSuffix } from './file-name.ts';

/** What happens to bytes on their way to the medium; tests put a slow or failing disk in its place. */
export interface Disk {
  /** Resolves when what was written to the file is on the medium. */
  sync(handle: FileHandle): Promise<void>;
}

export const realDisk: Disk = { sync: (handle) => handle.datasync() };

/** A file under its working name. Only whole messages count as written; a failed write leaves it as it was before. */
export class PartFile {
  /** Its name when it is finished, not yet compressed. */
  readonly name: string;
  readonly path: string;
  readonly kind: Kind;
  /** First line; what has another one goes into another file. */
  readonly header: Uint8Array | undefined;
  /** By the monotonic clock, milliseconds. */
  readonly openedMs = performance.now();
  /** Bytes that are on the medium. */
  size = 0;
  readonly #handle: FileHandle;
  readonly #disk: Disk;

  private constructor(folder: string, name: string, kind: Kind, header: Uint8Array | undefined, handle: FileHandle, disk: Disk) {
    this.name = name;
    this.path = join(folder, name + partSuffix);
    this.kind = kind;
    this.header = header;
    this.#handle = handle;
    this.#disk = disk;
  }

  /** Never opens a file that is there already. */
  static async create(folder: string, name: string, kind: Kind, header: Uint8Array | undefined, disk: Disk): Promise<PartFile> {
    const handle = await open(join(folder, name + partSuffix), 'wx', 0o644);
    return new PartFile(folder, name, kind, header, handle, disk);
  }

  /** Resolves when all of it is on the medium. On failure what was written is cut off again. */
  async append(texts: readonly Uint8Array[]): Promise<void> {
    const pieces = this.size === 0 && this.header ? [this.header, ...texts] : texts;
    let at = this.size;
    try {
      for (const piece of pieces) {
        for (let done = 0; done < piece.byteLength; ) {
          const { bytesWritten } = await this.#handle.write(piece, done, piece.byteLength - done, at);
          done += bytesWritten;
          at += bytesWritten;
        }
      }
      await this.#disk.sync(this.#handle);
      this.size = at;
    } catch (error) {
      await this.#handle.truncate(this.size).catch(() => {});
      throw error;
    }
  }

  /** An empty one goes away. */
  async close(): Promise<void> {
    await this.#handle.close();
    if (this.size === 0) await unlink(this.path).catch(() => {});
  }
}
