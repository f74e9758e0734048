import { createHash } from 'node:crypto';
import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import { plainName } from './reference.ts';
import { readTar } from './tar.ts';

/** One image of an archive. */
export interface TarImage {
  /** As {@link plainName} has them. */
  readonly names: readonly string[];
  /** `sha256:…`: of its configuration (its id), and of the manifests that lead to it. */
  readonly digests: readonly string[];
}

/** A description is smaller than this; layers are passed over. */
const largestText = 4 * 1024 * 1024;

/**
 * The images of a `docker save` or OCI archive, without reading their layers. Digests are computed here, and every step from a manifest to a configuration
 * is checked: what an archive only says of itself does not count. Throws an Error that says what is wrong.
 */
export async function readImageTar(path: string): Promise<readonly TarImage[]> {
  const texts = new Map<string, Buffer>();
  const wants = (name: string, sizeBytes: number): boolean => sizeBytes <= largestText && /(\.json$|^blobs\/sha256\/)/.test(name);
  for await (const { name, content } of readTar(path, wants)) if (content && looksLikeJson(content)) texts.set(name, content);
  const found = new Map<string, { names: Set<string>; digests: Set<string> }>();
  const image = (id: string): { names: Set<string>; digests: Set<string> } => {
    const known = found.get(id) ?? { names: new Set(), digests: new Set([id]) };
    found.set(id, known);
    return known;
  };
  for (const { names, id } of savedImages(texts)) for (const name of names) image(id).names.add(name);
  for (const { names, id, digests } of ociImages(texts)) {
    for (const name of names) image(id).names.add(name);
    for (const digest of digests) image(id).digests.add(digest);
  }
  if (found.size === 0) throw new Error('it holds no image: neither manifest.json (docker save) nor index.json (OCI)');
  return [...found.values()].map(({ names, digests }) => ({ names: [...names], digests: [...digests] }));
}

/** A layer that is small enough to be read is not kept. */
const looksLikeJson = (content: Buffer): boolean => /^\s*[{[]/.test(content.toString('latin1', 0, 64));

/** Of `docker save`: manifest.json names configurations. */
function* savedImages(texts: ReadonlyMap<string, Buffer>): Generator<{ readonly names: readonly string[]; readonly id: string }> {
  const manifest = parsed(texts.get('manifest.json'));
  for (const one of Array.isArray(manifest) ? manifest : []) {
    if (!isTwinObject(one)) continue;
    const configuration = texts.get(String(one.Config));
    if (!configuration) throw new Error(`manifest.json names ${String(one.Config)}, which is not in it`);
    const tags = Array.isArray(one.RepoTags) ? one.RepoTags : [];
    yield { names: tags.map((tag) => plainName(String(tag))), id: digestOf(configuration) };
  }
}

interface OciImage {
  readonly names: readonly string[];
  readonly id: string;
  /** Of the manifest and of the lists above it. */
  readonly digests: readonly string[];
}

function* ociImages(texts: ReadonlyMap<string, Buffer>): Generator<OciImage> {
  const index = parsed(texts.get('index.json'));
  for (const entry of manifestsIn(index)) {
    const annotations = isTwinObject(entry.annotations) ? entry.annotations : {};
    const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'];
    const names = typeof name === 'string' && name !== '' ? [plainName(name)] : [];
    for (const { id, digests } of below(texts, entry, [])) yield { names, id, digests };
  }
}

function* below(
  texts: ReadonlyMap<string, Buffer>,
  entry: TwinObject,
  above: readonly string[],
): Generator<{ readonly id: string; readonly digests: readonly string[] }> {
  const digest = String(entry.digest);
  const text = blob(texts, digest);
  // An archive need not hold every platform of a list. A list does not hold itself: that would be a circle of digests.
  if (!text) return;
  const digests = [...above, digest];
  const content = parsed(text);
  for (const inner of manifestsIn(content)) yield* below(texts, inner, digests);
  const configuration = isTwinObject(content) && isTwinObject(content.config) ? String(content.config.digest) : undefined;
  if (configuration !== undefined && blob(texts, configuration)) yield { id: configuration, digests };
}

const manifestsIn = (value: unknown): readonly TwinObject[] =>
  isTwinObject(value) && Array.isArray(value.manifests) ? value.manifests.filter(isTwinObject) : [];

/** The text of that digest; undefined when it is not there. */
function blob(texts: ReadonlyMap<string, Buffer>, digest: string): Buffer | undefined {
  const text = texts.get(`blobs/${digest.replace(':', '/')}`);
  if (text && digestOf(text) !== digest) throw new Error(`what it has for ${digest} is something else`);
  return text;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function parsed(text: Buffer | undefined): unknown {
  if (!text) return undefined;
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}
