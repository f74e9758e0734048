import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';
import type { ManifestProblem, ModuleSpec } from '../contract.ts';
import type { Engine, EngineImage, OpenEngine } from '../engine/contract.ts';
import { jsonPath } from '../manifest/findings.ts';
import { type Candidate, ImageAuthorization, refusalOf } from './authorization.ts';
import type { EnsureOptions, ImagePolicy, Images, ReadyImage, RefusedImage } from './contract.ts';
import { type FolderImage, type FolderSearch, ImageFolder } from './folder.ts';
import { ImageRecord } from './record.ts';
import { credentialsFor, parseReference, pullName } from './reference.ts';

export interface ImagesOptions {
  readonly engine: OpenEngine;
  /** Where we keep which images came through us; made when missing. */
  readonly data: string;
  /** Of tars; undefined: registries alone. */
  readonly folder?: string | undefined;
  /** Of signatures by digest (`sha256-….sig`); the folder of tars is one, too. */
  readonly signatures?: string | undefined;
  readonly policy: ImagePolicy;
  /** For the audit log. */
  readonly onRefused: (refused: RefusedImage) => void;
}

/** Rejects with `image-signer` for a policy with a key that cannot be used. */
export async function openImages({ engine, data, folder, signatures, policy, onRefused }: ImagesOptions): Promise<Images> {
  const places = [folder, signatures].filter((path) => path !== undefined);
  const authorization = new ImageAuthorization(policy, places);
  const record = await ImageRecord.open(join(data, 'images.json'));
  return new ModuleImages(engine, record, authorization, folder === undefined ? undefined : new ImageFolder(folder), onRefused);
}

/** What may still be had from the engine itself when the registry does not give it. */
const registryCodes = ['registry-unreachable', 'registry-refused', 'image-absent'];

class ModuleImages implements Images {
  readonly #openEngine: OpenEngine;
  readonly #record: ImageRecord;
  readonly #authorization: ImageAuthorization;
  readonly #folder: ImageFolder | undefined;
  readonly #onRefused: (refused: RefusedImage) => void;

  constructor(
    openEngine: OpenEngine,
    record: ImageRecord,
    authorization: ImageAuthorization,
    folder: ImageFolder | undefined,
    onRefused: (refused: RefusedImage) => void,
  ) {
    this.#openEngine = openEngine;
    this.#record = record;
    this.#authorization = authorization;
    this.#folder = folder;
    this.#onRefused = onRefused;
  }

  async check(spec: ModuleSpec): Promise<readonly ManifestProblem[]> {
    try {
      const found = (await this.#folder?.find(spec.image))?.image;
      const refusal = found && (await this.#authorization.refusal(spec, candidateOf(found)));
      return refusal ? [problem(spec, refusal)] : [];
    } catch (error) {
      return [problem(spec, error as GatewayError)];
    }
  }

  async ensure(spec: ModuleSpec, options: EnsureOptions): Promise<ReadyImage> {
    const found = await this.#folder?.find(spec.image);
    const engine = await this.#openEngine();
    if (found?.image) return this.#fromFolder(engine, spec, found.image);
    const here = await engine.image(pullName(spec.image));
    const { digest } = parseReference(spec.image);
    // A digest means one image for ever; there is nothing newer to be had.
    if (here && (spec.imagePullPolicy === 'never' || digest !== undefined)) return this.#fromEngine(spec, here);
    if (spec.imagePullPolicy === 'never') throw absent(spec, found);
    return this.#fromRegistry(engine, spec, options, here, found);
  }

  async cleanUp(needed: ReadonlySet<string>): Promise<readonly string[]> {
    const ours = this.#record
      .entries()
      .filter(([id, { references, digests }]) => ![id, ...references, ...digests].some((one) => needed.has(one)));
    if (ours.length === 0) return [];
    const engine = await this.#openEngine();
    const removed: string[] = [];
    for (const [id, { references }] of ours) if (await removeImage(engine, id, references)) removed.push(id);
    for (const id of removed) await this.#record.forget(id);
    return removed;
  }

  async #fromFolder(engine: Engine, spec: ModuleSpec, image: FolderImage): Promise<ReadyImage> {
    const candidate = candidateOf(image);
    await this.#allow(spec, candidate);
    const here = await firstOf(engine, image.digests);
    if (here) {
      await this.#record.arrived(spec.image, here.id, image.digests);
      return { imageId: here.id, from: 'engine' };
    }
    await this.#record.expect(spec.image, await idsOf(engine));
    await engine.load(image.file);
    const loaded = await firstOf(engine, image.digests);
    if (!loaded) throw changed(spec, image);
    await this.#record.arrived(spec.image, loaded.id, image.digests);
    return { imageId: loaded.id, from: 'folder' };
  }

  async #fromEngine(spec: ModuleSpec, here: EngineImage, note?: string): Promise<ReadyImage> {
    await this.#allow(spec, { digests: this.#digestsOf(here) });
    return { imageId: here.id, from: 'engine', ...(note !== undefined && { note }) };
  }

  async #fromRegistry(
    engine: Engine,
    spec: ModuleSpec,
    { credentials, onProgress, signal }: EnsureOptions,
    here: EngineImage | undefined,
    searched: FolderSearch | undefined,
  ): Promise<ReadyImage> {
    const before = await idsOf(engine);
    const name = pullName(spec.image);
    await this.#record.expect(spec.image, before);
    try {
      await engine.pull(name, {
        credentials: credentialsFor(spec.image, credentials),
        ...(onProgress && { onProgress }),
        ...(signal && { signal }),
      });
    } catch (error) {
      const { code, message } = error as GatewayError;
      if (!registryCodes.includes(code)) throw error;
      if (here) return this.#fromEngine(spec, here, `taken as it is here: ${message}`);
      throw searched ? notInFolder(error as GatewayError, this.#folder!.path, searched) : error;
    }
    const pulled = await engine.image(name);
    if (!pulled) throw absent(spec, searched);
    await this.#record.arrived(spec.image, pulled.id, []);
    try {
      await this.#allow(spec, { digests: this.#digestsOf(pulled) });
    } catch (error) {
      // What may not run need not lie there; what ran before is another image.
      if (!before.includes(pulled.id) && (await removeImage(engine, pulled.id, [name]))) await this.#record.forget(pulled.id);
      throw error;
    }
    return { imageId: pulled.id, from: 'registry' };
  }

  #digestsOf(image: EngineImage): readonly string[] {
    const ofRegistries = image.digests.map((digest) => digest.slice(digest.indexOf('@') + 1));
    return [...new Set([image.id, ...ofRegistries, ...this.#record.digestsOf(image.id)])];
  }

  async #allow(spec: ModuleSpec, candidate: Candidate): Promise<void> {
    const refusal = await this.#authorization.refusal(spec, candidate);
    if (!refusal) return;
    this.#onRefused(refusalOf(spec, candidate, refusal));
    throw refusal;
  }
}

const candidateOf = ({ digests, file }: FolderImage): Candidate => ({ digests, tar: file });

const idsOf = async (engine: Engine): Promise<readonly string[]> => (await engine.images()).map(({ id }) => id);

/** By id: which of its digests that is depends on the store of the engine. */
async function firstOf(engine: Engine, digests: readonly string[]): Promise<EngineImage | undefined> {
  for (const digest of digests) {
    const found = await engine.image(digest);
    if (found) return found;
  }
  return undefined;
}

/** By its names first: an id with several of them is not removed. False: somebody still uses it. */
async function removeImage(engine: Engine, id: string, references: readonly string[]): Promise<boolean> {
  try {
    for (const reference of references) {
      const name = pullName(reference);
      if ((await engine.image(name))?.id === id) await engine.removeImage(name);
    }
    const left = await engine.image(id);
    if (left && left.tags.length === 0) await engine.removeImage(id);
    return true;
  } catch (error) {
    if ((error as GatewayError).code === 'engine-conflict') return false;
    throw error;
  }
}

function absent({ name, image, imagePullPolicy }: ModuleSpec, searched: FolderSearch | undefined): GatewayError {
  const why = imagePullPolicy === 'never' ? ', and its imagePullPolicy is never' : '';
  const hint = searched
    ? 'put its tar into the folder of images, or load it into the engine'
    : 'load it into the engine (docker load, podman load)';
  const broken = searched && searched.broken.length > 0 ? `; cannot be read: ${searched.broken.join('; ')}` : '';
  return new GatewayError('image-absent', `the image ${image} of the module ${name} is not here${why}${broken}`, {
    retry: 'after-fix',
    hint,
  });
}

function notInFolder(error: GatewayError, folder: string, { broken }: FolderSearch): GatewayError {
  const unread = broken.length > 0 ? ` (cannot be read: ${broken.join('; ')})` : '';
  const message = `${error.message}; and no tar in ${folder} has it${unread}`;
  return new GatewayError(error.code, message, { retry: error.retry, ...(error.hint && { hint: error.hint }), cause: error });
}

const changed = ({ name, image }: ModuleSpec, { file, digests }: FolderImage): GatewayError =>
  new GatewayError(
    'image-refused',
    `the image ${image} of the module ${name}: after loading ${file} the engine has none of ${digests.join(', ')}`,
    {
      retry: 'after-fix',
      hint: 'the file changed meanwhile, or it is of a kind that the engine does not load: save it with docker save',
    },
  );

function problem({ name }: ModuleSpec, { code, message, hint }: GatewayError): ManifestProblem {
  const keys = ['modulesContent', '$edgeAgent', 'properties.desired', 'modules', name, 'settings', 'image'];
  return { severity: 'error', rule: code, keys, path: jsonPath(keys), message, ...(hint !== undefined && { hint }) };
}
