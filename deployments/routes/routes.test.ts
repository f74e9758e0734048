import { describe, expect, test } from 'vitest';
import type { RoutedMessage, RouteSpec } from '../contract.ts';
import { compileRoutes, noPriority } from './table.ts';

const spec = (route: string, more: Partial<RouteSpec> = {}): RouteSpec => ({
  name: 'r',
  route,
  priority: undefined,
  timeToLiveSecs: undefined,
  ...more,
});
const table = (...specs: (string | RouteSpec)[]) => {
  const found = compileRoutes(
    specs.map((one, n) => (typeof one === 'string' ? spec(one, { name: `r${n}` }) : one)),
    { timeToLiveSecs: 7200 },
  );
  expect(found.problems).toEqual([]);
  return found.table!;
};
const message = (more: Partial<RoutedMessage> & { json?: unknown } = {}): RoutedMessage => ({
  source: '/messages/modules/filter/outputs/out',
  body: more.json === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(more.json)),
  properties: {},
  system: more.json === undefined ? {} : { contentType: 'application/json' },
  ...more,
});

/** What a condition is for a message: true, false, or undefined, which routes nothing. */
const value = (condition: string, of: RoutedMessage): unknown => table(`FROM /* WHERE ${condition} INTO $upstream`).explain(of)[0]!.result;

const problem = (route: string): string => {
  const [found] = compileRoutes([spec(route)], { timeToLiveSecs: 7200 }).problems;
  return found === undefined ? 'none' : `${found.message.replace(/ \(….*/, '')}${found.hint === undefined ? '' : `; ${found.hint}`}`;
};

describe('sources', () => {
  const paths = [
    '/messages',
    '/messages/modules/filter',
    '/messages/modules/filter/outputs/out',
    '/messages/modules/filter/outputs/other',
    '/messages/modules/filter2/outputs/out',
    '/twinChangeNotifications',
  ];
  test.for([
    { from: '/*', matches: [0, 1, 2, 3, 4, 5] },
    { from: '/messages/*', matches: [0, 1, 2, 3, 4] },
    { from: '/messages/modules/*', matches: [1, 2, 3, 4] },
    { from: '/messages/modules/filter/*', matches: [1, 2, 3] },
    { from: '/Messages/Modules/FILTER/outputs/*', matches: [2, 3] },
    { from: '/messages/modules/filter/outputs/out', matches: [2] },
    { from: '/twinChangeNotifications', matches: [5] },
  ])('$from', ({ from, matches }) => {
    const routes = table(`from ${from} into $UPSTREAM`);
    expect(paths.flatMap((source, n) => (routes.match(message({ source })).length > 0 ? [n] : []))).toEqual(matches);
    expect(paths.flatMap((source, n) => (routes.wants(source) ? [n] : []))).toEqual(matches);
  });
});

describe('where a message goes', () => {
  test('an endpoint gets it once, at the best priority; others beside it', () => {
    const routes = table(
      spec('FROM /messages/* INTO BrokeredEndpoint("/modules/a/inputs/i")', { name: 'last' }),
      spec("FROM /messages/* WHERE x = '1' INTO brokeredendpoint('/modules/a/inputs/i')", { name: 'best', priority: 0, timeToLiveSecs: 5 }),
      spec('FROM /messages/* INTO BrokeredEndpoint("/modules/a/inputs/i")', { name: 'nine', priority: 9, timeToLiveSecs: 0 }),
      spec('SELECT * FROM /messages/modules/filter/* INTO $upstream', { name: 'up' }),
    );
    const endpoint = { kind: 'input', module: 'a', input: 'i' };
    const up = { endpoint: { kind: 'upstream' }, priority: noPriority, timeToLiveSecs: 7200, route: 'up' };
    expect(routes.match(message())).toEqual([{ endpoint, priority: 9, timeToLiveSecs: 7200, route: 'nine' }, up]);
    expect(routes.match(message({ properties: { X: '1' } }))).toEqual([{ endpoint, priority: 0, timeToLiveSecs: 5, route: 'best' }, up]);
    expect(routes.match(message({ source: '/twinChangeNotifications' }))).toEqual([]);
  });
});

describe('conditions', () => {
  const of = message({
    json: { temp: 21.5, name: 'Cooker', ok: true, none: null, list: [1, { a: 'x' }], inner: { 'a-b': 2 } },
    properties: { level: '7', Flag: 'true', $contentType: 'mine', text: "it's" },
    system: { contentType: 'application/JSON', connectionModuleId: 'filter', contentEncoding: 'UTF-8' },
  });
  test.for<[string, unknown]>([
    ["level = '7'", true],
    ["LEVEL = '7'", true],
    ['as_number(level) > 5', true],
    ["missing = '7'", undefined],
    ["missing != '7'", undefined],
    ["NOT missing = '7'", 'error'],
    ["NOT (missing = '7')", undefined],
    ["$contentType = 'mine'", true],
    ["{$contentType} = 'application/JSON'", true],
    ["$connectionModuleId = 'filter'", true],
    ['$body.temp > 21 AND $body.temp < 22', true],
    ["$body.temp = '21.5'", undefined],
    ["$body.name = 'Cooker'", true],
    ["$body.name = 'cooker'", false],
    ["lower($body.name) = 'cooker'", true],
    ['$body.ok', true],
    ['NOT $body.ok', false],
    ['$body.none = null', true],
    ['$body.gone = null', true],
    ['is_null($body.gone)', true],
    ['is_defined($body.inner)', false],
    ['$body.list[0] = 1', true],
    ["$body.list[1].a = 'x'", true],
    ['$body.inner.a-b = 2', true],
    ['2 + 3 * 4 = 14', true],
    ['(2 + 3) * 4 = 20', true],
    ['-2 * -3 = 6', true],
    ['7 % 4 = 3', true],
    ['0x1F = 31 AND 1.5e1 = 15 AND .5 = 0.5', true],
    ['0 / 0 = 0', undefined],
    ["'a' || 'b' = 'ab'", true],
    ["'a' < 'b' AND 'B' < 'a'", true],
    ['true OR missing = null', true],
    ['false AND missing = null', false],
    ["true AND missing = 'x'", undefined],
    ["missing ?? 'default' = 'default'", true],
    ["(missing ?? 'default') = 'default'", true],
    ["text = 'it\\'s' AND text = \"it's\" AND 'a\\u0041' = 'aA'", true],
    ["concat(level, '-', Flag) = '7-true'", true],
    ["substring('abcdef', 2) = 'cdef' AND substring('abcdef', 1, 2) = 'bc'", true],
    ["substring('abc', 7) = ''", undefined],
    ["index_of('abc', 'c') = 2 AND length('abc') = 3", true],
    ["starts_with(level, '7') AND ends_with('abc', 'bc') AND contains('abc', 'b')", true],
    ['abs(-2) = 2 AND power(2, 3) = 8 AND square(3) = 9 AND ceiling(1.2) = 2 AND floor(1.8) = 1 AND sign(-3) = -1 AND sqrt(9) = 3', true],
    ['is_number($body.temp) AND is_string(level) AND is_bool($body.ok) AND NOT is_number(level)', true],
    ["as_number('12a') > 1", undefined],
    ['1 <> 2 AND 1 != 2', true],
    ['undefined = 1', undefined],
  ])('%s', ([condition, wanted]) => {
    if (wanted === 'error') expect(problem(`FROM /* WHERE ${condition} INTO $upstream`)).not.toBe('none');
    else expect(value(condition, of)).toBe(wanted);
  });

  test.for<{ what: string; system: Record<string, string> }>([
    { what: 'another content type', system: { contentType: 'text/plain' } },
    { what: 'a charset behind it', system: { contentType: 'application/json; charset=utf-8' } },
    { what: 'no content type', system: {} },
    { what: 'an unknown encoding', system: { contentType: 'application/json', contentEncoding: 'gzip' } },
  ])('a body with $what is undefined', ({ system }) => {
    expect(value('$body.a = null', message({ json: { a: null }, system }))).toBe(undefined);
  });

  test.for(['[1]', '7', '{', '"x"'])('a body that is no object is undefined: %s', (text) => {
    expect(value('$body.a = null', message({ body: Buffer.from(text), system: { contentType: 'application/json' } }))).toBe(undefined);
  });

  test('bodies in UTF-16 and UTF-32', () => {
    const utf32 = Buffer.from(new Uint32Array([...'{"a":"é"}'].map((c) => c.codePointAt(0)!)).buffer);
    const system = (contentEncoding: string) => ({ contentType: 'application/json', contentEncoding });
    expect(value("$body.a = 'é'", message({ body: Buffer.from('{"a":"é"}', 'utf16le'), system: system('utf-16') }))).toBe(true);
    expect(value("$body.a = 'é'", message({ body: utf32, system: system('utf-32') }))).toBe(true);
  });

  test('changes of twins', () => {
    const change = message({ source: '/twinChangeNotifications', json: { properties: { reported: { temp: 1 } } } });
    expect(value("twin_change_includes('properties.reported.temp')", change)).toBe(true);
    expect(value("twin_change_includes('properties.desired')", change)).toBe(false);
  });

  test('the body is read once for all routes, and not at all when none asks', () => {
    let reads = 0;
    const counting = (): RoutedMessage => ({
      ...message({ json: { a: 1 } }),
      get body() {
        reads++;
        return Buffer.from('{"a":1}');
      },
    });
    table("FROM /* WHERE x = '1' INTO $upstream").match(counting());
    expect(reads).toBe(0);
    table('FROM /* WHERE $body.a = 1 INTO $upstream', 'FROM /* WHERE $body.a > 0 INTO BrokeredEndpoint("/modules/m/inputs/i")').match(
      counting(),
    );
    expect(reads).toBe(1);
  });
});

describe('what is refused says where and what to write', () => {
  test.for([
    ['', 'column 1: a route begins with FROM; FROM /messages/modules/filter/outputs/* INTO $upstream'],
    ['FROM /messages/*', 'column 17: INTO is missing; a route ends with INTO $upstream or INTO BrokeredEndpoint("/modules/m/inputs/i")'],
    [
      'FROM messages/* INTO $upstream',
      'column 6: messages/* is no source of messages; /messages/*, /messages/modules/NAME/*, /messages/modules/NAME/outputs/OUTPUT, /twinChangeNotifications or /*',
    ],
    [
      'FROM /* INTO $downstream',
      'column 14: "$downstream" is no place where messages can go; INTO $upstream, or INTO BrokeredEndpoint("/modules/NAME/inputs/INPUT")',
    ],
    [
      'FROM /* INTO BrokeredEndpoint("/modules/a/inputs")',
      'column 14: "/modules/a/inputs" is no input of a module; it has four parts: /modules/NAME/inputs/INPUT',
    ],
    ['FROM /* x = 1 INTO $upstream', 'column 9: "x = 1" cannot stand between source and INTO; a condition begins with WHERE'],
    ['FROM /* WHERE temp > 5 INTO $upstream', 'column 15: a text is compared with a number; properties are texts: as_number(temp)'],
    ['FROM /* WHERE alarm INTO $upstream', 'column 15: a condition is true or false, this is a text; compare it with something'],
    [
      'FROM /* WHERE alarm AND $body.a INTO $upstream',
      "column 15: AND takes true or false, this is a text; properties are texts: alarm = 'true'",
    ],
    ["FROM /* WHERE NOT a = 'b' INTO $upstream", "column 19: NOT takes true or false, this is a text; properties are texts: a = 'true'"],
    ['FROM /* WHERE lenght(a) = 1 INTO $upstream', 'column 15: there is no function lenght; did you mean length?'],
    ["FROM /* WHERE a == 'b' INTO $upstream", 'column 18: "=" cannot stand here; a value is expected'],
    [
      "FROM /* WHERE a = 'b INTO $upstream",
      'column 36: INTO is missing; a route ends with INTO $upstream or INTO BrokeredEndpoint("/modules/m/inputs/i")',
    ],
    ["FROM /* WHERE a = 'b' && c = 'd' INTO $upstream", 'column 23: "&" has no meaning here; write AND'],
    [
      'FROM /* WHERE $body.id = 9007199254740993 INTO $upstream',
      'column 26: 9007199254740993 is beyond 2^53 and cannot be compared exactly; send such numbers as texts and compare texts',
    ],
    ['FROM /* WHERE (1 = 1 INTO $upstream', 'column 22: ) is expected, the condition ends; for what begins in column 15'],
    ['FROM /* WHERE power(2) = 1 INTO $upstream', 'column 15: power takes 2 values, 1 stand here'],
  ] as const)('%s', ([route, wanted]) => {
    expect(problem(route)).toBe(`route r, ${wanted}`);
  });

  test('each of several, at its place in the manifest', () => {
    const { table: none, problems } = compileRoutes(
      [spec('x', { name: 'a' }), spec('FROM /* INTO $upstream', { name: 'b' }), spec('y', { name: 'c' })],
      { timeToLiveSecs: 1 },
    );
    expect(none).toBeUndefined();
    expect(problems.map(({ path }) => path)).toEqual(
      ['a', 'c'].map((name) => `modulesContent.$edgeHub['properties.desired'].routes.${name}`),
    );
  });

  test.for([
    `${'('.repeat(5_000)}1`,
    `${'NOT '.repeat(900)}true`,
    `1${' + 1'.repeat(900)} = 1`,
    `${'-'.repeat(3_000)}1 = 1`,
    "'".repeat(4_001),
  ])('what is too deep or too long ends with a word, not with the stack: %#', (condition) => {
    expect(problem(`FROM /* WHERE ${condition} INTO $upstream`)).not.toBe('none');
  });
});

test('whatever is written, the answer is a table or problems', () => {
  let seed = 3;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const words = [
    'FROM',
    '/*',
    '/messages/',
    'WHERE',
    'INTO',
    '$upstream',
    'a',
    "'x'",
    '"',
    '(',
    ')',
    '=',
    '<',
    '??',
    'NOT',
    'AND',
    '$body.a',
    '$body[',
    '{$',
    '1',
    '.5',
    '\\',
    'BrokeredEndpoint(',
    '-',
    ',',
    'is_null(',
  ];
  for (let round = 0; round < 5_000; round++) {
    const text = Array.from({ length: random(14) }, () => words[random(words.length)]).join(random(2) === 0 ? ' ' : '');
    const found = compileRoutes([spec(round % 2 === 0 ? text : `FROM /* WHERE ${text} INTO $upstream`)], { timeToLiveSecs: 1 });
    expect(found.table === undefined).toBe(found.problems.length > 0);
    found.table?.match(message({ json: { a: random(3) } }));
  }
});
