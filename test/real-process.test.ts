import { execFile } from 'node:child_process';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { filesMatching, read, root } from './support/source-files.ts';

const run = promisify(execFile);

// vitest compiles what it loads, so it would hide an enum or a parameter property that Node refuses.
describe('TypeScript that Node runs as it is', () => {
  test('every file has only types that can be blanked out', () => {
    const refused = filesMatching('**/*.ts').flatMap((file) => {
      try {
        stripTypeScriptTypes(read(file));
        return [];
      } catch (error) {
        return [`${file}: ${error instanceof Error ? error.message : error}`];
      }
    });
    expect(refused).toEqual([]);
  });

  test('dragoman --version starts from the sources and prints the version of package.json', async () => {
    const { stdout, stderr } = await run(process.execPath, [join(root, 'bin', 'dragoman.js'), '--version']);
    expect(stdout.trim()).toContain(JSON.parse(read('package.json')).version);
    expect(stderr).toBe('');
  });

  test('dragoman without a command says how it is called, and exits with 2', async () => {
    const call = run(process.execPath, [join(root, 'bin', 'dragoman.js'), 'no-such-command']);
    await expect(call).rejects.toMatchObject({ code: 2 });
  });
});

/** Libraries that the description of an adapter or a hub client may load; the protocol libraries come with `load()`. */
const light = ['zod', 'yaml', 'commander'];

const listLoaded = `
import { registerHooks } from 'node:module';
const loaded = new Set();
registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context); } });
await import(process.argv[1]);
console.log(JSON.stringify([...loaded]));
`;

const definitions = [
  ...filesMatching('adapters/*/adapter.ts'),
  ...filesMatching('hub-client/*/definition.ts'),
  ...filesMatching('gateway/{adapters,cli}.ts'),
];

describe('nothing heavy loads before it is needed', () => {
  test.for(definitions)('%s', async (file) => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', listLoaded, join(root, file)]);
    const packages = (JSON.parse(stdout) as string[]).flatMap((url) => url.split('/node_modules/')[1]?.split('/', 1) ?? []);
    expect([...new Set(packages)].filter((name) => !light.includes(name))).toEqual([]);
  });
});
