import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tempFolder } from './temp.ts';

export interface ImageParts {
  /** Programs of this machine, by name or path, with the libraries that they load. */
  readonly programs?: readonly string[];
  /** Text by path in the image; everybody may run it. */
  readonly files?: Readonly<Record<string, string>>;
  /** Files and folders of this machine, by path in the image; libraries that they load come along. */
  readonly copies?: Readonly<Record<string, string>>;
  readonly cmd: readonly string[];
  /** More instructions of a Dockerfile: `USER 1000:1000`, `HEALTHCHECK …`. */
  readonly changes?: readonly string[];
  /** DOCKER_HOST; undefined: as this process has it. */
  readonly host?: string | undefined;
}

/** Makes an image on the spot, where no registry can be reached: a few programs of this machine in a root of their own. */
export function makeImage(tag: string, { programs = [], files = {}, copies = {}, cmd, changes = [], host }: ImageParts): void {
  using folder = tempFolder();
  const root = folder.path;
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  for (const name of ['tmp', 'proc', 'sys', 'dev', 'run', 'etc']) mkdirSync(join(root, name));
  chmodSync(join(root, 'tmp'), 0o1777);
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\nmodule:x:1000:1000::/:/bin/sh\n');
  for (const program of programs) addFile(root, pathOf(program), program.startsWith('/') ? program : `/usr/bin/${program}`);
  for (const [path, from] of Object.entries(copies)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    execFileSync('cp', ['-rL', from, join(root, path)]);
  }
  for (const path of filesBelow(root)) for (const library of librariesOf(path)) addFile(root, library, library);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o755 });
  }
  // podman imports none.
  const checks = changes.filter((one) => one.startsWith('HEALTHCHECK'));
  const instructions = [
    'ENV PATH=/usr/local/bin:/usr/bin:/bin',
    ...changes.filter((one) => !checks.includes(one)),
    `CMD ${JSON.stringify(cmd)}`,
  ];
  const tar = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 2 ** 30 });
  const docker = (args: readonly string[], input: string | Buffer): void => {
    const env = { ...process.env, ...(host !== undefined && { DOCKER_HOST: host }), DOCKER_BUILDKIT: '0' };
    execFileSync('docker', args, { input, stdio: ['pipe', 'ignore', 'pipe'], env });
  };
  docker(['import', ...instructions.flatMap((one) => ['--change', one]), '-', tag], tar);
  if (checks.length > 0) docker(['build', '--tag', tag, '-'], [`FROM ${tag}`, ...checks].join('\n'));
}

const pathOf = (program: string): string =>
  program.startsWith('/') ? program : execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { encoding: 'utf8' }).trim();

function addFile(root: string, from: string, to: string): void {
  const target = join(root, to);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(realpathSync(from), target);
  chmodSync(target, 0o755);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => /\.so(\.|$)/.test(path) || (statSync(path).mode & 0o111) !== 0);
}

/** None of what is no ELF file, or linked statically. */
function librariesOf(path: string): string[] {
  const { stdout } = spawnSync('ldd', [path], { encoding: 'utf8' });
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, library]) => library!);
}
