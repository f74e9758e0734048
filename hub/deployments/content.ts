import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { ConfigurationContent, ContentKind } from './contract.ts';

const desired = 'properties.desired';
const isDotted = (key: string): boolean => key.startsWith(`${desired}.`);
const objectAt = (value: unknown, key: string): TwinObject => {
  const found = isTwinObject(value) ? value[key] : undefined;
  return isTwinObject(found) ? found : {};
};

/** What a content is; undefined when it is none. */
export function kindOf(content: ConfigurationContent): ContentKind | undefined {
  if (content.deviceContent !== undefined) return 'device';
  if (content.modulesContent !== undefined) return isLayer(content.modulesContent) ? 'layer' : 'edge';
  if (content.moduleContent === undefined) return undefined;
  // 2018 wrote a whole manifest under this name.
  return isTwinObject(content.moduleContent) && '$edgeAgent' in content.moduleContent ? 'edge' : 'module';
}

function isLayer(modules: unknown): boolean {
  if (!isTwinObject(modules)) return false;
  const agent = modules.$edgeAgent;
  if (agent !== undefined) return isTwinObject(agent) && agent[desired] === undefined;
  return Object.values(modules).some((holder) => isTwinObject(holder) && Object.keys(holder).some(isDotted));
}

export const modulesOf = (content: ConfigurationContent): TwinObject =>
  objectAt(content, content.modulesContent === undefined ? 'moduleContent' : 'modulesContent');

/**
 * What the desired properties of each module that is named must be, by module: a whole manifest, and layers over it from the weakest to the
 * strongest. `properties.desired` of a layer takes the place of all below it, `properties.desired.modules.shim` of this entry alone.
 */
export function composeModules(standard: ConfigurationContent, layers: readonly ConfigurationContent[]): ReadonlyMap<string, TwinObject> {
  const modules = new Map<string, TwinObject>();
  for (const content of [standard, ...layers]) {
    for (const [name, holder] of Object.entries(modulesOf(content))) {
      if (!isTwinObject(holder)) continue;
      let section = modules.get(name) ?? {};
      for (const { path, value } of placesOf(holder)) section = putAt(section, path, value);
      modules.set(name, section);
    }
  }
  return modules;
}

/** One place in the desired properties and what stands there; an empty path is all of them. */
export interface Place {
  readonly path: readonly string[];
  readonly value: unknown;
  /** As written. */
  readonly key: string;
}

/** Of one twin: outer places before those inside them. Keys that are no place are left out. */
export function placesOf(holder: TwinObject): readonly Place[] {
  return Object.entries(holder)
    .filter(([key]) => key === desired || isDotted(key))
    .map(([key, value]) => ({ path: key === desired ? [] : key.slice(desired.length + 1).split('.'), value, key }))
    .toSorted((a, b) => a.path.length - b.path.length);
}

/** A section with another value at a place; null takes it out. What is on the way is made. */
export function putAt(section: TwinObject, path: readonly string[], value: unknown): TwinObject {
  const [key, ...rest] = path;
  if (key === undefined) return isTwinObject(value) ? (withoutNulls(value) as TwinObject) : {};
  const entries = new Map(Object.entries(section));
  if (rest.length > 0) entries.set(key, putAt(objectAt(section, key), rest, value));
  else if (value === null) entries.delete(key);
  else entries.set(key, withoutNulls(value));
  return Object.fromEntries(entries);
}

/** What stands at a place; undefined when there is nothing. */
export function valueAt(section: TwinObject, path: readonly string[]): unknown {
  let value: unknown = section;
  for (const key of path) {
    if (!isTwinObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** As it can stand in a twin: null takes a key out, and the keys of the service are nobody's to write. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isTwinObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => inner !== null && key !== '$version' && key !== '$metadata')
      .map(([key, inner]) => [key, withoutNulls(inner)]),
  );
}
