import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { unifiedDiff } from './unified-diff.ts';

const lines = (...all: string[]): string => all.map((line) => `${line}\n`).join('');

test('shows what changed with three lines around it', () => {
  const before = lines('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
  const after = before.replace('e\n', 'E\n').replace('i\n', 'i\nj\n');
  expect(unifiedDiff('cooker.yaml', before, after)).toBe(
    lines('--- a/cooker.yaml', '+++ b/cooker.yaml', '@@ -2,8 +2,9 @@', ' b', ' c', ' d', '-e', '+E', ' f', ' g', ' h', ' i', '+j'),
  );
});

test('equal texts have none; a file that came or went is against /dev/null', () => {
  expect(unifiedDiff('a', 'x\n', 'x\n')).toBe('');
  expect(unifiedDiff('a', undefined, 'x\n')).toBe(lines('--- /dev/null', '+++ b/a', '@@ -0,0 +1 @@', '+x'));
  expect(unifiedDiff('a', 'x', undefined)).toContain('\\ No newline at end of file');
});

const hasPatch = spawnSync('patch', ['--version']).status === 0;

test.skipIf(!hasPatch)(
  'patch(1) makes the new text of the old one',
  () => {
    using folder = tempFolder();
    const file = join(folder.path, 'f');
    const text = fc.array(fc.constantFrom('a', 'b', 'c', '', 'd'), { maxLength: 30 }).map((all) => lines(...all));
    fc.assert(
      fc.property(text, text, (before, after) => {
        fc.pre(before !== after);
        writeFileSync(file, before);
        execFileSync('patch', ['-s', '-f', file], { input: unifiedDiff('f', before, after) });
        const left = spawnSync('cat', [file], { encoding: 'utf8' }).stdout;
        return left === after || (after === '' && !readable(file));
      }),
      { numRuns: 60 },
    );
  },
  20_000,
);

function readable(file: string): boolean {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}

test('two large texts with nothing in common take no time worth naming', () => {
  const many = (word: string): string => lines(...Array.from({ length: 5_000 }, (_, i) => `${word} ${i}`));
  const begun = performance.now();
  expect(unifiedDiff('f', many('a'), many('b')).split('\n').length).toBe(10_000 + 4);
  expect(performance.now() - begun).toBeLessThan(2_000);
});
