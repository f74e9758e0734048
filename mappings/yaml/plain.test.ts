import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAnyYaml, parseYaml } from './document.ts';
import { readPlainYaml } from './plain.ts';

const textKeys = new Set(['at', 'unit', 'from', 'to']);

const written = `# a mapping as people write it
equipment: cooker-1
path: candyco/leeds/kitchen/line-1   # ISA-95
description: Jacketed cooker, 2009, no Ethernet

connection: { adapter: modbus, host: 10.20.0.31, unitId: 1, timeout: 1s }
defaults:
  every: 1s
points:
  a: { at: holding 100, type: float32, unit: Cel, deadband: 0.2, range: [0, 180] }
  b: { at: "nsu=http://x/y;s=A.B", unit: '%', invalid: [0xFFFF, -1, 1.5e3] }
  c:   { at: 000101, unit: 1, enum: { 0: off, 1: on, 0x10: true } }
  d:
    at: holding 200
    write: { min: 40, onlyWhen: state == "running" }
  e: { at: coil 4, write: { } }
  f: { at: input 9007199254740993, scale: 9007199254740993 }
samples:
  - name: manual p. 14
    given: { holding 100: [0xE979, 0x42F6], coil 4: true }
    expect: { a: 123.456, b: null }
  - given: {}
    expect:
      a: bad
list:
- 1
- two
- [a, b]
`;

/** Every path that leads to something, for comparing places. */
function paths(value: unknown, base: readonly PropertyKey[] = []): (readonly PropertyKey[])[] {
  if (typeof value !== 'object' || value === null) return [base];
  return [base, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...base, Array.isArray(value) ? Number(key) : key]))];
}

function agree(text: string): boolean {
  const plain = readPlainYaml(text, textKeys);
  if (typeof plain === 'number') return false;
  const library = parseAnyYaml('f', text, { textKeys });
  expect(library.problems, text).toEqual([]);
  expect(library.documents, text).toHaveLength(1);
  const [document] = library.documents;
  expect(plain.value, text).toEqual(document?.value);
  expect(JSON.stringify(plain.value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))).toBe(
    JSON.stringify(document?.value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v)),
  );
  const ours = parseYaml('f', text, { textKeys }).documents[0];
  for (const path of paths(plain.value)) {
    for (const which of ['key', 'value'] as const) {
      expect(ours?.at([...path], which), `${path.map(String).join('.')} ${which} in\n${text}`).toEqual(document?.at([...path], which));
    }
  }
  return true;
}

test('reads a mapping as the library does, places included', () => {
  expect(agree(written)).toBe(true);
  expect(agree(written.replaceAll('\n', '\r\n'))).toBe(true);
  expect(agree(`---\n${written}`)).toBe(true);
});

const runs = Number(process.env.DRAGOMAN_FUZZ ?? 1_500);
const lines = written.split('\n');
const scrap = fc.oneof(
  fc.constantFrom(...'{}[],:#-"\'|>&*!%@`?~\\ \t\n\r.=<_/0a1x'),
  fc.constantFrom(
    ': ',
    ' #',
    '- ',
    '\n  ',
    '\n    ',
    '\n',
    '---\n',
    '...\n',
    '{ ',
    ' }',
    '""',
    "''",
    '0x',
    '0o7',
    '.inf',
    '.5',
    '1e3',
    'null',
    'true',
    '<<: ',
    '°',
    '\u00a0',
    '\u2028',
    '\u0085',
    '\r\n',
    '+1',
    '-',
    '? ',
  ),
);
const edit = fc.tuple(fc.nat({ max: written.length }), fc.nat({ max: 3 }), scrap);

test('whatever is done to a mapping, it reads it as the library does or leaves it to the library', () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = written;
      for (const [at, remove, insert] of edits) text = text.slice(0, at) + insert + text.slice(at + remove);
      if (agree(text)) accepted++;
    }),
    { numRuns: runs },
  );
  expect(accepted).toBeGreaterThan(runs / 20);
});

test('lines in any order and indented anyhow', () => {
  const line = fc.tuple(fc.constantFrom(...lines), fc.constantFrom('', ' ', '  ', '    ')).map(([text, indent]) => indent + text.trim());
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), (some) => void agree(some.join('\n'))),
    { numRuns: runs },
  );
});

test('scraps joined together', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(scrap, fc.constantFrom('a: ', 'key: ', 'b', '12', ' ')), { maxLength: 12 }),
      (some) => void agree(some.join('')),
    ),
    { numRuns: runs * 2 },
  );
});
