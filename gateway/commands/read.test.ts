import { expect, test } from 'vitest';
import { shown } from './read.ts';

test.for<[text: string, value: Parameters<typeof shown>[0]]>([
  ['12.50 g\\r\\n', '12.50 g\r\n'],
  ['\\u001b[2J', '\u001b[2J'],
  ['Öl "heiß"', 'Öl "heiß"'],
  ['18446744073709551615', 18_446_744_073_709_551_615n],
  ['["a",1]', ['a', 1]],
])('is shown on one line: %s', ([text, value]) => expect(shown(value)).toBe(text));
