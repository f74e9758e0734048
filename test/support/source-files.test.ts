import { expect, test } from 'vitest';
import { importsOf, packageOf } from './source-files.ts';

const text = `
import type { A } from './a.ts';
import { type B, b } from '../b.ts';
import * as everything from 'zod';
import def, {
  c,
} from 'mqtt/dist/c';
import 'reflect-metadata';
export { d } from './d.ts';
// import { e } from './e.ts';
/** Like \`import('./f.ts')\` but later. */
const g = await import('./g.ts');
const h: import('./h.ts').H = require('node:fs');
const worker = new Worker(new URL('./worker.ts', import.meta.url));
export const from = 'nowhere';
`;

test('every form of import is found, at its line, and comments are not', () => {
  const found = importsOf('gateway/x/file.ts', text).map(({ line, specifier, target, typeOnly }) =>
    [line, specifier, target ?? '-', typeOnly ? 'type' : ''].join(' ').trim(),
  );
  expect(found).toEqual([
    '2 ./a.ts gateway/x/a.ts type',
    '3 ../b.ts gateway/b.ts',
    '4 zod -',
    '5 mqtt/dist/c -',
    '8 reflect-metadata -',
    '9 ./d.ts gateway/x/d.ts',
    '12 ./g.ts gateway/x/g.ts',
    '13 ./h.ts gateway/x/h.ts',
    '13 node:fs -',
    '14 ./worker.ts gateway/x/worker.ts',
  ]);
});

test.for([
  ['mqtt/dist/c', 'mqtt'],
  ['@serialport/stream/x', '@serialport/stream'],
  ['node:fs/promises', 'node:fs/promises'],
  ['zod', 'zod'],
] as const)('%s is of the package %s', ([specifier, name]) => {
  expect(packageOf(specifier)).toBe(name);
});
