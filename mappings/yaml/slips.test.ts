import { describe, expect, test } from 'vitest';
import { parseYaml } from './document.ts';
import { slipIn } from './slips.ts';

describe('slips of the pen are named where they are, once', () => {
  test.for<[line: string, column: number, message: RegExp, hint: RegExp]>([
    ['{ topic: plant/{id}/data, at: /x }', 15, /plant\/\{id\}\/data has brackets/, /"plant\/\{id\}\/data"/],
    ['{ topic: {id}/data, at: /x }', 15, /\{id\}\/data has brackets/, /"\{id\}\/data"/],
    ['{ at: /x, topic: plant/{id}}', 23, /plant\/\{id\} has brackets/, /"plant\/\{id\}"$/],
    ['{ topic: a, at: $.temps[0] }', 22, /temps\[0\] has brackets/, /"\$\.temps\[0\]"/],
    ['{ at: /x, unit: % }', 22, /begins with %/, /"%"/],
    ['{ at: @speed }', 12, /begins with @/, /"@speed"/],
    ['{ topic: *, at: /x }', 15, /begins with \*/, /"\*"/],
    ['{ topic: #, at: /x }', 15, /comment/, /"#"/],
    ['{ at: property: shift }', 12, /two keys/, /property:shift/],
    ['{ topic: a at: /x }', 17, /comma is missing before at:/, /quotes/],
    ['{ payload: text, match: "(\\d+)" }', 32, /escape/, /single quotes/],
  ])('%s', ([line, column, message, hint]) => {
    const { problems } = parseYaml('m.yaml', `points:\n  p: ${line}\n  q: { at: /y }\n`);
    expect(problems).toEqual([
      expect.objectContaining({
        line: 2,
        column,
        rule: 'yaml-syntax',
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      }),
    ]);
  });

  test('each on its own line', () => {
    const { problems } = parseYaml('m.yaml', 'points:\n  a: { topic: a/{b} }\n  c: { unit: % }\n');
    expect(problems.map(({ line, column }) => [line, column])).toEqual([
      [2, 15],
      [3, 14],
    ]);
  });

  test.for([
    'a: { range: [1], b: {c} }',
    'a: { topic: "plant/{id}" }',
    "a: { at: 'temps[0]' }",
    'a: { bits: [3]}',
    'a: { at: holding 1 # note',
    '- [1, 2]',
  ])('no slip is seen in %s', (line) => expect(slipIn(line)).toBeUndefined());
});
