import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesMatching, type Import, importsOf, packageOf, read } from './support/source-files.ts';

/** Imports point up this list only: a folder may import those before it, and itself. */
const layers = ['model', 'mappings', 'encodings', 'adapters', 'twin', 'hub-client', 'deployments', 'gateway'];

/** The embedded hub is a program of its own; `gateway` may start it, it never knows the gateway. */
const hubMayImport = ['model', 'twin', 'deployments', 'hub'];

/** Folders whose sub-folders are strangers to each other: one protocol, one kind of hub each. */
const foldersOfStrangers = ['adapters', 'hub-client'];

/** What several protocols need stands beside them, knows none of them, and may be imported by all. */
const sharedByStrangers = ['adapters/payload', 'adapters/registers', 'hub-client/delivery'];

/** Programs around the product; they may import anything and nobody imports them. */
const around = ['test', 'bench', 'docs', 'docker', 'examples'];

/**
 * Which third-party library may appear where; a trailing `*` stands for the rest of a name. Anything else is refused.
 * A new line here needs an entry in docs/decisions/0002-dependencies.md.
 */
const homes: Readonly<Record<string, readonly string[]>> = {
  zod: [...layers, 'hub'],
  yaml: [...layers, 'hub'],
  pino: ['gateway', 'hub'],
  commander: ['gateway', 'hub'],
  'modbus-serial': ['adapters/modbus'],
  serialport: ['adapters/modbus'],
  'node-opcua-*': ['adapters/opcua'],
  mqtt: ['hub-client/azure', 'hub-client/mqtt', 'adapters/mqtt'],
  rhea: ['hub-client/amqp', 'adapters/amqp', 'hub'],
  aedes: ['adapters/mqtt'],
  '@marcbachmann/cel-js': ['mappings/expression'],
  '@bufbuild/protobuf': ['encodings/sparkplug'],
  'fast-xml-parser': ['adapters/payload'],
  'csv-parse': ['adapters/payload'],
  fastify: ['hub'],
  'mqtt-packet': ['hub', 'model'],
  dockerode: ['deployments/engine'],
  '@peculiar/x509': ['deployments/certificates'],
  'reflect-metadata': ['deployments/certificates'],
};

/** Longer than this and a file is usually two things. A table or a state machine may be named here, with its reason. */
const longestFile = 400;
const longFiles: Readonly<Record<string, string>> = {};

const sources = filesMatching('**/*.ts');
const topOf = (file: string): string => file.split('/')[0] ?? '';
/** Tests, and what only tests need, may import anything. */
const isTest = (file: string): boolean => file.endsWith('.test.ts') || file.includes('/testcases/') || file.includes('/testing/');
const isFree = (file: string): boolean => around.includes(topOf(file)) || !file.includes('/') || isTest(file);
const product = sources.filter((file) => !isFree(file));
/** The test of the import reader quotes imports of files that never were. */
const quoting = 'test/support/source-files.test.ts';
const everyImport = sources.filter((file) => file !== quoting).flatMap((file) => importsOf(file));
const productImports = everyImport.filter(({ file }) => !isFree(file));
const at = ({ file, line }: Import): string => `${file}:${line}`;

describe('the direction of imports', () => {
  test('every folder with code has its place', () => {
    const known = [...layers, 'hub', ...around];
    expect(product.filter((file) => !known.includes(topOf(file)))).toEqual([]);
  });

  test('imports point up the list: model, mappings, encodings, adapters, twin, hub-client, deployments, gateway', () => {
    expect(productImports.flatMap((found) => wrongDirection(found))).toEqual([]);
  });

  test.for([
    { file: 'gateway/a.ts', may: true, target: 'model/b.ts' },
    { file: 'model/a.ts', may: false, target: 'mappings/b.ts' },
    { file: 'gateway/a.ts', may: true, target: 'hub/b.ts' },
    { file: 'hub/a.ts', may: false, target: 'gateway/b.ts' },
    { file: 'hub/a.ts', may: true, target: 'twin/b.ts' },
    { file: 'twin/a.ts', may: false, target: 'hub/b.ts' },
    { file: 'adapters/modbus/a.ts', may: false, target: 'adapters/opcua/b.ts' },
    { file: 'adapters/modbus/a.ts', may: true, target: 'adapters/contract.ts' },
    { file: 'adapters/modbus/a.ts', may: true, target: 'adapters/registers/b.ts' },
    { file: 'adapters/payload/a.ts', may: false, target: 'adapters/modbus/b.ts' },
    { file: 'encodings/a.ts', may: false, target: 'adapters/contract.ts' },
    { file: 'gateway/a.ts', may: false, target: 'test/support/b.ts' },
    { file: 'adapters/opcua/a.ts', may: false, target: 'adapters/opcua/testcases/b.ts' },
  ])('$file importing $target: $may', ({ file, may, target }) => {
    expect(wrongDirection({ file, line: 1, specifier: '', target, typeOnly: false })).toHaveLength(may ? 0 : 1);
  });

  test('nothing imports itself, not even over several files', () => {
    const runs = new Map(product.map((file) => [file, importsOf(file).filter((found) => !found.typeOnly)]));
    expect(cycles(runs)).toEqual([]);
  });

  test('a circle is found where there is one', () => {
    const to = (file: string, target: string): Import => ({ file, line: 3, specifier: '', target, typeOnly: false });
    const graph = new Map([
      ['a.ts', [to('a.ts', 'b.ts'), to('a.ts', 'c.ts')]],
      ['b.ts', [to('b.ts', 'c.ts')]],
      ['c.ts', [to('c.ts', 'b.ts')]],
    ]);
    expect(cycles(graph)).toEqual(['b.ts:3 -> c.ts:3 -> b.ts']);
  });

  test('a relative import ends in .ts, so that Node runs it as it is, and names a file that is there', () => {
    const wrong = everyImport.filter(({ target }) => target !== undefined && !isThere(target));
    expect(wrong.map((found) => `${at(found)} imports ${found.specifier}`)).toEqual([]);
  });
});

describe('third-party libraries', () => {
  test('each appears only in the folders that own it', () => {
    const wrong = productImports.flatMap((found) => {
      if (found.target !== undefined) return [];
      const name = packageOf(found.specifier);
      if (name.startsWith('node:')) return [];
      const owners = ownersOf(name);
      if (!owners) return [`${at(found)} imports ${name}, which has no home in test/architecture.test.ts`];
      return owners.some((folder) => found.file.startsWith(`${folder}/`))
        ? []
        : [`${at(found)} imports ${name}; it belongs to ${owners.join(', ')}`];
    });
    expect(wrong).toEqual([]);
  });

  test('each is a dependency that package.json names, at one exact version', () => {
    const { dependencies, devDependencies } = manifest();
    const unnamed = everyImport.flatMap((found) => {
      const name = packageOf(found.specifier);
      const named = name.startsWith('node:') || name in dependencies || (isFree(found.file) && name in devDependencies);
      return found.target !== undefined || named ? [] : [`${at(found)} imports ${name}`];
    });
    expect(unnamed).toEqual([]);
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
    expect(loose).toEqual([]);
  });

  test('the record of dependencies says why each is there', () => {
    const { dependencies, devDependencies } = manifest();
    const record = read('docs/decisions/0002-dependencies.md');
    const missing = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !record.includes(`\`${name}\``));
    expect(missing).toEqual([]);
  });
});

describe('files', () => {
  test('have a subject', () => {
    expect(sources.filter((file) => /(^|-)(utils?|helpers?|misc|common)\.ts$/.test(basename(file)))).toEqual([]);
  });

  test('of every folder of the product go into package and image', () => {
    const folders = [...new Set(product.map(topOf))];
    const built = (JSON.parse(read('tsconfig.build.json')) as { include: string[] }).include;
    const context = read('.dockerignore').split('\n');
    expect(folders.filter((folder) => !built.includes(folder))).toEqual([]);
    expect(folders.filter((folder) => !context.includes(`!${folder}`))).toEqual([]);
  });

  test('are kebab-case', () => {
    expect(sources.filter((file) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config|bench))?\.ts$/.test(basename(file)))).toEqual([]);
  });

  test(`have at most ${longestFile} lines`, () => {
    const lengths = product.map((file) => ({ file, lines: read(file).trimEnd().split('\n').length }));
    expect(lengths.filter(({ file, lines }) => lines > longestFile && !(file in longFiles))).toEqual([]);
  });

  test('name no folder of the machine they were written on', () => {
    const written = filesMatching('**/*.{ts,js,mjs,json,yaml,yml,md,txt,service,sh}')
      .concat(filesMatching('.ci/*'), filesMatching('docker/**/Dockerfile'))
      .flatMap((file) =>
        read(file)
          .split('\n')
          .flatMap((line, index) => (machinePath.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
      );
    expect(written).toEqual([]);
  });
});

/** Home folders and mounts of a developer's machine; written so that this file does not match itself. */
const machinePath = new RegExp(['/wor[k]/', '/hom[e]/(?!node|dragoman)[a-z]+/', '/Use[r]s/', 'C:\\\\Use[r]s', '/roo[t]/'].join('|'));

function wrongDirection(found: Import): readonly string[] {
  const { file, target } = found;
  if (target === undefined) return [];
  const from = topOf(file);
  const to = topOf(target);
  const says = `${at(found)} imports ${target}`;
  if (isTest(target)) return [`${says}; that is for tests`];
  if (from === 'hub') return hubMayImport.includes(to) ? [] : [`${says}; hub may import ${hubMayImport.join(', ')}`];
  if (to === 'hub') return from === 'gateway' ? [] : [`${says}; only gateway may start the hub`];
  if (!layers.includes(to)) return [`${says}; that is not part of the product`];
  if (layers.indexOf(to) > layers.indexOf(from)) return [`${says}; ${from} stands before ${to}`];
  if (from === to && foldersOfStrangers.includes(from)) {
    const [own, other] = [file, target].map((path) => path.split('/').slice(1, -1)[0]);
    const shared = sharedByStrangers.some((folder) => target.startsWith(`${folder}/`));
    if (own !== undefined && other !== undefined && own !== other && !shared)
      return [`${says}; ${own} and ${other} never import each other`];
  }
  return [];
}

function ownersOf(name: string): readonly string[] | undefined {
  const rule = Object.keys(homes).find((key) => (key.endsWith('*') ? name.startsWith(key.slice(0, -1)) : name === key));
  return rule === undefined ? undefined : homes[rule];
}

const known = new Set([...sources, ...filesMatching('bin/*.js'), ...filesMatching('**/*.json')]);

function isThere(target: string): boolean {
  return known.has(target);
}

function manifest(): { dependencies: Record<string, string>; devDependencies: Record<string, string> } {
  return JSON.parse(read('package.json'));
}

/** Each import that closes a circle, as the circle: `a.ts:3 -> b.ts:1 -> a.ts`. */
function cycles(graph: ReadonlyMap<string, readonly Import[]>): readonly string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, way: readonly Import[]): void => {
    const start = way.findIndex((step) => step.file === file);
    if (start >= 0) {
      found.push([...way.slice(start).map(at), file].join(' -> '));
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) if (next.target !== undefined && graph.has(next.target)) visit(next.target, [...way, next]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}
