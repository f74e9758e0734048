import type { Engine, EngineImage, PullOptions } from '../../engine/contract.ts';
import { make } from '../../engine/errors.ts';
import { readImageTar } from '../image-tar.ts';

export interface FakeImage extends EngineImage {
  readonly inUse?: boolean;
}

/** The part of an engine that has to do with images, in memory; it speaks of calls in `calls`. */
export class EngineOfImages {
  readonly calls: string[] = [];
  images_: FakeImage[];
  /** What a pull brings, by name; an Error is thrown. */
  readonly registry = new Map<string, FakeImage | Error>();

  constructor(images: readonly FakeImage[] = []) {
    this.images_ = [...images];
  }

  engine(): Engine {
    return this as unknown as Engine;
  }

  async image(reference: string): Promise<EngineImage | undefined> {
    return this.images_.find(({ id, tags, digests }) => [id, ...tags, ...digests].includes(reference));
  }

  async images(): Promise<readonly EngineImage[]> {
    return this.images_;
  }

  async pull(reference: string, { credentials }: PullOptions): Promise<void> {
    this.calls.push(`pull ${reference}${credentials ? ` as ${credentials.username}` : ''}`);
    const found = this.registry.get(reference) ?? make('image-absent', `pulling ${reference}: manifest unknown`);
    if (found instanceof Error) throw found;
    this.#put(found);
  }

  async load(file: string): Promise<readonly string[]> {
    this.calls.push(`load ${file.split('/').at(-1)}`);
    const images = await readImageTar(file);
    for (const { names, digests } of images) this.#put(fakeImage(digests[0]!, { tags: [...names] }));
    return images.flatMap(({ names }) => names);
  }

  async removeImage(name: string): Promise<void> {
    const found = this.images_.find(({ id, tags, digests }) => [id, ...tags, ...digests].includes(name));
    if (!found) return;
    if (found.inUse) throw make('engine-conflict', `removing the image ${name}: it is in use`);
    this.calls.push(`remove ${name}`);
    const left = { ...found, tags: found.tags.filter((tag) => tag !== name), digests: found.digests.filter((one) => one !== name) };
    this.images_ = this.images_.filter((one) => one !== found);
    if (name !== found.id && left.tags.length + left.digests.length > 0) this.images_.push(left);
  }

  /** A tag is one image's. */
  #put(image: FakeImage): void {
    const known = this.images_.find(({ id }) => id === image.id);
    const others = this.images_
      .filter((one) => one !== known)
      .map((one) => ({ ...one, tags: one.tags.filter((tag) => !image.tags.includes(tag)) }));
    const tags = [...new Set([...(known?.tags ?? []), ...image.tags])];
    this.images_ = [...others, { ...image, tags, digests: [...new Set([...(known?.digests ?? []), ...image.digests])] }];
  }
}

export function fakeImage(id: string, more: Partial<FakeImage> = {}): FakeImage {
  return { id, tags: [], digests: [], sizeBytes: 1, labels: {}, ...more };
}
