import { expect, test } from 'vitest';
import { startChild } from '../../test/support/child.ts';
import { root } from '../../test/support/source-files.ts';

// The tests of a package of its own are its author's business; here they keep the example and docs/adapters.md honest.
await import(new URL('scale.test.js', import.meta.url).href);

test('Node runs it as it is, with the parts of the gateway that loads it', async () => {
  const script = `
    const { offerKit } = await import('./adapters/offer-kit.ts');
    offerKit();
    const { adapter } = await import('./examples/adapter-scale/index.js');
    const { compileMapping } = await import('./mappings/load.ts');
    const { NotConnectedError } = await import('./model/error.ts');
    const { readFileSync } = await import('node:fs');
    const text = readFileSync('examples/adapter-scale/mapping.yaml', 'utf8');
    const { problems, samples } = compileMapping('mapping.yaml', text, [adapter]);
    console.log(JSON.stringify({ problems, passed: samples.map(({ passed }) => passed) }));
    const { connect } = await adapter.load();
    const settings = adapter.connection.parse({ host: '127.0.0.1', port: 1 });
    await connect(settings, {}, new AbortController().signal).catch((error) => console.log(error instanceof NotConnectedError, error.message));
  `;
  await using child = startChild(process.execPath, ['--input-type=module', '-e', script], { cwd: root });
  expect(await child.exited, child.output()).toBe(0);
  expect(child.output().trim().split('\n')).toEqual([
    '{"problems":[],"passed":[true,true,true]}',
    'true no connection to the scale at 127.0.0.1:1: ECONNREFUSED',
  ]);
});
