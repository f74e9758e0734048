import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadMappings } from '../../mappings/load.ts';
import { formatProblems } from '../../mappings/report.ts';
import { http } from './adapter.ts';

/**
 * One folder a case: `mapping.yaml` and `problems.txt`, exactly what `dragoman check` prints. A new case needs no code.
 * DRAGOMAN_UPDATE=1 writes problems.txt anew; read the difference before you commit it.
 */
const cases = join(import.meta.dirname, 'testcases');
const names = readdirSync(cases, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

test.for(names)('%s', async (name) => {
  const folder = join(cases, name);
  const { problems } = await loadMappings([folder], [http]);
  const report = `${formatProblems(problems, folder)}\n`.replace(/^\n$/, '').replaceAll(`${folder}/`, '');
  const file = join(folder, 'problems.txt');
  if (process.env.DRAGOMAN_UPDATE) writeFileSync(file, report);
  expect(report).toBe(readFileSync(file, 'utf8'));
});
