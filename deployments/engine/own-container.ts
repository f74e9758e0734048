import { readFile } from 'node:fs/promises';
import type { Engine } from './contract.ts';
import { isInside } from './host-paths.ts';

/** Where a path of this process is for the engine. */
export type PathOnHost =
  /** This process is in no container of that engine: the same. */
  | { readonly kind: 'same' }
  | { readonly kind: 'mounted'; readonly path: string }
  /** In this process's own container and nowhere else: the engine cannot mount it into another one. */
  | { readonly kind: 'inside'; readonly container: string };

/** Asks the engine where it mounted that folder (absolute) from. Rejects as the engine does. */
export async function pathOnHost(engine: Engine, path: string, mountinfo = '/proc/self/mountinfo'): Promise<PathOnHost> {
  const id = ownContainer(await readFile(mountinfo, 'utf8').catch(() => ''));
  const own = id === undefined ? undefined : await engine.container(id);
  if (!own?.mounts) return { kind: 'same' };
  const deepest = own.mounts.filter(({ to }) => isInside(path, to)).sort((a, b) => b.to.length - a.to.length)[0];
  return deepest?.from
    ? { kind: 'mounted', path: `${deepest.from}${path.slice(deepest.to.length)}` }
    : { kind: 'inside', container: own.name };
}

/** The id of the container that this process is in: its engine mounts the files of the network from a folder that is called so. */
export const ownContainer = (mountinfo: string): string | undefined =>
  /[/-]containers\/([0-9a-f]{64})\/\S* \/etc\/(?:hostname|hosts|resolv\.conf) /.exec(mountinfo)?.[1];
