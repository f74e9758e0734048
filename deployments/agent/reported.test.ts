import { expect, test } from 'vitest';
import { checkSection } from '../../twin/limits.ts';
import type { ModuleSpec } from '../contract.ts';
import type { ModuleView } from './module-runner.ts';
import { reportedOf } from './reported.ts';
import { noRestarts } from './supervision.ts';
import { manifestOf, spec } from './testing/rig.ts';

const view = (one: ModuleSpec, more: Partial<ModuleView> = {}): ModuleView => ({
  ...{ spec: one, imageId: 'sha256:1', runtimeStatus: 'running', description: 'running', restarts: noRestarts },
  container: {
    ...{ id: 'c1', name: one.name, imageId: 'sha256:1', labels: {}, state: 'running', health: undefined, exitCode: 0, error: undefined },
    ...{ startedAt: '2026-11-24T08:00:00Z', finishedAt: undefined },
  },
  ...more,
});

const reported = (...views: readonly ModuleView[]) =>
  reportedOf({
    version: { version: '1.2.3', build: '', commit: '' },
    ...{ desiredVersion: 7, status: { code: 200, description: '' }, startedAt: '2026-11-24T07:00:00Z' },
    manifest: {
      ...manifestOf(),
      runtime: {
        ...manifestOf().runtime,
        registryCredentials: new Map([['shop', { address: 'shop.example', username: 'edge', password: 'hunter2' }]]),
      },
    },
    engine: { name: 'docker', version: '28.0', apiVersion: '1.48', operatingSystem: 'linux', architecture: 'amd64' },
    modules: new Map(views.map((one) => [one.spec!.name, one])),
  });

test('has what programs that read IoT Edge look for, and no password', () => {
  const env = { MODE: 'fast' };
  const createOptions = { HostConfig: { Memory: 1 } };
  const restarts = { count: 2, lastMs: Date.UTC(2026, 10, 24, 8) };
  const all = reported(view(spec('score', { env, createOptions }), { restarts }));
  expect(all).toMatchObject({
    lastDesiredVersion: 7,
    lastDesiredStatus: { code: 200, description: '' },
    runtime: {
      platform: { os: 'linux', architecture: 'amd64', version: '28.0' },
      settings: { registryCredentials: { shop: { address: 'shop.example', username: 'edge' } } },
    },
    systemModules: { edgeAgent: { runtimeStatus: 'running' }, edgeHub: { runtimeStatus: 'running', restartPolicy: 'always' } },
    modules: {
      score: {
        ...{
          type: 'docker',
          version: '1.0',
          status: 'running',
          restartPolicy: 'always',
          imagePullPolicy: 'on-create',
          runtimeStatus: 'running',
        },
        ...{ env: { MODE: { value: 'fast' } }, exitCode: 0, restartCount: 2, lastRestartTimeUtc: '2026-11-24T08:00:00.000Z' },
        settings: { image: 'candyco/score:1', imageHash: 'sha256:1', createOptions: '{"HostConfig":{"Memory":1}}' },
        ...{ lastStartTimeUtc: '2026-11-24T08:00:00Z', lastExitTimeUtc: '0001-01-01T00:00:00Z' },
      },
    },
  });
  expect(JSON.stringify(all)).not.toContain('hunter2');
  expect(checkSection(all, 'reported')).toBeUndefined();
});

test('of many modules leaves out what they were made from, so that a twin holds it', () => {
  const createOptions = { Env: Array.from({ length: 40 }, (_, n) => `VARIABLE_${n}=a value of some length`) };
  const many = reported(...Array.from({ length: 30 }, (_, n) => view(spec(`module-${n}`, { createOptions }))));
  expect(checkSection(many, 'reported')).toBeUndefined();
  expect(Object.values(many.modules as object)).toHaveLength(30);
  expect((many.modules as Record<string, unknown>)['module-29']).toMatchObject({
    runtimeStatus: 'running',
    settings: { image: 'candyco/module-29:1' },
  });
});

test('a status of many failures is cut', () => {
  const long = reported(view(spec('score'), { description: 'x'.repeat(9_000) }));
  expect(checkSection(long, 'reported')).toBeUndefined();
});
