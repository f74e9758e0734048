import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Value } from '../../model/value.ts';
import { compileExpression } from './expression.ts';
import type { ExpressionPoint } from './kinds.ts';

const points = new Map<string, ExpressionPoint>([
  ['jacket_temperature', { kind: 'number' }],
  ['total', { kind: 'number' }],
  ['good', { kind: 'number' }],
  ['loop', { kind: 'truth' }],
  ['door', { kind: 'truth' }],
  ['state', { kind: 'text', words: ['stopped', 'running', 'fault'] }],
  ['recipe', { kind: 'text' }],
  ['alarms', { kind: 'texts', words: ['overheat', 'jam'] }],
  ['speed', { kind: 'unknown' }],
]);
const now: Record<string, Value | undefined> = {
  jacket_temperature: 131.5,
  total: 0,
  good: 7,
  loop: true,
  door: false,
  state: 'running',
  recipe: 'TOFFEE "dark"',
  alarms: ['jam'],
  speed: 12.5,
};

function result(text: string, values: Record<string, Value | undefined> = now): unknown {
  const compiled = compileExpression(text, points);
  if ('problems' in compiled) throw new Error(compiled.problems.map(({ message }) => message).join('; '));
  return compiled.expression.evaluate(compiled.expression.uses.map((name) => values[name]));
}

function problemsOf(text: string): string[] {
  const compiled = compileExpression(text, points);
  if (!('problems' in compiled)) return [];
  return compiled.problems.map(({ rule, message, hint }) => `${rule}: ${message}${hint ? `; ${hint}` : ''}`);
}

describe('what comes out', () => {
  test.for<[string, unknown]>([
    ['jacket_temperature > 130 and state == "running"', true],
    ["state == 'running' && jacket_temperature<=131.5", true],
    ['state != "fault" or total > 1', true],
    ['not state == "fault"', true],
    ['not door and not not loop', true],
    ['not (door or loop)', false],
    ['not door == loop', true],
    ['(not loop) or door', false],
    ['state in ["stopped", "fault"]', false],
    ['state in ["running"]', true],
    ['jacket_temperature in [1, 131.5]', true],
    ['"jam" in alarms and not ("overheat" in alarms)', true],
    ['1 + 2 * 3 - 4 / 8', 6.5],
    ['7 % 4 + -7 % 4', 0],
    ['2 * 2.5', 5],
    ['-(good)', -7],
    ['good / max(total, 1)', 7],
    ['min(good, 3, 5) + abs(-2)', 5],
    ['round(2.5) + round(-2.5) + round(1.005, 2)', 1.01],
    ['loop ? good : total', 7],
    ['recipe == "TOFFEE \\"dark\\""', true],
    ['0x10 == 16', true],
    ['1e3 == 1000', true],
    ['speed > 12', true],
    // What is decided is not asked further.
    ['total > 0 and good / total > 0.9', false],
    ['total == 0 or good / total > 0.9', true],
    // What is not known is not false and not 0.
    ['good / total > 0.9', undefined],
    ['good % total', undefined],
    ['not (good / total > 0.9)', undefined],
    ['1e308 * 10 > 0', undefined],
    ['speed == "fast"', undefined],
    ['speed and loop', undefined],
    ['round(good, 99)', undefined],
  ])('%s is %s', ([text, expected]) => {
    expect(result(text)).toBe(expected);
  });

  test('a point without a trusted value makes the whole unknown, even where another would decide', () => {
    expect(result('loop or door', { loop: true })).toBeUndefined();
    expect(result('door and loop', { door: false })).toBeUndefined();
  });

  test.for<[string, Value, unknown]>([
    ['a whole number beyond 2^53', 2n ** 53n + 1n, undefined],
    ['a 64-bit number that a double carries', 200n, true],
    ['NaN', Number.NaN, undefined],
    ['a text where a number belongs', 'x', undefined],
    ['a decimal that a double carries', '131.25', true],
    ['a decimal that it does not', '90071992547409.93', undefined],
    ['a list', [200], undefined],
    ['true', true, undefined],
  ])('%s', ([, value, expected]) => {
    expect(result('jacket_temperature > 130', { jacket_temperature: value })).toBe(expected);
  });
});

test.for<[string, string[]]>([
  [
    'jacket_temprature > 130',
    ['unknown-point: jacket_temprature is not a point of this machine; a text stands in quotes; did you mean jacket_temperature?'],
  ],
  ['state == running', ['unknown-point: running is a word of state, and a text stands in quotes; write "running"']],
  [
    'jacket_temperature == "hot"',
    ['expression-type: jacket_temperature == "hot" compares a number with a text; write the number without quotes'],
  ],
  ['door and jacket_temperature > recipe', ['expression-type: jacket_temperature > recipe: > compares numbers, and recipe is a text']],
  ['state == "runing"', ['expression-word: state is never "runing"; did you mean running?']],
  ['state in ["stopped", "faulty"]', ['expression-word: state is never "faulty"; did you mean fault?']],
  ['"hot" in alarms', ['expression-word: alarms is never "hot"; known: overheat, jam']],
  [
    'alarms == "jam"',
    ['expression-type: alarms == "jam": alarms is a set of words, which may hold several at once; write "overheat" in alarms'],
  ],
  ['jacket_temperature', []],
  ['good and door', ['expression-type: and takes true or false, and good is a number; write what it must be: good > 0']],
  ['not good', ['expression-type: not takes true or false, and good is a number; write what it must be: good > 0']],
  ['door + 1', ['expression-type: + takes numbers, and door is true or false']],
  ['1 < good < 5', ['expression-type: 1 < good < 5: < compares numbers, and 1 < good is true or false']],
  ['mx(good, 1) > 2', ['expression-syntax: mx(…) is not a function; did you mean max?']],
  ['max(good) > 2', ['expression-type: max(good): max takes 2 to 16 numbers, not 1']],
  ['good = 7', ['expression-syntax: one = sets nothing here, at: = 7; write == to compare']],
  ['good >', ['expression-syntax: it is incomplete, something is missing at its end; write it to the end, or close the bracket']],
  ['(good > 1', [expect.stringMatching(/^expression-syntax: it is incomplete/)]],
  ['state == "running', [expect.stringMatching(/^expression-syntax: a text is not closed/)]],
  ['good <> 1', [expect.stringMatching(/write != for "is not"$/)]],
  ['recipe.size() > 1', [expect.stringMatching(/^expression-syntax: a point has no parts and no methods/)]],
  ['[1,2].all(x, x > 0)', [expect.stringMatching(/^expression-syntax: a point has no parts/)]],
  ['alarms[0] == "jam"', [expect.stringMatching(/^expression-syntax: elements of a list cannot be picked/)]],
  ['good == null', [expect.stringMatching(/^unknown-point: null is not a point/)]],
  ['good == 99999999999999999999', [expect.stringMatching(/more digits than a number carries exactly/)]],
  ['loop ? 1 : "a"', [expect.stringMatching(/is a number in one case and a text in the other$/)]],
  ['constructor("x")', ['expression-syntax: constructor(…) is not a function; known: min, max, abs, round']],
  ['__proto__ == 1', [expect.stringMatching(/^unknown-point/)]],
  [`${'('.repeat(30)}good${')'.repeat(30)} > 1`, [expect.stringMatching(/^expression-size: it is too long or nested too deeply/)]],
  [`good > 1${' and good > 1'.repeat(60)}`, [expect.stringMatching(/^expression-size/)]],
  [`good > 1${' '.repeat(1000)}`, [expect.stringMatching(/^expression-size/)]],
])('%s', ([text, expected]) => {
  expect(problemsOf(text)).toEqual(expected);
});

test('the place of a problem is the part at fault, in the text as written', () => {
  const text = 'not door and jacket_temprature > 1 and not recipe > 2';
  const compiled = compileExpression(text, points);
  expect('problems' in compiled && compiled.problems.map(({ from, to }) => text.slice(from, to))).toEqual([
    'jacket_temprature',
    'recipe > 2',
  ]);
});

test('never throws, whatever is written and whatever comes', () => {
  const words = [
    'good',
    'state',
    'and',
    'or',
    'not',
    'in',
    '(',
    ')',
    '[',
    ']',
    '"running"',
    '1',
    '2.5',
    '==',
    '<',
    '+',
    '/',
    '-',
    '?',
    ':',
    ',',
    'max',
    '=',
    '"',
    'ä',
    '.',
  ];
  const value = fc.oneof(fc.double(), fc.boolean(), fc.string(), fc.bigInt(), fc.array(fc.string()), fc.constant(undefined));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(fc.constantFrom(...words), { maxLength: 14 }).map((list) => list.join(' ')),
        fc.string(),
      ),
      fc.array(value, { minLength: 9, maxLength: 9 }),
      (text, values) => {
        const compiled = compileExpression(text, points);
        if (!('expression' in compiled)) return;
        const out = compiled.expression.evaluate(values as Value[]);
        expect(typeof out === 'number' ? Number.isFinite(out) : ['boolean', 'string', 'undefined'].includes(typeof out)).toBe(true);
      },
    ),
    { numRuns: 3_000 },
  );
});
