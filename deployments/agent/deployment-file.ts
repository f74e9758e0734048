import { z } from 'zod';
import type { Manifest } from '../contract.ts';
import { fileKeyStore, type KeyStore } from '../key-store.ts';
import { readManifest } from '../manifest/read-manifest.ts';
import { writeManifest } from '../manifest/write-manifest.ts';
import type { AgentLog, DeploymentStatus } from './contract.ts';
import { diskError } from './records.ts';

/** What is reported of a deployment. */
export interface Answer {
  readonly version: number | undefined;
  readonly status: DeploymentStatus;
}

/** The deployment that this box follows, or is about to. */
export interface Deployment {
  readonly manifest: Manifest;
  /** `$version` of the desired properties; undefined where it did not come from a twin. */
  readonly version: number | undefined;
  /** Who sent it: `hub`, `command`, … */
  readonly from: string;
  /** A digest of what the hub wanted last, whoever had the last word since. */
  readonly hubSaid?: string;
  /** Undefined: not known yet; until then what is reported is `before`. */
  readonly status?: DeploymentStatus;
  /** How the one before it went. */
  readonly before?: Answer;
  /** Not carried out yet, or in parts only for a reason that passes: it is tried again. */
  readonly open: boolean;
  /** How often carrying it out began and never came to an end. */
  readonly begun: number;
}

const version = z.number().optional();
const status = z.object({ code: z.literal([200, 400, 406, 412, 417, 500]), description: z.string() });
const Stored = z.object({
  manifest: z.unknown(),
  version,
  from: z.string(),
  hubSaid: z.string().optional(),
  status: status.optional(),
  before: z.object({ version, status }).optional(),
  open: z.boolean(),
  begun: z.number(),
});

const fileName = 'deployment.json';

/** The last deployment on disk (0600: it has passwords of registries), so that it holds without a hub. */
export class DeploymentFile {
  readonly #store: KeyStore;
  readonly #folder: string;
  readonly #log: AgentLog;

  constructor(folder: string, log: AgentLog) {
    this.#store = fileKeyStore(folder);
    this.#folder = folder;
    this.#log = log;
  }

  /** Undefined when there is none that can be read: modules run on by their own records. */
  async read(): Promise<Deployment | undefined> {
    const text = await this.#store.read(fileName);
    if (text === undefined) return undefined;
    try {
      const { manifest: written, ...rest } = Stored.parse(JSON.parse(text));
      const { manifest, problems } = readManifest(written);
      if (manifest) return { manifest, ...rest } as Deployment;
      this.#log.warn({ problems: problems.length }, 'the last deployment on disk is not valid any more');
    } catch {
      // What is wrong would quote the file, and it has passwords.
      this.#log.warn(
        { folder: this.#folder },
        'the last deployment on disk cannot be read; modules run on, the next deployment replaces it',
      );
    }
    return undefined;
  }

  /** Rejects with `agent-disk`. */
  async write({ manifest, ...rest }: Deployment): Promise<void> {
    await this.#store.write(fileName, JSON.stringify({ manifest: writeManifest(manifest), ...rest })).catch((error) => {
      throw diskError(this.#folder, error);
    });
  }
}
