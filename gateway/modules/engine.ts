import { type EngineAddress, resolveAddress } from '../../deployments/engine/address.ts';
import type { Engine } from '../../deployments/engine/contract.ts';
import { openDocker } from '../../deployments/engine/docker.ts';

/** The container engine of this machine, as it was when it was asked last. */
export class ModuleEngine {
  readonly #address: EngineAddress;
  #name = 'not asked yet';
  #problem: string | undefined;

  constructor(address: EngineAddress) {
    this.#address = address;
  }

  /** Rejects with `engine-absent` or `engine-forbidden`. */
  async open(): Promise<Engine> {
    try {
      const engine = await openDocker(this.#address);
      const { name, version } = await engine.info();
      this.#name = `${name} ${version} at ${engine.at}`;
      this.#problem = undefined;
      return engine;
    } catch (error) {
      this.#problem = (error as Error).message;
      throw error;
    }
  }

  /** Where it listens on this machine, for the policy; the usual places are known without. */
  get sockets(): readonly string[] {
    try {
      const resolved = resolveAddress(this.#address);
      return 'socketPath' in resolved ? [resolved.socketPath] : [];
    } catch {
      return [];
    }
  }

  /** `docker 20.10.24 at unix:/var/run/docker.sock`, or why there is none. */
  state(): { readonly engine: string; readonly engineProblem?: string } {
    return { engine: this.#name, ...(this.#problem !== undefined && { engineProblem: this.#problem }) };
  }
}
