import { expect, test } from 'vitest';
import { generatedFiles } from '../docs/generate.ts';
import { filesMatching, read } from './support/source-files.ts';

test.for([...generatedFiles()])('%s is what the schemas say (else run: node docs/generate.ts)', ([file, text]) => {
  expect(read(file)).toBe(text);
});

test('each rule id that the code mentions has an entry in docs/errors.md', () => {
  const page = read('docs/errors.md');
  const sources = filesMatching('**/*.ts').filter((file) => /^(mappings|adapters)\//.test(file) && !/\.test\.ts$|test-language/.test(file));
  const ids = sources.flatMap((file) => [...read(file).matchAll(/\brule: '([a-z][a-z0-9-]*)'/g)].map((match) => match[1]));
  expect([...new Set(ids)].filter((id) => !page.includes(`### ${id}\n`))).toEqual([]);
});
