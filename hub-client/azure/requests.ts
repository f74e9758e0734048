import { randomBytes } from 'node:crypto';
import { NotConnectedError } from '../../model/error.ts';
import type { Answer } from './answer.ts';

interface Request<Wire> {
  readonly put: (wire: Wire, rid: string) => void;
  /** Where it was put last. */
  on: Wire | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Requests and their answers, matched by `$rid`. An id is never used twice, not by the next life of this client either, so that a
 * late answer meets nobody. What is asked while there is no wire waits; what was not answered when the wire is replaced goes again on
 * the next, in the same order: ask only what may be done twice.
 */
export class Requests<Wire> {
  readonly #at: string;
  readonly #timeoutMs: number;
  readonly #prefix = randomBytes(4).toString('hex');
  /** In the order of the calls. */
  readonly #waiting = new Map<string, Request<Wire>>();
  #count = 0;
  #wire: Wire | undefined;
  #end: Error | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(at: string, timeoutMs: number) {
    this.#at = at;
    this.#timeoutMs = timeoutMs;
  }

  /** `what` names it in the error: NotConnectedError `hub-no-answer` after the time-out, which counts from the call. */
  ask(what: string, put: (wire: Wire, rid: string) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#end) throw this.#end;
      const rid = `${this.#prefix}-${++this.#count}`;
      const timer = setTimeout(() => {
        this.#settle(rid);
        reject(
          new NotConnectedError('hub-no-answer', `${this.#at} did not answer ${what} within ${this.#timeoutMs / 1000} s.`, {
            retry: 'with-backoff',
          }),
        );
      }, this.#timeoutMs);
      const request: Request<Wire> = { put, on: undefined, resolve, reject, timer };
      this.#waiting.set(rid, request);
      if (this.#wire) this.#put(this.#wire, rid, request);
    });
  }

  /** False when nobody waits for it (any more). */
  answered(rid: string, answer: Answer): boolean {
    const request = this.#settle(rid);
    request?.resolve(answer);
    return request !== undefined;
  }

  /** From now on requests go there, first those that wait. */
  resume(wire: Wire): void {
    if (this.#end) return;
    this.#wire = wire;
    for (const [rid, request] of this.#waiting) if (request.on !== wire) this.#put(wire, rid, request);
  }

  pause(): void {
    this.#wire = undefined;
  }

  /** Resolves when every request that is on a wire was answered, or after `withinMs`. */
  async drained(withinMs: number): Promise<void> {
    if (this.#idle) return;
    const drained = Promise.withResolvers<void>();
    this.#drained = drained;
    const enough = setTimeout(drained.resolve, withinMs);
    await drained.promise;
    clearTimeout(enough);
    this.#drained = undefined;
  }

  /** Rejects all that wait now; later ones may have more luck. */
  refuse(reason: Error): void {
    for (const rid of [...this.#waiting.keys()]) this.#settle(rid)?.reject(reason);
  }

  /** Rejects everything, now and from now on. */
  close(reason: Error): void {
    this.#end ??= reason;
    this.#wire = undefined;
    this.refuse(reason);
  }

  #put(wire: Wire, rid: string, request: Request<Wire>): void {
    request.on = wire;
    request.put(wire, rid);
  }

  #settle(rid: string): Request<Wire> | undefined {
    const request = this.#waiting.get(rid);
    if (!request) return undefined;
    clearTimeout(request.timer);
    this.#waiting.delete(rid);
    if (this.#drained && this.#idle) this.#drained.resolve();
    return request;
  }

  /** Nothing is on a wire. */
  get #idle(): boolean {
    return ![...this.#waiting.values()].some(({ on }) => on !== undefined);
  }
}
