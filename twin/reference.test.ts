import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkPatch, checkSection, sectionSize } from './limits.ts';
import { diffPatch, fullReplaceNotice, mergePatch } from './patch.ts';
import { sameJson, type TwinObject } from './section.ts';
import { splitPatch } from './split-patch.ts';
import { emptySection, patchSection, replaceSection, type TwinMetadata } from './versions.ts';

/**
 * The rules once more, slowly and without recursion over both sides: a section is the list of its leaves. An object without keys is a leaf
 * of its own, as is everything that is not an object.
 */
type Leaf = readonly [path: readonly string[], value: unknown];

function leavesOf(value: unknown, path: readonly string[] = []): Leaf[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, value]];
  const inner = Object.keys(value).flatMap((key) => leavesOf((value as TwinObject)[key], [...path, key]));
  return inner.length === 0 ? [[path, {}]] : inner;
}

const startsWith = (path: readonly string[], start: readonly string[]): boolean => start.every((key, index) => path[index] === key);

/** Merges leaf by leaf: a leaf of the patch sweeps away what stands below it and every plain value on its way. */
function slowMerge(section: TwinObject, patch: TwinObject): TwinObject {
  let leaves = leavesOf(section);
  for (const [path, value] of leavesOf(patch)) {
    const isEmptyObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isEmptyObject) leaves = leaves.filter(([old, was]) => !(startsWith(path, old) && (old.length < path.length || !isObject(was))));
    else leaves = leaves.filter(([old]) => !startsWith(old, path) && !(startsWith(path, old) && old.length < path.length));
    if (value === null) leaves.push([path.slice(0, -1), {}]);
    else leaves.push([path, value]);
  }
  return build(leaves);
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

function build(leaves: readonly Leaf[]): TwinObject {
  const root = new Map<string, unknown>();
  for (const [path, value] of leaves) {
    let level = root;
    for (const key of isObject(value) ? path : path.slice(0, -1)) {
      if (!(level.get(key) instanceof Map)) level.set(key, new Map());
      level = level.get(key) as Map<string, unknown>;
    }
    if (!isObject(value)) level.set(path.at(-1)!, value);
  }
  const plain = (value: unknown): unknown =>
    value instanceof Map ? Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)])) : value;
  return plain(root) as TwinObject;
}

const key = fc.oneof(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', 'toString'), fc.string({ maxLength: 3 }));
const scalar = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.string({ maxLength: 5 }));
const json = (nulls: boolean): fc.Arbitrary<TwinObject> =>
  fc.letrec<{ object: TwinObject; value: unknown }>((tie) => ({
    object: fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      nulls ? fc.oneof(scalar, fc.constant(null)) : scalar,
      tie('object'),
      fc.array(scalar, { maxLength: 3 }),
    ),
  })).object;
const section = json(false);
const patch = json(true);
/** As it arrives: with -0 as 0. */
const wire = (value: unknown): TwinObject => JSON.parse(JSON.stringify(value));

test('a merge is what the slow rules say', () => {
  fc.assert(
    fc.property(section, patch, (before, change) => {
      const merged = mergePatch(before, change);
      expect(sameJson(merged, slowMerge(before, change))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('nothing is ever written to the prototype, nor to what went in', () => {
  fc.assert(
    fc.property(section, patch, (before, change) => {
      const [was, said] = [JSON.stringify(before), JSON.stringify(change)];
      mergePatch(before, change);
      expect([JSON.stringify(before), JSON.stringify(change)]).toEqual([was, said]);
      expect(Object.keys(Object.prototype)).toEqual([]);
    }),
  );
});

test('the difference leads from one section to the other, is empty for equals, and says nothing that is known', () => {
  fc.assert(
    fc.property(section, section, (before, after) => {
      const change = diffPatch(before, after);
      expect(sameJson(mergePatch(before, change), after)).toBe(true);
      expect(diffPatch(after, wire(after))).toEqual({});
      for (const left of Object.keys(change)) {
        const less = Object.fromEntries(Object.entries(change).filter(([name]) => name !== left));
        expect(sameJson(mergePatch(before, less), after)).toBe(false);
      }
    }),
    { numRuns: 500 },
  );
});

test('the notice of a full replace leads there from the section before, and names every key of both', () => {
  fc.assert(
    fc.property(section, section, (before, after) => {
      const notice = fullReplaceNotice(before, after);
      expect(sameJson(mergePatch(before, notice), after)).toBe(true);
      expect(new Set(Object.keys(notice))).toEqual(new Set([...Object.keys(before), ...Object.keys(after)]));
    }),
    { numRuns: 500 },
  );
});

test('a patch in parts does what it does as a whole, and never needs more room than before or after', () => {
  const sizeOf = (value: TwinObject): number => JSON.stringify(value).length;
  fc.assert(
    fc.property(section, section, fc.integer({ min: 40, max: 200 }), (before, after, maxBytes) => {
      const change = diffPatch(before, after);
      const parts = splitPatch(before, change, maxBytes);
      let [reached, largest] = [before, 0];
      for (const part of parts) {
        reached = mergePatch(reached, part);
        largest = Math.max(largest, sectionSize(reached));
      }
      expect(sameJson(reached, after)).toBe(true);
      expect(largest).toBeLessThanOrEqual(Math.max(sectionSize(before), sectionSize(after)));
      const indivisible = Math.max(0, ...leavesOf(change).map(([path, value]) => JSON.stringify(build([[path, value]])).length));
      for (const part of parts) expect(sizeOf(part)).toBeLessThanOrEqual(Math.max(maxBytes, indivisible + 40));
    }),
    { numRuns: 500 },
  );
});

test('metadata mirror the properties, whatever is written', () => {
  const write = fc.record({ whole: fc.boolean(), body: patch, empty: section });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 5 }), (writes) => {
      let kept = emptySection({ at: 't1', withVersions: true });
      for (const [index, { whole, body, empty }] of writes.entries()) {
        const now = { at: `t${index + 2}`, withVersions: true };
        kept = whole ? replaceSection(kept, empty, now) : patchSection(kept, body, now);
        expect(kept.version).toBe(index + 2);
        expect(kept.metadata.$lastUpdatedVersion).toBe(kept.version);
      }
      const mirrors = (value: unknown, metadata: TwinMetadata): void => {
        const names = isObject(value) ? Object.keys(value as TwinObject) : [];
        expect(
          Object.keys(metadata)
            .filter((name) => !name.startsWith('$last'))
            .sort(),
        ).toEqual(names.sort());
        for (const name of names) mirrors((value as TwinObject)[name], metadata[name] as TwinMetadata);
      };
      if (!JSON.stringify(kept.properties).includes('$last')) mirrors(kept.properties, kept.metadata);
    }),
  );
});

test('any JSON is checked without an exception; what passes as a section passes as a patch and merges to a section', () => {
  fc.assert(
    fc.property(fc.jsonValue(), section, (value, before) => {
      const refusal = checkPatch(value);
      if (checkSection(value, 'reported') === undefined) expect(refusal).toBeUndefined();
      if (refusal === undefined && checkSection(before, 'reported') === undefined)
        expect(checkSection(mergePatch(before, value as TwinObject), 'reported')?.code).toSatisfy(
          (code) => code === undefined || code === 'too-large',
        );
    }),
    { numRuns: 500 },
  );
});
