import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Child, startChild } from '../test/support/child.ts';
import { tempFolder } from '../test/support/temp.ts';
import { connectionString, createDevice } from './access.ts';
import { lastEndpoint } from './endpoint.ts';
import { hubFiles, readIfThere } from './folder.ts';
import { listModules, openRegistry } from './registry.ts';
import { connectSimulatedDevice } from './simulator.ts';

const main = join(dirname(dirname(fileURLToPath(import.meta.url))), 'gateway', 'main.ts');
const start = (...args: readonly string[]): Child => startChild(process.execPath, [main, 'hub', ...args]);

async function run(...args: readonly string[]): Promise<{ code: number | string; output: string }> {
  await using child = start(...args);
  const code = await child.exited;
  return { code, output: child.output() };
}

const event = (sequence: number, value: unknown): object => ({
  specversion: '1.0',
  id: `gw/1/${sequence}`,
  source: '/gw',
  type: 'dragoman.telemetry.v1',
  subject: 'cooker-1',
  time: new Date().toISOString(),
  sequence: String(sequence),
  data: {
    readings: [
      { point: 'jacket_temperature', value, unit: 'Cel' },
      { point: 'motor_current', quality: 'bad', status: 'BadTimeout', reason: 'no answer within 1 s' },
    ],
  },
});

test('a plant with one device, from an empty folder: run, create, connect, tail, query, gaps', async () => {
  using folder = tempFolder();
  const data = ['--data', folder.path];
  await using hub = start(...data, '--mqtt', '0');
  await hub.line(/Ctrl-C ends it/);
  const { mqttPort } = lastEndpoint(folder.path) as { mqttPort: number };
  expect(hub.output()).toContain(`mqtts://localhost:${mqttPort}`);
  expect(hub.output()).toContain(hubFiles(folder.path).caCertificate);

  const created = await run('device', 'create', 'gw-1', ...data);
  expect(created).toMatchObject({ code: 0, output: expect.stringContaining(connectionString(folder.path, 'gw-1')) });
  const { authentication } = createDevice(folder.path, 'gw-1');
  const key = authentication.type === 'sas' ? authentication.primaryKey : '';

  await using tail = start('tail', ...data);
  const ca = readIfThere(hubFiles(folder.path).caCertificate) as string;
  await using client = await connectSimulatedDevice({ port: mqttPort, ca, deviceId: 'gw-1', key });
  // What tail shows begins when it looks for the first time; until then there is one more to send.
  let sequence = 0;
  const sending = setInterval(() => void client.telemetry(JSON.stringify(event(++sequence, 93.2))), 100);
  const line = await tail.line(/cooker-1/);
  clearInterval(sending);
  expect(line).toMatch(
    /^\d\d:\d\d:\d\d {2}gw-1 {2}cooker-1 {2}2 readings {2}motor_current BAD BadTimeout \(no answer within 1 s\) {2}jacket_temperature=93.2 Cel$/,
  );
  tail.process.kill('SIGINT');
  expect(await tail.exited).toBe(0);

  await client.telemetry(JSON.stringify(event(sequence + 3, 94)));
  const found = (await run('query', ...data, '--last', '10m', '--equipment', 'cooker-1')).output.trim().split('\n');
  expect(JSON.parse(found.at(-1) as string)).toMatchObject({ sequence: String(sequence + 3), subject: 'cooker-1' });
  expect((await run('device', 'list', ...data)).output).toMatch(/gw-1 +enabled +keys +connected since/);

  const gaps = await run('gaps', ...data);
  expect(gaps.code).toBe(1);
  expect(gaps.output).toContain(`${sequence + 1}-${sequence + 2}  MISSING, unexplained`);
  expect(JSON.parse((await run('gaps', ...data, '--json')).output.split('\n')[0] as string)).toMatchObject({
    gateways: [{ device: 'gw-1' }],
  });

  expect(await run('device', 'disable', 'gw-1', ...data)).toMatchObject({ code: 0 });
  await client.closed;
  const beforeMs = Date.now();
  hub.process.kill('SIGINT');
  expect(await hub.exited).toBe(0);
  expect(Date.now() - beforeMs).toBeLessThan(1_500);
});

test('an IoT Edge device has its runtime, whether it was made as one or became one, and keeps its keys', async () => {
  using folder = tempFolder();
  const data = ['--data', folder.path];
  expect(await run('device', 'create', 'edge-1', '--edge', ...data)).toMatchObject({ code: 0 });
  const { authentication } = createDevice(folder.path, 'edge-2');
  expect(await run('device', 'edge', 'edge-2', ...data)).toMatchObject({ code: 0, output: expect.stringContaining('takes deployments') });
  expect(createDevice(folder.path, 'edge-2')).toMatchObject({ edge: true, authentication });
  expect((await run('device', 'show', 'edge-1', ...data)).output).toContain('IoT Edge    yes');
  using db = openRegistry(folder.path);
  for (const deviceId of ['edge-1', 'edge-2'])
    expect(listModules(db, deviceId).map(({ moduleId }) => moduleId)).toEqual(['$edgeAgent', '$edgeHub']);
  expect(await run('device', 'edge', 'nobody', ...data)).toMatchObject({
    code: 1,
    output: expect.stringContaining('has no device nobody'),
  });
});

test.for([
  { rule: 'no hub ever ran there', args: ['query'], code: 1, says: /no hub has run/ },
  {
    rule: 'an unknown device',
    args: ['connection-string', '--device', 'nobody'],
    code: 1,
    says: /has no device nobody\n.*device create nobody/,
  },
  { rule: 'an id that cannot be one', args: ['device', 'create', 'a b'], code: 1, says: /cannot be a device id/ },
  { rule: 'a thumbprint that is none', args: ['device', 'create', 'a', '--x509', 'xyz'], code: 1, says: /not a certificate thumbprint/ },
  { rule: 'a certificate without a key', args: ['--cert', 'x.pem'], code: 2, says: /belong together/ },
  { rule: 'a certificate that is not there', args: ['--cert', 'x.pem', '--key', 'x.key'], code: 1, says: /cannot read x.pem/ },
  { rule: 'a port that is none', args: ['--mqtt', '70000'], code: 2, says: /port from 0 to 65535/ },
  { rule: 'a host name with a port', args: ['--host', 'hub.plant:8883'], code: 1, says: /without a port/ },
  { rule: 'a span that is none', args: ['query', '--last', 'soon'], code: 2, says: /time span such as/ },
  { rule: 'a span and a time', args: ['query', '--last', '1m', '--from', '2026-11-24'], code: 2, says: /exclude each other/ },
  { rule: 'an unknown command', args: ['divice', 'list'], code: 2, says: /./ },
  { rule: 'help', args: ['gaps', '--help'], code: 0, says: /Examples:\n {2}dragoman hub gaps/ },
])('$rule: exit code $code', async ({ args, code, says }) => {
  using folder = tempFolder();
  const result = await run(...args, '--data', folder.path);
  expect(result.output).toMatch(says);
  expect(result.code).toBe(code);
});
