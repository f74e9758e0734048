import { GatewayError } from '../../model/error.ts';
import type { Engine, EngineEvent, EngineInfo, OpenEngine } from '../engine/contract.ts';
import type { AgentClock, AgentLog } from './contract.ts';

export interface EngineLinkParts {
  readonly open: OpenEngine;
  readonly labels: Readonly<Record<string, string>>;
  readonly clock: AgentClock;
  readonly log: AgentLog;
  /** The engine is there (again), and once a minute: look at everything. What was missed since the last time is found here. */
  readonly onLook: (engine: Engine, first: boolean) => Promise<void>;
  readonly onEvent: (event: EngineEvent) => void;
  readonly onAbsent: (error: Error) => void;
}

/** Events tell what happens; this is for those that an engine loses. */
const lookEveryMs = 60_000;
const retry = { firstMs: 1_000, longestMs: 30_000 } as const;

/** The connection to the container engine: found, lost, found again. Idle it costs one open request and one listing a minute. */
export class EngineLink implements AsyncDisposable {
  readonly #parts: EngineLinkParts;
  readonly #closing = new AbortController();
  #engine: Engine | undefined;
  #info: EngineInfo | undefined;
  #error: Error = new GatewayError('engine-absent', 'the container engine has not answered yet', { retry: 'with-backoff' });
  #known = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(parts: EngineLinkParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Throws why it is not there. */
  engine(): Engine {
    if (!this.#engine) throw this.#error;
    return this.#engine;
  }

  get present(): boolean {
    return this.#engine !== undefined;
  }

  get absence(): Error | undefined {
    return this.#engine ? undefined : this.#error;
  }

  /** Of the engine that was there last. */
  get info(): EngineInfo | undefined {
    return this.#info;
  }

  /** Resolves once it is known whether there is one, and all was looked at if so. */
  get known(): Promise<void> {
    return this.#known.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#known.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let waitMs: number = retry.firstMs;
    while (!signal.aborted) {
      try {
        await using engine = await this.#open();
        const info = await engine.info();
        waitMs = retry.firstMs;
        await this.#serve(engine, info);
      } catch (error) {
        if (!signal.aborted) this.#lost(error as Error);
      }
      this.#engine = undefined;
      if (signal.aborted) return;
      await this.#parts.clock.sleep(waitMs, signal);
      waitMs = Math.min(waitMs * 2, retry.longestMs);
    }
  }

  /** One that hangs is not waited for when all is closed. */
  async #open(): Promise<Engine> {
    const { signal } = this.#closing;
    const opening = this.#parts.open();
    const closed = Promise.withResolvers<never>();
    const close = (): void => {
      closed.reject(signal.reason);
      // One that opens too late is let go.
      opening.then((engine) => engine[Symbol.asyncDispose]()).catch(() => {});
    };
    closed.promise.catch(() => {});
    signal.addEventListener('abort', close, { once: true });
    try {
      return await Promise.race([opening, closed.promise]);
    } finally {
      signal.removeEventListener('abort', close);
    }
  }

  /** Ends, with an error, when the engine goes away. */
  async #serve(engine: Engine, info: EngineInfo): Promise<void> {
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, this.#closing.signal]);
    const events = this.#listen(engine, signal);
    // It may fail while nobody waits for it yet.
    events.catch(() => {});
    try {
      this.#info = info;
      this.#engine = engine;
      await this.#parts.onLook(engine, true);
      this.#known.resolve();
      this.#parts.log.info({ engine: engine.at, version: info.version }, 'container engine found');
      await Promise.race([events, this.#lookNowAndThen(engine, signal)]);
    } finally {
      ending.abort();
      await events.catch(() => {});
    }
  }

  async #listen(engine: Engine, signal: AbortSignal): Promise<void> {
    for await (const event of engine.events(this.#parts.labels, signal)) this.#parts.onEvent(event);
    if (!signal.aborted) throw absent(engine.at);
  }

  async #lookNowAndThen(engine: Engine, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#parts.clock.sleep(lookEveryMs, signal);
      if (signal.aborted) return;
      await this.#parts.onLook(engine, false);
    }
  }

  #lost(error: Error): void {
    const was = this.#engine !== undefined;
    this.#engine = undefined;
    const changed = this.#error.message !== error.message;
    this.#error = error;
    this.#known.resolve();
    if (was || changed) {
      const { code, hint } = error as Partial<GatewayError>;
      this.#parts.log.warn({ code, reason: error.message, hint }, 'no container engine; modules are not looked after until it is back');
      this.#parts.onAbsent(error);
    }
  }
}

const absent = (at: string): GatewayError =>
  new GatewayError('engine-absent', `the container engine at ${at} ended the connection`, {
    retry: 'with-backoff',
    hint: 'is it being restarted?',
  });
