import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capability } from '../../test/support/capabilities.ts';
import { makeImage } from '../../test/support/images.ts';
import { freePort } from '../../test/support/ports.ts';
import { startProcess } from '../harness/process.ts';
import type { EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { node, root, scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

const names = ['bench-a', 'bench-b'];
const gateway = `dragoman-bench-${process.pid}`;
const image = (version: number): string => `${gateway}/module:${version}`;
const docker = (...args: readonly string[]): string =>
  execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** From one line that changed to two containers that are swapped, beside the same two by hand. */
export const swap: Row = {
  name: 'swap',
  title: '`dragoman deploy` of two modules of another version, seconds until both are swapped and well',
  async run(options) {
    const engine = capability('docker');
    if (!engine.ok) return { row: this.name, title: this.title, entries: [], bars: [], notes: [`not run: ${engine.reason}`] };
    using folder = scratch();
    for (const version of [1, 2]) {
      const cmd = ['sh', '-c', `trap exit TERM; echo version ${version}; while true; do sleep 60 & wait $!; done`];
      makeImage(image(version), { programs: ['/bin/sh', 'sleep'], cmd });
    }
    const times: Record<'byHand' | 'ours', number[]> = { byHand: [], ours: [] };
    try {
      for (const name of names) docker('run', '-d', '--name', `hand-${name}`, image(1));
      await using running = await startGateway(folder.path);
      deploy(folder.path, 1);
      for (let repeat = 1; repeat <= options.repeats * 2; repeat++) {
        const version = repeat % 2 === 0 ? 1 : 2;
        options.progress(`version ${version}, ${repeat} of ${options.repeats * 2}`);
        times.byHand.push(
          seconds(() => {
            for (const name of names) {
              docker('create', '--name', `next-${name}`, image(version));
              docker('stop', `hand-${name}`);
              docker('start', `next-${name}`);
              docker('rm', `hand-${name}`);
              docker('rename', `next-${name}`, `hand-${name}`);
            }
          }),
        );
        times.ours.push(seconds(() => deploy(folder.path, version)));
      }
      void running;
    } finally {
      for (const filter of [`label=dragoman.gateway=${gateway}`, 'name=hand-bench', 'name=next-bench']) {
        const found = docker('ps', '-aq', '--filter', filter).split('\n').filter(Boolean);
        if (found.length > 0) docker('rm', '-f', ...found);
      }
      docker('rmi', '-f', image(1), image(2));
    }
    const entry = (name: string, role: EntryResult['role'], runs: readonly number[]): EntryResult => ({
      ...{
        name,
        role,
        figures: { s: median([...runs]), 'worst s': Math.max(...runs) },
        spread: spread([...runs]),
        repeats: runs.length,
        runs,
      },
    });
    const ours = median(times.ours);
    return {
      row: this.name,
      title: this.title,
      entries: [
        entry('docker create, stop, start, rm, rename of both', 'peer', times.byHand),
        entry('dragoman deploy', 'ours', times.ours),
      ],
      bars: [{ text: '≤ 2 s', value: ours, holds: ours <= 2 }],
      notes: [
        'ours: the command itself, reading, planning, images looked up, a record on disk before each step, both modules side by side; settleFor 0s',
        'by hand: nothing of that, one after the other',
      ],
    };
  },
};

async function startGateway(folder: string): Promise<AsyncDisposable> {
  const [api, broker] = [await freePort(), await freePort()];
  mkdirSync(join(folder, 'mappings'));
  writeFileSync(
    join(folder, 'dragoman.yaml'),
    `gateway: ${gateway}\nhub: { kind: embedded, data: ./hub, port: 0 }\napi: { listen: "127.0.0.1:${api}" }
modules: { broker: { listen: "127.0.0.1:${broker}" }, settleFor: 0s }\n`,
  );
  const run = startProcess(node, [join(root, 'gateway', 'main.ts'), 'run', '--config', join(folder, 'dragoman.yaml')], {
    name: 'dragoman run',
  });
  await run.line(/container engine found/m);
  return { [Symbol.asyncDispose]: async () => void (await run.stop('SIGTERM')) };
}

function deploy(folder: string, version: number): void {
  const settings = { image: 'built-in', createOptions: '{}' };
  const modules = Object.fromEntries(
    names.map((name) => [
      name,
      { type: 'docker', status: 'running', restartPolicy: 'always', imagePullPolicy: 'never', settings: { image: image(version) } },
    ]),
  );
  const agent = {
    schemaVersion: '1.1',
    runtime: { type: 'docker', settings: { minDockerVersion: 'v1.25' } },
    systemModules: {
      edgeAgent: { type: 'docker', settings },
      edgeHub: { type: 'docker', status: 'running', restartPolicy: 'always', settings },
    },
    modules,
  };
  const hub = { schemaVersion: '1.1', routes: {}, storeAndForwardConfiguration: { timeToLiveSecs: 60 } };
  const file = join(folder, 'deployment.json');
  writeFileSync(
    file,
    JSON.stringify({ modulesContent: { $edgeAgent: { 'properties.desired': agent }, $edgeHub: { 'properties.desired': hub } } }),
  );
  execFileSync(node, [join(root, 'gateway', 'main.ts'), 'deploy', file, '--data', join(folder, 'data')], { stdio: 'pipe' });
}

function seconds(work: () => void): number {
  const began = performance.now();
  work();
  return (performance.now() - began) / 1000;
}
