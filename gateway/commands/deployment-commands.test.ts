import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { read, root } from '../../test/support/source-files.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { runCli } from '../cli.ts';

const example = join(root, 'examples', 'modules', 'deployment.json');
let folder: ReturnType<typeof tempFolder>;
let out = '';
let err = '';

beforeEach(() => {
  folder = tempFolder();
  [out, err] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  folder[Symbol.dispose]();
});

function changed(from: string | RegExp, to: string): string {
  const file = join(folder.path, 'deployment.json');
  writeFileSync(file, read('examples/modules/deployment.json').replace(from, to));
  return file;
}

test('the one line that was changed is the one module that is replaced', async () => {
  expect(await runCli(['plan', changed('score:1.0', 'score:2.0'), '--from', example])).toBe(0);
  expect(out.split('\n').slice(1)).toEqual([
    '  < pull     dragoman-example/score:2.0  for score',
    '  ~ replace  score                       image dragoman-example/score:1.0 -> dragoman-example/score:2.0',
    '  = keep     listener, scale',
    '',
  ]);
});

test('a deployment comes from standard input too, in either form', async () => {
  expect(await runCli(['export', example, '--to', 'kubernetes'])).toBe(0);
  for (const input of [read('examples/modules/deployment.json'), out]) {
    const planned = spawnSync(process.execPath, [join(root, 'gateway', 'main.ts'), 'plan', '-', '--from', example], {
      input,
      encoding: 'utf8',
    });
    expect(planned.stderr + planned.stdout).toContain('  nothing to do\n  = keep     listener, scale, score\n');
  }
  const empty = spawnSync(process.execPath, [join(root, 'gateway', 'main.ts'), 'plan', '-'], { input: '{', encoding: 'utf8' });
  expect(empty.status).toBe(1);
  expect(empty.stderr).toMatch(/standard input:1:\d+/);
});

test('a manifest with mistakes is refused with the place of each, and nothing is planned', async () => {
  expect(await runCli(['plan', changed(/legacy-c:1.0/, 'legacy c')])).toBe(1);
  expect(out).toBe('');
  expect(err).toMatch(/deployment\.json:\d+:\d+ +error +image +image: "dragoman-example\/legacy c" is not the name of an image/);
  expect(await runCli(['plan', changed('cooker-1', "'cooker"), '--json'])).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ problems: [{ rule: 'route', line: expect.any(Number) }] });
});

test('routes are checked, and a message is shown its way', async () => {
  expect(await runCli(['route', 'check', example])).toBe(0);
  expect(out).toContain('4 routes, all can be read');
  out = '';
  const tried = ['route', 'test', example, '--source', 'dragoman/cooker-1'];
  expect(await runCli([...tried, '--property', 'equipment=cooker-1'])).toBe(0);
  expect(out).toMatch(/cookerToScore +takes it[\s\S]*module score, input readings {2}by cookerToScore, kept 7200 s/);
  out = '';
  expect(await runCli(tried)).toBe(1);
  expect(out).toMatch(/its condition is undefined[\s\S]*goes nowhere: it is dropped/);
  expect(await runCli([...tried, '--property', 'equipment'])).toBe(2);
  expect(err).toContain('write --property name=value');
  out = '';
  expect(await runCli(['route', 'test', example, '--source', 'score/alarms', '--json'])).toBe(0);
  expect(JSON.parse(out).targets).toEqual([{ endpoint: { kind: 'upstream' }, priority: 0, timeToLiveSecs: 86_400, route: 'alarmsUp' }]);
});

test('what was exported for Kubernetes is the same deployment', async () => {
  expect(await runCli(['export', example, '--to', 'kubernetes', '--id', 'line-3', '--target', "tags.line='3'"])).toBe(0);
  const file = join(folder.path, 'line-3.yaml');
  writeFileSync(file, out);
  expect(out).toContain("targetCondition: tags.line='3'");
  out = '';
  expect(await runCli(['plan', file, '--from', example])).toBe(0);
  expect(out).toContain('  nothing to do\n  = keep     listener, scale, score\n');
  expect(await runCli(['export', example, '--to', 'helm'])).toBe(2);
  expect(err).toContain('--to helm: kubernetes and manifest are known');
});
