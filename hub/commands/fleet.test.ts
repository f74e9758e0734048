import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Child, startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { layer, manifest } from '../deployments/testcases/fleet.ts';

const main = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'gateway', 'main.ts');

let folder: string;
let hub: Child;
const stack = new AsyncDisposableStack();

async function run(...args: readonly string[]): Promise<{ readonly code: number | string; readonly output: string }> {
  await using child = startChild(process.execPath, [main, 'hub', ...args, '--data', folder]);
  const code = await child.exited;
  return { code, output: child.output() };
}

function file(name: string, value: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value, undefined, 2));
  return path;
}

beforeAll(async () => {
  folder = stack.use(tempFolder()).path;
  hub = stack.use(startChild(process.execPath, [main, 'hub', '--data', folder, '--mqtt', '0', '--https', '0', '--no-amqp']));
  await hub.line(/Ctrl-C ends it/);
});
afterAll(() => stack.disposeAsync());

test('from one device to a rollout, as a person does it', async () => {
  expect((await run('device', 'create', 'gw-1', '--edge')).code).toBe(0);
  expect((await run('device', 'create', 'gw-2')).code).toBe(0);
  await run('twin', 'gw-1', '--set', 'tags.site=leeds', '--set', 'tags.line=7', '--set', 'desired.rate=5');
  const twin = JSON.parse((await run('twin', 'gw-1', '--json')).output);
  expect(twin).toMatchObject({ tags: { site: 'leeds', line: 7 }, properties: { desired: { rate: 5 } } });
  expect(await run('deployments')).toMatchObject({ code: 0, output: expect.stringContaining('no deployments yet') });

  const made = await run(
    'deployments',
    'create',
    file('Line V1.json', manifest('1')),
    '--target',
    "tags.site = 'leeds'",
    '--label',
    'team=kitchen',
  );
  expect(made).toEqual({ code: 0, output: "line-v1 is there: priority 10, target tags.site = 'leeds', 1 devices\n" });
  await expect
    .poll(async () => (await run('devices')).output, { timeout: 10_000 })
    .toMatch(/gw-1 +enabled +- +line-v1 +- +site=leeds line=7\ngw-2 +enabled +- +- \(no edge device\)/);
  expect(JSON.parse((await run('twin', 'gw-1/$edgeAgent')).output)).toMatchObject({
    properties: { desired: { modules: { filter: { settings: { image: 'candyco/filter:1' } } } } },
    configurations: { 'line-v1': { status: 'Applied' } },
  });
  expect((await run('deployments', 'create', file('line v1.json', manifest('1')), '--target', '*')).output).toMatch(
    /exists already\n.*another name with --id/s,
  );

  const azure = {
    id: 'line-v2',
    content: manifest('2'),
    targetCondition: '*',
    priority: 20,
    labels: { rolloutPhases: '1', rolloutWait: '0s' },
  };
  expect((await run('deployments', 'create', file('azure.json', azure))).output).toContain('rollout in 2 phases: 1, all');
  await expect
    .poll(async () => (await run('deployments', 'rollout', 'line-v2')).output, { timeout: 10_000 })
    .toMatch(/devices +1 of 1: 0 succeeded, 0 failed, 0 to report, 1 not reached/);
  expect((await run('deployments')).output).toMatch(/line-v2 +20 +1 +1 +0 +0 +running 1\/2 +\*\nline-v1 +10 +1 +0/);
  expect((await run('deployments', 'rollout', 'line-v2', 'rollback')).code).toBe(0);
  expect(await run('deployments', 'rollout', 'line-v2')).toMatchObject({
    code: 1,
    output: expect.stringContaining('rolled back by a person'),
  });
  expect(JSON.parse((await run('devices', '--json', '--target', "tags.site = 'leeds'")).output)).toMatchObject([
    { deviceId: 'gw-1', deployments: ['line-v1'], edge: true },
  ]);

  expect((await run('deployments', 'update', 'line-v1', '--priority', '3', '--label', 'team=null')).output).toContain(
    'line-v1 is changed: priority 3',
  );
  const shown = JSON.parse((await run('deployments', 'show', 'line-v1', '--json')).output);
  expect(shown).toMatchObject({ priority: 3, labels: {}, targetCondition: "tags.site = 'leeds'" });
  expect((await run('deployments', 'metrics', 'line-v1')).output).toMatch(
    /targetedCount +1 +SELECT deviceId FROM devices WHERE capabilities.iotEdge = true AND \(tags.site = 'leeds'\)/,
  );
  expect((await run('deployments', 'show', 'line-v1')).output).toMatch(/^deployment {2}line-v1\ntarget +tags.site = 'leeds'\npriority +3/);
  expect((await run('deployments', 'delete', 'line-v2')).code).toBe(0);
}, 60_000);

test('a layer, and a Deployment of Kubernetes', async () => {
  const shim = file('shim.json', layer({ 'properties.desired.modules.shim': { type: 'docker', settings: { image: 'shim:1' } } }));
  expect((await run('deployments', 'create', shim, '--target', "tags.site = 'none'", '--priority', '30')).output).toContain(
    'nobody is targeted',
  );
  const yaml = `apiVersion: apps/v1
kind: Deployment
metadata: { name: from-k8s, annotations: { targetCondition: "tags.site = 'none'", priority: "4" } }
spec:
  template:
    spec: { containers: [{ name: filter, image: candyco/filter:3 }] }
`;
  expect((await run('deployments', 'create', file('k8s.yaml', yaml))).output).toContain(
    "from-k8s is there: priority 4, target tags.site = 'none'",
  );
}, 30_000);

test('desired properties out of a file', async () => {
  const limits = file('limits.json', { limit: 7 });
  await run('device', 'create', 'gw-3', '--edge');
  expect(JSON.parse((await run('twin', 'gw-3/$edgeHub', '--desired', limits)).output)).toMatchObject({
    properties: { desired: { limit: 7 } },
  });
});

test.for([
  {
    rule: 'an unknown deployment',
    args: ['deployments', 'show', 'nope'],
    code: 1,
    says: /no configuration nope\n.*dragoman hub deployments/s,
  },
  {
    rule: 'a file that is not there',
    args: ['deployments', 'create', 'nope.json', '--target', '*'],
    code: 1,
    says: /cannot read nope.json/,
  },
  { rule: 'no target', args: ['deployments', 'create', '@good'], code: 2, says: /give --target/ },
  { rule: 'a priority that is none', args: ['deployments', 'create', '@good', '--priority', 'high'], code: 2, says: /whole number/ },
  {
    rule: 'a condition that is none',
    args: ['deployments', 'create', '@good', '--id', 'c', '--target', 'site = 1'],
    code: 1,
    says: /targetCondition: there is no property site/,
  },
  {
    rule: 'a manifest with mistakes',
    args: ['deployments', 'create', '@bad', '--target', '*'],
    code: 1,
    says: /bad.json:\d+:\d+ {2}error.*shim/s,
  },
  { rule: 'a change of nothing', args: ['deployments', 'update', 'line-v1'], code: 2, says: /give --target/ },
  {
    rule: 'an action that is none',
    args: ['deployments', 'rollout', 'line-v1', 'stop'],
    code: 2,
    says: /pause, resume, advance, rollback/,
  },
  { rule: 'no rollout', args: ['deployments', 'rollout', 'line-v1'], code: 1, says: /has no rollout.*\n.*rolloutPhases/s },
  { rule: 'a path that is none', args: ['twin', 'gw-1', '--set', 'site=leeds'], code: 2, says: /tags.NAME=VALUE/ },
  { rule: 'two ways at once', args: ['twin', 'gw-1', '--set', 'tags.a=1', '--patch', '{}'], code: 2, says: /leave out/ },
  { rule: 'a query that is none', args: ['devices', '--target', 'tags.site ='], code: 1, says: /query cannot be read/ },
])('$rule: exit code $code', async ({ args, code, says }) => {
  const good = file('good.json', manifest('1'));
  const bad = file('bad.json', manifest('1', { modules: { shim: { type: 'docker' } } }));
  const result = await run(...args.map((arg) => (arg === '@good' ? good : arg === '@bad' ? bad : arg)));
  expect(result.output).toMatch(says);
  expect(result.code).toBe(code);
});
