import type { Log } from '../../../adapters/contract.ts';
import type { ModuleIdentities, Refreshed } from '../../../deployments/identities/module-identities.ts';
import { backoff } from '../../../model/backoff.ts';
import { GatewayError } from '../../../model/error.ts';

/** As often as the edge hub of Azure does it. */
const everyMs = 3_600_000;
/** A registry has its own throttles, and fifty modules may be refused at once. */
const afterRefusalEveryMs = 10_000;

export interface IdentityRefreshOptions {
  readonly identities: Pick<ModuleIdentities, 'refresh'>;
  readonly log: Log;
  readonly refreshed: (result: Refreshed) => void;
}

/**
 * Compares the identities on disk with those of the hub: when asked to, every hour, and, where the hub could not be asked, again with back-off. One comparison
 * at a time.
 */
export class IdentityRefresh implements Disposable {
  readonly #options: IdentityRefreshOptions;
  readonly #backoff = backoff();
  #running = false;
  #onceMore = false;
  #refusedMono = Number.NEGATIVE_INFINITY;
  #doneMono = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #disposed = false;

  constructor(options: IdentityRefreshOptions) {
    this.#options = options;
  }

  /** Now, unless the last time was less than `ifOlderMs` ago. Never rejects. */
  async run(ifOlderMs = 0): Promise<void> {
    if (this.#running || this.#disposed || performance.now() - this.#doneMono < ifOlderMs) return;
    this.#running = true;
    clearTimeout(this.#timer);
    const { identities, log, refreshed } = this.#options;
    let isAway = false;
    try {
      const result = await identities.refresh();
      isAway = result.failed.some(({ error }) => error instanceof GatewayError && error.retry === 'with-backoff');
      if (!this.#disposed) refreshed(result);
    } catch (error) {
      log.warn({ reason: (error as Error).message }, 'the identities of the modules could not be compared with those of the hub');
    }
    if (!isAway) this.#backoff.reset();
    this.#doneMono = performance.now();
    this.#running = false;
    if (this.#onceMore && !isAway) {
      this.#onceMore = false;
      return this.run();
    }
    const againMs = isAway ? this.#backoff.next() : everyMs * (0.9 + 0.2 * Math.random());
    if (!this.#disposed) this.#timer = setTimeout(() => void this.run(), againMs).unref();
  }

  /** The hub refused a module: it may have been made anew there, or got other keys. */
  afterRefusal(): void {
    if (performance.now() - this.#refusedMono < afterRefusalEveryMs) return;
    this.#refusedMono = performance.now();
    // One that runs may have passed this module already.
    if (this.#running) this.#onceMore = true;
    else void this.run();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
  }
}
