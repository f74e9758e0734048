import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { AzureSettings } from './definition.ts';

const plain = { connectionString: { file: './secrets/hub' } };

test('everything has a default that works', () => {
  expect(AzureSettings.parse(plain)).toEqual({
    ...plain,
    https: 443,
    compression: 'none',
    tokenLifetime: 3_600_000,
    keepAlive: 60_000,
    connectTimeout: 30_000,
    ackTimeout: 60_000,
    answerTimeout: 30_000,
    window: 16,
    maxMessage: 240_000,
  });
});

test.for([
  { host: 'myhub.azure-devices.net', key: { env: 'HUB_KEY' } },
  { host: 'localhost:18883', deviceId: 'gw-1', certificate: 'c.pem', privateKey: 'k.pem', ca: 'ca.pem' },
  {
    ...plain,
    certificate: 'c.pem',
    privateKey: { env: 'KEY' },
    compression: 'zstd',
    window: 1,
    maxMessage: '128 KiB',
    tokenLifetime: '24h',
  },
])('takes %j', (settings) => {
  expect(AzureSettings.safeParse(settings).error?.issues).toBeUndefined();
});

describe('says clearly what is wrong with', () => {
  test.for([
    { given: {}, at: 'connectionString', says: 'name the hub' },
    {
      given: { connectionString: 'HostName=h;DeviceId=d;SharedAccessKey=k' },
      at: 'connectionString',
      says: 'does not belong in this file',
    },
    { given: { ...plain, host: 'h' }, at: 'host', says: 'keep one of the two' },
    { given: { ...plain, key: { env: 'K' } }, at: 'key', says: 'keep one of the two' },
    { given: { host: 'h' }, at: 'key', says: 'certificate and privateKey' },
    { given: { host: 'h', key: 'abc=' }, at: 'key', says: '{ file: ./secrets/hub } or { env: NAME }' },
    { given: { host: 'mqtts://h', key: { env: 'K' } }, at: 'host', says: 'without a scheme' },
    { given: { host: 'h', key: { env: 'K' }, certificate: 'c', privateKey: 'k' }, at: 'key', says: 'not both' },
    { given: { host: 'h', certificate: 'c' }, at: 'privateKey', says: 'needs its private key' },
    { given: { ...plain, privateKey: 'k' }, at: 'certificate', says: 'needs its certificate' },
    { given: { ...plain, deviceId: 'a#b' }, at: 'deviceId', says: '+ or #' },
    { given: { ...plain, compression: 'brotli' }, at: 'compression', says: 'none' },
    { given: { ...plain, tokenLifetime: 3600 }, at: 'tokenLifetime', says: 'a duration such as' },
    { given: { ...plain, tokenLifetime: '10s' }, at: 'tokenLifetime', says: '1m to 7d' },
    { given: { ...plain, keepAlive: '1h' }, at: 'keepAlive', says: 'out of range' },
    { given: { ...plain, window: 0 }, at: 'window', says: '' },
    { given: { ...plain, maxMessage: '256KiB' }, at: 'maxMessage', says: '256 KiB with the properties' },
    { given: { ...plain, maxMessage: 'big' }, at: 'maxMessage', says: 'not a size' },
  ])('$given', ({ given, at, says }) => {
    const issues = AzureSettings.safeParse(given).error?.issues ?? [];
    expect(issues.map((issue) => issue.path[0])).toContain(at);
    expect(issues.find((issue) => issue.path[0] === at)?.message).toContain(says);
  });

  test('an unknown key', () => {
    expect(AzureSettings.safeParse({ ...plain, retries: 3 }).error?.issues[0]).toMatchObject({
      code: 'unrecognized_keys',
      keys: ['retries'],
    });
  });
});

test('the definition loads no MQTT library', () => {
  const file = fileURLToPath(new URL('./definition.ts', import.meta.url));
  const script = `await import(${JSON.stringify(file)}); const { createRequire } = await import('node:module');
    console.log(Object.keys(createRequire(${JSON.stringify(file)}).cache).some((name) => name.includes('/mqtt')));`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.stdout.trim()).toBe('false');
});
