import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble } from './assembly.ts';
import { digestOf } from './blobs.ts';

const text = 'equipment: cooker-1\n'.repeat(500);
const sha256 = digestOf(text);
const pieces = (whole: string, size = 4_000): Record<string, string> =>
  Object.fromEntries(Array.from({ length: Math.ceil(whole.length / size) }, (_, n) => [n, whole.slice(n * size, (n + 1) * size)]));
const none = new Map<string, string>();
const without = (all: Record<string, string>, key: string): Record<string, string> =>
  Object.fromEntries(Object.entries(all).filter(([one]) => one !== key));
const zipped = pieces(gzipSync(text).toString('base64'), 100);
const url = 'https://files.example/cooker-1.yaml';

test.for([
  { rule: 'a text as it is', desired: { mappings: { 'cooker-1': { text: 'a: 1' } } }, files: { 'cooker-1.yaml': 'a: 1' } },
  { rule: 'with its ending', desired: { mappings: { 'cooker-1.yaml': { text: 'a' } } }, files: { 'cooker-1.yaml': 'a' } },
  {
    rule: 'chunks beside',
    desired: { mappings: { a: { chunks: 3, sha256 } }, mappingParts: { 'a.yaml': pieces(text) } },
    files: { 'a.yaml': text },
  },
  { rule: 'chunks inside', desired: { mappings: { a: { chunks: 3, sha256, parts: pieces(text) } } }, files: { 'a.yaml': text } },
  {
    rule: 'gzipped chunks',
    desired: { mappings: { a: { chunks: Object.keys(zipped).length, sha256, encoding: 'gzip', parts: zipped } } },
    files: { 'a.yaml': text },
  },
  { rule: 'null is nothing', desired: { mappings: { old: null } }, files: {} },
  { rule: 'no section says nothing', desired: { other: 1 }, files: undefined },
])('ready: $rule', ({ desired, files }) => {
  const assembly = assemble(desired, none);
  expect(assembly.state).toBe('ready');
  expect(assembly.state === 'ready' && assembly.files && Object.fromEntries(assembly.files)).toEqual(files);
});

test('what is at hand by its digest needs neither link nor parts', () => {
  const have = new Map([[sha256, text]]);
  expect(assemble({ mappings: { a: { url, sha256 }, b: { chunks: 3, sha256 } } }, have)).toMatchObject({ state: 'ready' });
});

test('an address that is not fetched yet', () => {
  expect(assemble({ mappings: { a: { url, sha256 } } }, none)).toEqual({ state: 'fetch', wanted: [{ file: 'a.yaml', url, sha256 }] });
});

test.for([
  { rule: 'no part at all', parts: undefined, missing: 'a.yaml: parts 0, 1, 2 of 3 (numbered from 0)' },
  { rule: 'one is missing', parts: without(pieces(text), '1'), missing: 'a.yaml: part 1 of 3 (numbered from 0)' },
  { rule: 'one was cleared', parts: { ...pieces(text), 2: null }, missing: 'a.yaml: part 2 of 3 (numbered from 0)' },
])('waiting is no error: $rule', ({ parts, missing }) => {
  const desired = { mappings: { a: { chunks: 3, sha256 }, b: { text: 'x' } }, mappingParts: parts && { a: parts } };
  expect(assemble(desired, none)).toEqual({ state: 'waiting', missing: [missing] });
});

describe('refused', () => {
  const refusal = (desired: unknown): string => {
    const assembly = assemble(desired, none);
    return assembly.state === 'refused' ? assembly.problems.map(({ path, message }) => `${path}: ${message}`).join('\n') : assembly.state;
  };

  test('a wrong digest, with both', () => {
    const said = refusal({ mappings: { a: { chunks: 3, sha256: 'ab'.repeat(32), parts: pieces(text) } } });
    expect(said).toContain(sha256);
    expect(said).toContain('ab'.repeat(32));
  });

  test.for([
    { rule: 'a path', mappings: { '../etc/passwd': { text: 'x' } }, says: /no folders/ },
    { rule: 'a folder', mappings: { 'a/b.yaml': { text: 'x' } }, says: /no folders/ },
    { rule: 'a hidden file', mappings: { '.a.yaml': { text: 'x' } }, says: /no folders/ },
    { rule: "the gateway's own file", mappings: { 'dragoman.yaml': { text: 'x' } }, says: /no folders/ },
    { rule: 'another ending', mappings: { 'a.sh': { text: 'x' } }, says: /no folders/ },
    { rule: 'one file twice', mappings: { a: { text: 'x' }, 'a.yaml': { text: 'y' } }, says: /given twice/ },
    { rule: 'a misspelt key', mappings: { a: { txt: 'x' } }, says: /mappings\.a.*txt/ },
    { rule: 'no digest', mappings: { a: { url } }, says: /sha256/ },
    { rule: 'a digest that is none', mappings: { a: { url, sha256: 'abc' } }, says: /64 hexadecimal digits/ },
    { rule: 'plain http', mappings: { a: { url: 'http://files.example/a', sha256 } }, says: /use https/ },
    { rule: 'a local file', mappings: { a: { url: 'file:///etc/passwd', sha256 } }, says: /use https/ },
    { rule: 'a password in the address', mappings: { a: { url: 'https://u:p@files.example/a', sha256 } }, says: /user or password/ },
    { rule: 'too many chunks', mappings: { a: { chunks: 100_000, sha256 } }, says: /chunks/ },
    { rule: 'a part that is too long', mappings: { a: { chunks: 1, sha256, parts: { 0: 'x'.repeat(5_000) } } }, says: /4096/ },
    { rule: 'not gzip', mappings: { a: { chunks: 1, sha256, encoding: 'gzip', parts: { 0: '!!!' } } }, says: /base64 of a gzipped/ },
    { rule: 'binary text', mappings: { a: { text: 'a\u0000b' } }, says: /binary/ },
    { rule: 'mappings is a list', mappings: ['a'], says: /mappings/ },
  ])('$rule', ({ mappings, says }) => {
    expect(refusal({ mappings })).toMatch(says);
  });

  test('a gzip bomb, without unpacking it', () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024)).toString('base64');
    const parts = pieces(bomb);
    expect(refusal({ mappings: { a: { chunks: Object.keys(parts).length, sha256, encoding: 'gzip', parts } } })).toMatch(/at most 10 MB/);
  });

  test('settings that cannot change while it runs', () => {
    expect(refusal({ settings: { outbox: { maxSize: '1GB' } } })).toMatch(/outbox/);
    expect(refusal({ settings: { log: { level: 'loud' } } })).toMatch(/level/);
    expect(refusal({ settings: { batchFor: '2h' } })).toMatch(/batchFor/);
  });
});

test('whatever comes is answered, never thrown', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (mappings, settings) => {
      for (const desired of [mappings, { mappings }, { settings }, { mappings: { a: mappings } }]) assemble(desired, none);
    }),
    { numRuns: 300 },
  );
});
