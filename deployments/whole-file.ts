import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What a kill may leave behind, beside the file. */
export const partEnding = '.part';

/** Of the file, and of a folder that is made for it. */
export interface Modes {
  readonly file: number;
  readonly folder: number;
}

/** For the owner alone. */
const secret: Modes = { file: 0o600, folder: 0o700 };

/**
 * Puts `content` in place of the file at `path`: the old or the new one, whole, also over a kill or a power cut; durable once it resolves. The
 * folder is made where it is missing. Rejects with what the system says (`ENOSPC`, `EACCES` …); the old file is as it was then.
 */
export async function writeWhole(path: string, content: string | Uint8Array, modes = secret): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: modes.folder });
  const part = `${path}${partEnding}`;
  // What a kill left behind may have any mode.
  await rm(part, { force: true });
  {
    await using handle = await open(part, 'wx', modes.file);
    await handle.writeFile(content);
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
