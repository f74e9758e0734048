import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Child, startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { registerHubCommands } from '../commands.ts';
import { lastEndpoint } from '../endpoint.ts';
import { getIdentity, type Identity, openRegistry } from '../registry.ts';
import { listenError } from '../service/listen.ts';
import { connectSimulatedDevice } from '../simulator.ts';

const main = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'gateway', 'main.ts');
const key = Buffer.alloc(32, 7).toString('base64');

let folder: string;
let hub: Child;
const stack = new AsyncDisposableStack();

async function run(...args: readonly string[]): Promise<{ readonly code: number | string; readonly output: string }> {
  await using child = startChild(process.execPath, [main, 'hub', ...args, '--data', folder]);
  const code = await child.exited;
  return { code, output: child.output() };
}

beforeAll(async () => {
  folder = stack.use(tempFolder()).path;
  const policies = join(folder, 'given.yaml');
  writeFileSync(policies, `policies:\n- { name: service, primaryKey: ${key} }\n`);
  const ports = ['--mqtt', '0', '--https', '0', '--amqp', '0'];
  hub = stack.use(
    startChild(process.execPath, [main, 'hub', '--data', folder, ...ports, '--policies', policies, '--dps-scope', '0ne0000TEST']),
  );
  await hub.line(/Ctrl-C ends it/);
});
afterAll(() => stack.disposeAsync());

test('the start says where everything is', () => {
  const { httpsPort, amqpPort, mqttPort } = lastEndpoint(folder) ?? {};
  expect(hub.output()).toContain(`https://localhost:${httpsPort}`);
  expect(hub.output()).toContain(`amqps://localhost:${amqpPort}`);
  expect(hub.output()).toContain(`localhost:${mqttPort}, id scope 0ne0000TEST`);
});

test('connection strings with the keys of the file', async () => {
  const { amqpPort } = lastEndpoint(folder) ?? {};
  const proof = `SharedAccessKeyName=service;SharedAccessKey=${key}`;
  expect((await run('connection-string', '--policy', 'service')).output.trim()).toBe(`HostName=localhost;${proof}`);
  expect((await run('connection-string', '--policy', 'service', '--messages')).output.trim()).toBe(
    `HostName=localhost:${amqpPort};${proof}`,
  );
  expect((await run('connection-string', '--policy', 'service', '--events')).output.trim()).toBe(
    `Endpoint=sb://localhost:${amqpPort}/;${proof};EntityPath=events`,
  );
});

test('a device: its twin patched and shown, a message sent, a method that nobody hears', async () => {
  await run('device', 'create', 'gw-1');
  const patched = await run('twin', 'gw-1', '--patch', '{"tags":{"site":"leeds"},"properties":{"desired":{"rate":5}}}');
  expect(patched.code).toBe(0);
  expect(JSON.parse(patched.output)).toMatchObject({ tags: { site: 'leeds' }, properties: { desired: { rate: 5, $version: 2 } } });
  expect(await run('send', 'gw-1', 'hello', '--property', 'line=7')).toEqual({ code: 0, output: 'the message waits for gw-1\n' });
  expect(JSON.parse((await run('twin', 'gw-1')).output)).toMatchObject({ cloudToDeviceMessageCount: 1, version: 2 });
  const called = await run('method', 'gw-1', 'ping', '--timeout', '1s');
  expect(called).toMatchObject({ code: 1, output: expect.stringContaining('gw-1 is not connected') });
});

test('a method of a module waits for it to listen, and for its answer, as long as the caller says', async () => {
  await run('device', 'create', 'gw-2', '--edge');
  const { mqttPort, caFile } = lastEndpoint(folder) ?? {};
  const module = { deviceId: 'gw-2', moduleId: '$edgeAgent' };
  const away = await run('method', 'gw-2/$edgeAgent', 'ping', '--connect-timeout', '1s');
  expect(away).toMatchObject({ code: 1, output: expect.stringContaining('Timed out waiting for device to connect') });
  const called = run('method', 'gw-2/$edgeAgent', 'ping', '--connect-timeout', '60s', '--timeout', '1s');
  const db = openRegistry(folder);
  const identity = getIdentity(db, 'gw-2/$edgeAgent');
  db.close();
  const { authentication } = identity as Identity;
  await using client = await connectSimulatedDevice({
    ...{ port: mqttPort as number, ca: readFileSync(caFile as string, 'utf8'), host: 'localhost', ...module },
    key: (authentication as { readonly primaryKey: string }).primaryKey,
  });
  await client.subscribe('$iothub/methods/POST/#', 0);
  expect((await client.next('publish')).topic).toContain('/POST/ping/');
  expect(await called).toMatchObject({ code: 1, output: expect.stringContaining('Timed out waiting for the response from device') });
}, 30_000);

test('enrollments: of a device and of a group, listed without keys, deleted', async () => {
  const group = await run('enrollment', 'create', 'leeds', '--group', '--primary-key', key, '--twin', '{"tags":{"site":"leeds"}}');
  expect(group.output).toContain('id scope       0ne0000TEST');
  expect(group.output).toContain(`primary key    ${key}`);
  expect((await run('enrollment', 'create', 'gw-9', '--json')).output).toContain('"kind":"individual"');
  const { output } = await run('enrollment', 'list');
  expect(output).toMatch(/leeds +group +enabled +keys +twin \{"tags":\{"site":"leeds"\}\}\ngw-9 +individual +enabled +keys/);
  expect(output).not.toContain(key);
  expect((await run('enrollment', 'key', 'leeds', 'gw-7')).output.trim()).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  expect(await run('enrollment', 'delete', 'gw-9')).toMatchObject({ code: 0 });
});

test.for([
  { rule: 'an unknown policy', args: ['connection-string', '--policy', 'nope'], code: 1, says: /no policy nope\n.*it has service/ },
  { rule: 'no device and no policy', args: ['connection-string'], code: 2, says: /--device, or a policy with --policy/ },
  { rule: 'an unknown device', args: ['twin', 'nobody'], code: 1, says: /there is no device nobody\n.*device list/ },
  { rule: 'a patch that is no JSON', args: ['twin', 'gw-1', '--patch', '{'], code: 2, says: /Write JSON/ },
  { rule: 'an unknown enrollment', args: ['enrollment', 'delete', 'none'], code: 1, says: /no enrollment none/ },
  { rule: 'two proofs', args: ['enrollment', 'create', 'a', '--x509', 'x', '--ca', 'y'], code: 2, says: /one way/ },
  { rule: 'a key that is none', args: ['enrollment', 'create', 'a', '--primary-key', 'x'], code: 1, says: /16 to 64 bytes/ },
])('$rule: exit code $code', async ({ args, code, says }) => {
  const result = await run(...args);
  expect(result.output).toMatch(says);
  expect(result.code).toBe(code);
});

describe('ports', () => {
  const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

  test.for([
    ['EACCES', 'port-not-allowed', /ports below 1024/, /--https 8443.*CAP_NET_BIND_SERVICE/],
    ['EADDRINUSE', 'port-in-use', /another program uses this port/, /another port with --https/],
    ['EADDRNOTAVAIL', 'listen', /EADDRNOTAVAIL/, /address of this machine/],
  ] as const)('%s is said with its cure', ([code, name, says, cure]) => {
    const error = listenError(failure(code), { port: 443, listen: '127.0.0.1', flag: '--https', instead: 8443 });
    expect(error.code).toBe(name);
    expect(error.message).toMatch(says);
    expect(error.hint).toMatch(cure);
  });

  test.for([
    [[], undefined, undefined],
    [['--https', '8443', '--no-amqp'], 8443, false],
    [['--no-https', '--amqp', '0'], false, 0],
  ] as const)('flags %j', ([flags, https, amqp]) => {
    const program = new Command().exitOverride();
    registerHubCommands(program);
    const command = program.commands.find((found) => found.name() === 'hub') as Command;
    command.action(() => {});
    program.parse(['node', 'dragoman', 'hub', ...flags]);
    expect(command.opts().https).toBe(https);
    expect(command.opts().amqp).toBe(amqp);
  });
});
