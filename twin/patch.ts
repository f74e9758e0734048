import { isTwinObject, sameJson, type TwinObject } from './section.ts';

/**
 * What `section` is after `patch` (RFC 7396): objects merge, everything else replaces, null removes; arrays are values and replace as a whole.
 * A key named `__proto__` is a key like any other. Recurses as deep as the patch: check one from outside first, see {@link file://./limits.ts}.
 */
export function mergePatch(section: TwinObject, patch: TwinObject): TwinObject {
  const merged = new Map(Object.entries(section));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else if (isTwinObject(value)) merged.set(key, mergePatch(objectAt(merged.get(key)), value));
    else merged.set(key, value);
  }
  // Not by assignment: that would call the setter of __proto__.
  return Object.fromEntries(merged);
}

/** The smallest merge patch that leads from `before` to `after`; `{}` when they are the same. */
export function diffPatch(before: TwinObject, after: TwinObject): TwinObject {
  const changes: [string, unknown][] = goneKeys(before, after);
  for (const [key, value] of Object.entries(after)) {
    const old = own(before, key);
    if (isTwinObject(value) && isTwinObject(old)) {
      const inner = diffPatch(old, value);
      if (Object.keys(inner).length > 0) changes.push([key, inner]);
    } else if (!sameJson(old, value)) changes.push([key, value]);
  }
  return Object.fromEntries(changes);
}

/**
 * What a device is told when the back end replaced the whole desired section: every key of the new one, changed or not, and null for each
 * that is gone, at every level. A device that merges this into what it has arrives at `after`.
 */
export function fullReplaceNotice(before: TwinObject, after: TwinObject): TwinObject {
  const told: [string, unknown][] = goneKeys(before, after);
  for (const [key, value] of Object.entries(after)) {
    const old = own(before, key);
    told.push([key, isTwinObject(value) && isTwinObject(old) ? fullReplaceNotice(old, value) : value]);
  }
  return Object.fromEntries(told);
}

function goneKeys(before: TwinObject, after: TwinObject): [string, null][] {
  return Object.keys(before).flatMap((key) => (Object.hasOwn(after, key) ? [] : [[key, null]]));
}

const own = (object: TwinObject, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined);
const objectAt = (value: unknown): TwinObject => (isTwinObject(value) ? value : {});
