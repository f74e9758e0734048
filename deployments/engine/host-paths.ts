import { realpathSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Where engines of Linux listen; whoever reaches one of these owns the machine. */
const engineSockets = [
  ...['/run/docker.sock', '/var/run/docker.sock', '/run/podman/podman.sock', '/run/crio/crio.sock'],
  ...['/run/containerd/containerd.sock', '/run/docker/containerd/containerd.sock'],
];
/** What engines keep: images, volumes, settings. */
const engineFolders = [
  ...['/var/lib/docker', '/var/lib/containerd', '/etc/docker', '/run/docker', '/run/containerd'],
  ...['/var/lib/containers', '/etc/containers', '/run/containers', '/run/libpod'],
];

/** Where a path leads now: links followed as far as it is there, without `..` and doubled slashes. */
export function realPath(path: string): string {
  const plain = normalize(path).replace(/(?<=.)\/+$/, '');
  try {
    return realpathSync(plain);
  } catch {
    const parent = dirname(plain);
    return parent === plain ? plain : join(realPath(parent), plain.slice(parent.length));
  }
}

/** Both absolute and real. A folder is inside itself. */
export const isInside = (path: string, folder: string): boolean => path === folder || folder === '/' || path.startsWith(`${folder}/`);

/** Whether someone who has `path` (real) has the control of an engine: its socket, the folder of the socket, what lies above, its files. */
export function givesEngine(path: string, moreSockets: readonly string[]): boolean {
  const sockets = [...engineSockets, ...moreSockets].flatMap((socket) => [socket, realPath(socket)]);
  const folders = engineFolders.map(realPath);
  return (
    sockets.some((socket) => path === socket || isInside(dirname(socket), path) || sameFile(path, socket)) ||
    folders.some((folder) => isInside(path, folder) || isInside(folder, path))
  );
}

/** One socket by two names (a hard link, a mount). */
function sameFile(a: string, b: string): boolean {
  try {
    const [left, right] = [a, b].map((path) => statSync(path, { bigint: true }));
    return left!.isSocket() && left!.ino === right!.ino && left!.dev === right!.dev;
  } catch {
    return false;
  }
}
