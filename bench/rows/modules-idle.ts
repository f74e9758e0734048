import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { capability } from '../../test/support/capabilities.ts';
import { docker, makeShellImage } from '../../test/support/engine.ts';
import { manifestWith, moduleOf } from '../../test/support/manifest.ts';
import { freePort } from '../../test/support/ports.ts';
import { startProcess } from '../harness/process.ts';
import type { EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { node, root, scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

const main = join(root, 'gateway', 'main.ts');
const mine = `dragoman-bench-idle-${process.pid}`;
const names = Array.from({ length: 5 }, (_, index) => `${mine}-${index}`);

interface Rest {
  readonly cpuPercent: number;
  readonly rssMB: number;
}

/** What it costs to look after modules that want nothing. */
export const modulesIdle: Row = {
  name: 'modules-idle',
  title: `a gateway at rest that looks after ${names.length} idle containers: share of a core, RSS`,
  async run(options) {
    const engine = capability('docker');
    if (!engine.ok) return { row: this.name, title: this.title, entries: [], bars: [], notes: [`not run: ${engine.reason}`] };
    using folder = scratch();
    const windowMs = options.quick ? 5_000 : 60_000;
    await makeShellImage(undefined, { tag: `${mine}:1` });
    const without: Rest[] = [];
    const beside: Rest[] = [];
    try {
      for (let repeat = 1; repeat <= options.repeats; repeat++) {
        options.progress(`${repeat} of ${options.repeats}`);
        without.push(await atRest(join(folder.path, `without-${repeat}`), false, windowMs));
        beside.push(await atRest(join(folder.path, `beside-${repeat}`), true, windowMs));
      }
    } finally {
      await docker(undefined, 'rm', '-f', ...names).catch(() => {});
      await docker(undefined, 'network', 'rm', mine).catch(() => {});
      await docker(undefined, 'rmi', '-f', `${mine}:1`).catch(() => {});
    }
    const entry = (name: string, role: EntryResult['role'], runs: readonly Rest[]): EntryResult => ({
      ...{ name, role, repeats: runs.length, runs },
      figures: { 'CPU %': median(runs.map((run) => run.cpuPercent)), 'RSS MB': median(runs.map((run) => run.rssMB)) },
      spread: spread(runs.map((run) => run.cpuPercent)),
    });
    return {
      row: this.name,
      title: this.title,
      entries: [entry('without modules', 'peer', without), entry(`with ${names.length} containers`, 'ours', beside)],
      bars: [],
      notes: [`over ${windowMs / 1000} s, 10 s after the start; the hub is a process of its own and not counted`],
    };
  },
};

async function atRest(folder: string, withModules: boolean, windowMs: number): Promise<Rest> {
  const [api, broker] = [await freePort(), await freePort()];
  mkdirSync(join(folder, 'mappings'), { recursive: true });
  const modules = `modules: { network: ${mine}, hostAddress: 127.0.0.1, broker: { listen: "127.0.0.1:${broker}" }, settleFor: 0s }\n`;
  writeFileSync(
    join(folder, 'dragoman.yaml'),
    `gateway: ${mine}\nhub: { kind: embedded, data: ./hub, port: 0 }\napi: { listen: "127.0.0.1:${api}" }\n${withModules ? modules : ''}`,
  );
  await using gateway = startProcess(node, [main, 'run'], { name: 'gateway', cwd: folder });
  await gateway.line(withModules ? /container engine found/ : /status {4}/);
  if (withModules) deploy(folder);
  await sleep(10_000);
  const before = gateway.usage();
  await sleep(windowMs);
  const after = gateway.usage();
  return { cpuPercent: ((after.cpuSeconds - before.cpuSeconds) / windowMs) * 100_000, rssMB: after.rssMB };
}

function deploy(folder: string): void {
  const module = moduleOf({ image: `${mine}:1`, more: { imagePullPolicy: 'never' } });
  const manifest = manifestWith(Object.fromEntries(names.map((name) => [name, module])));
  writeFileSync(join(folder, 'deployment.json'), JSON.stringify(manifest));
  const { status, stdout, stderr } = spawnSync(node, [main, 'deploy', 'deployment.json'], { encoding: 'utf8', cwd: folder });
  if (status !== 0) throw new Error(`dragoman deploy ended with ${status}:\n${stdout}${stderr}`);
}
