import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';
import { readImageTar, type TarImage } from './image-tar.ts';
import { parseReference, plainName } from './reference.ts';

/** An image in a tar of the folder. */
export interface FolderImage extends TarImage {
  readonly file: string;
}

export interface FolderSearch {
  readonly image: FolderImage | undefined;
  /** Files of the folder that cannot be read as images, and why; the one that is looked for may be in one of them. */
  readonly broken: readonly string[];
}

interface Known {
  readonly stamp: string;
  readonly changedMs: number;
  readonly images: readonly TarImage[];
  readonly broken: string | undefined;
}

/** A folder of image tars (`docker save`, OCI; `.tar`, `.tar.gz`, `.tgz`). A file is read once, and again when it has changed. */
export class ImageFolder {
  readonly path: string;
  readonly #known = new Map<string, Known>();

  constructor(path: string) {
    this.path = path;
  }

  /** By the name inside, or by digest where the reference has one. Of several the youngest file. Rejects with `images-folder`. */
  async find(reference: string): Promise<FolderSearch> {
    await this.#read();
    const { digest } = parseReference(reference);
    const name = plainName(reference);
    const fits = (image: TarImage): boolean => (digest === undefined ? image.names.includes(name) : image.digests.includes(digest));
    const files = [...this.#known].sort(([, a], [, b]) => b.changedMs - a.changedMs);
    const found = files.flatMap(([file, { images }]) => images.filter(fits).map((image) => ({ ...image, file })));
    return { image: found[0], broken: files.flatMap(([, { broken }]) => broken ?? []) };
  }

  async #read(): Promise<void> {
    const names = await readdir(this.path).catch((error: Error) => {
      throw new GatewayError('images-folder', `the folder of images cannot be read: ${error.message}`, {
        retry: 'after-fix',
        hint: 'correct modules.images.folder, or make the folder',
        cause: error,
      });
    });
    const files = names.filter((name) => /\.(tar|tar\.gz|tgz)$/.test(name)).map((name) => join(this.path, name));
    for (const file of this.#known.keys()) if (!files.includes(file)) this.#known.delete(file);
    for (const file of files) await this.#readFile(file);
  }

  async #readFile(file: string): Promise<void> {
    const found = await stat(file).catch(() => undefined);
    if (!found) return;
    const stamp = `${found.ino} ${found.size} ${found.mtimeMs}`;
    if (this.#known.get(file)?.stamp === stamp) return;
    const known = { stamp, changedMs: found.mtimeMs };
    try {
      this.#known.set(file, { ...known, images: await readImageTar(file), broken: undefined });
    } catch (error) {
      this.#known.set(file, { ...known, images: [], broken: `${file}: ${(error as Error).message}` });
    }
  }
}
