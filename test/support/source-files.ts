import { globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, whatever folder the test was started in. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const notOurs = new Set(['node_modules', 'dist', 'data', 'coverage', '.git']);

/** Files of the repository that match `pattern`, as posix paths from its root, sorted; no dependencies, builds or data. */
export function filesMatching(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: root, exclude: (name) => notOurs.has(String(name).split(/[\\/]/).at(-1) ?? '') }).sort();
}

export const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** One place where a file names another module: `import`, `export … from`, `import()`, `require()`, `new URL(…, import.meta.url)`. */
export interface Import {
  readonly file: string;
  /** One-based. */
  readonly line: number;
  /** As written. */
  readonly specifier: string;
  /** Path from the root of the repository where the specifier is relative, else undefined. */
  readonly target: string | undefined;
  /** Erased before the program runs. */
  readonly typeOnly: boolean;
}

const forms: readonly RegExp[] = [
  /\b(?<keyword>import|export)\s+(?<type>type\s+)?(?:[\w$*\s{},]+?\sfrom\s*|)['"](?<specifier>[^'"\n]+)['"]/g,
  /\bimport\(\s*['"](?<specifier>[^'"\n]+)['"]/g,
  /\brequire\(\s*['"](?<specifier>[^'"\n]+)['"]/g,
  /\bnew URL\(\s*['"](?<specifier>\.[^'"\n]+\.[cm]?[jt]s)['"]\s*,\s*import\.meta\.url/g,
];

/** Every import of one file, in the order of its lines. Reads text, not syntax: lines that are comments are left out first. */
export function importsOf(file: string, source = read(file)): readonly Import[] {
  const code = source.replace(/^[ \t]*(?:\/\/|\/\*|\*).*$/gm, '');
  return forms
    .flatMap((form) => [...code.matchAll(form)])
    .map(({ index, groups }) => {
      const specifier = groups?.specifier ?? '';
      return {
        file,
        line: code.slice(0, index).split('\n').length,
        specifier,
        target: specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(file), specifier)) : undefined,
        typeOnly: groups?.type !== undefined,
      };
    })
    .sort((a, b) => a.line - b.line);
}

/** `node:fs/promises` → `node:fs/promises`, `mqtt/dist/x` → `mqtt`, `@serialport/stream/y` → `@serialport/stream`. */
export function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
