import { isObject, type JsonObject } from '../answer.ts';

/** The hub allows 10 levels; a document far beyond is not from a hub, and would overflow the stack of whoever walks it. */
export const deepest = 64;

/** What stands in the section after the patch: objects merge, null removes, all else replaces (RFC 7396). */
export function merged(section: JsonObject, patch: JsonObject): JsonObject {
  const result = new Map(Object.entries(section));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else if (isObject(value)) {
      const before = result.get(key);
      result.set(key, merged(isObject(before) ? before : {}, value));
    } else result.set(key, value);
  }
  // fromEntries makes a key "__proto__" a key like any other.
  return Object.fromEntries(result);
}

/** The patch that leads from one document to the other; keys that are the same are left out. `merged(before, it)` is `after`. */
export function patchBetween(before: JsonObject, after: JsonObject): JsonObject {
  const patch: [string, unknown][] = [];
  const old = new Map(Object.entries(before));
  for (const [key, value] of Object.entries(after)) {
    const was = old.get(key);
    old.delete(key);
    if (isObject(value) && isObject(was)) {
      const inner = patchBetween(was, value);
      if (Object.keys(inner).length > 0) patch.push([key, inner]);
    } else if (JSON.stringify(value) !== JSON.stringify(was)) patch.push([key, value]);
  }
  for (const key of old.keys()) patch.push([key, null]);
  return Object.fromEntries(patch);
}

/** Whether objects and arrays stand in each other more than `levels` deep. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels <= 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
