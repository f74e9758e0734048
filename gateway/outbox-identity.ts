import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The name of the outbox in this folder, made once. Whoever deletes the folder gets a new name along with new numbers. */
export async function outboxIdentity(folder: string): Promise<string> {
  const file = join(folder, 'identity');
  const known = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (/^[0-9a-f]{4,}$/.test(known)) return known;
  await mkdir(folder, { recursive: true });
  const fresh = randomBytes(3).toString('hex');
  await writeFile(file, `${fresh}\n`, { flush: true });
  return fresh;
}
