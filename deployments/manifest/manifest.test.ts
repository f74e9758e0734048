import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { read } from '../../test/support/source-files.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { readDeployment } from '../read-deployment.ts';
import { readManifest } from './read-manifest.ts';
import { readManifestText } from './read-text.ts';
import { writeManifest } from './write-manifest.ts';

// biome-ignore lint/suspicious/noExplicitAny: a manifest is bent in every way here
type Any = any;

const module = (more: object = {}, settings: object = {}): Any => ({
  version: '1.0',
  type: 'docker',
  status: 'running',
  restartPolicy: 'always',
  settings: { image: 'candyco/filter:1.2', createOptions: '{}', ...settings },
  ...more,
});

function manifest(modules: Any = { filter: module() }, routes: Any = { up: 'FROM /messages/* INTO $upstream' }, more: Any = {}): Any {
  return {
    modulesContent: {
      $edgeAgent: {
        'properties.desired': {
          schemaVersion: '1.1',
          runtime: { type: 'docker', settings: { minDockerVersion: 'v1.25', loggingOptions: '' } },
          systemModules: {
            edgeAgent: { type: 'docker', settings: { image: 'mcr/agent:1.4', createOptions: '' } },
            edgeHub: module({}, { image: 'mcr/hub:1.4' }),
          },
          modules,
        },
      },
      $edgeHub: {
        'properties.desired': { schemaVersion: '1.1', routes, storeAndForwardConfiguration: { timeToLiveSecs: 7200 } },
      },
      ...more,
    },
  };
}

const agentOf = (value: Any): Any => value.modulesContent.$edgeAgent['properties.desired'];
const hubOf = (value: Any): Any => value.modulesContent.$edgeHub['properties.desired'];
const told = (value: unknown): string[] =>
  readManifest(value).problems.map(({ severity, rule, path }) => `${severity} ${rule} ${path.replace(/^.*properties\.desired'\]\.?/, '')}`);

describe('what is read', () => {
  test('the example that comes with the project', () => {
    const { manifest: found, problems } = readManifestText('deployment.json', read('examples/modules/deployment.json'));
    expect(problems).toEqual([]);
    expect([...found!.modules.keys()]).toEqual(['score', 'scale', 'listener']);
    expect(found!.modules.get('scale')).toEqual({
      name: 'scale',
      version: '1.0',
      status: 'running',
      restartPolicy: 'always',
      imagePullPolicy: 'on-create',
      startupOrder: 4_294_967_295,
      env: {},
      image: 'dragoman-example/legacy-c:1.0',
      createOptions: { HostConfig: { Memory: 67_108_864 } },
    });
    expect(found!.routes[1]).toEqual({
      name: 'alarmsUp',
      route: 'FROM /messages/modules/score/outputs/alarms INTO $upstream',
      priority: 0,
      timeToLiveSecs: 86_400,
    });
    expect(found!.twins.get('score')).toEqual({ limit: 90 });
    expect(found!.storeAndForward).toEqual({ timeToLiveSecs: 7_200, maxSizeBytes: undefined });
  });

  test.for([
    { what: 'in content, as the command line of Azure has it', value: { content: manifest() } },
    { what: 'as previews of 2018 wrote it', value: { moduleContent: manifest().modulesContent } },
    { what: 'with versions and metadata of a twin', value: manifest({ filter: module() }, {}, {}) },
  ])('$what', ({ value }) => {
    expect(readManifest(value).problems).toEqual([]);
    expect([...readManifest(value).manifest!.modules.keys()]).toEqual(['filter']);
  });

  test('defaults of what a module leaves out', () => {
    const found = readManifest(manifest({ bare: { type: 'docker', settings: { image: ' candyco/bare ' } } })).manifest!;
    expect(found.modules.get('bare')).toMatchObject({
      status: 'running',
      restartPolicy: 'on-unhealthy',
      imagePullPolicy: 'on-create',
      startupOrder: 4_294_967_295,
      image: 'candyco/bare:latest',
      createOptions: {},
    });
  });

  test('create options in parts, whatever the case of their keys', () => {
    const text = JSON.stringify({ Env: ['A=1'], HostConfig: { Binds: [`/srv/${'x'.repeat(600)}:/data`] } });
    const parts = { createOptions: text.slice(0, 512), CREATEoptions01: text.slice(512, 600), createOptions02: text.slice(600) };
    expect(readManifest(manifest({ filter: module({}, parts) })).manifest!.modules.get('filter')!.createOptions).toEqual(JSON.parse(text));
  });

  test.for(['', null, {}, '  ', 'null'])('no create options: %j', (createOptions) => {
    expect(readManifest(manifest({ filter: module({}, { createOptions }) })).manifest!.modules.get('filter')!.createOptions).toEqual({});
  });

  test('an image that begins with a variable of the environment', () => {
    const value = manifest({ filter: module({}, { image: '$upstream/filter:1' }) });
    expect(readManifest(value, { environment: { upstream: 'plant-registry:5000' } }).manifest!.modules.get('filter')!.image).toBe(
      'plant-registry:5000/filter:1',
    );
    expect(told(value)).toEqual(['error image modules.filter.settings.image']);
  });

  test('what null takes out of a twin is not there', () => {
    const found = readManifest(manifest({ filter: module(), gone: null }, { up: 'FROM /* INTO $upstream', old: null })).manifest!;
    expect([[...found.modules.keys()], found.routes.map(({ name }) => name)]).toEqual([['filter'], ['up']]);
  });
});

describe('what is refused', () => {
  const bent = (bend: (value: Any) => void): Any => {
    const value = manifest();
    bend(value);
    return value;
  };
  test.for<[string, unknown, string[]]>([
    ['nothing', undefined, ['error empty-deployment $']],
    ['a list', [], ['error empty-deployment $']],
    ['no content', {}, ['error empty-deployment $']],
    ['no agent', bent((m) => delete m.modulesContent.$edgeAgent), ['error missing-key modulesContent']],
    ['no hub', bent((m) => delete m.modulesContent.$edgeHub), ['error missing-key modulesContent']],
    ['no version', bent((m) => delete agentOf(m).schemaVersion), ['error schema-version ']],
    ['a version to come', bent((m) => (agentOf(m).schemaVersion = '2.0')), ['error schema-version schemaVersion']],
    ['a number for a version', bent((m) => (hubOf(m).schemaVersion = 1.1)), ['error schema-version schemaVersion']],
    ['no runtime', bent((m) => delete agentOf(m).runtime), ['error missing-key runtime']],
    ['another runtime', bent((m) => (agentOf(m).runtime.type = 'rkt')), ['error unknown-value runtime.type']],
    ['no system modules', bent((m) => delete agentOf(m).systemModules), ['error missing-key systemModules']],
    ['no image', manifest({ filter: module({ settings: {} }) }), ['error missing-key modules.filter.settings.image']],
    ['no settings', manifest({ filter: { type: 'docker' } }), ['error missing-key modules.filter.settings']],
    ['capitals in an image', manifest({ filter: module({}, { image: 'CandyCo/filter' }) }), ['error image modules.filter.settings.image']],
    ['an unknown status', manifest({ filter: module({ status: 'runing' }) }), ['error unknown-value modules.filter.status']],
    ['an order below 0', manifest({ filter: module({ startupOrder: -1 }) }), ['error out-of-range modules.filter.startupOrder']],
    [
      'options that are no JSON',
      manifest({ filter: module({}, { createOptions: '{"a":}' }) }),
      ['error create-options modules.filter.settings.createOptions'],
    ],
    ['a gap in the options', manifest({ filter: module({}, { createOptions02: '' }) }), ['error missing-key modules.filter.settings']],
    ['a digest that is none', manifest({ filter: module({}, { digest: 'sha256:12' }) }), ['error digest modules.filter.settings.digest']],
    ['an env without value', manifest({ filter: module({ env: { A: {} } }) }), ['error wrong-type modules.filter.env.A.value']],
    ['names that differ in case', manifest({ filter: module(), Filter: module() }), ['error duplicate-module modules.Filter']],
    ['a name of ours', manifest({ dragoman: module() }), ['error bad-name modules.dragoman']],
    ['a name that is none', manifest({ 'a b': module() }), ["error bad-name modules['a b']"]],
    [
      'a priority of 10',
      manifest({}, { up: { route: 'FROM /* INTO $upstream', priority: 10 } }),
      ['error out-of-range routes.up.priority'],
    ],
    ['a dot in a route', manifest({}, { 'a.b': 'FROM /* INTO $upstream' }), ["error bad-name routes['a.b']"]],
    [
      'a layered deployment',
      { modulesContent: { ...manifest().modulesContent, $edgeAgent: { 'properties.desired.modules.x': module() } } },
      ["error layered-deployment modulesContent.$edgeAgent['properties.desired.modules.x']"],
    ],
  ])('%s', ([, value, problems]) => {
    expect(readManifest(value).manifest).toBeUndefined();
    expect(told(value)).toEqual(problems);
  });

  test('all of it at once, and what is only odd is a warning', () => {
    const value = manifest(
      { filter: module({ restartPolcy: 'always', status: 'on' }, { image: 'A B', createOptions: '[]' }), other: { type: 'docker' } },
      { up: 'FROM /messages/modules/fliter/* INTO $upstream', both: { route: 1, priority: 'high' } },
      { ghost: { 'properties.desired': {} } },
    );
    expect(told(value)).toEqual([
      'warn unknown-key modules.filter.restartPolcy',
      'error unknown-value modules.filter.status',
      'error create-options modules.filter.settings.createOptions',
      'error image modules.filter.settings.image',
      'error missing-key modules.other.settings',
      'error wrong-type routes.both.route',
      'error wrong-type routes.both.priority',
      'warn unknown-module modulesContent.ghost',
      'warn unknown-module routes.up',
    ]);
  });

  test('objects for routes in schema 1.0', () => {
    const value = manifest({}, { up: { route: 'FROM /* INTO $upstream' } });
    hubOf(value).schemaVersion = '1.0';
    expect(told(value)).toEqual(['error route routes.up']);
  });

  test('with line and column where it came from a file', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'manifest.json');
    const value = manifest({ filter: module({}, { image: 'A B' }) });
    writeFileSync(file, JSON.stringify(value, undefined, 2));
    const { problems } = await readDeployment(file);
    const line =
      JSON.stringify(value, undefined, 2)
        .split('\n')
        .findIndex((text) => text.includes('"A B"')) + 1;
    expect(problems).toEqual([
      expect.objectContaining({ file, line, rule: 'image', message: expect.stringContaining('modules.filter.settings.image)') }),
    ]);
    writeFileSync(file, '{\n  "modulesContent": { "a": 1,, }\n}');
    expect((await readDeployment(file)).problems).toEqual([expect.objectContaining({ line: 2, column: 30, rule: 'json-syntax' })]);
    await expect(readDeployment(join(folder.path, 'none.json'))).rejects.toThrow(/^there is no file /);
  });
});

test('a route that cannot be read is refused with the line and column of its mistake', () => {
  const value = manifest({}, { up: { route: 'FROM /messages/* WHERE temp > 5 INTO $upstream' } });
  const text = JSON.stringify(value, undefined, 2);
  const lines = text.split('\n');
  const line = lines.findIndex((one) => one.includes('temp > 5')) + 1;
  expect(readManifestText('m.json', text).problems).toEqual([
    expect.objectContaining({
      line,
      column: lines[line - 1]!.indexOf('temp >') + 1,
      rule: 'route',
      hint: 'properties are texts: as_number(temp)',
    }),
  ]);
});

test('written and read again it is the same', () => {
  const value = manifest(
    {
      filter: module(
        { env: { LEVEL: { value: 'debug' } }, startupOrder: 3, imagePullPolicy: 'never' },
        {
          createOptions: JSON.stringify({ Labels: { text: 'é'.repeat(700) } }),
          digest: `sha256:${'a'.repeat(64)}`,
        },
      ),
    },
    { up: { route: 'FROM /* INTO $upstream', priority: 0 } },
    { filter: { 'properties.desired': { limit: 7, nested: { a: [1, 2] } } } },
  );
  agentOf(value).runtime.settings.registryCredentials = { plant: { address: 'plant:5000', username: 'u', password: 'p' } };
  const first = readManifest(value).manifest!;
  expect(readManifest(JSON.parse(JSON.stringify(writeManifest(first)))).manifest).toEqual(first);
});
