import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GatewayError } from '../../model/error.ts';
import type { ModuleSpec } from '../contract.ts';
import { containerName } from '../engine/labels.ts';
import { fileKeyStore, type KeyStore } from '../key-store.ts';
import { storedJson } from '../stored-json.ts';

/** One making of a module. */
export interface Incarnation {
  /** The container made for it carries this as a label. */
  readonly attempt: string;
  readonly spec: ModuleSpec;
  readonly imageId: string;
  /** Of what this box gave it: a hash of environment and mounts. */
  readonly host?: string;
}

/** A deployment that a module could not follow, so that the same one is not tried over and over. */
export interface Refused {
  readonly spec: ModuleSpec;
  readonly version: number;
  readonly reason: string;
}

/**
 * What this box knows of one module. `current` is the one that counts: its container runs, or is made again; any other container of the module
 * goes. A swap becomes true with the one write that puts `next` in its place.
 */
export interface ModuleRecord {
  readonly module: string;
  readonly current?: Incarnation;
  /** Being made; not good yet. */
  readonly next?: Incarnation;
  /** `current` ran when the making of `next` began. */
  readonly ran?: true;
  /** Being removed. */
  readonly leaving?: true;
  readonly refused?: Refused;
}

const spec = z.custom<ModuleSpec>(
  (value) => typeof value === 'object' && value !== null && typeof (value as ModuleSpec).image === 'string',
);
const incarnation = z.object({ attempt: z.string().min(1), spec, imageId: z.string(), host: z.string().optional() });
const Stored = z.object({
  module: z.string().min(1),
  current: incarnation.optional(),
  next: incarnation.optional(),
  ran: z.literal(true).optional(),
  leaving: z.literal(true).optional(),
  refused: z.object({ spec, version: z.number(), reason: z.string() }).optional(),
});

/** A file a module (0600: environments have passwords); each write is whole, and durable once it resolves. */
export class ModuleRecords {
  readonly #store: KeyStore;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#store = fileKeyStore(folder);
  }

  /** Those that can be read, and the names of files that cannot: their modules are made anew from the next deployment. */
  async all(): Promise<{ readonly records: readonly ModuleRecord[]; readonly damaged: readonly string[] }> {
    const files = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const records: ModuleRecord[] = [];
    const damaged: string[] = [];
    for (const file of files.filter((name) => name.endsWith(ending))) {
      const record = storedJson(Stored, await this.#store.read(file)) as ModuleRecord | undefined;
      if (record && fileOf(record.module) === file) records.push(record);
      else damaged.push(join(this.#folder, file));
    }
    return { records, damaged };
  }

  /** Rejects with `agent-disk`. */
  async write(record: ModuleRecord): Promise<void> {
    await this.#store.write(fileOf(record.module), JSON.stringify(record)).catch((error) => {
      throw diskError(this.#folder, error);
    });
  }

  async remove(module: string): Promise<void> {
    await this.#store.remove(fileOf(module)).catch((error) => {
      throw diskError(this.#folder, error);
    });
  }
}

/** What the gateway remembers of its modules cannot be written: nothing is begun that it could not finish after a power cut. */
export function diskError(folder: string, cause: NodeJS.ErrnoException): GatewayError {
  const full = cause.code === 'ENOSPC' || cause.code === 'EDQUOT';
  return new GatewayError('agent-disk', `${folder} cannot be written${full ? ': the disk is full' : `: ${cause.message}`}`, {
    retry: 'with-backoff',
    hint: full ? 'make room on the disk; it is tried again by itself' : 'look at the rights of this folder',
    cause,
  });
}

const ending = '.json';
const fileOf = (module: string): string => `${containerName(module)}${ending}`;
