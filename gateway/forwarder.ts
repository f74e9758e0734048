import type { Log } from '../adapters/contract.ts';
import type { HubClientRuntime, HubContext, HubMessage, HubSession } from '../hub-client/contract.ts';
import { type Backoff, backoff } from '../model/backoff.ts';
import { GatewayError, NotConnectedError } from '../model/error.ts';
import type { Outbox, OutboxBatch } from './outbox/contract.ts';
import { pause } from './pause.ts';

/** Bound on what is under way to the hub, beside the hub's own window. */
const maxInFlightBytes = 4 * 1024 * 1024;

export interface ForwarderState {
  readonly connected: boolean;
  readonly reason: string | undefined;
  readonly attempts: number;
  readonly sent: number;
  readonly sentBytes: number;
  /** Epoch milliseconds of the last acknowledgement by the hub. */
  readonly lastAckMs: number | undefined;
}

export interface ForwarderOptions {
  readonly outbox: Outbox;
  /** Opens one session with the hub. */
  readonly connect: (signal: AbortSignal) => Promise<HubSession>;
  readonly log: Log;
  readonly gateway: string;
  readonly compressed: boolean;
  /** Called when the hub's answer proves that a link works or that it is gone. */
  readonly onChange?: (state: ForwarderState) => void;
}

/** Moves batches from the outbox to the hub, in order, until stopped. The only place that reconnects to the hub. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #stop = new AbortController();
  readonly #backoff: Backoff = backoff();
  #connected = false;
  #reason: string | undefined;
  #attempts = 0;
  #sent = 0;
  #sentBytes = 0;
  #lastAckMs: number | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  state(): ForwarderState {
    return {
      connected: this.#connected,
      reason: this.#reason,
      attempts: this.#attempts,
      sent: this.#sent,
      sentBytes: this.#sentBytes,
      lastAckMs: this.#lastAckMs,
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#session(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#lost(error);
        await pause(this.#backoff.next(error), signal);
      }
    }
  }

  async #session(signal: AbortSignal): Promise<void> {
    await using session = await this.#options.connect(signal);
    this.#connected = true;
    const over = new AbortController();
    void session.closed.then(() => over.abort());
    try {
      await this.#pump(session, AbortSignal.any([signal, over.signal]));
    } finally {
      this.#connected = false;
      // What the hub did not acknowledge goes again with the next session.
      this.#options.outbox.rewind();
    }
    if (!signal.aborted)
      throw (await session.closed) ?? new NotConnectedError('hub-closed', 'the hub closed the connection', { retry: 'with-backoff' });
  }

  /** Keeps the window full; acknowledges from the oldest on. Returns when the signal aborts, throws what a send threw. */
  async #pump(session: HubSession, signal: AbortSignal): Promise<void> {
    const { outbox, compressed } = this.#options;
    const window = new SendWindow(session.window, maxInFlightBytes);
    const failed = new AbortController();
    let failure: unknown;
    // An answer that comes after the end belongs to a batch that was rewound meanwhile.
    let over = false;
    const signals = AbortSignal.any([signal, failed.signal]);
    const settled = (batch: OutboxBatch, error: unknown): void => {
      if (over || failed.signal.aborted) return;
      if (error !== undefined && !isPoison(error)) {
        failure = error;
        failed.abort();
        return;
      }
      window.settle(batch, error instanceof Error ? error.message : undefined, (done, rejected) => this.#finish(done, rejected));
    };
    while (!signals.aborted) {
      await window.room(signals);
      if (signals.aborted) break;
      const batch = await outbox.next({ maxBodyBytes: session.maxBodyBytes, compressed }, signals);
      if (!batch) break;
      window.add(batch);
      session.send(toMessage(this.#options.gateway, batch)).then(
        () => settled(batch, undefined),
        (error: unknown) => settled(batch, error ?? new Error('send failed')),
      );
    }
    // A clean stop gives what is under way a moment to be acknowledged, so that it need not go twice.
    if (this.#stop.signal.aborted && !failed.signal.aborted) await window.drained(300);
    over = true;
    if (failed.signal.aborted) throw failure;
  }

  #finish(batch: OutboxBatch, rejected: string | undefined): void {
    const { outbox, log } = this.#options;
    if (rejected === undefined) outbox.acknowledge(batch);
    else {
      outbox.reject(batch, rejected);
      log.error(
        { first: batch.firstSequence, last: batch.lastSequence, readings: batch.readings, reason: rejected },
        'the hub refuses a message for good; it was dropped and a gap record follows',
      );
    }
    this.#sent++;
    this.#sentBytes += batch.body.byteLength;
    this.#lastAckMs = Date.now();
    if (this.#attempts > 0 || this.#reason !== undefined) this.#back();
  }

  #back(): void {
    this.#backoff.reset();
    if (this.#reason !== undefined) this.#options.log.info({ attempts: this.#attempts }, 'hub is back');
    this.#reason = undefined;
    this.#attempts = 0;
    this.#options.onChange?.(this.state());
  }

  #lost(error: unknown): void {
    this.#attempts++;
    const reason = error instanceof Error ? error.message : String(error);
    if (reason === this.#reason) return;
    this.#reason = reason;
    const known = error instanceof GatewayError;
    const fields = { code: known ? error.code : 'unexpected', reason, ...(known && error.hint ? { hint: error.hint } : {}) };
    if (known) this.#options.log.warn(fields, 'hub lost, keeping readings in the outbox and retrying');
    else
      this.#options.log.error({ ...fields, err: error }, 'hub lost by a defect in its client, keeping readings in the outbox and retrying');
    this.#options.onChange?.(this.state());
  }
}

/** The hub answered, and the answer is that it will never take this message. */
function isPoison(error: unknown): boolean {
  return error instanceof GatewayError && !(error instanceof NotConnectedError) && error.retry === 'never';
}

function toMessage(gateway: string, batch: OutboxBatch): HubMessage {
  return {
    id: `${gateway}-${batch.firstSequence}-${batch.lastSequence}`,
    body: batch.body,
    contentType: 'application/json',
    contentEncoding: batch.encoding,
    createdMs: batch.fromMs,
  };
}

/** Batches under way, oldest first; bounded by count and bytes; finished strictly in order. */
class SendWindow {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  readonly #entries: { readonly batch: OutboxBatch; done: boolean; rejected: string | undefined }[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  add(batch: OutboxBatch): void {
    this.#entries.push({ batch, done: false, rejected: undefined });
    this.#bytes += batch.body.byteLength;
  }

  settle(batch: OutboxBatch, rejected: string | undefined, finish: (batch: OutboxBatch, rejected: string | undefined) => void): void {
    const entry = this.#entries.find((candidate) => candidate.batch === batch);
    if (!entry) return;
    entry.done = true;
    entry.rejected = rejected;
    while (this.#entries[0]?.done) {
      const first = this.#entries.shift()!;
      this.#bytes -= first.batch.body.byteLength;
      finish(first.batch, first.rejected);
    }
    this.#wake?.();
  }

  get #full(): boolean {
    return this.#entries.length > 0 && (this.#entries.length >= this.#maxCount || this.#bytes >= this.#maxBytes);
  }

  async room(signal: AbortSignal): Promise<void> {
    while (this.#full && !signal.aborted) await this.#change(signal);
  }

  async drained(withinMs: number): Promise<void> {
    const signal = AbortSignal.timeout(withinMs);
    while (this.#entries.length > 0 && !signal.aborted) await this.#change(signal);
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** Ties a loaded client, its settings and the context into what the forwarder calls. */
export function hubConnector<Settings>(
  runtime: HubClientRuntime<Settings>,
  settings: Settings,
  context: HubContext,
): ForwarderOptions['connect'] {
  return (signal) => runtime.connect(settings, context, signal);
}
