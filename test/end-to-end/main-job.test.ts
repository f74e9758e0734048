import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Child, startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/temp.ts';

const main = resolve('gateway/main.ts');
const example = resolve('examples/candy-factory/mappings');

interface Event {
  readonly type: string;
  readonly sequence: string;
  readonly data: {
    readonly equipment: string;
    readonly readings: readonly { readonly point: string; readonly value?: unknown; readonly quality?: string; readonly status?: string }[];
  };
}

/** The whole plant as real processes: two machines, the gateway with its embedded hub. */
describe('a Modbus machine and an OPC UA machine to a hub', () => {
  const folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  const hubFolder = at('hub');
  const dragoman = (...args: string[]): Child => startChild(process.execPath, [main, ...args], { cwd: folder.path });
  let cooker: Child;
  let mixer: Child;
  let gateway: Child;
  let ports: { cooker: number; mixer: number; hub: number; api: number };

  const query = (...args: string[]): Event[] =>
    execFileSync(process.execPath, [main, 'hub', 'query', '--data', hubFolder, ...args], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Event);
  const readings = (equipment: string) =>
    query('--equipment', equipment).flatMap(({ type, data }) => (type === 'dragoman.telemetry.v1' ? data.readings : []));
  const latest = (equipment: string, point: string) => readings(equipment).findLast((reading) => reading.point === point);
  const eventually = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 25_000, interval: 250 });
  const status = async () =>
    (await (await fetch(`http://127.0.0.1:${ports.api}/status`)).json()) as {
      accounts: Record<string, number>;
      equipment: { id: string; connects: number }[];
    };
  const startGateway = async (): Promise<Child> => {
    const child = dragoman('run', '--config', at('dragoman.yaml'));
    await child.line(/status {4}/);
    return child;
  };
  const mappingFile = (name: string): string => at('mappings', name);

  beforeAll(async () => {
    ports = { cooker: await freePort(), mixer: await freePort(), hub: await freePort(), api: await freePort() };
    mkdirSync(at('mappings'));
    for (const name of ['cooker-1.yaml', 'mixer-1.yaml']) {
      const text = readFileSync(join(example, name), 'utf8')
        .replace('port: 5020', `port: ${ports.cooker}`)
        .replace(':4840', `:${ports.mixer}`);
      writeFileSync(mappingFile(name), text);
    }
    writeFileSync(
      at('dragoman.yaml'),
      `gateway: gw-test\npath: candyco/leeds\nhub: { kind: embedded, data: ./hub, port: ${ports.hub} }\napi: { listen: "127.0.0.1:${ports.api}" }\n`,
    );
    cooker = dragoman('simulate', 'cooker', '--port', String(ports.cooker), '--fault-every', '0s');
    mixer = dragoman('simulate', 'mixer', '--port', String(ports.mixer), '--data', at('sim'), '--fault-every', '0s');
    await Promise.all([cooker.line(/ready/), mixer.line(/ready/)]);
    gateway = await startGateway();
  }, 60_000);

  afterAll(async () => {
    await Promise.all([gateway, cooker, mixer].map((child) => child?.[Symbol.asyncDispose]()));
    folder[Symbol.dispose]();
  });

  test('readings of both machines arrive, each point once at least', async () => {
    await eventually(() => {
      expect(new Set(readings('cooker-1').map(({ point }) => point))).toEqual(
        new Set(['jacket_temperature', 'motor_current', 'state', 'overheat', 'batch_id', 'heater_enable', 'setpoint']),
      );
      expect(new Set(readings('mixer-1').map(({ point }) => point)).size).toBe(8);
    });
    expect(latest('mixer-1', 'batch_id')).toMatchObject({ type: 'uint64' });
    expect(typeof latest('cooker-1', 'jacket_temperature')?.value).toBe('number');
  }, 40_000);

  test('a hub that dies in the middle loses nothing', async () => {
    const before = query().length;
    process.kill((JSON.parse(readFileSync(join(hubFolder, 'endpoint.json'), 'utf8')) as { pid: number }).pid, 'SIGKILL');
    await gateway.line(/hub is back/, 30_000);
    await eventually(() => expect(query().length).toBeGreaterThan(before + 3));
    expect(spawnSync(process.execPath, [main, 'hub', 'gaps', '--data', hubFolder]).status).toBe(0);
  }, 60_000);

  test('a machine that is gone is bad with a reason within the stale time, and comes back', async () => {
    await cooker[Symbol.asyncDispose]();
    await eventually(() => expect(latest('cooker-1', 'state')).toMatchObject({ quality: 'bad', status: expect.stringMatching(/^Bad/) }));
    cooker = dragoman('simulate', 'cooker', '--port', String(ports.cooker), '--fault-every', '0s');
    await eventually(() => expect(latest('cooker-1', 'state')?.quality).toBeUndefined());
  }, 60_000);

  test('a bad edit changes nothing, a good one is applied without reopening the connection', async () => {
    const good = readFileSync(mappingFile('cooker-1.yaml'), 'utf8');
    const connects = (await status()).equipment.find(({ id }) => id === 'cooker-1')?.connects;
    writeFileSync(mappingFile('cooker-1.yaml'), good.replace('type: int16', 'type: int61'));
    await gateway.line(/int61.*int16/);
    expect((await status()).equipment.map(({ id }) => id).toSorted()).toEqual(['cooker-1', 'mixer-1']);
    writeFileSync(mappingFile('cooker-1.yaml'), good.replaceAll('motor_current', 'motor_amps'));
    await gateway.line(/1 added.*0 connections reopened/);
    await eventually(() => expect(latest('cooker-1', 'motor_amps')).toMatchObject({ unit: 'A' }));
    expect((await status()).equipment.find(({ id }) => id === 'cooker-1')?.connects).toBe(connects);
  }, 60_000);

  test('kill -9 of the gateway: numbers go on, and whatever was lost is not lost unsaid', async () => {
    const last = Number(query().at(-1)?.sequence);
    gateway.process.kill('SIGKILL');
    await gateway.exited;
    gateway = await startGateway();
    await eventually(() => expect(Number(query().at(-1)?.sequence)).toBeGreaterThan(last + 2));
    const sequences = query().map(({ sequence }) => sequence);
    expect(new Set(sequences).size).toBe(sequences.length);
    expect(spawnSync(process.execPath, [main, 'hub', 'gaps', '--data', hubFolder]).status).toBe(0);
  }, 60_000);

  test('the accounts balance', async () => {
    const { sampled, suppressed, queued, recovered, acked, dropped, pending } = (await status()).accounts as Record<string, number>;
    expect(sampled).toBe(suppressed! + queued!);
    expect(queued! + recovered!).toBe(acked! + dropped! + pending!);
  });

  test('Ctrl-C ends everything within two seconds', async () => {
    const { pid } = JSON.parse(readFileSync(join(hubFolder, 'endpoint.json'), 'utf8')) as { pid: number };
    const begun = performance.now();
    gateway.process.kill('SIGINT');
    expect(await gateway.exited).toBe(0);
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(() => process.kill(pid, 0)).toThrow();
  });
});
