import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { SecretReference } from '../adapters/contract.ts';
import { GatewayError } from '../model/error.ts';

/** Opens the secrets that settings refer to; relative files are looked up from the folder of the file that names them. */
export function secretOpener(
  baseFolder: string,
  environment: NodeJS.ProcessEnv = process.env,
): (reference: SecretReference) => Promise<string> {
  return async (reference) => {
    if ('env' in reference) {
      const value = environment[reference.env];
      if (value) return value;
      throw new GatewayError('secret-missing', `the environment variable ${reference.env} is not set`, {
        retry: 'after-fix',
        hint: `set ${reference.env} for the gateway's process, or refer to a file instead: { file: ./secrets/… }`,
      });
    }
    const path = resolve(baseFolder, reference.file);
    try {
      const text = (await readFile(path, 'utf8')).trim();
      if (text !== '') return text;
    } catch (cause) {
      throw new GatewayError('secret-missing', `the secret file ${path} cannot be read: ${(cause as Error).message}`, {
        retry: 'after-fix',
        hint: 'create it with the secret as its only content, readable for the user that the gateway runs as',
        cause,
      });
    }
    throw new GatewayError('secret-missing', `the secret file ${path} is empty`, { retry: 'after-fix', hint: 'write the secret into it' });
  };
}
