import { randomUUID } from 'node:crypto';
import { checkPatch, checkSection } from '../twin/limits.ts';
import { fullReplaceNotice } from '../twin/patch.ts';
import { isTwinObject, propertiesOf, sameJson, type TwinObject, type TwinSection } from '../twin/section.ts';
import {
  emptySection,
  patchSection,
  replaceSection,
  sectionOnTheWire,
  type TwinMetadata,
  type VersionedSection,
} from '../twin/versions.ts';
import { RequestError } from './core/request-error.ts';
import type { DatabaseSync, StatementSync } from './database.ts';

/** A twin as it lies on the disk. */
export interface StoredTwin {
  readonly id: string;
  /** Rises with each change of anything in it. */
  readonly version: number;
  /** Base64; changes with tags and desired properties. */
  readonly etag: string;
  readonly modelId: string;
  readonly tags: TwinObject;
  readonly desired: VersionedSection;
  readonly reported: VersionedSection;
  /** Deployments by condition: `Applied` or `Targeted` by their ids. Written by whoever assigns them. */
  readonly configurations: Readonly<Record<string, string>>;
}

/** How one section is to change. */
export interface SectionWrite {
  readonly how: 'patch' | 'replace';
  readonly properties: TwinObject;
}

/** Sections that the back end writes; a section that is absent stays. */
export interface BackEndWrite {
  readonly tags?: SectionWrite;
  readonly desired?: SectionWrite;
}

/** What goes back on `$iothub/twin/res/{status}/?$rid=…`. */
export interface TwinAnswer {
  readonly status: number;
  /** The new reported version after a patch. */
  readonly version?: number;
  readonly body: string;
}

/** Nothing much longer can fit, and nothing longer is parsed on this thread. */
const maxPatchBytes = 64 * 1024;

/** The twins in the registry's file: rows to sections and back. What it changes is for the caller to commit. */
export class TwinStore {
  readonly #select: StatementSync;
  readonly #insert: StatementSync;

  constructor(db: DatabaseSync) {
    this.#select = db.prepare('SELECT twins.*, statuses FROM twins LEFT JOIN assignments USING (id) WHERE id = ?');
    this.#insert = db.prepare('INSERT OR REPLACE INTO twins VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  }

  /** An identity without a row yet has an empty twin. */
  load(id: string): StoredTwin {
    const row = this.#select.get(id);
    return row ? toTwin(row) : emptyTwin(id);
  }

  save(twin: StoredTwin): void {
    const { desired, reported } = twin;
    this.#insert.run(
      twin.id,
      twin.version,
      twin.etag,
      twin.modelId,
      JSON.stringify(twin.tags),
      JSON.stringify(desired.properties),
      JSON.stringify(desired.metadata),
      desired.version,
      JSON.stringify(reported.properties),
      JSON.stringify(reported.metadata),
      reported.version,
    );
  }

  /** Both sections as the device sees them. */
  read(id: string): TwinAnswer {
    const { desired, reported } = this.load(id);
    const body = { desired: sectionOnTheWire(desired, { metadata: false }), reported: sectionOnTheWire(reported, { metadata: false }) };
    return { status: 200, body: JSON.stringify(body) };
  }

  /** Merges what a device reports. `expected` is the `$version` it asks for. Throws a RequestError. */
  patchReported(id: string, payload: string, expected: string | undefined): StoredTwin {
    const patch = parsePatch(payload);
    const before = this.load(id);
    if (expected !== undefined && expected !== String(before.reported.version)) {
      throw new RequestError('PreconditionFailed', `the reported section is at version ${before.reported.version}, not ${expected}`);
    }
    const reported = patchSection(before.reported, patch, { at: new Date().toISOString() });
    refuse(checkSection(reported.properties, 'reported'));
    const after: StoredTwin = { ...before, version: before.version + 1, reported };
    this.save(after);
    return after;
  }

  /** Merges or replaces tags and desired properties, and tells what the device is to hear of it. Throws a RequestError. */
  write(id: string, write: BackEndWrite): { readonly twin: StoredTwin; readonly notice: TwinObject | undefined } {
    const before = this.load(id);
    // Tags have no version of their own.
    const tags = write.tags && changed({ ...before.desired, properties: before.tags }, write.tags, 'tags').section.properties;
    const desired = write.desired && changed(before.desired, write.desired, 'desired');
    const twin: StoredTwin = {
      ...before,
      version: before.version + 1,
      etag: nextEtag(before.etag),
      tags: tags ?? before.tags,
      desired: desired?.section ?? before.desired,
    };
    this.save(twin);
    return { twin, notice: desired && { ...desired.told, $version: desired.section.version } };
  }

  /**
   * Takes over what another hub says is desired, under its version. The notice is undefined when the section is that one already. Throws a
   * RequestError.
   */
  takeDesired(id: string, given: TwinObject, version: number): TwinObject | undefined {
    const before = this.load(id);
    const properties = ownProperties(given);
    if (before.desired.version === version && sameJson(before.desired.properties, properties)) return undefined;
    const { section, told } = changed(before.desired, { how: 'replace', properties }, 'desired');
    this.save({ ...before, version: before.version + 1, etag: nextEtag(before.etag), desired: { ...section, version } });
    return { ...told, $version: version };
  }

  setModelId(id: string, modelId: string): void {
    const twin = this.load(id);
    if (twin.modelId !== modelId) this.save({ ...twin, modelId, version: twin.version + 1 });
  }
}

/** The SDK takes any answer for success unless its body has an `errorCode`. */
export function refusal(error: unknown): TwinAnswer {
  const known =
    error instanceof RequestError ? error : new RequestError('ServerError', `the hub could not do it: ${(error as Error).message}`);
  const body = { errorCode: known.errorCode, trackingId: randomUUID(), message: known.message, timestampUtc: new Date().toISOString() };
  return { status: known.status, body: JSON.stringify(body) };
}

function parsePatch(payload: string): TwinObject {
  if (Buffer.byteLength(payload) > maxPatchBytes) throw new RequestError('MessageTooLarge', 'the patch is larger than 64 KB');
  let patch: unknown;
  try {
    patch = JSON.parse(payload);
  } catch {
    throw new RequestError('ArgumentInvalid', 'the patch is not JSON');
  }
  const own = ownProperties(patch);
  refuse(checkPatch(own));
  return own;
}

function changed(before: VersionedSection, { how, properties }: SectionWrite, name: TwinSection) {
  const write = { at: new Date().toISOString(), withVersions: true };
  const given = ownProperties(properties);
  refuse(how === 'patch' ? checkPatch(given) : checkSection(given, name));
  const section = how === 'patch' ? patchSection(before, given, write) : replaceSection(before, given, write);
  if (how === 'patch') refuse(checkSection(section.properties, name));
  const told = how === 'patch' ? given : fullReplaceNotice(before.properties, given);
  return { section, told };
}

/** Without the hub's own keys, which come along in documents that are sent back. */
function ownProperties(given: unknown): TwinObject {
  return isTwinObject(given) ? propertiesOf(given) : (given as TwinObject);
}

function refuse(found: ReturnType<typeof checkSection>): void {
  if (!found) return;
  const where = found.path === '' ? '' : `${found.path}: `;
  throw new RequestError(found.code === 'too-large' ? 'MessageTooLarge' : 'ArgumentInvalid', `${where}${found.message}`);
}

function emptyTwin(id: string): StoredTwin {
  const at = new Date().toISOString();
  return {
    id,
    version: 1,
    etag: nextEtag(''),
    modelId: '',
    tags: {},
    desired: emptySection({ at, withVersions: true }),
    reported: emptySection({ at }),
    configurations: {},
  };
}

/** `AAAAAAAAAAE=` and so on: eight bytes that count. */
function nextEtag(etag: string): string {
  const bytes = Buffer.from(etag, 'base64');
  const next = Buffer.alloc(8);
  next.writeBigUInt64BE((bytes.length === 8 ? bytes.readBigUInt64BE() : 0n) + 1n);
  return next.toString('base64');
}

type Row = Record<string, unknown>;

function toTwin(row: Row): StoredTwin {
  return {
    id: row.id as string,
    version: row.version as number,
    etag: row.etag as string,
    modelId: row.model_id as string,
    tags: JSON.parse(row.tags as string) as TwinObject,
    desired: toSection(row, 'desired'),
    reported: toSection(row, 'reported'),
    configurations: row.statuses === null ? {} : (JSON.parse(row.statuses as string) as Record<string, string>),
  };
}

const toSection = (row: Row, name: TwinSection): VersionedSection => ({
  properties: JSON.parse(row[name] as string) as TwinObject,
  metadata: JSON.parse(row[`${name}_metadata`] as string) as TwinMetadata,
  version: row[`${name}_version`] as number,
});
