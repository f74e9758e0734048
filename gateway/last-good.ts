import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The text of each mapping file as it was when it last compiled, by path. Survives restarts: a bad edit at night must not stop a line. */
export interface LastGood {
  text(file: string): string | undefined;
  /** Replaces the set; written to a new file, synced, renamed. */
  save(files: ReadonlyMap<string, string>): Promise<void>;
}

export async function openLastGood(path: string): Promise<LastGood> {
  let known = new Map<string, string>();
  try {
    known = new Map(Object.entries((JSON.parse(await readFile(path, 'utf8')) as { files: Record<string, string> }).files));
  } catch {
    // Absent on a first start; unreadable is the same as absent: it is a safety net, not a source.
  }
  return {
    text: (file) => known.get(file),
    async save(files) {
      if (files.size === known.size && [...files].every(([file, text]) => known.get(file) === text)) return;
      await mkdir(dirname(path), { recursive: true });
      const fresh = `${path}.new`;
      await using handle = await open(fresh, 'w');
      await handle.writeFile(JSON.stringify({ files: Object.fromEntries(files) }));
      await handle.datasync();
      await rename(fresh, path);
      known = new Map(files);
    },
  };
}
