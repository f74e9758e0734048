import { expect, test } from 'vitest';
import type { Value } from '../../model/value.ts';
import { deadbandOf } from './deadband.ts';

test.for<[string, number, Value, Value, boolean]>([
  ['smaller', 0.2, 20, 20.1, false],
  ['as wide, though doubles fall short of it', 0.2, 20.1, 20.3, true],
  ['as wide, downwards', 0.1, 0.3, 0.2, true],
  ['wider', 0.2, 20, 21, true],
  ['zero lets every change through', 0, 1, 1.0000001, true],
  ['zero, and nothing changed', 0, 1, 1, false],
  ['int64', 2, 2n ** 60n, 2n ** 60n + 1n, false],
  ['int64, as wide', 2, 2n ** 60n, 2n ** 60n + 2n, true],
  ['int64 and a fraction', 0.5, 1n, 2n, true],
  ['decimals that a double cannot tell apart', 0.01, '90071992547409.93', '90071992547409.94', true],
  ['decimals, smaller', 0.02, '90071992547409.93', '90071992547409.94', false],
  ['a number beside its decimal', 0.01, 5, '5.001', false],
  ['another type', 5, 1, true, true],
  ['text', 5, 'a', 'b', true],
  ['one element of a list', 1, [1, 2], [1, 3], true],
  ['no element of a list', 1, [1, 2], [1.5, 2.5], false],
  ['a longer list', 1, [1], [1, 1], true],
  ['a list and a number', 1, [1], 1, true],
])('%s', ([, width, reported, value, exceeded]) => {
  expect(deadbandOf(width).exceeded(reported, value)).toBe(exceeded);
});
