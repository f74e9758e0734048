import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { MqttSettings, mqtt } from './definition.ts';

const url = 'mqtt://broker.local';

test('everything but the url has a default', () => {
  expect(MqttSettings.parse({ url })).toEqual({
    url: { protocol: 'mqtt', host: 'broker.local', port: 1883, path: '', tls: false },
    version: 'auto',
    keepAlive: 60_000,
    connectTimeout: 30_000,
    ackTimeout: 60_000,
    window: 16,
    qos: 1,
    maxMessage: 240_000,
    compression: 'none',
    unmarkedCompression: false,
  });
});

describe('urls', () => {
  test.for([
    ['mqtts://10.0.0.7', { protocol: 'mqtts', host: '10.0.0.7', port: 8883, path: '', tls: true }],
    ['mqtt://[fd00::1]:18883', { protocol: 'mqtt', host: 'fd00::1', port: 18883, path: '', tls: false }],
    ['ws://broker', { protocol: 'ws', host: 'broker', port: 80, path: '/', tls: false }],
    ['wss://broker:8084/mqtt?tenant=a', { protocol: 'wss', host: 'broker', port: 8084, path: '/mqtt?tenant=a', tls: true }],
  ] as const)('%s', ([text, endpoint]) => {
    expect(MqttSettings.parse({ url: text }).url).toEqual(endpoint);
  });

  test.for([
    ['broker.local', /not the URL of a broker.*mqtt:\/\/HOST/],
    ['broker:1883', /not the URL of a broker/],
    ['http://broker', /not the URL of a broker/],
    ['mqtt://', /not the URL|no host/],
    ['mqtt://user:secret@broker', /settings of their own/],
    ['mqtt://broker/plant/a', /the path \/plant\/a has no meaning/],
    ['mqtt://broker:99999', /not the URL/],
  ] as const)('%s is refused, and no secret is repeated', ([text, says]) => {
    const { error } = MqttSettings.safeParse({ url: text });
    expect(error?.issues[0]?.message).toMatch(says);
    expect(error?.issues[0]?.message).not.toContain('secret');
  });
});

test.for([
  { url, version: 5, window: 1, maxMessage: '1MB', keepAlive: '5s' },
  { url: 'mqtts://b', user: 'gw', password: { env: 'PW' }, ca: 'ca.pem', certificate: 'c.pem', privateKey: 'k.pem' },
  { url, topic: '{path}/{equipment}/{point}', retain: true, messageExpiry: '1d', status: false },
  { url, version: '3.1.1', compression: 'zstd', unmarkedCompression: true },
  { url, sparkplug: { group: 'Leeds 1', edgeNode: 'gw 1', primaryHost: 'scada', aliases: false } },
])('takes $url with settings', (settings) => {
  expect(MqttSettings.safeParse(settings).success).toBe(true);
});

test.for([
  { settings: {}, path: 'url', says: /expected string/ },
  { settings: { url, qos: 0 }, path: 'qos', says: /nobody says/ },
  { settings: { url, user: 'a', password: 'plain' }, path: 'password', says: /does not belong in this file/ },
  { settings: { url, password: { env: 'A' } }, path: 'user', says: /needs its user/ },
  { settings: { url: 'mqtts://b', certificate: 'c' }, path: 'privateKey', says: /needs its private key/ },
  { settings: { url, ca: 'c' }, path: 'ca', says: /mqtts:\/\// },
  { settings: { url, topic: '{machine}' }, path: 'topic', says: /not a placeholder/ },
  { settings: { url, topic: 'a/+/b' }, path: 'topic', says: /wildcards/ },
  { settings: { url, status: '{equipment}' }, path: 'status', says: /\{gateway\} and \{source\}/ },
  { settings: { url, version: '3.1.1', compression: 'gzip' }, path: 'compression', says: /unmarkedCompression/ },
  { settings: { url, version: '3.1.1', messageExpiry: '1h' }, path: 'messageExpiry', says: /no expiry/ },
  { settings: { url, version: 4 }, path: 'version', says: /auto, 5 or 3.1.1/ },
  { settings: { url, sparkplug: { group: 'a/b' } }, path: 'sparkplug.group', says: /without \/ \+ #/ },
  { settings: { url, sparkplug: { group: 'a' }, topic: 'x' }, path: 'topic', says: /no meaning with sparkplug/ },
  { settings: { url, sparkplug: { group: 'a' }, compression: 'zstd' }, path: 'compression', says: /no meaning with sparkplug/ },
  { settings: { url, window: 0 }, path: 'window', says: />=1/ },
  { settings: { url, keepAlive: '60' }, path: 'keepAlive', says: /not a duration/ },
  { settings: { url, topics: 'x' }, path: '', says: /topics/ },
])('refuses $settings', ({ settings, path, says }) => {
  const { error } = MqttSettings.safeParse(settings);
  const issue = error?.issues.find((each) => each.path.join('.') === path);
  expect(issue?.message, JSON.stringify(error?.issues)).toMatch(says);
});

test('says where it goes, without secrets', () => {
  const where = (settings: object): string | undefined => mqtt.where?.(MqttSettings.parse(settings));
  expect(where({ url: 'wss://[::1]/mqtt', user: 'gw' })).toBe('MQTT broker, wss://[::1]:443/mqtt');
  expect(where({ url, sparkplug: { group: 'Leeds' } })).toBe('Sparkplug B group Leeds, mqtt://broker.local:1883');
});

test('the definition loads no protocol library', () => {
  const definition = fileURLToPath(new URL('./definition.ts', import.meta.url));
  const code = `await import(${JSON.stringify(definition)}); const { createRequire } = await import('node:module'); const cache = createRequire(import.meta.url).cache; console.log(Object.keys(cache).filter((f) => /node_modules.(mqtt|ws|@bufbuild)/.test(f)).length)`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', timeout: 20_000 });
  expect(run.stdout.trim(), run.stderr).toBe('0');
});
