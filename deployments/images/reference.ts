import type { RegistryCredentials } from '../contract.ts';

/** The name of an image in its parts. */
export interface Reference {
  /** `box.local:5000`; `docker.io` where the name has none. */
  readonly registry: string;
  /** With its registry, as written. */
  readonly repository: string;
  readonly tag: string | undefined;
  /** `sha256:…`. */
  readonly digest: string | undefined;
}

export function parseReference(text: string): Reference {
  const [name = '', digest] = text.split('@', 2);
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  const repository = colon < 0 ? name : name.slice(0, colon);
  const first = repository.split('/', 1)[0]!;
  const named = repository.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost');
  return { registry: named ? first : 'docker.io', repository, tag: colon < 0 ? undefined : name.slice(colon + 1), digest };
}

/** As the engine takes it: of tag and digest together it wants the digest alone. */
export function pullName(text: string): string {
  const { repository, tag, digest } = parseReference(text);
  return digest ? `${repository}@${digest}` : `${repository}:${tag ?? 'latest'}`;
}

/** Equal for two ways to write one name: `filter:1`, `docker.io/library/filter:1`, and podman's `localhost/filter:1`. Without the digest. */
export function plainName(text: string): string {
  const { repository, tag } = parseReference(text);
  return `${repository.replace(/^((index\.)?docker\.io|localhost)\//, '').replace(/^library\//, '')}:${tag ?? 'latest'}`;
}

/** The first that is for the registry of this image. Addresses may be written as URLs. */
export function credentialsFor(image: string, credentials: Iterable<RegistryCredentials>): RegistryCredentials | undefined {
  const wanted = hostOf(parseReference(image).registry);
  return [...credentials].find(({ address }) => hostOf(address) === wanted);
}

function hostOf(address: string): string {
  const host = address
    .trim()
    .replace(/^https?:\/\//i, '')
    .split('/', 1)[0]!
    .toLowerCase();
  return /^(index\.|registry-1\.)?docker\.io$/.test(host) ? 'docker.io' : host;
}
