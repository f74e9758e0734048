import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { docker, makeShellImage } from '../../test/support/engine.ts';
import { manifestWith, moduleOf } from '../../test/support/manifest.ts';
import { freePort } from '../../test/support/ports.ts';
import { startProcess } from '../harness/process.ts';
import type { EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { node, root, scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

const main = join(root, 'gateway', 'main.ts');
const mine = `dragoman-bench-${process.pid}`;
const kinds = [
  { kind: 'plain', text: 'no HEALTHCHECK, settleFor 0 s', changes: [] },
  { kind: 'checked', text: 'HEALTHCHECK every 200 ms', changes: ['HEALTHCHECK --interval=200ms --timeout=2s CMD ["/usr/bin/true"]'] },
] as const;
/** Containers are called like their modules; nobody else's are touched. */
const names = [`${mine}-a`, `${mine}-b`] as const;
const imageOf = (kind: string, version: number): string => `${mine}/${kind}:${version}`;

/** From `dragoman deploy` to the new two running and the old two gone; beside Docker's own program doing the same without any care. */
export const swap: Row = {
  name: 'swap',
  title: 'two modules swapped on a real container engine, seconds',
  async run(options) {
    using folder = scratch();
    const engine = spawnSync(join(root, '.ci/engine'), [join(folder.path, 'engine')], { encoding: 'utf8' });
    if (engine.status !== 0)
      return { row: this.name, title: this.title, entries: [], bars: [], notes: [`skipped: ${engine.stderr.trim().split('\n')[0]}`] };
    const host = engine.stdout.trim();
    try {
      return { row: this.name, title: this.title, ...(await measured(host, folder.path, options.repeats, options.progress)) };
    } finally {
      await clean(host);
      await stopEngine(join(folder.path, 'engine', 'pid'));
    }
  },
};

async function measured(host: string, folder: string, repeats: number, progress: (text: string) => void) {
  for (const { kind, changes } of kinds)
    for (const version of [1, 2]) await makeShellImage(host, { tag: imageOf(kind, version), changes, content: `${kind} ${version}` });
  const [api, broker] = [await freePort(), await freePort()];
  mkdirSync(join(folder, 'gateway'));
  const config = join(folder, 'gateway', 'dragoman.yaml');
  writeFileSync(
    config,
    `gateway: ${mine}
hub: { kind: embedded, data: ./hub, port: 0 }
api: { listen: "127.0.0.1:${api}" }
modules: { engine: "${host}", network: ${mine}, hostAddress: 127.0.0.1, broker: { listen: "127.0.0.1:${broker}" }, settleFor: 0s }
`,
  );
  await using gateway = startProcess(node, [main, 'run', '--config', config], { name: 'gateway', cwd: join(folder, 'gateway') });
  await gateway.line(/container engine found/);
  const entries: EntryResult[] = [];
  const notes = ['ours has the start of `dragoman deploy` in it, its answer is awaited; `docker run -d` does not wait for health'];
  for (const { kind, text } of kinds) {
    const ours: number[] = [];
    const theirs: number[] = [];
    deploy(folder, imageOf(kind, 1));
    for (const name of names) await run(host, name, imageOf(kind, 1));
    for (let repeat = 1; repeat <= repeats; repeat++) {
      progress(`${text}, ${repeat} of ${repeats}`);
      const image = imageOf(kind, (repeat % 2) + 1);
      theirs.push(await seconds(() => byHand(host, image)));
      ours.push(await seconds(async () => deploy(folder, image)));
      const id = await docker(host, 'inspect', '--format', '{{.Id}}', image);
      const now = (await docker(host, 'inspect', '--format', '{{.Image}} {{.State.Running}}', ...names)).split('\n');
      const all = (await docker(host, 'ps', '-aq', '--filter', `label=dragoman.gateway=${mine}`)).split('\n');
      if (now.some((line) => line !== `${id} true`) || all.length !== names.length)
        throw new Error(`not swapped to ${image}: ${now}; ${all.length} containers`);
    }
    for (const name of names) await docker(host, 'rm', '-f', `hand-${name}`);
    const entry = (name: string, role: EntryResult['role'], all: readonly number[]): EntryResult => ({
      name: `${name}, ${text}`,
      role,
      figures: { s: median(all) },
      spread: spread(all),
      repeats,
      runs: all,
    });
    entries.push(entry('docker stop, rm, run', 'peer', theirs), entry('dragoman deploy', 'ours', ours));
    notes.push(`${text}: ${median(ours.map((one, at) => one / theirs[at]!)).toFixed(2)}× docker, pair by pair`);
  }
  return { entries, bars: [], notes };
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

const run = (host: string, name: string, image: string): Promise<string> => docker(host, 'run', '-d', '--name', `hand-${name}`, image);

async function byHand(host: string, image: string): Promise<void> {
  for (const name of names) {
    await docker(host, 'stop', `hand-${name}`);
    await docker(host, 'rm', `hand-${name}`);
    await run(host, name, image);
  }
}

function deploy(folder: string, image: string): void {
  const cwd = join(folder, 'gateway');
  writeFileSync(join(cwd, 'deployment.json'), JSON.stringify(manifest(image)));
  const { status, stdout, stderr } = spawnSync(node, [main, 'deploy', 'deployment.json'], { encoding: 'utf8', cwd });
  if (status !== 0) throw new Error(`dragoman deploy ended with ${status}:\n${stdout}${stderr}`);
}

const manifest = (image: string) => manifestWith(Object.fromEntries(names.map((name) => [name, moduleOf({ image })])));

/** What is this run's own on an engine that others may use. */
async function clean(host: string): Promise<void> {
  const containers = [...names, ...names.map((name) => `hand-${name}`)];
  await docker(host, 'rm', '-f', ...containers).catch(() => {});
  await docker(host, 'network', 'rm', mine).catch(() => {});
  const images = kinds.flatMap(({ kind }) => [imageOf(kind, 1), imageOf(kind, 2)]);
  await docker(host, 'rmi', '-f', ...images).catch(() => {});
}

/** Only an engine that was started here has left its pid. */
async function stopEngine(pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return;
  process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
  for (let tries = 0; existsSync(pidFile) && tries < 150; tries++) await sleep(100);
}
