import { expect, test } from 'vitest';
import { page } from './testcases/page.ts';

test('docs/encodings.md is what the encodings say and do', async () => {
  await expect(page()).toMatchFileSnapshot('../docs/encodings.md');
});
