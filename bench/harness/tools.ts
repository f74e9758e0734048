import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const bench = join(root, 'bench');
export const node = process.execPath;

/** Debian's Python, the one that has python3-pymodbus. */
export const debianPython = '/usr/bin/python3';

export function answers(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 }).status === 0;
}

/** A program by name, also one that only root has in its PATH. */
export function programPath(name: string): string | undefined {
  return [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'].map((folder) => join(folder, name)).find(existsSync);
}

export function scratch(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'dragoman-bench-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The C loop on libmodbus, compiled into `folder`; undefined where no compiler or no libmodbus-dev is. */
export function compileLibmodbusLoop(folder: string): string | undefined {
  const program = join(folder, 'libmodbus-loop');
  const flags = spawnSync('pkg-config', ['--cflags', '--libs', 'libmodbus'], { encoding: 'utf8' });
  if (flags.status !== 0) return undefined;
  const source = join(bench, 'contestants', 'libmodbus-loop.c');
  const built = spawnSync('cc', ['-O2', '-o', program, source, ...flags.stdout.trim().split(/\s+/)], { stdio: 'ignore' });
  return built.status === 0 ? program : undefined;
}
