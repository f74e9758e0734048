import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Whole or not at all, also over a kill or a power cut: written beside, synced, renamed, and the folder synced. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const part = `${path}${partEnding}`;
  {
    await using handle = await open(part, 'w', 0o640);
    await handle.writeFile(content);
    await handle.datasync();
  }
  await rename(part, path);
  await using directory = await open(folder);
  await directory.sync();
}

/** What a kill may leave behind. */
export const partEnding = '.part';
