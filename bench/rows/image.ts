import { spawnSync } from 'node:child_process';
import type { EntryResult } from '../harness/report.ts';
import { answers, root } from '../harness/tools.ts';
import type { Row } from './row.ts';

/** Size of the image beside the smallest image that can run the same Node. */
export const image: Row = {
  name: 'image',
  title: 'container image, uncompressed',
  async run(options) {
    if (!answers('docker', ['version', '--format', '{{.Server.Version}}'])) {
      return { row: this.name, title: this.title, entries: [], bars: [], notes: ['no container engine answers: not run'] };
    }
    const size = (target: string | undefined): number => {
      const tag = `dragoman-bench:${target ?? 'gateway'}`;
      options.progress(tag);
      const build = ['build', '-f', 'docker/Dockerfile', '-t', tag, ...(target ? ['--target', target] : []), '.'];
      const built = spawnSync('docker', build, { cwd: root, encoding: 'utf8', timeout: 900_000 });
      if (built.status !== 0) throw new Error(`docker build failed:\n${(built.stdout + built.stderr).slice(-2000)}`);
      const inspected = spawnSync('docker', ['image', 'inspect', '--format', '{{.Size}}', tag], { encoding: 'utf8' });
      return Number(inspected.stdout.trim()) / 1e6;
    };
    const minimal = size('minimal');
    const ours = size(undefined);
    const entry = (name: string, role: EntryResult['role'], value: number): EntryResult => {
      return { name, role, figures: { MB: value }, spread: 0, repeats: 1 };
    };
    return {
      row: this.name,
      title: this.title,
      entries: [entry('Node and the libraries it is linked with', 'limit', minimal), entry('dragoman', 'ours', ours)],
      bars: [{ text: '≤ 1.5× the minimal image', value: ours / minimal, holds: ours / minimal <= 1.5 }],
      notes: [],
    };
  },
};
