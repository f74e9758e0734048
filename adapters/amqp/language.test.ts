import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadMappings } from '../../mappings/load.ts';
import { formatProblems } from '../../mappings/report.ts';
import { rules as shared } from '../../mappings/rules.ts';
import { rules as payloadRules } from '../payload/rules.ts';
import { amqp } from './adapter.ts';
import { rules } from './rules.ts';
import { settingsOf } from './testcases/points.ts';

/** One folder a case: `mapping.yaml`, and `problems.txt` as `dragoman check` prints it; DRAGOMAN_UPDATE=1 writes it anew. */
const cases = join(import.meta.dirname, 'testcases/check');
const used = new Set<string>();

describe('what is found', () => {
  test.for(readdirSync(cases))('%s', async (name) => {
    const folder = join(cases, name);
    const { problems } = await loadMappings([folder], [amqp as never]);
    const report = `${formatProblems(problems, folder)}\n`.replace(/^\n$/, '').replaceAll(`${folder}/`, '');
    const file = join(folder, 'problems.txt');
    if (process.env.DRAGOMAN_UPDATE) writeFileSync(file, report);
    expect(existsSync(file), 'problems.txt is missing').toBe(true);
    expect(report).toBe(readFileSync(file, 'utf8'));
    for (const { rule } of problems) used.add(rule);
  });

  test('each rule has a case, each case a rule', () => {
    expect(Object.keys(rules).filter((rule) => !used.has(rule))).toEqual([]);
    expect([...used].filter((rule) => !Object.hasOwn({ ...rules, ...shared, ...payloadRules }, rule))).toEqual([]);
  });
});

describe('defaults', () => {
  test.for([
    ['a broker', { host: 'b' }, { port: 5672, sasl: 'anonymous', credit: 1_000, idleTimeout: 20_000, durable: false }],
    ['a broker over TLS', { host: 'b', tls: true }, { port: 5671 }],
    ['a user', { host: 'b', user: 'u', password: { env: 'P' } }, { sasl: 'plain' }],
    ['a certificate of our own', { host: 'b', tls: { certificate: { env: 'C' }, key: { env: 'K' } } }, { sasl: 'external', port: 5671 }],
    ['a listener', { listen: { anonymous: true } }, { listen: { host: '127.0.0.1', port: 5672, maxConnections: 32 } }],
    [
      'a listener over TLS',
      { listen: { anonymous: true, tls: { certificate: { env: 'C' }, key: { env: 'K' } } } },
      { listen: { port: 5671 } },
    ],
  ] as const)('%s', ([, written, settings]) => {
    expect(settingsOf(written)).toMatchObject(settings);
  });
});

test('checking loads no protocol library', async () => {
  const { execFileSync } = await import('node:child_process');
  const program = `await import(${JSON.stringify(join(import.meta.dirname, 'adapter.ts'))});
    process.stdout.write(String(Object.keys((await import('node:module')).createRequire(import.meta.url).cache).filter((file) => /rhea/.test(file)).length));`;
  expect(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })).toBe('0');
});
