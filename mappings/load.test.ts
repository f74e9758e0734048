import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { tempFolder } from '../test/support/temp.ts';
import { testLanguage } from '../test/support/test-language.ts';
import { compileMapping, loadMappings } from './load.ts';
import { checkYaml } from './yaml/check.ts';

const languages = [testLanguage];
const machine = (id: string, points = '  a: { at: cell 1 }\n'): string =>
  `equipment: ${id}\nconnection: { adapter: test, host: h }\npoints:\n${points}`;
const compile = (text: string) => compileMapping('m.yaml', text, languages);

function written(files: Readonly<Record<string, string | Uint8Array>>): Disposable & { readonly path: string } {
  const folder = tempFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder.path, name, '..'), { recursive: true });
    writeFileSync(join(folder.path, name), content);
  }
  return folder;
}

describe('files and folders', () => {
  test('a folder is loaded whole, sorted, below it too; hidden files and other endings are passed over', async () => {
    using folder = written({
      'b.yaml': machine('m-b'),
      'a/c.yml': machine('m-c'),
      'a/D.YAML': machine('m-d'),
      '.hidden.yaml': 'x: [',
      '.git/x.yaml': 'x: [',
      'notes.txt': 'x: [',
    });
    const { equipment, problems, files } = await loadMappings([folder.path, join(folder.path, 'b.yaml')], languages);
    expect(problems).toEqual([]);
    expect(equipment.map(({ id }) => id)).toEqual(['m-d', 'm-c', 'm-b']);
    expect(files).toHaveLength(3);
  });

  test('one bad file leaves the others alone', async () => {
    using folder = written({ 'good.yaml': machine('m-1'), 'bad.yaml': machine('m-2', '  a: { at: nowhere }\n') });
    const { equipment, problems } = await loadMappings([folder.path], languages);
    expect(equipment.map(({ id }) => id)).toEqual(['m-1']);
    expect(problems).toHaveLength(1);
  });

  test('several machines in one file, one YAML document each', async () => {
    const { equipment, problems } = compile(`${machine('m-1')}---\n${machine('m-2')}---\n`);
    expect(problems).toEqual([]);
    expect(equipment.map(({ id }) => id)).toEqual(['m-1', 'm-2']);
  });

  test.for<[string, string | Uint8Array, string, string]>([
    ['UTF-16', Buffer.from(`\ufeff${machine('m-1')}`, 'utf16le'), 'not-text', '1:1'],
    ['a code page of Windows', Buffer.from('equipment: m-1\ndescription: K\xfcche\n', 'latin1'), 'not-text', '2:15'],
    ['binary garbage', Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) % 256), 'not-text', '1:1'],
    ['empty', '', 'empty-file', '1:1'],
    ['blank', '\n \n', 'empty-file', '1:1'],
    ['a list', '- a\n', 'wrong-type', '1:1'],
    ['a word', 'hello', 'wrong-type', '1:1'],
  ])('%s is one clear problem', async ([, content, rule, place]) => {
    using folder = written({ 'x.yaml': content });
    const { problems, equipment } = await loadMappings([folder.path], languages);
    expect(problems.map((problem) => [problem.rule, `${problem.line}:${problem.column}`])).toEqual([[rule, place]]);
    expect(equipment).toEqual([]);
  });

  test('nesting without end is one problem, and no stack overflows', () => {
    expect(compile('['.repeat(200_000)).problems).toMatchObject([
      { rule: 'yaml-syntax', message: 'this is nested too deeply to be a mapping' },
    ]);
    expect(compile(`equipment: ${'{ a: '.repeat(5_000)}`).problems).toMatchObject([{ rule: 'yaml-syntax' }]);
  });

  test('100 MB are refused without being read', async () => {
    using folder = written({ 'x.yaml': '' });
    truncateSync(join(folder.path, 'x.yaml'), 100 * 1024 * 1024);
    const before = process.memoryUsage().rss;
    const { problems } = await loadMappings([folder.path], languages);
    expect(problems).toMatchObject([{ rule: 'file-too-large', message: expect.stringContaining('100 MB') }]);
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  });

  test('a large file is read only as plain YAML, and told where it is not', () => {
    const many = Array.from({ length: 60_000 }, (_, i) => `  p${i}: { at: cell ${i}, description: a point among very many others }\n`).join(
      '',
    );
    expect(compile(machine('m-1', `${many}  last: { at: cell 1\n`)).problems).toMatchObject([{ rule: 'file-too-large', line: 60_004 }]);
  });

  test('a flood of problems ends at a thousand', () => {
    const { problems } = compile(machine('m-1', Array.from({ length: 2_000 }, (_, i) => `  p${i}: { at: nowhere }\n`).join('')));
    expect(problems).toHaveLength(1_001);
    expect(problems.at(-1)).toMatchObject({ rule: 'too-many-problems', message: '1000 more problems of this file are not shown' });
  });

  test('a missing path, an empty folder, a link to nowhere', async () => {
    using folder = written({ 'sub/readme.md': '' });
    symlinkSync(join(folder.path, 'gone'), join(folder.path, 'link.yaml'));
    const { problems } = await loadMappings(
      [join(folder.path, 'none'), join(folder.path, 'sub'), join(folder.path, 'link.yaml')],
      languages,
    );
    expect(problems.map(({ rule }) => rule).toSorted()).toEqual(['no-files', 'unreadable', 'unreadable']);
  });

  test('a byte order mark and line ends of Windows do not matter', () => {
    const { equipment, problems } = compile(`\ufeff${machine('m-1').replaceAll('\n', '\r\n')}`);
    expect(problems).toEqual([]);
    expect(equipment[0]?.points[0]?.name).toBe('a');
  });
});

describe('what is compiled', () => {
  test('defaults apply, points override them, null takes them away', () => {
    const { equipment } = compile(
      machine('m-1', '  a: { at: cell 1 }\n  b: { at: cell 2, every: 1m, unit: null }\n').replace(
        'points:',
        'defaults: { every: 5s, unit: Cel, type: uint16 }\npoints:',
      ),
    );
    expect(equipment[0]?.points).toMatchObject([
      { name: 'a', everyMs: 5_000, staleAfterMs: 15_000, unit: 'Cel', rawType: 'uint16', address: { cell: 1 }, atLeastEveryMs: undefined },
      { name: 'b', everyMs: 60_000, staleAfterMs: 180_000, unit: undefined },
    ]);
  });

  test('percent is of the range; a guard keeps milliseconds; the unit that leaves is the one converted to', () => {
    const { equipment } = compile(
      machine(
        'm-1',
        '  a: { at: cell 1, range: [20, 70], deadband: 2%, unit: { from: bar, to: kPa }, write: { min: 20, atMostEvery: 5s, expires: 1m } }\n',
      ),
    );
    expect(equipment[0]?.points[0]).toMatchObject({
      deadband: { width: 1 },
      unit: 'kPa',
      write: { min: 20, atMostEveryMs: 5_000, expiresMs: 60_000 },
    });
  });

  test('an address keeps its leading zeros, a unit may be the number 1', () => {
    const seen: unknown[] = [];
    const language = { ...testLanguage, compilePoint: ({ at }: { at: string | undefined }) => void seen.push(at) };
    compileMapping('m.yaml', machine('m-1', '  a: { at: 000101 }\n  b: { at: 0x10, unit: 1 }\n'), [language]);
    expect(seen).toEqual(['000101', '0x10']);
  });

  test('hashes: equal where nothing changed, however it is written; else different only where something did', () => {
    const hashes = (text: string) => {
      const [one] = compile(text).equipment;
      return { all: one?.hash, connection: one?.connectionHash, points: one?.points.map(({ hash }) => hash) };
    };
    const before = hashes(machine('m-1', '  a: { at: cell 1, every: 1s, scale: 0.1 }\n  b: { at: cell 2 }\n'));
    expect(
      hashes(
        '# moved\nconnection:\n  host: h\n  adapter: test\n  port: 1\nequipment: m-1\npoints:\n  a: { scale: 0.10, at: "cell 1" }\n  b: { at: cell 2 }\n',
      ),
    ).toEqual(before);
    const changed = hashes(machine('m-1', '  a: { at: cell 1, scale: 0.2 }\n  b: { at: cell 2 }\n'));
    expect(changed.connection).toBe(before.connection);
    expect(changed.all).not.toBe(before.all);
    expect(changed.points?.[0]).not.toBe(before.points?.[0]);
    expect(changed.points?.[1]).toBe(before.points?.[1]);
    expect(hashes(machine('m-1').replace('host: h', 'host: i')).connection).not.toBe(before.connection);
  });

  test('points that mean the same share converter and deadband', () => {
    const points = compile(machine('m-1', '  a: { at: cell 1, scale: 0.1, deadband: 1 }\n  b: { at: cell 2, scale: 0.1, deadband: 1 }\n'))
      .equipment[0]?.points;
    expect(points?.[0]?.convert).toBe(points?.[1]?.convert);
    expect(points?.[0]?.deadband).toBe(points?.[1]?.deadband);
  });

  test('samples say how they came about', () => {
    const { samples } = compile(
      `${machine('m-1', '  a: { at: cell 1, type: uint16, scale: 0.1, unit: Cel, range: [0, 300] }\n')}samples:\n  - { name: p. 14, given: { cell 1: 2304 }, expect: { a: 230.4 } }\n`,
    );
    expect(samples).toMatchObject([
      {
        equipment: 'm-1',
        sample: 'p. 14',
        point: 'a',
        passed: true,
        actual: '230.4 Cel',
        line: 6,
        trace: 'cell 1 -> raw 2304 uint16 -> x 0.1 = 230.4 -> range 0 to 300 ok -> 230.4 Cel',
      },
    ]);
  });
});

const valid = `${machine(
  'm-1',
  '  a: { at: cell 1, type: uint16, scale: 0.1, unit: Cel, range: [0, 300], deadband: 2%, write: { min: 1, max: 5 } }\n  b:\n    at: cell 2\n    bits: { 0: x, 1: y }\n',
)}samples:\n  - { given: { cell 1: 5 }, expect: { a: 0.5 } }\n`;
const scrap = fc.oneof(
  fc.constantFrom(...'{}[],:#-"\'|>&*!%@`?~\n\r \t0123456789.eabx', '\u0000', '°'),
  fc.constantFrom('null', '[1, 2]', '{}', '-5', '1e400', '.nan', '99999999999999999999', 'bit: 3,', 'enum: { 1: a },', 'every: 1s,'),
);

test('whatever is written, nothing is thrown, and every problem lies within the file', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: valid.length }), fc.nat({ max: 6 }), scrap), { maxLength: 4 }), (edits) => {
      let text = valid;
      for (const [at, remove, insert] of edits) text = text.slice(0, at) + insert + text.slice(at + remove);
      const { problems, equipment } = compile(text);
      const lines = text.split('\n');
      for (const { line, column } of problems) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines.length);
        expect(column).toBeGreaterThanOrEqual(1);
        expect(column).toBeLessThanOrEqual((lines[line - 1] as string).length + 1);
      }
      if (problems.some(({ severity }) => severity === 'error')) expect(equipment).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
});

describe('checkYaml, for other files than mappings', () => {
  const schema = z.strictObject({
    gateway: z.string(),
    outbox: z.strictObject({ whenFull: z.enum(['drop-oldest', 'refuse-new']) }).optional(),
  });

  test('value and places', () => {
    const checked = checkYaml('d.yaml', 'gateway: gw-1\noutbox:\n  whenFull: drop-oldest\n', schema);
    expect(checked.value).toEqual({ gateway: 'gw-1', outbox: { whenFull: 'drop-oldest' } });
    expect(checked.at(['outbox', 'whenFull'])).toEqual({ line: 3, column: 13 });
    expect(checked.at(['outbox', 'whenFull'], 'key')).toEqual({ line: 3, column: 3 });
    expect(checked.at(['hub'])).toEqual({ line: 1, column: 1 });
  });

  test('all problems at once', () => {
    const { value, problems } = checkYaml('d.yaml', 'gatway: gw-1\noutbox: { whenFull: drop-newest }\n', schema);
    expect(value).toBeUndefined();
    expect(problems).toMatchObject([
      { rule: 'missing-key', line: 1, column: 1, message: 'gateway is missing' },
      { rule: 'unknown-value', line: 2, column: 21, hint: 'did you mean drop-oldest?' },
      { rule: 'unknown-key', line: 1, column: 1, hint: 'did you mean gateway?' },
    ]);
  });

  test('a second document is refused', () => {
    expect(checkYaml('d.yaml', 'gateway: a\n---\ngateway: b\n', schema).problems).toMatchObject([{ rule: 'one-document', line: 3 }]);
  });
});
