import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Puts `text` in place of the file at `path`: the old or the new one, whole, also over a kill or a power cut; durable once it resolves. The
 * folder is made (0700) where it is missing. Rejects with what the system says (`ENOSPC`, `EACCES` …); the old file is as it was then.
 */
export async function writeWhole(path: string, text: string, mode = 0o600): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const part = `${path}.part`;
  // What a kill left behind may have any mode.
  await rm(part, { force: true });
  {
    await using handle = await open(part, 'wx', mode);
    await handle.writeFile(text);
    await handle.datasync();
  }
  await rename(part, path);
  await syncFolder(folder);
}

/** Makes durable which files a folder has. */
export async function syncFolder(folder: string): Promise<void> {
  await using directory = await open(folder);
  await directory.sync();
}
