import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** Packages of this repository's node_modules with all that they need, by their place there: `azure-iot-device` → its folder on this machine. */
export function packagesWith(names: readonly string[], root = resolve('.')): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const add = (name: string, from: string): void => {
    const folder = folderOf(name, from, root);
    if (folder === undefined || found.has(relative(join(root, 'node_modules'), folder))) return;
    found.set(relative(join(root, 'node_modules'), folder), folder);
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const needed of Object.keys(dependencies)) add(needed, folder);
  };
  for (const name of names) add(name, root);
  return found;
}

/** As Node looks for it, from the inside to the outside. */
function folderOf(name: string, from: string, root: string): string | undefined {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name);
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (at === root || at === dirname(at)) return undefined;
  }
}
