import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { type Child, startChild } from '../support/child.ts';
import { tempFolder } from '../support/temp.ts';

const main = resolve('gateway/main.ts');
const equipment = ['cooker-1', 'mixer-1', 'climate-1', 'conveyor-1'];

/** Processes whose command line names the folder: everything that the demo started. */
function running(folder: string): readonly string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(folder) ? [`${pid} ${line}`] : [];
      } catch {
        return [];
      }
    });
}

describe('the demo, as npm start runs it', () => {
  const folder = tempFolder();
  let demo: Child;
  afterAll(async () => {
    await demo?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  test('every machine of the factory arrives at the hub', async () => {
    demo = startChild(process.execPath, [main, 'demo', '--data', folder.path], { detached: true });
    await demo.line(/Ctrl-C ends everything/, 30_000);
    const subjects = (): ReadonlySet<string> =>
      new Set(
        execFileSync(process.execPath, [main, 'hub', 'query', '--data', join(folder.path, 'hub')], { encoding: 'utf8' })
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as { type: string; subject: string })
          .filter(({ type }) => type === 'dragoman.telemetry.v1')
          .map(({ subject }) => subject),
      );
    await vi.waitFor(() => expect(subjects()).toEqual(new Set(equipment)), { timeout: 30_000, interval: 500 });
    expect(demo.output()).not.toMatch(/defect|unexpected/);
  }, 80_000);

  test('Ctrl-C ends all of it within two seconds, and nothing is left running', async () => {
    const begun = performance.now();
    // A terminal sends it to the whole group.
    process.kill(-demo.process.pid!, 'SIGINT');
    expect(await demo.exited).toBe(0);
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(running(folder.path)).toEqual([]);
  }, 20_000);
});
