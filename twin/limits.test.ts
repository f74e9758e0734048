import { describe, expect, test } from 'vitest';
import { checkPatch, checkSection, maxDepth, sectionSize } from './limits.ts';
import type { TwinObject } from './section.ts';

const nested = (levels: number): TwinObject => {
  let inner: unknown = 1;
  for (let level = 0; level < levels; level++) inner = { k: inner };
  return { k: inner };
};

describe('what a section may hold', () => {
  test.for<{ rule: string; value: unknown; code: string | undefined; path?: string }>([
    { rule: 'texts, numbers, truth and objects', value: { a: 'x', b: 1.5, c: true, d: { e: {} } }, code: undefined },
    { rule: 'arrays, also in arrays and with objects', value: { a: [1, ['x'], { b: 2 }] }, code: undefined },
    { rule: 'a text of 4096 bytes', value: { a: 'x'.repeat(4096) }, code: undefined },
    { rule: 'no text of 4097 bytes', value: { a: { b: `${'é'.repeat(2048)}x` } }, code: 'text-too-long', path: 'a.b' },
    { rule: 'a key of 1024 bytes', value: { ['k'.repeat(1024)]: 1 }, code: undefined },
    { rule: 'no key of 1025 bytes', value: { [`${'é'.repeat(512)}k`]: 1 }, code: 'key-too-long', path: `${'é'.repeat(40)}…` },
    { rule: 'no dot in a key', value: { a: { 'b.c': 1 } }, code: 'bad-key', path: 'a.b.c' },
    { rule: 'no dollar in a key', value: { $version: 1 }, code: 'bad-key', path: '$version' },
    { rule: 'no space in a key', value: { 'a b': 1 }, code: 'bad-key', path: 'a b' },
    { rule: 'no control character in a key', value: { 'a\u0085b': 1 }, code: 'bad-key', path: 'a\u0085b' },
    { rule: 'no bad key within an array', value: { a: [{ 'b.c': 1 }] }, code: 'bad-key', path: 'a[0].b.c' },
    { rule: 'a hash in a key', value: { 'a#b': 1 }, code: undefined },
    { rule: '__proto__ as a key', value: JSON.parse('{"__proto__":{"a":1}}'), code: undefined },
    { rule: 'the largest integer', value: { a: 4503599627370495, b: -4503599627370496 }, code: undefined },
    { rule: 'none above it', value: { a: 4503599627370496 }, code: 'integer-out-of-range', path: 'a' },
    { rule: 'none below the smallest', value: { a: [-4503599627370497] }, code: 'integer-out-of-range', path: 'a[0]' },
    { rule: 'a large number that is written with an exponent', value: { a: 1e300 }, code: undefined },
    { rule: 'ten levels', value: nested(maxDepth), code: undefined },
    { rule: 'not eleven', value: nested(maxDepth + 1), code: 'too-deep', path: 'k.k.k.k.k.k.k.k.k.k.k' },
    {
      rule: 'no eleven levels of arrays',
      value: { a: JSON.parse('['.repeat(11) + ']'.repeat(11)) },
      code: 'too-deep',
      path: `a${'[0]'.repeat(10)}`,
    },
    { rule: 'no null', value: { a: { b: null } }, code: 'misplaced-null', path: 'a.b' },
    { rule: 'no null in an array', value: { a: [1, null] }, code: 'misplaced-null', path: 'a[1]' },
    { rule: 'nothing that is not JSON', value: { a: undefined }, code: 'not-json', path: 'a' },
    { rule: 'no bigint', value: { a: 1n }, code: 'not-json', path: 'a' },
    { rule: 'no NaN', value: { a: Number.NaN }, code: 'not-json', path: 'a' },
    { rule: 'an object, no array', value: [1], code: 'not-an-object', path: '' },
    { rule: 'an object, not null', value: null, code: 'not-an-object', path: '' },
    { rule: 'an object, no text', value: 'a', code: 'not-an-object', path: '' },
  ])('$rule', ({ value, code, path }) => {
    const refusal = checkSection(value, 'desired');
    expect(refusal?.code).toBe(code);
    if (path !== undefined) expect(refusal?.path).toBe(path);
  });

  test('nesting without end is refused, not followed', () => {
    const text = `{"a":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`;
    expect(checkPatch(JSON.parse(text))?.code).toBe('too-deep');
    expect(checkPatch({ a: JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) })?.code).toBe('too-deep');
  });
});

describe('what a patch may hold beyond it', () => {
  test.for([
    { rule: 'null for a key that goes', value: { a: null, b: { c: null } }, code: undefined },
    { rule: 'no null in an array', value: { a: [null] }, code: 'misplaced-null' },
    { rule: 'no null in an object of an array', value: { a: [{ b: null }] }, code: 'misplaced-null' },
    { rule: 'any size', value: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, 'x'.repeat(4000)])), code: undefined },
  ])('$rule', ({ value, code }) => {
    expect(checkPatch(value)?.code).toBe(code);
  });
});

describe('the size', () => {
  test.for<{ rule: string; value: TwinObject; bytes: number }>([
    { rule: 'of nothing', value: {}, bytes: 0 },
    { rule: 'a number is 8', value: { ab: 1.25 }, bytes: 10 },
    { rule: 'true and false are 4', value: { ab: false }, bytes: 6 },
    { rule: 'texts and keys are UTF-8', value: { é: 'ü€😀' }, bytes: 2 + 2 + 3 + 4 },
    { rule: 'control characters are free', value: { a: '\u0001b\n\u0085' }, bytes: 2 },
    { rule: 'objects and arrays are what is in them', value: { a: { b: [1, 'x', [true]] } }, bytes: 2 + 8 + 1 + 4 },
  ])('$rule', ({ value, bytes }) => {
    expect(sectionSize(value)).toBe(bytes);
  });

  test.for([
    { section: 'tags', bytes: 8 * 1024 },
    { section: 'desired', bytes: 32 * 1024 },
    { section: 'reported', bytes: 32 * 1024 },
  ] as const)('$section have $bytes bytes at most', ({ section, bytes }) => {
    // Each entry counts 1024 bytes; `aaaa` with one byte less, and then one more.
    const filled = Object.fromEntries(Array.from({ length: bytes / 1024 - 1 }, (_, i) => [`k${100 + i}`, 'x'.repeat(1020)]));
    expect(checkSection({ ...filled, aaaa: 'x'.repeat(1020) }, section)).toBeUndefined();
    expect(checkSection({ ...filled, aaaa: 'x'.repeat(1021) }, section)).toEqual({
      code: 'too-large',
      path: '',
      message: `${section} would have ${bytes + 1} bytes; a twin keeps at most ${bytes}`,
    });
  });
});
