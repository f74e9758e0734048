import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { KeyStore } from '../../deployments/key-store.ts';
import { storedJson } from '../../deployments/stored-json.ts';

const fileName = 'deployment-source.json';
const Stored = z.object({ from: z.string(), hub: z.string().optional() });

/**
 * Who sent the deployment that is in force, on disk. The last word counts: what a command on this machine deployed stays until the hub says something
 * new, and is not undone because the link comes back.
 */
export class DeploymentSource {
  readonly #store: KeyStore;
  #from: string;
  /** Digest of what the hub wanted last. */
  #hub: string | undefined;

  private constructor(store: KeyStore, from: string, hub: string | undefined) {
    this.#store = store;
    this.#from = from;
    this.#hub = hub;
  }

  static async open(store: KeyStore): Promise<DeploymentSource> {
    const stored = storedJson(Stored, await store.read(fileName));
    return new DeploymentSource(store, stored?.from ?? '', stored?.hub);
  }

  get from(): string {
    return this.#from;
  }

  /** Whether this is what the hub said before, and somebody else had the last word since. */
  isOvertaken(wanted: object): boolean {
    return this.#from !== 'hub' && this.#from !== '' && digestOf(wanted) === this.#hub;
  }

  async take(from: string, wanted?: object): Promise<void> {
    this.#from = from;
    if (wanted) this.#hub = digestOf(wanted);
    await this.#store.write(fileName, JSON.stringify({ from, ...(this.#hub !== undefined && { hub: this.#hub }) }));
  }
}

const digestOf = (wanted: object): string => createHash('sha256').update(JSON.stringify(wanted)).digest('hex');
