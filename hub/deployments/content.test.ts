import { describe, expect, test } from 'vitest';
import { assign, type Candidate } from './assign.ts';
import { checkContent } from './check-content.ts';
import { composeModules, kindOf } from './content.ts';
import { compileTarget } from './target.ts';
import { image, layer, manifest } from './testcases/fleet.ts';

describe('which configurations a device has', () => {
  const one = (id: string, kind: Candidate['kind'], priority: number, createdMs = 0): Candidate => ({ id, kind, priority, createdMs });
  test.for<[string, readonly Candidate[], readonly string[], readonly string[]]>([
    ['the largest priority wins', [one('a', 'edge', 1), one('b', 'edge', 2)], ['b'], ['a']],
    ['of equal ones the newest', [one('a', 'edge', 1, 5), one('b', 'edge', 1, 4)], ['a'], ['b']],
    ['layers lie above it, the weakest first', [one('z', 'layer', 9), one('s', 'edge', 1), one('y', 'layer', 3)], ['s', 'y', 'z'], []],
    ['a layer of no higher priority does not count', [one('s', 'edge', 3), one('l', 'layer', 3), one('m', 'layer', 4)], ['s', 'm'], ['l']],
    ['layers alone are nothing', [one('l', 'layer', 3)], [], ['l']],
    [
      'layers of equal priority by age',
      [one('s', 'edge', 0), one('new', 'layer', 2, 9), one('old', 'layer', 2, 1)],
      ['s', 'old', 'new'],
      [],
    ],
    ['nothing', [], [], []],
  ])('%s', ([, matching, applied, targeted]) => {
    const { standard, layers, statuses } = assign(matching);
    expect([...(standard ? [standard] : []), ...layers].map(({ id }) => id)).toEqual(applied);
    expect(statuses).toEqual({
      ...Object.fromEntries(applied.map((id) => [id, 'Applied'])),
      ...Object.fromEntries(targeted.map((id) => [id, 'Targeted'])),
    });
  });

  test('who is not admitted yet leaves the place to the next best', () => {
    const matching = [one('old', 'edge', 1), one('new', 'edge', 2)];
    const { standard, statuses } = assign(matching, ({ id }) => id !== 'new');
    expect([standard?.id, statuses]).toEqual(['old', { old: 'Applied', new: 'Targeted' }]);
  });
});

describe('what modules are to have', () => {
  test('a whole manifest: every module that it names, without nulls', () => {
    const composed = composeModules(
      manifest('1', { modules: { gone: null }, twins: { filter: { 'properties.desired': { limit: 7, old: null } } } }),
      [],
    );
    expect([...composed.keys()]).toEqual(['$edgeAgent', '$edgeHub', 'filter']);
    expect(composed.get('filter')).toEqual({ limit: 7 });
    expect(Object.keys((composed.get('$edgeAgent') as { modules: object }).modules)).toEqual(['filter']);
  });

  test('layers add and overwrite one entry each, and sections of twins', () => {
    const twins = { filter: { 'properties.desired': { limit: 7, unit: 'Cel' } } };
    const composed = composeModules(manifest('1', { twins }), [
      layer(
        { 'properties.desired.modules.shim': image('shim:1'), 'properties.desired.modules.filter.env': { LEVEL: { value: 'debug' } } },
        {
          $edgeHub: { 'properties.desired.routes.toShim': 'FROM /messages/* INTO BrokeredEndpoint("/modules/shim/inputs/in")' },
          filter: { 'properties.desired.extra': { a: 1 } },
        },
      ),
      layer({ 'properties.desired.modules.shim': image('shim:2') }, { shim: { 'properties.desired': { fast: true } } }),
    ]);
    expect(composed.get('$edgeAgent')).toMatchObject({
      schemaVersion: '1.1',
      modules: {
        filter: { settings: { image: 'candyco/filter:1' }, env: { LEVEL: { value: 'debug' } } },
        shim: { settings: { image: 'shim:2' } },
      },
    });
    expect(Object.keys((composed.get('$edgeHub') as { routes: object }).routes)).toEqual(['up', 'toShim']);
    expect(composed.get('filter')).toEqual({ limit: 7, unit: 'Cel', extra: { a: 1 } });
    expect(composed.get('shim')).toEqual({ fast: true });
  });

  test('properties.desired of a layer takes the place of what is below, and its own sections stay', () => {
    const twins = { filter: { 'properties.desired': { limit: 7 } } };
    const over = layer({}, { filter: { 'properties.desired.extra': { a: 1 }, 'properties.desired': { limit: 9 } } });
    expect(composeModules(manifest('1', { twins }), [over]).get('filter')).toEqual({ limit: 9, extra: { a: 1 } });
  });

  test('null takes an entry out', () => {
    const composed = composeModules(manifest('1'), [layer({ 'properties.desired.modules.filter': null })]);
    expect((composed.get('$edgeAgent') as { modules: object }).modules).toEqual({});
  });
});

describe('what a content is, and what is wrong with it', () => {
  test.for([
    ['a whole manifest', manifest('1'), 'edge'],
    ['one of 2018', { moduleContent: manifest('1').modulesContent }, 'edge'],
    ['an empty layer', layer({}), 'layer'],
    ['a layer', layer({ 'properties.desired.modules.shim': image('shim:1') }), 'layer'],
    ['part of a device twin', { deviceContent: { 'properties.desired.rate': 5 } }, 'device'],
    ['part of a module twin', { moduleContent: { 'properties.desired.rate': 5 } }, 'module'],
  ] as const)('%s', ([, content, kind]) => {
    expect(kindOf(content)).toBe(kind);
    expect(checkContent(content)).toEqual([]);
  });

  test.for<[string, unknown, readonly string[]]>([
    ['nothing', undefined, ['content: an object is expected']],
    ['no kind', {}, ['content: one of modulesContent, deviceContent and moduleContent is expected, there is none']],
    ['two kinds', { ...layer({}), deviceContent: {} }, ['there are modulesContent and deviceContent']],
    [
      'all of a manifest at once',
      manifest('1', { modules: { shim: { type: 'docker' }, other: image('A B') } }),
      ["modulesContent.$edgeAgent['properties.desired'].modules.shim.settings", 'modules.other.settings.image: image: "A B"'],
    ],
    [
      'a layer, where it has it',
      layer({ 'properties.desired.modules.shim': { type: 'docker' }, 'properties.desired.modules.filter.settings.image': 'A B' }),
      [
        "['properties.desired.modules.filter.settings.image']: image",
        "modulesContent.$edgeAgent['properties.desired.modules.shim'].settings",
      ],
    ],
    [
      'a route of a layer',
      layer({}, { $edgeHub: { 'properties.desired.routes.up': 'FROM nowhere' } }),
      ["$edgeHub['properties.desired.routes.up']"],
    ],
    ['system modules of a layer', layer({ 'properties.desired.systemModules.edgeHub': image('x:1') }), ['a layer has no system modules']],
    ['a layer without $edgeAgent', { modulesContent: { filter: { 'properties.desired.a': 1 } } }, ['$edgeAgent is missing']],
    ['a key that is no place', { deviceContent: { desired: 1 } }, ['deviceContent.desired: it is no place in desired properties']],
    ['an empty part', { deviceContent: {} }, ['deviceContent: it is empty']],
    ['a twin that is too large', manifest('1', { modules: bigModules() }), ["$edgeAgent['properties.desired']: desired would have"]],
  ])('%s is refused', ([, content, says]) => {
    const problems = checkContent(content);
    expect(problems).toHaveLength(says.length);
    for (const [index, text] of says.entries()) expect(problems[index]?.replaceAll(';', ',')).toContain(text);
  });

  test('an image may begin with a variable of the gateway', () => {
    expect(checkContent(manifest('1', { modules: { other: image('$upstream/other:1') } }))).toEqual([]);
  });
});

function bigModules(): object {
  return Object.fromEntries(
    Array.from({ length: 20 }, (_, n) => [`m${n}`, { ...image('m:1'), env: { TEXT: { value: 'x'.repeat(2_000) } } }]),
  );
}

describe('target conditions', () => {
  const row = { deviceId: 'gw-1', moduleId: 'filter', tags: { site: 'leeds' }, properties: { reported: { os: 'linux' } } };
  test.for([
    ['*', true, false],
    ['', false, false],
    ["tags.site = 'leeds'", true, false],
    ["tags.site = 'york'", false, false],
    ["deviceId IN ['gw-1', 'gw-2'] AND properties.reported.os = 'linux'", true, true],
    ['NOT IS_DEFINED(properties.reported.os)', false, true],
  ] as const)('%j', ([text, matches, asksReported]) => {
    const target = compileTarget(text, 'edge');
    expect([target.matches(row), target.asksReported]).toEqual([matches, asksReported]);
  });

  test('of modules', () => {
    const target = compileTarget("FROM devices.modules WHERE moduleId = 'filter'", 'module');
    expect([target.of, target.matches(row), target.where]).toEqual(['modules', true, "moduleId = 'filter'"]);
  });

  test.for([
    ["status = 'enabled'", 'edge', /status cannot be asked of here, only deviceId, tags, properties.reported/],
    ['tags.site = "leeds"', 'edge', /single quotes.*character 13/],
    ["FROM devices.modules WHERE moduleId = 'a'", 'edge', /leave it out/],
    ["moduleId = 'a'", 'module', /FROM devices.modules WHERE/],
    ['FROM devices.modules WHERE moduleId = ', 'module', /character 39/],
  ] as const)('%j is refused', ([text, kind, says]) => {
    expect(() => compileTarget(text, kind)).toThrow(says);
  });
});
