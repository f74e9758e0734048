import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testLanguage } from '../test/support/test-language.ts';
import { loadMappings } from './load.ts';
import { formatProblems } from './report.ts';
import { rules } from './rules.ts';

/**
 * One folder a rule: `mapping.yaml` (or several files) and `problems.txt`, exactly what `dragoman check` prints.
 * A new case needs no code. DRAGOMAN_UPDATE=1 writes problems.txt anew; read the difference before you commit it.
 */
const cases = join(import.meta.dirname, 'testcases');
const names = readdirSync(cases);
const used = new Set<string>();

describe('what is found', () => {
  test.for(names)('%s', async (name) => {
    const folder = join(cases, name);
    const { problems, equipment } = await loadMappings([folder], [testLanguage]);
    const report = `${formatProblems(problems, folder)}\n`.replace(/^\n$/, '').replaceAll(`${folder}/`, '');
    const file = join(folder, 'problems.txt');
    if (process.env.DRAGOMAN_UPDATE) writeFileSync(file, report);
    expect(existsSync(file), 'problems.txt is missing').toBe(true);
    expect(report).toBe(readFileSync(file, 'utf8'));
    for (const problem of problems) {
      used.add(problem.rule);
      const text = readFileSync(problem.file, 'utf8').split('\n');
      expect(problem.line, relative(folder, problem.file)).toBeLessThanOrEqual(text.length);
      expect(problem.column).toBeLessThanOrEqual((text[problem.line - 1]?.length ?? 0) + 1);
    }
    const refused = new Set(problems.filter(({ severity }) => severity === 'error').map((problem) => problem.file));
    expect(equipment.filter((one) => refused.has(one.file))).toEqual([]);
  });

  // Their cases are bytes, sizes and folders rather than text: see load.test.ts. The last two are the test language's own.
  const elsewhere = ['file-too-large', 'not-text', 'unreadable', 'no-files', 'one-document', 'too-many-problems'];

  test('each rule has a case, each case a rule of the catalogue', () => {
    expect(Object.keys(rules).filter((rule) => !used.has(rule) && !elsewhere.includes(rule))).toEqual([]);
    expect([...used].filter((rule) => !Object.hasOwn(rules, rule) && !['bad-address', 'overlap'].includes(rule))).toEqual([]);
  });
});
