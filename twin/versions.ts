import { mergePatch } from './patch.ts';
import { isTwinObject, type TwinObject } from './section.ts';

/** A section with what the service keeps beside it. Immutable. */
export interface VersionedSection {
  readonly properties: TwinObject;
  /** Rises by exactly one with each accepted write, also one that changes nothing. */
  readonly version: number;
  readonly metadata: TwinMetadata;
}

/** Mirrors the properties: each object and each leaf (an array is a leaf) says when it was last written. */
export interface TwinMetadata {
  readonly $lastUpdated: string;
  /** Desired properties only: the version that wrote it. */
  readonly $lastUpdatedVersion?: number;
  readonly [key: string]: TwinMetadata | string | number | undefined;
}

/** When a write happens: `at` as ISO 8601; `withVersions` for desired properties, whose metadata name the version, too. */
export interface TwinWrite {
  readonly at: string;
  readonly withVersions?: boolean;
}

export function emptySection(write: TwinWrite): VersionedSection {
  return { properties: {}, version: 1, metadata: stamp(write, 1) };
}

/** A merge patch was accepted: metadata change on the way to each key that the patch names, and go with keys that it removes. */
export function patchSection(section: VersionedSection, patch: TwinObject, write: TwinWrite): VersionedSection {
  const version = section.version + 1;
  return {
    properties: mergePatch(section.properties, patch),
    version,
    metadata: patchMetadata(section.metadata, patch, stamp(write, version)),
  };
}

/** The section was replaced as a whole: everything in it counts as written now. */
export function replaceSection(section: VersionedSection, properties: TwinObject, write: TwinWrite): VersionedSection {
  const version = section.version + 1;
  return { properties, version, metadata: patchMetadata(undefined, properties, stamp(write, version)) };
}

/** As a device reads it over MQTT, and as it stands in a REST document. */
export function sectionOnTheWire(section: VersionedSection, options: { readonly metadata: boolean }): TwinObject {
  const { properties, version: $version, metadata: $metadata } = section;
  return options.metadata ? { ...properties, $metadata, $version } : { ...properties, $version };
}

type Stamp = Pick<TwinMetadata, '$lastUpdated' | '$lastUpdatedVersion'>;

function stamp({ at, withVersions }: TwinWrite, version: number): Stamp {
  return withVersions ? { $lastUpdated: at, $lastUpdatedVersion: version } : { $lastUpdated: at };
}

function patchMetadata(before: TwinMetadata | undefined, patch: TwinObject, now: Stamp): TwinMetadata {
  const entries = new Map<string, TwinMetadata[string]>(Object.entries(before ?? {}));
  for (const [key, value] of Object.entries(now)) entries.set(key, value);
  for (const [key, value] of Object.entries(patch)) {
    const old = entries.get(key);
    if (value === null) entries.delete(key);
    else if (isTwinObject(value)) entries.set(key, patchMetadata(isTwinObject(old) ? (old as TwinMetadata) : undefined, value, now));
    else entries.set(key, now);
  }
  return Object.fromEntries(entries) as unknown as TwinMetadata;
}
