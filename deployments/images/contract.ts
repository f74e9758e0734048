import type { ManifestProblem, ModuleSpec, RegistryCredentials } from '../contract.ts';

/** Who may sign images. */
export interface Signer {
  /** For messages. */
  readonly name: string;
  /** PEM (SPKI), Ed25519 or ECDSA on a NIST curve. */
  readonly publicKey: string;
}

/**
 * Which images may run. Without digests and signers (none, or empty lists): any. Otherwise those whose digest is listed, and those that a signer signed. What a
 * manifest demands by `settings.digest` or `@sha256:` holds beside it, always.
 */
export interface ImagePolicy {
  /** `sha256:…`, of manifests (as registries name them) or ids of images (as `docker inspect` shows them). */
  readonly digests?: readonly string[];
  readonly signers?: readonly Signer[];
}

export interface ReadyImage {
  /** `sha256:…`: what a container is to be made from. A name could be given to another image meanwhile. */
  readonly imageId: string;
  readonly from: 'registry' | 'folder' | 'engine';
  /** Why the next best was taken, for the log: a registry that cannot be reached and an image that was here. */
  readonly note?: string;
}

/** An image that may not run; for the audit log. */
export interface RefusedImage {
  readonly module: string;
  readonly image: string;
  /** As far as known. */
  readonly digests: readonly string[];
  readonly reason: string;
}

/** From where the images of modules come. */
export interface Images {
  /**
   * Before anything moves: what is sure to fail, without asking engine or registry. Empty when nothing is known against it; `ensure` may
   * still refuse.
   */
  check(spec: ModuleSpec): Promise<readonly ManifestProblem[]>;
  /**
   * Makes sure that the engine has the image of this module and that it may run. Nothing that runs is touched. Rejects with an error of the
   * engine, with `image-refused` (digest or signature; also told to `onRefused`) or with `images-folder`.
   */
  ensure(spec: ModuleSpec, options: EnsureOptions): Promise<ReadyImage>;
  /** Removes the images that came through `ensure` and are none of `needed` (ids or references). Answers which; what is in use stays. */
  cleanUp(needed: ReadonlySet<string>): Promise<readonly string[]>;
}

export interface EnsureOptions {
  /** Of the deployment; the one that fits the registry of the image is taken. */
  readonly credentials: Iterable<RegistryCredentials>;
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}
