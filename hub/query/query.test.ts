import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answer, isAggregated } from './answer.ts';
import { compileCondition } from './condition.ts';
import { arithmetic, comparisons, type Expression, type Literal, type Row, textTests } from './language.ts';
import { readPage } from './page.ts';
import { parseCondition, parseQuery } from './parser.ts';
import { longestQuery } from './tokens.ts';

const twin = (deviceId: string, tags: object, reported: object = {}, more: object = {}): Row => ({
  deviceId,
  status: 'enabled',
  connectionState: 'Connected',
  tags,
  properties: { desired: { rate: 5 }, reported },
  capabilities: { iotEdge: false },
  ...more,
});

const fleet = [
  twin('gw-1', { site: 'leeds', line: 1 }, { fw: '1.0', temp: 20 }),
  twin('gw-2', { site: 'leeds', line: 2 }, { fw: '1.1', temp: 30 }, { configurations: { 'press-line': { status: 'Applied' } } }),
  twin('gw-3', { site: 'york', line: 1 }, { fw: '1.1' }, { connectionState: 'Disconnected', capabilities: { iotEdge: true } }),
  twin('gw-4', {}, { temp: '30', list: [1] }, { status: 'disabled' }),
];

const idsOf = (where: string): string =>
  [...answer(parseQuery(`SELECT * FROM devices WHERE ${where}`), fleet)].map((row) => String(row.deviceId).slice(3)).join('');

describe('conditions', () => {
  test.for([
    ["tags.site = 'leeds'", '12'],
    ["TAGS.site <> 'leeds'", '3'],
    ["tags.site != 'leeds'", '3'],
    ["NOT tags.site = 'leeds'", '34'],
    ["tags.Site = 'leeds'", ''],
    ["tags.site = 'leeds' AND tags.line = 2 OR status = 'disabled'", '24'],
    ["tags.site = 'leeds' and (tags.line = 2 or Status = 'disabled')", '2'],
    ['properties.reported.temp > 20', '2'],
    ['properties.Reported.temp >= 10 + 2 * 5', '12'],
    ['properties.reported.temp = (10 + 5) * 2', '2'],
    ['properties.reported.temp - 5 = 10 + -properties.desired.rate * -1', '1'],
    ['properties.reported.temp % 20 = 0', '1'],
    ['properties.reported.temp / 0 = 1', ''],
    ["properties.reported.temp = '30'", '4'],
    ["tags.site IN ['leeds', 'hull']", '12'],
    ["tags.site NIN ['leeds', 'hull']", '3'],
    ["tags.site NOT IN ['leeds', 'hull']", '3'],
    ['tags.line IN [1, 7]', '13'],
    ['IS_DEFINED(tags.site)', '123'],
    ['NOT is_defined(tags.site)', '4'],
    ['capabilities.iotEdge', '3'],
    ['capabilities.iotEdge = true', '3'],
    ["configurations.[[press-line]].status = 'Applied'", '2'],
    ["STARTS_WITH(deviceId, 'gw-1')", '1'],
    ["ENDS_WITH(tags.site, 's') OR contains(tags.site, 'or')", '123'],
    ["deviceId > 'gw-2'", '34'],
    ['properties.reported.list = 1', ''],
    ['tags != 1', ''],
    ["deviceid = 'it''s'", ''],
    ['tags.toString = 1 OR IS_DEFINED(tags.constructor)', ''],
  ])('%s: %s', ([where, ids]) => {
    expect(idsOf(where as string)).toBe(ids);
  });

  test('null is a value of its own', () => {
    const row = { tags: { list: null } };
    expect(compileCondition(parseCondition('tags.list = null'))(row)).toBe(true);
    expect(compileCondition(parseCondition('tags.other = null'))(row)).toBe(false);
  });

  test('target conditions ask of some roots only', () => {
    const allowed = ['deviceId', 'tags', 'properties.reported'];
    expect(parseCondition("tags.site = 'a' AND properties.reported.x = 1", allowed).kind).toBe('and');
    expect(() => parseCondition('properties.desired.x = 1', allowed)).toThrow(/properties.desired.x cannot be asked of here/);
  });
});

describe('answers', () => {
  const rows = (text: string): readonly Row[] => [...answer(parseQuery(text), fleet)];

  test('columns, with and without a name', () => {
    expect(rows('SELECT deviceId, tags.site AS place, properties.reported.fw FROM devices')).toEqual([
      { deviceId: 'gw-1', place: 'leeds', fw: '1.0' },
      { deviceId: 'gw-2', place: 'leeds', fw: '1.1' },
      { deviceId: 'gw-3', place: 'york', fw: '1.1' },
      { deviceId: 'gw-4' },
    ]);
  });

  test('COUNT over all, and over none', () => {
    expect(rows('SELECT COUNT() AS devices FROM devices')).toEqual([{ devices: 4 }]);
    expect(rows("select count(*) as n from devices where tags.site = 'rome'")).toEqual([{ n: 0 }]);
  });

  test('GROUP BY; what is not there is a group', () => {
    expect(rows('SELECT tags.site AS site, COUNT() AS n, AVG(properties.reported.temp) AS mean FROM devices GROUP BY tags.site')).toEqual([
      { site: 'leeds', n: 2, mean: 25 },
      { site: 'york', n: 1 },
      { n: 1 },
    ]);
  });

  test('TOP', () => {
    expect(rows('SELECT TOP 2 deviceId FROM devices')).toEqual([{ deviceId: 'gw-1' }, { deviceId: 'gw-2' }]);
  });

  test.for([
    ['SELECT TOP 3 * FROM devices', 2],
    ['SELECT deviceId FROM devices', 2],
    ["SELECT deviceId FROM devices WHERE tags.site = 'leeds'", 1],
    ["SELECT deviceId FROM devices WHERE tags.site = 'york'", 1],
    ['SELECT tags.line, COUNT() AS n FROM devices GROUP BY tags.line', 1],
    ['SELECT * FROM devices', 4],
    ['SELECT * FROM devices', 100],
  ] as const)('pages of %s, %i at a time, are the whole answer', ([text, size]) => {
    const query = parseQuery(text);
    const keyOf = (row: Row): string => row.deviceId as string;
    const source = {
      after: (key: string | undefined) => fleet.filter((row) => key === undefined || keyOf(row) > key),
      keyOf,
      grouped: isAggregated(query),
    };
    const found: Row[] = [];
    let continuation: string | undefined;
    do {
      const page = readPage(query, source, { text, size, continuation });
      expect(page.rows.length).toBeLessThanOrEqual(size);
      if (page.continuation !== undefined) expect(page.rows).toHaveLength(size);
      found.push(...page.rows);
      continuation = page.continuation;
    } while (continuation !== undefined);
    expect(found).toEqual(rows(text));
  });

  test('a token of another query, or none at all, is refused', () => {
    const query = parseQuery('SELECT * FROM devices');
    const source = { after: () => fleet, keyOf: (row: Row) => row.deviceId as string, grouped: false };
    const { continuation } = readPage(query, source, { text: 'a', size: 1 });
    expect(() => readPage(query, source, { text: 'b', size: 1, continuation })).toThrow(/another query/);
    expect(() => readPage(query, source, { text: 'a', size: 1, continuation: 'bm9uZQ==' })).toThrow(/not made by this hub/);
  });
});

test.for([
  ['', /the query ends where SELECT should be \(character 1\)/],
  ['SELECT', /the query ends where a property such as tags.site should be \(character 7\)/],
  ['SELECT * FROM devices WHERE', /ends where a property/],
  ['SELECT * FROM device', /no collection device; ask of devices, devices.modules, devices.jobs \(character 15\)/],
  ['SELECT * FROM devices WHERE tags.site = "leeds"', /single quotes: 'leeds' \(character 41\)/],
  ["SELECT * FROM devices WHERE tags.site = 'leeds", /no closing quote.*\(character 41\)/],
  ["SELECT * FROM devices WHERE tag.site = 'leeds'", /no property tag; .*\(character 29\)/],
  ['SELECT * FROM devices WHERE tags.site == 1', /"=" stands where a property/],
  ['SELECT * FROM devices ORDER BY deviceId', /"ORDER" stands where WHERE, GROUP BY or the end/],
  ['SELECT * FROM devices WHERE tags.a = 1 2', /"2" stands where WHERE, GROUP BY/],
  ['SELECT TOP 0 * FROM devices', /"0" stands where a whole number/],
  ['SELECT tags.a, COUNT() AS n FROM devices', /tags.a stands beside an aggregate.*GROUP BY/],
  ['SELECT * FROM devices GROUP BY tags.a', /GROUP BY needs columns instead of \*/],
  ['SELECT tags.a, properties.desired.a FROM devices', /two columns are called a/],
  ['SELECT * FROM devices WHERE LOWER(tags.a) = 1', /no function LOWER; known are IS_DEFINED/],
  ["SELECT * FROM devices WHERE tags.a IN 'x'", /"x" stands where \[ should be/],
  ['SELECT * FROM devices WHERE tags.a-b', /no property b/],
  ['SELECT * FROM devices; DROP', /";" has no meaning here \(character 22\)/],
  [`SELECT * FROM devices WHERE ${'('.repeat(500)}1`, /deeper than 100 levels/],
  [`SELECT * FROM devices WHERE ${'NOT '.repeat(500)}1`, /deeper than 100 levels/],
  [`SELECT * FROM devices WHERE tags.a = '${'x'.repeat(9_000)}'`, /at most 8192 characters/],
] as const)('%s is refused', ([text, says]) => {
  expect(() => parseQuery(text)).toThrow(says);
});

/** The rules once more, word for word, over the tree as it stands. */
function naive(expression: Expression, row: Row): unknown {
  const read = (path: readonly string[]): unknown => {
    let value: unknown = row;
    for (const name of path) {
      const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
      value = isMap ? Object.entries(value as Row).find(([key]) => key === name)?.[1] : undefined;
    }
    return value;
  };
  const holds = (inner: Expression): boolean => naive(inner, row) === true;
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'path':
      return read(expression.path);
    case 'defined':
      return read(expression.path) !== undefined;
    case 'not':
      return !holds(expression.operand);
    case 'and':
      return holds(expression.left) && holds(expression.right);
    case 'or':
      return holds(expression.left) || holds(expression.right);
    case 'negative': {
      const value = naive(expression.operand, row);
      return typeof value === 'number' ? 0 - value || -value : undefined;
    }
    case 'arithmetic': {
      const [a, b] = [naive(expression.left, row), naive(expression.right, row)];
      if (typeof a !== 'number' || typeof b !== 'number') return undefined;
      const results = { '+': a + b, '-': a - b, '*': a * b, '/': a / b, '%': a % b };
      const result = results[expression.operator];
      return Number.isNaN(result) || Math.abs(result) === Number.POSITIVE_INFINITY ? undefined : result;
    }
    case 'in': {
      const value = naive(expression.operand, row);
      const compared = expression.values.map((other) => equality(value, other));
      return expression.negated ? compared.some((same) => same !== undefined) && !compared.includes(true) : compared.includes(true);
    }
    case 'compare': {
      const [a, b] = [naive(expression.left, row), naive(expression.right, row)];
      const same = equality(a, b);
      if (same === undefined) return false;
      if (expression.operator === '=') return same;
      if (expression.operator === '!=') return !same;
      if ((typeof a !== 'number' && typeof a !== 'string') || (typeof b !== 'number' && typeof b !== 'string')) return false;
      return { '<': a < b, '<=': a <= b, '>': a > b, '>=': a >= b }[expression.operator];
    }
    case 'text': {
      const [a, b] = [naive(expression.operand, row), naive(expression.part, row)];
      if (typeof a !== 'string' || typeof b !== 'string') return false;
      const found = a.indexOf(b) >= 0;
      return { CONTAINS: found, STARTS_WITH: a.slice(0, b.length) === b, ENDS_WITH: found && a.lastIndexOf(b) === a.length - b.length }[
        expression.test
      ];
    }
  }
}

/** Undefined when the two cannot be compared. */
function equality(a: unknown, b: unknown): boolean | undefined {
  if (a === null && b === null) return true;
  if (a === undefined || a === null || b === null || typeof a === 'object' || typeof a !== typeof b) return undefined;
  return a === b;
}

/** Written out with every parenthesis. */
function written(expression: Expression): string {
  const path = (names: readonly string[]): string => names.map((name, index) => (index === 0 ? name : `[[${name}]]`)).join('.');
  switch (expression.kind) {
    case 'literal':
      return typeof expression.value === 'string' ? `'${expression.value.replaceAll("'", "''")}'` : String(expression.value);
    case 'path':
      return path(expression.path);
    case 'defined':
      return `IS_DEFINED(${path(expression.path)})`;
    case 'not':
      return `NOT (${written(expression.operand)})`;
    case 'negative':
      return `-(${written(expression.operand)})`;
    case 'in':
      return `(${written(expression.operand)}) ${expression.negated ? 'NIN' : 'IN'} [${expression.values.map((value) => written({ kind: 'literal', value })).join(', ')}]`;
    case 'text':
      return `${expression.test}((${written(expression.operand)}), (${written(expression.part)}))`;
    default: {
      const operator = 'operator' in expression ? expression.operator : expression.kind.toUpperCase();
      return `(${written(expression.left)}) ${operator} (${written(expression.right)})`;
    }
  }
}

const number = fc
  .oneof(fc.integer({ min: -20, max: 20 }), fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }))
  .map((value) => value + 0);
const text = fc.oneof(fc.constantFrom('', 'a', "it's", 'leeds'), fc.string({ maxLength: 4 }));
const literal: fc.Arbitrary<Literal> = fc.oneof(number, text, fc.boolean(), fc.constant(null));
const path = fc.constantFrom(
  ['tags', 'a'],
  ['tags', 'b'],
  ['tags', 'a', 'b'],
  ['properties', 'reported', 'x'],
  ['deviceId'],
  ['tags', 'odd name'],
);
const { expression } = fc.letrec<{ expression: Expression }>((tie) => {
  const inner = tie('expression');
  return {
    expression: fc.oneof(
      { maxDepth: 5, depthSize: 'medium' },
      literal.map((value): Expression => ({ kind: 'literal', value })),
      path.map((names): Expression => ({ kind: 'path', path: names })),
      path.map((names): Expression => ({ kind: 'defined', path: names })),
      fc.record({ kind: fc.constantFrom('and', 'or'), left: inner, right: inner }) as fc.Arbitrary<Expression>,
      fc.record({ kind: fc.constant('not'), operand: inner }) as fc.Arbitrary<Expression>,
      fc.record({
        kind: fc.constant('compare'),
        operator: fc.constantFrom(...comparisons),
        left: inner,
        right: inner,
      }) as fc.Arbitrary<Expression>,
      fc.record({
        kind: fc.constant('arithmetic'),
        operator: fc.constantFrom(...arithmetic),
        left: inner,
        right: inner,
      }) as fc.Arbitrary<Expression>,
      fc.record({
        kind: fc.constant('in'),
        negated: fc.boolean(),
        operand: inner,
        values: fc.array(literal, { minLength: 1, maxLength: 3 }),
      }) as fc.Arbitrary<Expression>,
      fc.record({
        kind: fc.constant('text'),
        test: fc.constantFrom(...textTests),
        operand: inner,
        part: inner,
      }) as fc.Arbitrary<Expression>,
    ),
  };
});
const value = fc.oneof(literal, fc.constant([1]), fc.record({ b: literal }));
const row = fc.record(
  {
    deviceId: text,
    tags: fc.dictionary(fc.constantFrom('a', 'b', 'odd name', '__proto__'), value),
    properties: fc.record({ reported: fc.dictionary(fc.constant('x'), value) }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Row>;

test('a condition that is written, read and compiled holds where the rules say so', () => {
  fc.assert(
    fc.property(expression, fc.array(row, { minLength: 1, maxLength: 5 }), (tree, documents) => {
      fc.pre(written(tree).length < longestQuery);
      const compiled = compileCondition(parseCondition(written(tree)));
      for (const document of documents) expect(compiled(document)).toBe(naive(tree, document) === true);
    }),
    { numRuns: 400 },
  );
});

test('any text is read or refused with a place, and never more than that', () => {
  const piece = fc.constantFrom(
    'SELECT',
    '*',
    'FROM',
    'devices',
    'WHERE',
    'tags.a',
    '=',
    "'x'",
    '(',
    ')',
    'AND',
    'NOT',
    'IN',
    '[',
    ']',
    ',',
    '-',
    '1',
    '[[a]]',
    '.',
    'COUNT',
    'AS',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join(' ')),
      ),
      (query) => {
        try {
          parseQuery(query);
        } catch (error) {
          expect(error).toMatchObject({ name: 'QueryError', position: expect.any(Number) });
        }
      },
    ),
  );
});
