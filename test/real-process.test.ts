import { execFile } from 'node:child_process';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { filesMatching, packageOf, read, root } from './support/source-files.ts';

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
const light = ['zod', 'yaml', 'commander', '@marcbachmann/cel-js'];

/** Runs before the program; says on the last line of stderr what was loaded. */
const hook = `
import { registerHooks } from 'node:module';
const loaded = new Set();
registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context); } });
process.on('exit', () => process.stderr.write('\\n' + JSON.stringify([...loaded])));
`;

/** Names of the packages that a program loaded, but for the light ones. */
async function heavyPackages(...program: readonly string[]): Promise<readonly string[]> {
  const { stderr } = await run(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, ...program]);
  const loaded = JSON.parse(stderr.split('\n').at(-1) ?? '') as string[];
  expect(loaded).not.toEqual([]);
  const packages = loaded.flatMap((url) => (url.includes('/node_modules/') ? [packageOf(url.split('/node_modules/').at(-1) ?? '')] : []));
  return [...new Set(packages)].filter((name) => !light.includes(name));
}

describe('nothing heavy loads before it is needed', () => {
  const definitions = [
    ...filesMatching('adapters/*/adapter.ts'),
    ...filesMatching('hub-client/*/definition.ts'),
    ...filesMatching('gateway/{adapters,cli}.ts'),
  ];
  test.for(definitions)('%s', async (file) => {
    expect(await heavyPackages(join(root, file))).toEqual([]);
  });

  test('dragoman check', async () => {
    expect(await heavyPackages(join(root, 'gateway', 'main.ts'), 'check', join(root, 'examples', 'candy-factory', 'mappings'))).toEqual([]);
  });

  test('the net is not torn: the connections are seen to load theirs', async () => {
    expect(await heavyPackages(join(root, 'adapters', 'opcua', 'connection.ts'))).toContain('node-opcua-client');
  });
});
