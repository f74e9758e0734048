import { expect, test } from 'vitest';
import { anyGlob, glob } from './glob.ts';

test.for([
  ['motor_*', 'motor_current', true],
  ['motor_*', 'motor_', true],
  ['motor_*', 'rotor_current', false],
  ['*', 'a/b', false],
  ['candyco/**', 'candyco/leeds/kitchen', true],
  ['candyco/**', 'candyco', true],
  ['candyco/**', 'candycorn/leeds', false],
  ['**/line-1', 'line-1', true],
  ['**/line-1', 'candyco/leeds/line-1', true],
  ['**/line-1', 'candyco/leeds/online-1', false],
  ['candyco/**/line-1', 'candyco/line-1', true],
  ['candyco/*/kitchen', 'candyco/leeds/kitchen', true],
  ['candyco/*/kitchen', 'candyco/leeds/x/kitchen', false],
  ['t?mp', 'temp', true],
  ['t?mp', 't/mp', false],
  ['a.b+c', 'a.b+c', true],
  ['a.*', 'aXb', false],
  ['**', 'anything/at/all', true],
] as const)('%s covers %s: %s', ([pattern, text, covered]) => {
  expect(glob(pattern)(text)).toBe(covered);
});

test('any of several', () => {
  const covers = anyGlob(['a*', 'b']);
  expect(['abc', 'b', 'c'].map(covers)).toEqual([true, true, false]);
});
