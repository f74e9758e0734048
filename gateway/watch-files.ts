import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

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
    // What lies beside a file, or beside a folder that is not there yet, is none of our business: it may be the data folder.
    const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
    try {
      const watcher = isFolder
        ? watch(path, { recursive: true }, soon)
        : watch(dirname(path), (_event, name) => {
            if (name === null || name === basename(path)) soon();
          });
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
