import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from '../../model/problem.ts';

/** A mapping is written by people; what is larger is something else. */
const largestBytes = 10 * 1024 * 1024;

export interface Listed {
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
}

const problem = (file: string, rule: string, message: string, hint?: string): Problem => ({
  file,
  line: 1,
  column: 1,
  severity: 'error',
  rule,
  message,
  ...(hint && { hint }),
});

/** The YAML files that `paths` name: files as they are, folders with all below them; sorted, each once. Hidden ones and node_modules are passed over. */
export async function listYamlFiles(paths: readonly string[]): Promise<Listed> {
  const files = new Set<string>();
  const problems: Problem[] = [];
  for (const path of paths) {
    try {
      const found = await stat(path);
      if (!found.isDirectory()) files.add(path);
      else {
        const inside = await yamlFilesIn(path);
        if (inside.length === 0) problems.push(problem(path, 'no-files', 'the folder holds no *.yaml file', 'put a mapping file into it'));
        for (const file of inside) files.add(file);
      }
    } catch (error) {
      problems.push(problem(path, 'unreadable', reasonOf(error)));
    }
  }
  return { files: [...files].toSorted(), problems };
}

async function yamlFilesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return (
    entries
      .filter((entry) => /\.ya?ml$/i.test(entry.name) && !entry.isDirectory())
      // The gateway's own configuration often lies beside its mappings.
      .filter((entry) => !/^dragoman\.ya?ml$/i.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !/(^|[\\/])(\.[^\\/.][^\\/]*|node_modules)([\\/]|$)/.test(file.slice(folder.length)))
  );
}

/** The text of a file, or the one problem that says why there is none. Never reads more than a mapping may hold. */
export async function readYamlFile(file: string): Promise<string | Problem> {
  try {
    await using handle = await open(file);
    const found = await handle.stat();
    if (!found.isFile()) return problem(file, 'unreadable', found.isDirectory() ? 'this is a folder' : 'this is not a regular file');
    if (found.size > largestBytes) {
      const size = `${(found.size / 1024 / 1024).toFixed(0)} MB`;
      return problem(
        file,
        'file-too-large',
        `the file has ${size}; a mapping has at most 10 MB`,
        'split it: a folder of mappings is loaded whole',
      );
    }
    return textOf(file, await handle.readFile());
  } catch (error) {
    return problem(file, 'unreadable', reasonOf(error));
  }
}

/** UTF-8 bytes as text; a problem for anything that is not text. */
export function textOf(file: string, bytes: Uint8Array): string | Problem {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    return problem(file, 'not-text', 'the file is UTF-16', 'save it as UTF-8');
  }
  const strange = bytes.findIndex((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
  if (strange >= 0) {
    const shown = `0x${(bytes[strange] as number).toString(16).padStart(2, '0')}`;
    return { ...problem(file, 'not-text', `byte ${shown} does not belong in a text file; this looks binary`), ...placeOf(bytes, strange) };
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const wrong = firstInvalid(bytes);
    const shown = `0x${(bytes[wrong] ?? 0).toString(16)}`;
    return { ...problem(file, 'not-text', `byte ${shown} is not UTF-8`, 'save the file as UTF-8'), ...placeOf(bytes, wrong) };
  }
}

function placeOf(bytes: Uint8Array, offset: number): { line: number; column: number } {
  let line = 1;
  let start = 0;
  for (let i = 0; i < offset; i++) {
    if (bytes[i] === 0x0a) {
      line++;
      start = i + 1;
    }
  }
  return { line, column: new TextDecoder().decode(bytes.subarray(start, offset)).length + 1 };
}

/** Where decoding fails first: the longest prefix that decodes ends there. */
function firstInvalid(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      low = middle;
    } catch {
      high = middle - 1;
    }
  }
  return Math.min(low, bytes.length - 1);
}

function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'there is no such file or folder';
    case 'EACCES':
    case 'EPERM':
      return 'it may not be read by this user';
    case 'ELOOP':
      return 'it is a link that leads back to itself';
    default:
      return `it cannot be read: ${(error as Error).message}`;
  }
}
