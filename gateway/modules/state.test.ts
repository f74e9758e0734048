import { expect, test } from 'vitest';
import { checkSection } from '../../twin/limits.ts';
import { reportedHub } from './state.ts';

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
