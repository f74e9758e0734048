import { expect, test } from 'vitest';
import { checkSection } from '../../twin/limits.ts';
import type { DeploymentState } from './contract.ts';
import { deploymentNow, reportedHub } from './state.ts';

test('how a deployment went is what the agent says by now, also when it came to an end later, or in a life before', () => {
  const begun: DeploymentState = { state: 'under way', from: 'command', version: 0, code: 406, description: '' };
  expect(deploymentNow(begun, undefined)).toEqual(begun);
  const failed = { version: undefined, status: { code: 500 as const, description: 'score: no image' } };
  expect(deploymentNow(begun, failed)).toEqual({ state: 'failed', from: 'command', version: 0, code: 500, description: 'score: no image' });
  const done = { version: 7, status: { code: 200 as const, description: '' } };
  expect(deploymentNow({ ...begun, from: 'hub' }, done)).toEqual({ state: 'done', from: 'hub', version: 7, code: 200, description: '' });
});

test('what $edgeHub reports of its clients can stand in a twin, whatever they are called', () => {
  const clients = [
    { moduleId: 'filter', connected: true, sinceMs: 0 },
    { moduleId: 'v1.2$b', connected: false, sinceMs: undefined },
  ];
  const version = { version: '1', build: '', commit: '' };
  const reported = reportedHub({ deviceId: 'gw.leeds', version, desiredVersion: 3, status: { code: 200, description: '' }, clients });
  expect(checkSection(reported, 'reported')).toBeUndefined();
  expect(reported.clients).toEqual({
    'gw%2Eleeds/filter': { status: 'Connected', lastConnectedTimeUtc: '1970-01-01T00:00:00.000Z' },
    'gw%2Eleeds/v1%2E2%24b': { status: 'Disconnected' },
  });
});
