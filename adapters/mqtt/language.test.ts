import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadMappings } from '../../mappings/load.ts';
import { formatProblems } from '../../mappings/report.ts';
import { mqtt } from './adapter.ts';
import { rules } from './rules.ts';
import { pointOf, settingsOf } from './testcases/points.ts';

/**
 * One folder a case: `mapping.yaml` and `problems.txt`, exactly what `dragoman check` prints; empty when all is well.
 * A new case needs no code. DRAGOMAN_UPDATE=1 writes problems.txt anew; read the difference before you commit it.
 */
const cases = join(import.meta.dirname, 'testcases');
const names = readdirSync(cases, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
const used = new Set<string>();

describe('what check finds', () => {
  test.for(names)('%s', async (name) => {
    const folder = join(cases, name);
    const { problems } = await loadMappings([folder], [mqtt]);
    const report = `${formatProblems(problems, folder)}\n`.replace(/^\n$/, '').replaceAll(`${folder}/`, '');
    const file = join(folder, 'problems.txt');
    if (process.env.DRAGOMAN_UPDATE) writeFileSync(file, report);
    expect(existsSync(file), 'problems.txt is missing').toBe(true);
    expect(report).toBe(readFileSync(file, 'utf8'));
    for (const { rule } of problems) used.add(rule);
  });

  test('each rule of the catalogue has a case', () => {
    expect(Object.keys(rules).filter((rule) => !used.has(rule))).toEqual([]);
  });
});

describe('settings', () => {
  test.for([
    [{ url: 'mqtt://10.0.0.5' }, { transport: 'tcp', host: '10.0.0.5', port: 1883, path: '' }],
    [{ url: 'mqtts://broker.candyco' }, { transport: 'tls', host: 'broker.candyco', port: 8883, path: '' }],
    [{ url: 'wss://broker.candyco' }, { transport: 'wss', host: 'broker.candyco', port: 443, path: '/mqtt' }],
    [{ url: 'ws://[fd00::1]:9001/ws' }, { transport: 'ws', host: 'fd00::1', port: 9001, path: '/ws' }],
    [{ host: '10.0.0.5' }, { transport: 'tcp', host: '10.0.0.5', port: 1883, path: '' }],
    [
      { host: 'broker', tls: true },
      { transport: 'tls', host: 'broker', port: 8883, path: '' },
    ],
  ] as const)('%o', ([written, endpoint]) => {
    expect(settingsOf(written).endpoint).toEqual(endpoint);
  });

  test('defaults keep a session for half a day and acknowledge', () => {
    expect(settingsOf({ url: 'mqtt://b' })).toMatchObject({
      version: 'auto',
      qos: 1,
      sessionExpiry: 12 * 3_600_000,
      keepAlive: 30_000,
      maxInFlight: 1000,
    });
  });
});

describe('points', () => {
  const settings = settingsOf({ url: 'mqtt://b', topic: 'plant/{line}/all', sparkplug: { hostId: 'h' } });
  const node = settingsOf({ url: 'mqtt://b', sparkplug: { group: 'leeds', edgeNode: 'press-7', device: 'drive' } });

  test('a point without topic has that of the connection', () => {
    expect(pointOf(settings, 'temp', { at: '/t' }).address.topic).toBe('plant/{line}/all');
  });

  test('a metric of the node that the connection names needs nothing but its name', () => {
    expect(pointOf(node, 'speed', { at: 'Motor/Speed' }).address).toEqual({
      topic: 'spBv1.0/leeds/+/press-7/drive',
      metric: 'Motor/Speed',
    });
  });

  test('a name that nothing fills takes all metrics', () => {
    expect(pointOf(node, '{metric}', {}).address).toMatchObject({ metric: '{metric}' });
  });
});
