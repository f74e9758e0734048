import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Child, startChild } from '../../test/support/child.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { ShadowReport } from './report.ts';

const main = resolve('gateway/main.ts');

/** The cooker of the demo, the gateway and the commands of a person, each a process of its own. */
describe('a mapping with other byte orders and scales, beside the one that runs', () => {
  const folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  let machine: Child;
  let gateway: Child;
  let mapping: string;

  const start = async (): Promise<void> => {
    gateway = startChild(process.execPath, [main, 'run', '--config', at('dragoman.yaml')], { cwd: folder.path });
    await gateway.line(/status {4}/);
  };
  const dragoman = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder.path });
    return { code: status, out: stdout, said: stderr };
  };
  const report = (): ShadowReport => JSON.parse(dragoman('shadow', 'status', '--json').out) as ShadowReport;
  const point = (name: string) => report().machines[0]?.differences.find((one) => one.point === name);
  const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 25_000, interval: 300 });
  /** All that left for the hub, which writes files. */
  const sent = (): string =>
    readdirSync(at('out'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .join('\n');

  beforeAll(async () => {
    const [port, api] = [await freePort(), await freePort()];
    mapping = readFileSync(resolve('examples/candy-factory/mappings/cooker-1.yaml'), 'utf8')
      .replace('port: 5020', `port: ${port}`)
      .replace('every: 1s', 'every: 200ms');
    mkdirSync(at('mappings'));
    mkdirSync(at('new'));
    writeFileSync(at('mappings', 'cooker-1.yaml'), mapping);
    writeFileSync(at('dragoman.yaml'), `gateway: gw-1\nhub: { kind: file, folder: ./out }\napi: { listen: "127.0.0.1:${api}" }\n`);
    writeFileSync(
      at('new', 'cooker-1.yaml'),
      mapping
        .replace('at: holding 100, type: float32, byteOrder: CDAB', 'at: holding 100, type: float32, byteOrder: DCBA')
        .replace('at: holding 102, type: uint16, scale: 0.1', 'at: holding 102, type: uint16, scale: 0.01')
        .replace('  batch_id:', '  spare:              { at: holding 112, type: uint16 }\n  batch_id:')
        .replace(/samples:[\s\S]*/, ''),
    );
    machine = startChild(process.execPath, [main, 'simulate', 'cooker', '--port', String(port), '--fault-every', '0s']);
    await machine.line(/ready/);
    await start();
  }, 60_000);

  afterAll(async () => {
    await Promise.all([gateway, machine].map((child) => child?.[Symbol.asyncDispose]()));
    folder[Symbol.dispose]();
  });

  test('a file with mistakes is refused with their places', () => {
    writeFileSync(at('new', 'wrong.yaml'), mapping.replace('type: int16', 'type: int61'));
    const run = dragoman('shadow', 'start', 'new/wrong.yaml');
    expect(run.code).toBe(1);
    expect(run.said).toMatch(/wrong\.yaml:\d+:\d+ +error .*int61.*int16/);
  });

  test('exactly the two points differ, by what they must; a restart and a kill -9 in between only cost the time', async () => {
    const run = dragoman('shadow', 'start', 'new/cooker-1.yaml', '--for', '10m', '--note', 'new manual');
    expect(run).toMatchObject({ code: 0, said: '' });
    await eventually(() => expect(point('motor_current')?.compared).toBeGreaterThan(5));
    const compared = point('motor_current')!.compared;
    gateway.process.kill('SIGINT');
    await gateway.exited;
    await start();
    expect(gateway.output()).toContain('a shadow run goes on');
    expect(point('motor_current')?.compared).toBeGreaterThanOrEqual(compared);
    gateway.process.kill('SIGKILL');
    await gateway.exited;
    await start();
    expect(gateway.output()).toContain('a shadow run goes on');
    await eventually(() => {
      expect(point('motor_current')).toMatchObject({ share: 1, factor: 0.1 });
      expect(point('jacket_temperature')!.different).toBeGreaterThan(5);
    });
    const { machines, interruptions, note, state } = report();
    expect({ interruptions, note, state }).toEqual({ interruptions: 2, note: 'new manual', state: 'running' });
    expect(machines[0]).toMatchObject({ equipment: 'cooker-1', points: 8, compared: 7 });
    expect(machines[0]!.differences.map((one) => one.point).toSorted()).toEqual(['jacket_temperature', 'motor_current', 'spare']);
    expect(machines[0]!.differences.find((one) => one.point === 'jacket_temperature')).toMatchObject({
      changes: ['byteOrder: CDAB -> DCBA'],
    });
    const shown = dragoman('shadow', 'status').out;
    expect(shown).toMatch(/motor_current +\d+ of \d+ \(100 %\) .* x 0\.1 /);
    expect(shown).toMatch(/spare +is new, \d+ of \d+ good/);
    expect(sent()).toContain('motor_current');
    expect(sent()).not.toContain('spare');
  }, 60_000);

  test('promoted it is in force, in the history, and can be taken back', async () => {
    const run = dragoman('shadow', 'promote', '--note', 'as the manual says');
    expect(run.said).toBe('');
    expect(run.out).toContain('promoted: as the manual says');
    await eventually(() => expect(sent()).toContain('spare'));
    expect(dragoman('config', 'history').out).toMatch(
      /^2 \* .*command +2 points changed, 1 added, 0 connections reopened +as the manual says$/m,
    );
    const difference = dragoman('config', 'diff').out;
    expect(difference).toContain('--- a/mappings/cooker-1.yaml\n+++ b/remote/cooker-1.yaml');
    expect(difference).toMatch(/^\+ {2}motor_current: .*scale: 0\.01/m);
    expect(dragoman('config', 'rollback', '1')).toMatchObject({ code: 0, out: expect.stringContaining('snapshot 3 is in force') });
    expect(dragoman('config', 'rollback', '99')).toMatchObject({ code: 1, said: expect.stringContaining('there is no snapshot 99') });
    expect(dragoman('config', 'rollback', 'x').code).toBe(2);
    expect(dragoman('shadow', 'status', '--all').out).toMatch(/^1 +promoted +cooker-1\.yaml/m);
  }, 60_000);
});
