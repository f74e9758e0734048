import type { HubCore } from '../core/contract.ts';
import { type Access, AccessError, opens, openToken } from '../policies/access.ts';
import { eventHubName } from './address.ts';

/** Checks at least so often whether a token has run out, in milliseconds; a longer timer would overflow. */
const longestTimerMs = 3_600_000;

/** The tokens that one connection has put. */
export class Claims {
  readonly #core: HubCore;
  readonly #byAudience = new Map<string, Access>();
  readonly #expired: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `expired` is called when a token has run out; what it opened is closed then. */
  constructor(core: HubCore, expired: () => void) {
    this.#core = core;
    this.#expired = expired;
  }

  /** Takes a token; a later one for the same audience takes its place. Throws AccessError. */
  put(audience: string, token: string): void {
    const access = openToken(token, this.#core, 'either');
    if (!access.policy.rights.includes('serviceConnect')) {
      throw new AccessError(`policy ${access.policy.name} does not have the right serviceConnect`);
    }
    // More audiences than partitions and a few links: not a client of ours.
    if (this.#byAudience.size >= 1_000) this.#byAudience.clear();
    this.#byAudience.set(audience, access);
    this.#watch();
  }

  /** Whether some token that has not run out opens it. */
  opens(resource: readonly string[]): boolean {
    // A token for the event hub is one for asking about it.
    const asked = resource.length === 1 && resource[0] === '$management' ? [eventHubName, '$management'] : resource;
    return [...this.#byAudience.values()].some(
      (access) => access.expiresMs > Date.now() && (opens(access, asked, 'serviceConnect') || opens(access, resource, 'serviceConnect')),
    );
  }

  get empty(): boolean {
    return this.#byAudience.size === 0;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const next = Math.min(...[...this.#byAudience.values()].map(({ expiresMs }) => expiresMs));
    if (!Number.isFinite(next)) return;
    const waitMs = Math.max(0, Math.min(next - Date.now() + 1, longestTimerMs));
    this.#timer = setTimeout(() => this.#look(), waitMs).unref();
  }

  #look(): void {
    const before = this.#byAudience.size;
    for (const [audience, { expiresMs }] of this.#byAudience) if (expiresMs <= Date.now()) this.#byAudience.delete(audience);
    if (this.#byAudience.size < before) this.#expired();
    this.#watch();
  }
}
