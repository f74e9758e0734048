import { RequestError } from '../../hub/core/request-error.ts';
import type { MethodCall, MethodResult } from '../../hub-client/contract.ts';
import type { ModuleBroker } from './broker/broker.ts';

/**
 * How long its caller waits stands nowhere in a call that a hub brings. So nobody here is done before the hub is: it waits 300 s at the most, and its
 * time began earlier.
 */
const longestMs = 300_000;
/** For one module; far below what a connection with the hub takes at once. */
const mostWaiting = 32;

/** Direct methods of a hub on their way to modules, and back. */
export class ModuleCalls {
  readonly #invoke: ModuleBroker['invoke'];
  /** By module, the oldest first. */
  readonly #waiting = new Map<string, Set<AbortController>>();

  constructor(invoke: ModuleBroker['invoke']) {
    this.#invoke = invoke;
  }

  /** A module that is away or silent is no failure of this gateway: that is an answer, 504. Of too many calls that wait the oldest gives way. */
  async call(module: string, { name, payload }: Pick<MethodCall, 'name' | 'payload'>): Promise<MethodResult> {
    const waiting = this.#waiting.get(module) ?? new Set();
    this.#waiting.set(module, waiting);
    const [oldest] = waiting;
    if (oldest && waiting.size >= mostWaiting) {
      waiting.delete(oldest);
      oldest.abort();
    }
    const given = new AbortController();
    waiting.add(given);
    try {
      return await this.#invoke(module, { name, payload, responseTimeoutMs: longestMs }, given.signal);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return this.#answer(module, name, error, given.signal.aborted);
    } finally {
      waiting.delete(given);
      if (waiting.size === 0 && this.#waiting.get(module) === waiting) this.#waiting.delete(module);
    }
  }

  #answer(module: string, name: string, { code, status, message }: RequestError, gaveWay: boolean): MethodResult {
    const silent = (what: string): MethodResult => ({ status: 504, payload: { message: what } });
    if (gaveWay)
      return silent(`${module} did not answer ${name} yet, and ${mostWaiting} newer calls wait for it too; this one is given up`);
    if (code === 'DeviceNotOnline') return silent(`${module} is not connected to its gateway, or does not listen for methods`);
    if (code === 'GatewayTimeout') return silent(`${module} did not answer ${name} within ${longestMs / 1000} s`);
    if (code === 'ServiceUnavailable') return silent(`${name} was given up before ${module} answered: its gateway ends`);
    return { status, payload: { message } };
  }
}
