import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Calls back, once things are quiet for a moment, when anything under the paths changes.
 * Editors write in steps (truncate, write, rename): the pause keeps us from reading half a file.
 */
export async function watchFiles(paths: readonly string[], changed: () => void, quietMs = 300): Promise<Disposable> {
  const watchers: FSWatcher[] = [];
  let timer: NodeJS.Timeout | undefined;
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(changed, quietMs);
  };
  for (const path of paths) {
    const folder = (await stat(path).catch(() => undefined))?.isDirectory() ? path : dirname(path);
    try {
      const watcher = watch(folder, { recursive: true }, soon);
      // A folder that is removed ends its watcher; the gateway keeps what it has, SIGHUP reloads by hand.
      watcher.on('error', () => watcher.close());
      watchers.push(watcher);
    } catch {
      // Not there, or out of inotify watches: SIGHUP remains.
    }
  }
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}
