import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tempFolder } from '../../../test/support/temp.ts';

export const digestOf = (text: string | Buffer): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

export interface Archive {
  readonly id: string;
  /** Of the manifest, where the archive has one. */
  readonly manifest?: string;
}

/** Packs files by the system's own `tar`, in this order. */
export function pack(file: string, contents: Readonly<Record<string, string | Buffer>>, options: readonly string[] = []): void {
  using folder = tempFolder();
  for (const [path, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true });
    writeFileSync(join(folder.path, path), content);
  }
  execFileSync('tar', ['-C', folder.path, ...options, '-cf', file, ...Object.keys(contents)]);
}

/** As `docker save` of version 20 writes it; `content` makes it another image. */
export function saveArchive(file: string, tags: readonly string[], content: string, options: readonly string[] = []): Archive {
  const configuration = JSON.stringify({ architecture: 'amd64', content });
  const id = digestOf(configuration);
  const name = `${id.slice(7)}.json`;
  const layer = Buffer.alloc(5 * 1024 * 1024, content);
  pack(
    file,
    {
      'aaaa/layer.tar': layer,
      [name]: configuration,
      'manifest.json': JSON.stringify([{ Config: name, RepoTags: tags, Layers: ['aaaa/layer.tar'] }]),
    },
    options,
  );
  return { id };
}

export interface OciOptions {
  /** A list of platforms stands above the manifest. */
  readonly list?: boolean;
  /** What lies in place of the configuration. */
  readonly instead?: string;
}

export function ociArchive(file: string, name: string, content: string, { list = false, instead }: OciOptions = {}): Archive {
  const configuration = JSON.stringify({ architecture: 'amd64', content });
  const id = digestOf(configuration);
  const manifest = JSON.stringify({ schemaVersion: 2, config: { digest: id }, layers: [] });
  const platforms = JSON.stringify({ schemaVersion: 2, manifests: [{ digest: digestOf(manifest) }, { digest: digestOf('not here') }] });
  const top = list ? platforms : manifest;
  const index = { schemaVersion: 2, manifests: [{ digest: digestOf(top), annotations: { 'io.containerd.image.name': name } }] };
  const blob = (digest: string): string => `blobs/sha256/${digest.slice(7)}`;
  pack(file, {
    'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
    [blob(id)]: instead ?? configuration,
    [blob(digestOf(manifest))]: manifest,
    ...(list && { [blob(digestOf(platforms))]: platforms }),
    'index.json': JSON.stringify(index),
  });
  return { id, manifest: digestOf(manifest) };
}
