import { existsSync, statSync } from 'node:fs';
import { takeLock } from './database.ts';
import { hubFiles, readIfThere, writeWhole } from './folder.ts';

/** Where the hub of a folder is, or was last, to be found. */
export interface HubEndpoint {
  readonly pid: number;
  /** The name devices use; the first of `names`. */
  readonly host: string;
  readonly mqttPort: number;
  /** Absent: REST, or AMQP for services, does not listen. */
  readonly httpsPort?: number;
  readonly amqpPort?: number;
  readonly names: readonly string[];
  /** Address it listens on; absent: every interface. */
  readonly listen?: string;
  /** PEM file that devices must trust; absent when the certificate comes from a CA the hub does not know. */
  readonly caFile?: string;
  /** Epoch milliseconds. */
  readonly startedMs: number;
}

export function writeEndpoint(folder: string, endpoint: HubEndpoint): void {
  writeWhole(hubFiles(folder).endpoint, `${JSON.stringify(endpoint, undefined, 2)}\n`);
}

/** The last known endpoint, whether or not the hub runs now; undefined when none ever ran in this folder. */
export function lastEndpoint(folder: string): HubEndpoint | undefined {
  const text = readIfThere(hubFiles(folder).endpoint);
  return text === undefined ? undefined : (JSON.parse(text) as HubEndpoint);
}

/** The endpoint of the hub that runs in this folder now; undefined when none runs. */
export function hubEndpoint(folder: string): HubEndpoint | undefined {
  const { lock } = hubFiles(folder);
  if (!existsSync(lock) || !statSync(lock).isFile()) return undefined;
  const taken = takeLock(lock);
  if (taken) {
    taken[Symbol.dispose]();
    return undefined;
  }
  return lastEndpoint(folder);
}
