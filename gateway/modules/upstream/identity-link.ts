import type { Log } from '../../../adapters/contract.ts';
import type { AzureSession } from '../../../hub-client/azure/session.ts';
import { backoff } from '../../../model/backoff.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import { pause } from '../../pause.ts';
import type { Doorway } from './doorway.ts';

export interface LinkState {
  readonly connected: boolean;
  /** Why not. */
  readonly reason?: string;
  readonly code?: string;
}

export interface IdentityLinkOptions {
  /** Module id. */
  readonly name: string;
  readonly doorway: Doorway;
  /** Before those that are not. */
  readonly first?: boolean;
  /** False: there is nothing to connect with yet; asked again twice a second. */
  readonly ready?: () => boolean;
  /** Opens one session. */
  readonly connect: (signal: AbortSignal) => Promise<AzureSession>;
  /** A session is up; the signal aborts when it is over. Sets handlers, begins what there is to do. */
  readonly begin: (session: AzureSession, signal: AbortSignal) => void;
  /** The hub will not have this identity as it is. */
  readonly refused?: (error: GatewayError) => void;
  readonly log: Log;
}

/** A session that lived so long proves that the hub means it; one that ends sooner is another failure. */
const provenAfterMs = 5_000;
const readyEveryMs = 500;

/** The connection of one identity, again and again until it is stopped. */
export class IdentityLink implements AsyncDisposable {
  readonly name: string;
  readonly #options: IdentityLinkOptions;
  readonly #stop = new AbortController();
  readonly #backoff = backoff();
  readonly #running: Promise<void>;
  #again = new AbortController();
  #session: AzureSession | undefined;
  #over: AbortController | undefined;
  #error: unknown;

  constructor(options: IdentityLinkOptions) {
    this.name = options.name;
    this.#options = options;
    this.#running = this.#run();
  }

  /** Undefined while there is none. */
  get session(): AzureSession | undefined {
    return this.#session;
  }

  /** Whether the hub, when it was asked last, would not have this identity. */
  get isRefused(): boolean {
    return this.#error instanceof GatewayError && this.#error.retry !== 'with-backoff';
  }

  /** The session; throws NotConnectedError, with the reason, when there is none. */
  connected(): AzureSession {
    if (this.#session) return this.#session;
    const { reason = 'it is being opened' } = this.state();
    throw new NotConnectedError('hub-module-offline', `Module ${this.name} has no connection to the hub: ${reason}`, {
      retry: 'with-backoff',
      cause: this.#error,
    });
  }

  state(): LinkState {
    if (this.#session) return { connected: true };
    const error = this.#error;
    if (error === undefined) return { connected: false };
    const reason = error instanceof Error ? error.message : String(error);
    return { connected: false, reason, ...(error instanceof GatewayError && { code: error.code }) };
  }

  /** What stood in the way may be gone: the next attempt is made now. */
  hurry(): void {
    this.#again.abort();
  }

  /** Ends the present session, and opens another: the identity is another one now. */
  renew(): void {
    this.#over?.abort();
    this.hurry();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { ready = () => true } = this.#options;
    while (!signal.aborted) {
      this.#again = new AbortController();
      if (!ready()) {
        await pause(readyEveryMs, AbortSignal.any([signal, this.#again.signal]));
        continue;
      }
      const sinceMs = performance.now();
      try {
        await this.#live(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (performance.now() - sinceMs > provenAfterMs) this.#backoff.reset();
        this.#lost(error);
        await pause(this.#backoff.next(error), AbortSignal.any([signal, this.#again.signal]));
      }
    }
  }

  /** One session, from the wait for its turn to its end; throws what ended it, unless that was we. */
  async #live(signal: AbortSignal): Promise<void> {
    const { doorway, connect, begin, first, log } = this.#options;
    await using session = await doorway.enter(() => connect(signal), signal, first);
    const over = new AbortController();
    this.#over = over;
    void session.closed.then(() => over.abort());
    this.#session = session;
    if (this.#error !== undefined) log.debug({ module: this.name }, 'the connection of a module is back');
    this.#error = undefined;
    const ended = AbortSignal.any([signal, over.signal]);
    begin(session, ended);
    if (!ended.aborted) await new Promise((resolve) => ended.addEventListener('abort', resolve, { once: true }));
    this.#session = undefined;
    this.#over = undefined;
    await session[Symbol.asyncDispose]();
    const reason = await session.closed;
    if (reason) throw reason;
  }

  #lost(error: unknown): void {
    const { log, refused } = this.#options;
    const before = this.#error;
    this.#error = error;
    const known = error instanceof GatewayError ? error : undefined;
    const fields = {
      module: this.name,
      code: known?.code ?? 'unexpected',
      reason: error instanceof Error ? error.message : String(error),
      ...(known?.hint !== undefined && { hint: known.hint }),
    };
    if (!known) log.error({ ...fields, err: error }, 'the connection of a module was lost by a defect, retrying');
    else if (known.retry === 'with-backoff') log.debug(fields, 'the connection of a module was lost, retrying');
    else {
      // The hub that is away is told by whoever sends the readings; this one is away for one module alone.
      if ((before as GatewayError | undefined)?.code !== known.code) log.warn(fields, 'the hub does not let a module in, retrying slowly');
      refused?.(known);
    }
  }
}
