import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { globalEndpoint } from '../../hub-client/azure/dps/settings.ts';
import { GatewayError } from '../../model/error.ts';
import type { Box } from './box.ts';

export interface BoxFile {
  /** Absolute. */
  readonly path: string;
  readonly content: string;
  readonly secret: boolean;
}

/** The configuration first, secrets beside it. */
export function boxFiles(box: Box, file: string): readonly BoxFile[] {
  const folder = dirname(resolve(file));
  const secret = (name: string, content: string): BoxFile => ({
    path: join(folder, 'secrets', name),
    content: `${content}\n`,
    secret: true,
  });
  const own =
    box.proof.kind === 'key'
      ? [secret('device-key', box.proof.key)]
      : [secret('device.pem', box.proof.certificate), secret('device-key.pem', box.proof.privateKey)];
  const ca = box.ca === undefined ? [] : [{ path: join(folder, 'ca.pem'), content: `${box.ca}\n`, secret: false }];
  return [{ path: resolve(file), content: configuration(box), secret: false }, ...own, ...ca];
}

function configuration({ gateway, path, idScope, registrationId, endpoint, proof, ca }: Box): string {
  const own =
    proof.kind === 'key'
      ? ['    key: { file: ./secrets/device-key }']
      : ['    certificate: ./secrets/device.pem', '    privateKey: ./secrets/device-key.pem'];
  return `${[
    '# Made by dragoman init. Paths are relative to this file.',
    `gateway: ${quoted(gateway)}`,
    `${`path: ${quoted(path)}`.padEnd(33)} # where it stands: enterprise/site`,
    'mappings: [./mappings]            # files that say what to read from which machine',
    'hub:',
    '  kind: azure',
    '  dps:                            # Device Provisioning says which hub, and as which device',
    `    idScope: ${quoted(idScope)}`,
    `    registrationId: ${quoted(registrationId)}`,
    ...own,
    ...(endpoint === globalEndpoint ? [] : [`    endpoint: ${quoted(endpoint)}`]),
    ...(ca === undefined ? [] : ['  ca: ./ca.pem                    # root of a private provisioning service and hub']),
  ].join('\n')}\n`;
}

/** A JSON string is a YAML string, whatever is in it; plain where nothing can be misread. */
const quoted = (text: string): string =>
  /^[A-Za-z][A-Za-z0-9/-]*[A-Za-z0-9]$/.test(text) && !reserved.test(text) ? text : JSON.stringify(text);

/** Words that YAML takes for something else. */
const reserved = /^(y|n|yes|no|on|off|true|false|null)$/i;

/**
 * Writes what is not there yet. A file that is there with another content is left alone, and nothing at all is written, unless `force`.
 * Gives the names, relative to the configuration, of what was written.
 */
export async function writeFiles(files: readonly BoxFile[], force: boolean): Promise<readonly string[]> {
  const known = await Promise.all(files.map(({ path }) => readFile(path, 'utf8').catch(absent)));
  const other = files.filter(({ content }, i) => known[i] !== undefined && known[i] !== content);
  if (other.length > 0 && !force) {
    throw new GatewayError('init-exists', `${other.map(({ path }) => path).join(', ')} is there already; nothing was changed.`, {
      retry: 'after-fix',
      hint: 'Give another --file, or --force to write it anew.',
    });
  }
  const fresh = files.filter(({ content }, i) => known[i] !== content);
  for (const { path, content, secret } of fresh) {
    await mkdir(dirname(path), { recursive: true, ...(secret && { mode: 0o700 }) });
    await writeFile(path, content, secret ? { mode: 0o600 } : {});
  }
  // A mode counts only for a file that is made; one that was there may be open to all.
  for (const { path, secret } of files) if (secret) await chmod(path, 0o600);
  return fresh.map(({ path }) => relative(dirname(files[0]!.path), path));
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw new GatewayError('init-file', `${error.path ?? 'a file'} cannot be read: ${error.message}`, { retry: 'after-fix', cause: error });
}
