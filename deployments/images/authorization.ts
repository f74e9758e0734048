import { GatewayError } from '../../model/error.ts';
import type { ModuleSpec } from '../contract.ts';
import type { ImagePolicy, RefusedImage } from './contract.ts';
import { parseReference } from './reference.ts';
import { findSignature, imageStatement, signatureFiles, type Verifier, verifierOf } from './signature.ts';

export interface Candidate {
  /** All by which it is known. */
  readonly digests: readonly string[];
  /** The tar that it is in. */
  readonly tar?: string | undefined;
}

/** Decides which images may run. */
export class ImageAuthorization {
  readonly #listed: ReadonlySet<string>;
  readonly #verifiers: readonly Verifier[];
  readonly #folders: readonly string[];
  readonly #open: boolean;

  /** `folders` are where signatures by digest lie. Throws `image-signer`. */
  constructor({ digests, signers }: ImagePolicy, folders: readonly string[]) {
    this.#listed = new Set(digests);
    this.#verifiers = (signers ?? []).map(verifierOf);
    this.#folders = folders;
    this.#open = this.#listed.size === 0 && this.#verifiers.length === 0;
  }

  /** Why this image may not run as this module; undefined when it may. */
  async refusal(spec: ModuleSpec, { digests, tar }: Candidate): Promise<GatewayError | undefined> {
    for (const demanded of [spec.digest, parseReference(spec.image).digest]) {
      if (demanded === undefined || digests.includes(demanded)) continue;
      const hint = 'push the image anew, or correct the digest in the deployment';
      return refused(spec, `the deployment demands ${demanded}, and it is ${shown(digests)}`, hint);
    }
    if (this.#open || digests.some((digest) => this.#listed.has(digest))) return undefined;
    const list = this.#listed.size > 0 ? 'its digest is not on the list (modules.images.digests)' : '';
    if (this.#verifiers.length === 0) return refused(spec, `${list}; it is ${shown(digests)}`, 'put its digest on the list');
    const files = signatureFiles(digests, this.#folders, tar);
    const found = await findSignature(digests, files, this.#verifiers);
    if (found.signer !== undefined) return undefined;
    const names = this.#verifiers.map(({ name }) => name).join(', ');
    const unsigned =
      found.wrong.length > 0 ? `${found.wrong.join(', ')} is no signature of ${names} for it` : `there is no signature of ${names} for it`;
    return refused(spec, [list, unsigned, `it is ${shown(digests)}`].filter(Boolean).join('; '), signHint(digests, files));
  }
}

export const refusalOf = (spec: ModuleSpec, { digests }: Candidate, error: GatewayError): RefusedImage => ({
  module: spec.name,
  image: spec.image,
  digests,
  reason: error.message,
});

function refused({ name, image }: ModuleSpec, why: string, hint: string): GatewayError {
  return new GatewayError('image-refused', `the image ${image} of the module ${name} may not run: ${why}`, { retry: 'after-fix', hint });
}

const shown = (digests: readonly string[]): string => (digests.length === 0 ? 'known by no digest' : digests.join(' or '));

function signHint(digests: readonly string[], files: readonly string[]): string {
  const statement = imageStatement(digests[0] ?? 'sha256:…').trimEnd();
  const where = files.find((file) => file.includes('sha256-')) ?? files[0] ?? 'its .sig';
  return `sign it: echo "${statement}" > statement; openssl pkeyutl -sign -inkey KEY -rawin -in statement -out ${where}`;
}
