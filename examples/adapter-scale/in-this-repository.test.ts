import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startChild } from '../../test/support/child.ts';

// The tests of a package of its own are its author's business; here they keep the example and docs/adapters.md honest.
await import(new URL('scale.test.js', import.meta.url).href);

test('Node runs it as it is, with the parts of the gateway that loads it', async () => {
  await using child = startChild(process.execPath, [join(import.meta.dirname, 'in-this-repository.js')]);
  expect(await child.exited, child.output()).toBe(0);
  expect(child.output().trim().split('\n')).toEqual([
    '{"problems":[],"passed":[true,true,true]}',
    'true no connection to the scale at 127.0.0.1:1: ECONNREFUSED',
  ]);
});
