import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { covers, filterProblem, outermost, parseFilter } from './topic.ts';
import { TopicTree } from './topic-tree.ts';

describe('filters', () => {
  test.for([
    ['plant/{line}/{metric}', 'plant/+/+', ['line', 'metric']],
    ['plant/#', 'plant/#', []],
    ['#', '#', []],
    ['/leading/+', '/leading/+', []],
    ['$share/gateways/plant/{line}', '$share/gateways/plant/+', ['line']],
    ['$SYS/broker/uptime', '$SYS/broker/uptime', []],
    ['a//b', 'a//b', []],
  ] as const)('%s is asked for as %s', ([text, subscription, captures]) => {
    expect(parseFilter(text)).toMatchObject({ text, subscription, captures });
  });

  test.for([
    ['', /empty/],
    ['plant/#/temp', /not the last level/],
    ['plant/line-+', /mixes a wildcard/],
    ['plant/line-{id}', /not a placeholder/],
    ['plant/{1}', /not a placeholder/],
    ['plant/{id}/{id}', /twice/],
    ['$share/g', /names no topic/],
    ['$share//a', /share group/],
    ['a\0b', /NUL/],
    ['x'.repeat(65_536), /65535 bytes/],
  ] as const)('%s is refused', ([text, why]) => {
    expect(filterProblem(text)?.message).toMatch(why);
  });
});

describe('covers', () => {
  test.for([
    ['plant/#', 'plant/l1/temp', true],
    ['plant/#', 'plant', true],
    ['plant/+', 'plant/l1', true],
    ['plant/+', 'plant/#', false],
    ['plant/+/temp', 'plant/l1/+', false],
    ['#', '$SYS/uptime', false],
    ['+/uptime', '$SYS/uptime', false],
    ['plant/l1', 'plant/l1', true],
    ['$share/g/plant/#', 'plant/l1', false],
  ] as const)('%s covers %s: %s', ([wide, narrow, covered]) => {
    expect(covers(wide, narrow)).toBe(covered);
  });

  test('only the outermost are asked for', () => {
    expect(outermost(['plant/l1/temp', 'plant/+/temp', 'store/#', 'plant/l1/temp', 'store/a', 'plant/l1/+'])).toEqual([
      'plant/+/temp',
      'store/#',
      'plant/l1/+',
    ]);
  });
});

const level = fc.constantFrom('a', 'b', 'c', '');
const topicText = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
const filterText = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '', '+', '{x}', '{y}'), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, rest]) => (rest ? [...levels, '#'] : levels).join('/'))
  .filter((text) => text !== '' && filterProblem(text) === undefined);

/** The definition, level by level, without any cleverness. */
function matches(filter: string, topic: string): boolean {
  const [f, t] = [parseFilter(filter).levels, topic.split('/')];
  for (const [i, each] of f.entries()) {
    if (each.kind === 'rest') return true;
    if (t[i] === undefined || (each.kind === 'text' && each.text !== t[i])) return false;
  }
  return f.length === t.length;
}

describe('the tree', () => {
  test('finds what a comparison level by level finds, whatever the filters', () => {
    fc.assert(
      fc.property(fc.uniqueArray(filterText, { maxLength: 12 }), topicText, (filters, topic) => {
        const tree = new TopicTree<string>();
        for (const filter of filters) tree.add(parseFilter(filter), filter);
        const found = tree.match(topic).map(({ entry }) => entry);
        expect(found.toSorted()).toEqual(filters.filter((filter) => matches(filter, topic)).toSorted());
      }),
    );
  });

  test('what covers another matches all that it matches', () => {
    fc.assert(
      fc.property(filterText, filterText, topicText, (wide, narrow, topic) => {
        if (covers(parseFilter(wide).subscription, parseFilter(narrow).subscription) && matches(narrow, topic))
          expect(matches(wide, topic)).toBe(true);
      }),
    );
  });

  test('gives what the placeholders matched', () => {
    const tree = new TopicTree<number>();
    tree.add(parseFilter('plant/{line}/+/{metric}'), 1);
    expect(tree.match('plant/l1/x/temp')).toEqual([{ entry: 1, captures: { line: 'l1', metric: 'temp' } }]);
    expect(tree.match('plant/l1/x/temp/raw')).toEqual([]);
  });

  test('wildcards at the start leave $SYS alone', () => {
    const tree = new TopicTree<string>();
    for (const filter of ['#', '+/uptime', '$SYS/#', '$SYS/+']) tree.add(parseFilter(filter), filter);
    expect(
      tree
        .match('$SYS/uptime')
        .map(({ entry }) => entry)
        .toSorted(),
    ).toEqual(['$SYS/#', '$SYS/+']);
  });
});
