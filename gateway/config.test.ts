import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../test/support/temp.ts';
import { loadConfig } from './config.ts';

async function load(text: string) {
  using folder = tempFolder();
  const file = join(folder.path, 'dragoman.yaml');
  writeFileSync(file, text);
  const { config, problems } = await loadConfig(file);
  return {
    config,
    problems: problems.map(({ line, column, rule, message, hint }) => `${line}:${column} ${rule} ${message}${hint ? ` (${hint})` : ''}`),
  };
}

test('one line is enough', async () => {
  const { config, problems } = await load('gateway: gw-leeds-1\n');
  expect(problems).toEqual([]);
  expect(config).toMatchObject({
    gateway: 'gw-leeds-1',
    mappings: ['./mappings'],
    destinations: [{ name: 'hub', kind: 'embedded', settings: { port: 8883 }, required: true, encoding: { name: 'cloudevents' } }],
    outbox: { maxSize: 2e9, maxAge: 7 * 86_400_000, whenFull: 'drop-oldest' },
    api: { listen: { host: '127.0.0.1', port: 8080 } },
  });
});

test('the file of the architecture page', async () => {
  const { config, problems } = await load(`gateway: gw-leeds-1
mappings: [./mappings]
hub: { kind: azure, connectionString: { file: ./secrets/hub }, ca: ./ca.pem }
outbox: { folder: ./data/outbox, maxSize: 2GB, maxAge: 7d, whenFull: drop-oldest }
shims: []
api: { listen: "127.0.0.1:8080" }
`);
  expect(problems).toEqual([]);
  expect(config?.destinations).toMatchObject([
    { name: 'hub', kind: 'azure', settings: { connectionString: { file: './secrets/hub' }, ca: './ca.pem' } },
  ]);
});

test('the embedded hub makes room for the module broker, and says so where its port was written down', async () => {
  const { config, problems } = await load('modules: {}\n');
  expect(problems).toEqual([]);
  expect(config?.destinations[0]?.settings).toMatchObject({ port: 8884 });
  expect(config?.modules).toMatchObject({ broker: { listen: { host: '0.0.0.0', port: 8883 } }, healthyWithin: 60_000 });
  const clash = await load('hub: { kind: embedded, port: 8883 }\nmodules: {}\n');
  expect(clash.problems).toEqual([expect.stringMatching(/^1:30 hub-settings port: 8883 is that of the module broker too/)]);
});

test('two destinations at one broker may not both say whether the gateway is online', async () => {
  const two = (status: string): string =>
    `destinations:\n  a: { kind: mqtt, url: "mqtt://b", clientId: a }\n  b: { kind: mqtt, url: "mqtt://b", clientId: b${status} }\n`;
  expect((await load(two(''))).problems).toEqual([
    expect.stringMatching(
      /hub-settings destinations\.b\.status: the status topic "\{source\}\/status" at b:1883 is that of destinations\.a too/,
    ),
  ]);
  expect((await load(two(', status: false'))).problems).toEqual([]);
});

describe('says where and what', () => {
  test.each([
    ['an unknown key', 'gatway: a\n', /^1:1 unknown-key/],
    ['a duration', 'outbox: { maxAge: 7 days }\n', /7 days/],
    ['a size', 'outbox: { maxSize: 2 gigs }\n', /2 gigs/],
    ['an address', 'api: { listen: "8080" }\n', /127\.0\.0\.1:8080/],
    [
      'a hub that is none of the kinds',
      'hub: { kind: azur }\n',
      /^1:14 hub-settings hub.kind: "azur" is no kind of hub; there are embedded, azure/,
    ],
    [
      'a secret in the file',
      'hub: { kind: azure, connectionString: "HostName=h" }\n',
      /hub-settings hub\.connectionString: say where the connection string is kept/,
    ],
    [
      'a key of a destination, with the one that was meant',
      'destinations:\n  floor: { kind: mqtt, url: "mqtt://b", tpoic: a }\n',
      /^2:41 hub-settings tpoic is not a key of destinations\.floor \(did you mean topic\?\)$/,
    ],
    [
      'a key that every destination has',
      'hub: { kind: file, folder: ./b, requird: true }\n',
      /requird is not a key of hub \(did you mean required\?\)$/,
    ],
    [
      'a key of an encoding',
      'hub: { kind: file, folder: ./b, encoding: { name: csv, column: [time] } }\n',
      /^1:56 .*column is not a key of encoding \(did you mean columns\?\)$/,
    ],
    [
      'a word of an encoding',
      'hub: { kind: file, folder: ./b, encoding: { name: csv, lines: cr } }\n',
      /hub\.encoding\.lines: "cr" is not a lines/,
    ],
    [
      'a key of a selection',
      'hub: { kind: file, folder: ./b, select: { prority: alarm } }\n',
      /prority is not a key of select \(did you mean priority\?\)$/,
    ],
    [
      'a word of a selection',
      'hub: { kind: file, folder: ./b, select: { priority: high } }\n',
      /hub\.select\.priority: one of command-result, alarm, state, telemetry, bulk, or a list of them$/,
    ],
    [
      'the type of a setting',
      'hub: { kind: file, folder: ./b, pace: 100/s }\n',
      /hub\.pace: a (whole )?number is expected, the text "100\/s" was found$/,
    ],
    ['a setting that is missing', 'hub: { kind: file }\n', /^1:6 hub-settings hub\.folder is missing$/],
    ['why only one value is possible', 'hub: { kind: mqtt, url: "mqtt://b", qos: 2 }\n', /hub\.qos: only 1: with 0 nobody says/],
    [
      'the name of a destination',
      'destinations: { "my hist": { kind: file } }\n',
      /^1:17 bad-name "my hist" cannot be the name of a destination/,
    ],
    ['azure without anything', 'hub: { kind: azure }\n', /name the hub/],
    ['broken YAML', 'gateway: [\n', /yaml/],
    ['an empty file', '', /empty-file/],
  ])('%s', async (_, text, expected) => {
    const { config, problems } = await load(text);
    expect(config).toBeUndefined();
    expect(problems.join('\n')).toMatch(expected);
  });

  test('a file that is not there', async () => {
    await expect(loadConfig('/nowhere/dragoman.yaml')).rejects.toThrow(/there is no configuration file \/nowhere\/dragoman.yaml/);
  });

  test('a file that is there and cannot be read', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'dragoman.yaml');
    symlinkSync(file, file);
    await expect(loadConfig(file)).rejects.toMatchObject({ code: 'config-unreadable', message: expect.stringContaining('ELOOP') });
  });

  test('a folder instead of a file', async () => {
    using folder = tempFolder();
    mkdirSync(join(folder.path, 'dragoman.yaml'));
    await expect(loadConfig(join(folder.path, 'dragoman.yaml'))).rejects.toMatchObject({ code: 'config-missing' });
  });
});
