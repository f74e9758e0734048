import { sectionSize } from './limits.ts';
import { mergePatch } from './patch.ts';
import { isTwinObject, type TwinObject } from './section.ts';

/**
 * Patches of at most `maxBytes` of JSON text that, merged into `section` one after another, do what `patch` does. What makes room comes
 * first, so that no step is larger than both the section before and the section after. A single text or array that is longer goes alone.
 */
export function splitPatch(section: TwinObject, patch: TwinObject, maxBytes: number): readonly TwinObject[] {
  if (bytesOf(patch) <= maxBytes) return [patch];
  const parts: [string, unknown][][] = [];
  let [part, partBytes]: [[string, unknown][], number] = [[], 2];
  for (const [key, value] of smallestGrowthFirst(section, patch)) {
    const ownBytes = bytesOf(key) + 2;
    // An empty part is still `{}` around the inner one, hence two bytes less for what is inside.
    const divisible = isTwinObject(value) && ownBytes + bytesOf(value) + 2 > maxBytes;
    const values = divisible ? splitPatch(objectAt(section, key), value, Math.max(maxBytes - ownBytes - 2, 2)) : [value];
    for (const one of values) {
      const bytes = ownBytes + bytesOf(one);
      if (part.length > 0 && (partBytes + bytes > maxBytes || part.at(-1)?.[0] === key)) {
        parts.push(part);
        [part, partBytes] = [[], 2];
      }
      part.push([key, one]);
      partBytes += bytes;
    }
  }
  if (part.length > 0) parts.push(part);
  return parts.map((entries) => Object.fromEntries(entries));
}

function smallestGrowthFirst(section: TwinObject, patch: TwinObject): [string, unknown][] {
  const growth = ([key, value]: [string, unknown]): number => {
    const before = Object.hasOwn(section, key) ? { [key]: section[key] } : {};
    return sectionSize(mergePatch(before, Object.fromEntries([[key, value]]))) - sectionSize(before);
  };
  return Object.entries(patch)
    .map((entry) => ({ entry, growth: growth(entry) }))
    .sort((a, b) => a.growth - b.growth)
    .map(({ entry }) => entry);
}

function objectAt(section: TwinObject, key: string): TwinObject {
  const value = Object.hasOwn(section, key) ? section[key] : undefined;
  return isTwinObject(value) ? value : {};
}

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
