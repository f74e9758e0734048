/**
 * A section of a twin, or a patch of one: what parsed JSON gives. Never changed in place; functions here return new objects that share what
 * did not change. Only a patch holds `null`, and only as the value of a key: "this key goes".
 */
export type TwinObject = { readonly [key: string]: unknown };

export const twinSections = ['tags', 'desired', 'reported'] as const;
export type TwinSection = (typeof twinSections)[number];

export const isTwinObject = (value: unknown): value is TwinObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The hub's own keys (`$version`, `$metadata`) stand beside the properties on the wire; they are nobody's to write, so they are left out unread. */
export function propertiesOf(section: TwinObject): TwinObject {
  return Object.fromEntries(Object.entries(section).filter(([key]) => !key.startsWith('$')));
}

/** The `$version` of a section or of a change notice; undefined where there is none that could be one. */
export function versionOf(section: TwinObject): number | undefined {
  const version = section.$version;
  return typeof version === 'number' && Number.isSafeInteger(version) && version >= 0 ? version : undefined;
}

/** Equal as JSON: the order of keys says nothing, and -0 is 0. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  if (!isTwinObject(a) || !isTwinObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]));
}
