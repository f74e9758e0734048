import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterFix } from './error.ts';

/** Where each thing lives inside the hub's data folder. */
export function hubFiles(folder: string) {
  return {
    caCertificate: join(folder, 'ca.pem'),
    caKey: join(folder, 'ca.key'),
    serverCertificate: join(folder, 'server.pem'),
    serverKey: join(folder, 'server.key'),
    /** Identities, sessions, twins. */
    registry: join(folder, 'hub.db'),
    telemetry: join(folder, 'telemetry.db'),
    /** Held by the running hub, so that a second one cannot start on the same folder. */
    lock: join(folder, 'lock.db'),
    endpoint: join(folder, 'endpoint.json'),
    /** Shared access policies with their keys. */
    policies: join(folder, 'policies.json'),
  } as const;
}

/** Keys are inside: the folder belongs to its owner alone. */
export function makeFolder(folder: string): void {
  try {
    const made = mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (made !== undefined) chmodSync(folder, 0o700);
  } catch (error) {
    throw afterFix(
      'hub-folder',
      `cannot create the hub's data folder ${folder}: ${(error as Error).message}`,
      'give another folder with --data, or make this one writable',
      error,
    );
  }
}

/** The old content or the new one, never a half. */
export function writeWhole(file: string, content: string, mode = 0o644): void {
  const fresh = `${file}.${process.pid}.new`;
  writeFileSync(fresh, content, { mode, flush: true });
  chmodSync(fresh, mode);
  renameSync(fresh, file);
}

export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
