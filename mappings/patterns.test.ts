import fc from 'fast-check';
import { expect, test } from 'vitest';
import { equipmentIdOf, placeholdersOf, pointNameOf } from './patterns.ts';

test('finds placeholders, each once', () => {
  expect(placeholdersOf('press-{line}-{id}/{line}')).toEqual(['line', 'id']);
  expect(placeholdersOf('plain')).toEqual([]);
});

test.for([
  ['{metric}', { metric: 'Pressure/Inlet 1' }, 'Pressure_Inlet_1'],
  ['temp_{n}', { n: '7' }, 'temp_7'],
  ['{n}', { n: '7' }, 'p_7'],
  ['{a}', {}, 'p__a_'],
])('%s of %o is %s', ([pattern, captures, name]) => {
  expect(pointNameOf(pattern as string, captures as Record<string, string>)).toBe(name);
});

test('whatever a machine calls itself, the name is a good one, and long ones stay apart', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
      expect(pointNameOf('{x}', { x: text })).toMatch(/^[A-Za-z][A-Za-z0-9_]{0,63}$/);
      expect(equipmentIdOf('{x}', { x: text })).toMatch(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/);
    }),
  );
  const long = 'x'.repeat(100);
  expect(pointNameOf('{x}', { x: `${long}a` })).not.toBe(pointNameOf('{x}', { x: `${long}b` }));
});
