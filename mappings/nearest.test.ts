import { expect, test } from 'vitest';
import { suggestion } from './nearest.ts';

test.for<[word: string, known: readonly string[], said: string | undefined]>([
  ['c', ['a', 'b'], 'known: a, b'],
  ['temprature', ['temperature', 'pressure'], 'did you mean temperature?'],
  ['DINT', ['int16', 'int32'], 'did you mean int32?'],
  ['body', ['payload', 'topic'], 'did you mean payload?'],
  ['body', ['type'], 'known: type'],
  ['constructor', [], undefined],
])('%s among %j: %s', ([word, known, said]) => expect(suggestion(word, known)).toBe(said));
