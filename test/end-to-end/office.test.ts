import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Child, startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/temp.ts';

const main = resolve('gateway/main.ts');

interface Reported {
  readonly desired?: Readonly<Record<string, { readonly version: number; readonly status: string; readonly message: string }>>;
  readonly configuration?: { readonly snapshot?: number };
  readonly plant?: {
    readonly machines: number;
    readonly each: Readonly<Record<string, { readonly connected: boolean; readonly good: number }>>;
  };
  readonly gateway?: { readonly gateway: string };
}

/** An empty box, and somebody in an office who changes a document: every part a process of its own, over the hub's own REST API. */
describe('from an office, over the twin', () => {
  const folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  let machine: Child;
  let gateway: Child;
  let mapping: string;

  const start = async (): Promise<void> => {
    gateway = startChild(process.execPath, [main, 'run', '--config', at('dragoman.yaml')], { cwd: folder.path });
    await gateway.line(/status {4}/);
  };
  const hub = (...args: string[]) => {
    const run = spawnSync(process.execPath, [main, 'hub', ...args, '--data', at('hub')], { encoding: 'utf8' });
    return { code: run.status, said: run.stderr, json: () => JSON.parse(run.stdout) as Record<string, unknown> };
  };
  const twin = () => (hub('twin', 'gw-1').json() as { properties: { reported: Reported } }).properties.reported;
  const wish = (desired: object) => {
    const patched = hub('twin', 'gw-1', '--patch', JSON.stringify({ properties: { desired } }));
    expect(patched.said).toBe('');
    return (patched.json() as { properties: { desired: { $version: number } } }).properties.desired.$version;
  };
  const method = (name: string, payload?: object) => hub('method', 'gw-1', name, ...(payload ? [JSON.stringify(payload)] : []));
  const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 300 });

  beforeAll(async () => {
    const [port, api] = [await freePort(), await freePort()];
    mapping = readFileSync(resolve('examples/candy-factory/mappings/cooker-1.yaml'), 'utf8').replace('port: 5020', `port: ${port}`);
    writeFileSync(
      at('dragoman.yaml'),
      `gateway: gw-1\npath: candyco/leeds\nhub: { kind: embedded, data: ./hub, port: 0 }\napi: { listen: "127.0.0.1:${api}" }\n`,
    );
    machine = startChild(process.execPath, [main, 'simulate', 'cooker', '--port', String(port), '--fault-every', '0s']);
    await machine.line(/ready/);
    await start();
  }, 60_000);

  afterAll(async () => {
    await Promise.all([gateway, machine].map((child) => child?.[Symbol.asyncDispose]()));
    folder[Symbol.dispose]();
  });

  test('an empty box says who it is', async () => {
    await eventually(() => expect(twin()).toMatchObject({ gateway: { gateway: 'gw-1' }, plant: { machines: 0 } }));
  }, 30_000);

  test('a mapping written into the document becomes a machine, and the answer stands beside it', async () => {
    const version = wish({ mappings: { 'cooker-1': { text: mapping } } });
    await eventually(() => {
      const reported = twin();
      expect(reported.desired?.mappings).toMatchObject({ version, status: 'applied' });
      expect(reported.plant?.each['cooker-1']).toMatchObject({ connected: true, good: 7 });
    });
    const read = method('read', { equipment: 'cooker-1' });
    expect(read.code).toBe(0);
    expect(JSON.stringify(read.json())).toContain('jacket_temperature');
  }, 40_000);

  test('a mapping with a mistake is refused with the place, and the old one runs on', async () => {
    const version = wish({ mappings: { 'cooker-1': { text: mapping.replace('type: int16', 'type: int61') } } });
    await eventually(() => expect(twin().desired?.mappings).toMatchObject({ version, status: 'refused' }));
    expect(twin().desired?.mappings?.message).toMatch(/cooker-1.yaml:\d+:\d+ .*int61.*int16/);
    expect(twin().plant?.each['cooker-1']).toMatchObject({ connected: true, good: 7 });
  }, 40_000);

  test('a change is applied, listed with its difference, and taken back by a method', async () => {
    const version = wish({ mappings: { 'cooker-1': { text: mapping.replaceAll('motor_current', 'motor_amps') } } });
    await eventually(() => expect(twin().desired?.mappings).toMatchObject({ version, status: 'applied' }));
    expect(JSON.stringify(method('config.diff').json())).toMatch(/\+ {2}motor_amps/);
    const { snapshots } = method('config.history').json() as { snapshots: { snapshot: number; who: string }[] };
    expect(snapshots.slice(0, 2).map(({ who }) => who)).toEqual(['hub', 'hub']);
    expect(method('config.rollback', { snapshot: snapshots[1]!.snapshot }).code).toBe(0);
    await eventually(() => expect(JSON.stringify(method('points', { points: 'motor_*' }).json())).toContain('motor_current'));
  }, 40_000);

  test('a setpoint in the document reaches the machine past its guards, is read back, and is done once', async () => {
    const version = wish({ setpoints: { 'cooker-1': { setpoint: 110 } } });
    await eventually(() => expect(twin().desired?.setpoints).toMatchObject({ version, status: 'applied' }));
    expect((twin() as { setpoints?: unknown }).setpoints).toMatchObject({
      'cooker-1': { setpoint: { outcome: 'done', readBack: 110, version } },
    });
    const read = JSON.stringify(method('read', { equipment: 'cooker-1' }).json());
    expect(read).toMatch(/"point":"setpoint","value":110/);
  }, 40_000);

  test('what a guard forbids is refused with the guard that said no, and reaches nothing', async () => {
    const refused = method('write', { equipment: 'cooker-1', point: 'setpoint', value: 500 });
    expect(refused.code).toBe(1);
    expect(refused.said + JSON.stringify(refused.json())).toMatch(/range/);
    const version = wish({ setpoints: { 'cooker-1': { setpoint: 110, jacket_temperature: 20 } } });
    await eventually(() => expect(twin().desired?.setpoints).toMatchObject({ version, status: 'refused' }));
    expect(twin().desired?.setpoints?.message).toMatch(/jacket_temperature.*write:/);
  }, 40_000);

  test('the master switch stops all writing, and the log of who did what is whole', async () => {
    expect(method('writes', { writes: 'off', why: 'maintenance' }).json()).toMatchObject({ writes: 'off' });
    const off = method('write', { equipment: 'cooker-1', point: 'setpoint', value: 105 });
    expect(off.said + JSON.stringify(off.json())).toMatch(/writes-off|switched off/);
    expect(method('writes', { writes: 'on' }).code).toBe(0);
    const verified = spawnSync(process.execPath, [main, 'audit', 'verify', '--data', at('data')], { encoding: 'utf8' });
    expect(verified.stdout + verified.stderr).toMatch(/all as they were written/);
    const shown = spawnSync(process.execPath, [main, 'audit', 'show', '--data', at('data'), '--json'], { encoding: 'utf8' }).stdout;
    expect(shown).toMatch(/cooker-1\/setpoint/);
    expect(shown).toMatch(/writes off/);
    expect(shown).toMatch(/"kind": ?"configuration"[\s\S]*"who": ?"hub"/);
    const events = spawnSync(process.execPath, [main, 'hub', 'query', '--data', at('hub')], { encoding: 'utf8', maxBuffer: 1e9 }).stdout;
    await eventually(() => expect(events).toMatch(/dragoman\.audit\.v1/));
  }, 40_000);

  test('kill -9 and a start without a word from the hub: what was learned is there', async () => {
    gateway.process.kill('SIGKILL');
    await gateway.exited;
    await start();
    expect(gateway.output()).toContain('cooker-1 (modbus, 7 points)');
    await eventually(() => expect(twin().plant?.each['cooker-1']).toMatchObject({ connected: true, good: 7 }));
  }, 60_000);

  test('a method that is not there, and one that is asked for nonsense, are answered', () => {
    expect(method('dance')).toMatchObject({ code: 1 });
    expect(method('read', { equipment: 7 })).toMatchObject({ code: 1 });
  });
});
