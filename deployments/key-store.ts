import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeWhole } from './whole-file.ts';

/**
 * Where secrets of the box are kept: keys of its authorities and modules, the master key. Hardware that seals them (a TPM, a secure element) takes
 * the place of `fileKeyStore`; nobody else reads or writes them.
 */
export interface KeyStore {
  /** Undefined when there is none. */
  read(name: string): Promise<string | undefined>;
  /** Whole or not at all, also over a kill or a power cut; durable once it resolves. */
  write(name: string, secret: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Each secret a file of `folder`, readable by the user of the gateway alone (files 0600, folder 0700). `name` is a plain file name. */
export function fileKeyStore(folder: string): KeyStore {
  return {
    async read(name) {
      try {
        return await readFile(join(folder, name), 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async write(name, secret) {
      await writeWhole(join(folder, name), secret);
    },
    async remove(name) {
      await rm(join(folder, name), { force: true });
      await syncFolder(folder);
    },
  };
}
