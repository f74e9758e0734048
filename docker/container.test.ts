import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capability, titled } from '../test/support/capabilities.ts';
import { startChild } from '../test/support/child.ts';
import { freePort } from '../test/support/ports.ts';
import { read, root } from '../test/support/source-files.ts';
import { compose, composer } from './testcases/compose.ts';
import { modulesInContainer } from './testcases/modules.ts';

const engine = capability('docker');
const run = promisify(execFile);
const mine = `dragoman-test-${process.pid}`;
const minimal = `${mine}-minimal`;

/** As docs/operating.md says it; the health check comes more often so that the test need not wait for it. */
const hardened = [
  ...['--read-only', '--tmpfs', '/tmp:rw,noexec,nosuid,size=16m'],
  ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
  ...['--pids-limit', '100', '--memory', '512m', '--memory-swap', '512m'],
  ...['--health-interval', '1s', '--hostname', 'gw-test'],
];

/** The demo is seven processes where a gateway is two. */
const roomForSeven = ['--memory', '1400m', '--memory-swap', '1400m', '--pids-limit', '200'];
const machines = ['cooker-1', 'mixer-1', 'climate-1', 'conveyor-1'];

async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', args, { maxBuffer: 64_000_000 });
  return stdout.trim();
}

async function build(tag: string, ...options: readonly string[]): Promise<void> {
  const registry = (await run('npm', ['config', 'get', 'registry'], { cwd: root })).stdout.trim();
  const buildArgs = registry.startsWith('http') ? ['--build-arg', `NPM_CONFIG_REGISTRY=${registry}`] : [];
  await docker('build', '--quiet', '--tag', tag, '--file', join(root, 'docker', 'Dockerfile'), ...buildArgs, ...options, root);
}

/** Starts a container in the background; gone, with its volumes, at the end of the block. */
async function container(name: string, ...args: readonly string[]): Promise<AsyncDisposable> {
  await docker('run', '--detach', '--name', name, ...args);
  return {
    async [Symbol.asyncDispose]() {
      await docker('rm', '--force', '--volumes', name);
    },
  };
}

/** Resolves when the engine's own health check has said yes. */
async function healthy(name: string, withinMs = 40_000): Promise<void> {
  await using events = startChild('docker', [
    'events',
    ...['--since', '5m', '--filter', `container=${name}`, '--filter', 'event=health_status', '--format', '{{.Action}}'],
  ]);
  await events.line(/health_status: healthy/, withinMs);
}

/** Runs JavaScript inside the container: there is no shell. Gives what it prints, as JSON. */
async function inside(name: string, script: string): Promise<unknown> {
  return JSON.parse(await docker('exec', name, 'node', '-p', `JSON.stringify(${script})`));
}

beforeAll(async () => {
  if (!engine.ok) return;
  await build(minimal, '--target', 'minimal');
  await build(mine);
}, 600_000);

afterAll(async () => {
  if (engine.ok) await docker('rmi', '--force', mine, minimal);
}, 60_000);

describe.skipIf(!engine.ok)(titled('the image', engine), () => {
  test('is at most 1.5 times a minimal image with the same Node', async () => {
    const [ours, least] = (await docker('inspect', '--format', '{{.Size}}', mine, minimal)).split('\n').map(Number);
    console.log(`image: ${(ours! / 1e6).toFixed(0)} MB, minimal: ${(least! / 1e6).toFixed(0)} MB, ratio ${(ours! / least!).toFixed(2)}`);
    expect(ours! / least!).toBeLessThan(1.5);
  });

  test('says its version without network, volume or writable root', async () => {
    const said = await docker('run', '--rm', '--network', 'none', ...hardened, mine, '--version');
    expect(said).toContain(JSON.parse(read('package.json')).version);
  });

  test('has no shell, no package manager and no types', async () => {
    await expect(docker('run', '--rm', '--entrypoint', 'sh', mine, '-c', 'true')).rejects.toThrow(/not found/);
    const script =
      "require('node:fs').readdirSync('/app', { recursive: true }).filter((f) => /\\.(ts|map)$|^node_modules.(npm|node|vitest|typescript)$/.test(f))";
    expect(await docker('run', '--rm', '--entrypoint', 'node', mine, '-p', `JSON.stringify(${script})`)).toBe('[]');
  });

  test('without a configuration it says what is missing and how to give it', async () => {
    const call = docker('run', '--rm', ...hardened, mine);
    await expect(call).rejects.toThrow(/\/config\/dragoman\.yaml/);
  });

  test('the demo runs in it: hardened, healthy, readings arrive, it stops at once', async () => {
    const name = `${mine}-demo`;
    await using _ = await container(name, ...hardened, ...roomForSeven, mine, 'demo', '--data', '/data');
    await using logs = startChild('docker', ['logs', '--follow', name]);
    await healthy(name).catch((error: Error) => {
      throw new Error(`${error.message}\n${logs.output()}`);
    });

    const status = "require('node:fs').readFileSync('/proc/1/status', 'utf8')";
    expect(await inside(name, '[process.getuid(), process.getgid()]')).toEqual([65532, 65532]);
    expect(await inside(name, status)).toMatch(/CapEff:\s0+\n[\s\S]*NoNewPrivs:\s1\n/);
    expect(await inside(name, "(() => { try { require('node:fs').writeFileSync('/app/x', ''); } catch (e) { return e.code; } })()")).toBe(
      'EROFS',
    );

    const events = await telemetry(name, machines, '/data/hub');
    expect(events.length).toBeGreaterThan(1);

    const before = performance.now();
    await docker('stop', '--time', '10', name);
    expect(performance.now() - before).toBeLessThan(3_000);
    const ended = await docker('inspect', '--format', '{{.State.ExitCode}} {{.State.OOMKilled}}', name);
    expect(ended).toBe('0 false');
  }, 90_000);
});

describe.skipIf(!engine.ok || !composer)(titled(`the compose file${composer ? '' : ' [skipped: no compose is installed]'}`, engine), () => {
  test('brings up gateway and machines, and a new gateway container goes on where the old one was', async () => {
    const env = { DRAGOMAN_IMAGE: mine, DRAGOMAN_PORT: String(await freePort()) };
    const run = compose(`${mine}-compose`, [join(root, 'docker', 'compose.yaml')], env);
    const gateway = () => run(['ps', '-q', 'gateway']).trim();
    try {
      run(['up', '-d', '--no-build']);
      const first = await telemetry(gateway(), machines, '/data/hub');
      run(['up', '-d', '--no-build', '--force-recreate', '--no-deps', 'gateway']);
      const known = new Set(first.map(({ id }) => id));
      const all = await telemetry(gateway(), machines, '/data/hub', (events) => events.some(({ id }) => !known.has(id)));
      const numbers = all.map(({ sequence }) => Number(sequence)).sort((x, y) => x - y);
      expect(numbers.slice(0, first.length)).toEqual(first.map(({ sequence }) => Number(sequence)).sort((x, y) => x - y));
      expect(numbers.filter((number, index) => index > 0 && number !== numbers[index - 1]! + 1)).toEqual([]);
    } finally {
      run(['down', '--volumes', '--timeout', '5']);
    }
  }, 120_000);
});

modulesInContainer(mine);

interface Event {
  readonly id: string;
  readonly subject: string;
  readonly sequence: string;
}

/** What is in the hub's store, once each of these machines has sent something and `enough` says so. */
async function telemetry(
  name: string,
  wanted: readonly string[],
  folder: string,
  enough: (events: readonly Event[]) => boolean = () => true,
): Promise<readonly Event[]> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const lines = await docker('exec', name, 'dragoman', 'hub', 'query', '--data', folder).catch((error: Error) => `# ${error.message}`);
    const events = lines
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Event);
    if (wanted.every((machine) => events.some(({ subject }) => subject === machine)) && enough(events)) return events;
    if (Date.now() > deadline) throw new Error(`no telemetry of ${wanted.join(' and ')} in the hub:\n${lines}`);
  }
}
