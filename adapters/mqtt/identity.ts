import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';

/** Letters and digits that every broker takes (MQTT 3.1.1 §3.1.3.1). */
const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const random = (): string => Array.from(randomBytes(8), (byte) => alphabet[byte % alphabet.length]).join('');

const installations = new Map<string, Promise<string>>();

/**
 * `dragoman-EQUIPMENT-XXXXXXXX`: the same after every restart, so that the broker finds its session; another one for a second gateway
 * with the same mapping. The last part is made once and kept in the state folder.
 */
export async function stableClientId(stateFolder: string, equipment: string): Promise<string> {
  let known = installations.get(stateFolder);
  if (!known) {
    known = installation(stateFolder);
    installations.set(stateFolder, known);
    // A folder that cannot be written to now may be later.
    known.catch(() => installations.delete(stateFolder));
  }
  try {
    return `dragoman-${equipment.replaceAll(/[^A-Za-z0-9_-]/g, '_')}-${await known}`;
  } catch (cause) {
    const text = `The name of the MQTT session cannot be kept in ${stateFolder}: ${(cause as Error).message}.`;
    throw new GatewayError('mqtt-state', text, { retry: 'after-fix', hint: 'Make the folder writable, or write clientId:', cause });
  }
}

/** For one connection that leaves nothing behind. */
export const passingClientId = (): string => `dragoman-looks-${random()}`;

async function installation(folder: string): Promise<string> {
  const file = join(folder, 'installation');
  const read = async (): Promise<string> => (await readFile(file, 'utf8')).trim();
  try {
    return await read();
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
  }
  await mkdir(folder, { recursive: true });
  // Two processes that start at once must agree: the name appears with its content, or not at all.
  const draft = `${file}.${random()}`;
  await writeFile(draft, `${random()}\n`);
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return read();
}
