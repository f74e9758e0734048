import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { topicLevel, topicProblems, topicTemplate } from './topic.ts';

test('a level decodes to the same text, and holds nothing that a broker reads as its own', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const level = topicLevel(text);
      expect(decodeURIComponent(level)).toBe(text);
      expect(level).toMatch(/^[^\p{Cc}\p{Zs}/+#$]*$/u);
    }),
  );
});

test.for([
  ['motor_1', 'motor_1'],
  ['a/b', 'a%2Fb'],
  ['+#$', '%2B%23%24'],
  ['100 %', '100%20%25'],
  ['öl', 'öl'],
  ['a\u0000b\ufffe', 'a%00b%EF%BF%BE'],
  ['\ud800', '\ufffd'],
] as const)('%j is %j', ([value, level]) => {
  expect(topicLevel(value)).toBe(level);
});

const gateway = { gateway: 'gw-1', source: '/candyco/leeds/gw-1' };
const about = { equipment: 'press-1', path: 'candyco/leeds/hall 2', message: 'process', priority: 'alarm' } as const;

describe('templates', () => {
  test.for([
    { text: '{path}/{equipment}/{message}', about, grain: 'event', topic: 'candyco/leeds/hall%202/press-1/process' },
    { text: '{path}/{equipment}/{message}', about: { ...about, path: '' }, grain: 'event', topic: 'press-1/process' },
    { text: '{path}/{equipment}/{message}', about: undefined, grain: 'event', topic: 'gw-1/telemetry' },
    {
      text: 'uns/{path}/{equipment}/{point}',
      about: { ...about, point: 'a/b' },
      grain: 'reading',
      topic: 'uns/candyco/leeds/hall%202/press-1/a%2Fb',
    },
    { text: 'uns/{equipment}/{point}', about, grain: 'reading', topic: 'uns/press-1' },
    { text: 'uns/{path}/x', about: { ...about, path: '' }, grain: 'event', topic: 'uns/x' },
    { text: '{source}/data', about, grain: 'batch', topic: 'candyco/leeds/gw-1/data' },
    { text: 'raw/{gateway}', about, grain: 'batch', topic: 'raw/gw-1' },
    { text: '{priority}/{gateway}', about, grain: 'event', topic: 'alarm/gw-1' },
    { text: 'p-{point}/v', about, grain: 'reading', topic: 'p-/v' },
    { text: '{path}', about: { ...about, path: '' }, grain: 'event', topic: '' },
    { text: '{path}/{point}', about: { ...about, path: '' }, grain: 'reading', topic: '' },
  ])('$text: $topic', ({ text, about: subject, grain, topic }) => {
    expect(topicProblems(text)).toEqual([]);
    const template = topicTemplate(text);
    expect(template.grain).toBe(grain);
    expect(template.fill(gateway, subject)).toBe(topic);
  });

  test.for([
    { text: '{machine}/x', says: /\{machine\} is not a placeholder; these are: \{gateway\}/ },
    { text: '{path', says: /brace/ },
    { text: 'a/#', says: /wildcards/ },
    { text: '/a', says: /slash in front/ },
    { text: '$SYS/a', says: /belong to the broker/ },
    { text: 'a b', says: /blank/ },
    { text: '', says: /empty/ },
  ])('$text is refused', ({ text, says }) => {
    expect(topicProblems(text).join()).toMatch(says);
  });

  test('the status is of the gateway', () => {
    expect(topicProblems('{equipment}/status', ['gateway', 'source']).join()).toMatch(/\{equipment\} is not a placeholder/);
  });
});
