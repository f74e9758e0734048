import { expect, test } from 'vitest';
import { compileMatch, unsafeMatch } from './match.ts';

test.for<[string, string | undefined, number]>([
  ['^S S\\s+(-?\\d+\\.\\d+) g', 'S S      12.34 g', 65_536],
  ['(-?\\d+(?:\\.\\d+)?)', 'weight 12.5 kg', 4096],
  ['^(?:[^;]*;){2}([^;]*)', 'a;b;c;d', 65_536],
  ['^.*?(\\d+) kg$', 'net 55 kg', 4096],
  ['weight: .*(\\d)', 'weight: 5', 256],
  ['^(on|off)', 'off', 65_536],
  ['^([\\p{L} ]+)', 'Läuft gut', 65_536],
])('%s finds in %s', ([source, input, maxInput]) => {
  expect(unsafeMatch(source)).toBeUndefined();
  const match = compileMatch(source);
  expect(match.maxInput).toBe(maxInput);
  expect(match.expression.exec(input!)?.[1]).toBeTruthy();
});

test.for<[string, RegExp]>([
  ['(', /Unterminated|Invalid/i],
  ['\\d+', /no group/],
  ['(\\d)(\\d)', /2 groups/],
  ['(a)\\1', /reference back/],
  ['(?=a)(b)', /ahead/],
  ['(?<!a)(b)', /behind/],
  ['(?:a+)+(b)', /repeats/],
  ['((?:a|a)*)b', /repeats/],
  ['(.*.*.*.*x)', /too many/],
  [`${'a?'.repeat(30)}(a)`, /too many/],
  [`${'(?:a|a)'.repeat(20)}(b)`, /too many/],
  ['(?:a{1,9}){999}(b)', /999 times/],
])('%s is refused', ([source, reason]) => {
  expect(unsafeMatch(source)?.message).toMatch(reason);
});

/** The worst that each can be given within its bound takes no time that an event loop would feel. */
test.for([
  ['(-?\\d+(?:\\.\\d+)?)x', '1'],
  ['^.*?(\\d+) kg$', '1'],
  ['weight: .*(\\d)', 'weight: '],
  ['^(\\w+)\\w+x', 'a'],
  ['^(a?a?a?a?a?aaaaa)x', 'a'],
])('%s is bounded in time on %s', ([source, unit]) => {
  expect(unsafeMatch(source!)).toBeUndefined();
  const { expression, maxInput } = compileMatch(source!);
  const input = unit!.repeat(Math.floor(maxInput / unit!.length));
  const start = performance.now();
  expression.exec(input);
  expect(performance.now() - start).toBeLessThan(500);
});
