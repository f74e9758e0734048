import { expect, test } from 'vitest';
import { shown } from './read.ts';

test.for<[value: Parameters<typeof shown>[0], text: string]>([
  ['12.50 g\r\n', '12.50 g\\r\\n'],
  ['\u001b[2J', '\\u001b[2J'],
  ['Öl "heiß"', 'Öl "heiß"'],
  [18_446_744_073_709_551_615n, '18446744073709551615'],
  [['a', 1], '["a",1]'],
])('%j is shown on one line', ([value, text]) => expect(shown(value)).toBe(text));
