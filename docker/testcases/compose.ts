import { spawnSync } from 'node:child_process';

/** The plug-in of newer clients, or the program of older ones; undefined: none is installed. */
export const composer = [['docker', 'compose'], ['docker-compose']].find(
  ([command, ...args]) => spawnSync(command!, [...args, 'version']).status === 0,
);

/** Runs compose in a project; its standard output. Rejects with what it said. */
export function compose(project: string, files: readonly string[], env: Readonly<Record<string, string>>) {
  const [command, ...before] = composer!;
  const options = [...before, '-p', project, ...files.flatMap((file) => ['-f', file])];
  return (args: readonly string[], input = ''): string => {
    const run = spawnSync(command!, [...options, ...args], {
      encoding: 'utf8',
      input,
      env: { ...process.env, ...env },
      maxBuffer: 64_000_000,
    });
    if (run.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${run.error?.message ?? ''}\n${run.stderr}${run.stdout}`);
    return run.stdout;
  };
}
