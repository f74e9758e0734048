import { describe, expect, test } from 'vitest';
import { diffPatch, fullReplaceNotice, mergePatch } from './patch.ts';
import { propertiesOf, type TwinObject, versionOf } from './section.ts';
import { emptySection, patchSection, replaceSection, sectionOnTheWire } from './versions.ts';

describe('merge', () => {
  test.for<{ rule: string; section: TwinObject; patch: TwinObject; merged: TwinObject }>([
    { rule: 'adds', section: { a: 1 }, patch: { b: 2 }, merged: { a: 1, b: 2 } },
    { rule: 'replaces', section: { a: 1 }, patch: { a: 'x' }, merged: { a: 'x' } },
    { rule: 'goes into objects', section: { a: { b: 1, c: 2 } }, patch: { a: { b: 3 } }, merged: { a: { b: 3, c: 2 } } },
    { rule: 'removes with null', section: { a: 1, b: 2 }, patch: { a: null }, merged: { b: 2 } },
    { rule: 'removes within objects, and the object stays', section: { a: { b: 1 } }, patch: { a: { b: null } }, merged: { a: {} } },
    { rule: 'removes nothing that is not there', section: { a: 1 }, patch: { b: null }, merged: { a: 1 } },
    { rule: 'replaces arrays as a whole', section: { a: [1, 2, 3] }, patch: { a: [4] }, merged: { a: [4] } },
    {
      rule: 'replaces a scalar by an object without its nulls',
      section: { a: 1 },
      patch: { a: { b: 1, c: null } },
      merged: { a: { b: 1 } },
    },
    { rule: 'replaces an array by an object', section: { a: [1] }, patch: { a: { b: 1 } }, merged: { a: { b: 1 } } },
    { rule: 'makes an empty object', section: {}, patch: { a: {} }, merged: { a: {} } },
  ])('$rule', ({ section, patch, merged }) => {
    expect(mergePatch(section, patch)).toEqual(merged);
  });

  test('__proto__ is a key like any other', () => {
    const merged = mergePatch(JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"b":2},"constructor":{"prototype":{"c":3}}}'));
    expect(JSON.stringify(merged)).toBe('{"__proto__":{"a":1,"b":2},"constructor":{"prototype":{"c":3}}}');
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(({} as TwinObject).c).toBeUndefined();
    expect(mergePatch({}, JSON.parse('{"toString":{"a":1}}'))).toEqual({ toString: { a: 1 } });
  });
});

test('a difference has what is new, what changed, and null for what is gone', () => {
  const before = { same: { x: [1, { y: 2 }] }, gone: 1, changed: 1, inner: { keep: 1, drop: 2 }, list: [1, 2] };
  const after = { same: { x: [1, { y: 2 }] }, changed: 2, inner: { keep: 1, add: 3 }, list: [2, 1], fresh: { z: 1 } };
  expect(diffPatch(before, after)).toEqual({ gone: null, changed: 2, inner: { drop: null, add: 3 }, list: [2, 1], fresh: { z: 1 } });
});

test('a full replace is told as all of the new section and null for what is gone, at every level', () => {
  expect(fullReplaceNotice({ a: 1, b: 2 }, { a: 1, c: 100 })).toEqual({ a: 1, b: null, c: 100 });
  expect(fullReplaceNotice({ m: { x: {}, y: { z: 1 } } }, { m: { y: { w: 2 } } })).toEqual({ m: { x: null, y: { z: null, w: 2 } } });
});

test("the hub's own keys are not properties", () => {
  expect(propertiesOf({ a: 1, $version: 4, $metadata: {} })).toEqual({ a: 1 });
  expect([versionOf({ $version: 4 }), versionOf({}), versionOf({ $version: '4' }), versionOf({ $version: 1.5 })]).toEqual([
    4,
    undefined,
    undefined,
    undefined,
  ]);
});

test('versions rise by one with each write, and metadata say when and by which version', () => {
  const first = emptySection({ at: 't1', withVersions: true });
  const second = patchSection(first, { a: { b: 1, c: 2 }, d: [1] }, { at: 't2', withVersions: true });
  const third = patchSection(second, { a: { b: 5, c: null } }, { at: 't3', withVersions: true });
  expect(sectionOnTheWire(third, { metadata: true })).toEqual({
    a: { b: 5 },
    d: [1],
    $version: 3,
    $metadata: {
      $lastUpdated: 't3',
      $lastUpdatedVersion: 3,
      a: { $lastUpdated: 't3', $lastUpdatedVersion: 3, b: { $lastUpdated: 't3', $lastUpdatedVersion: 3 } },
      d: { $lastUpdated: 't2', $lastUpdatedVersion: 2 },
    },
  });
  expect(sectionOnTheWire(third, { metadata: false })).toEqual({ a: { b: 5 }, d: [1], $version: 3 });
  const replaced = replaceSection(third, { d: [1] }, { at: 't4' });
  expect(replaced).toEqual({ properties: { d: [1] }, version: 4, metadata: { $lastUpdated: 't4', d: { $lastUpdated: 't4' } } });
});
