import type { Log } from '../adapters/contract.ts';
import type { HubMessage, HubSession } from '../hub-client/contract.ts';
import { type Backoff, backoff } from '../model/backoff.ts';
import { GatewayError, NotConnectedError } from '../model/error.ts';
import type { Pace } from './destination/pace.ts';
import type { Part, Translator } from './destination/translator.ts';
import type { OutboxBatch, OutboxCursor } from './outbox/contract.ts';
import { pause } from './pause.ts';

/** Bound on what is under way to the hub, beside the hub's own window. */
const maxInFlightBytes = 4 * 1024 * 1024;

/** Between two lines about messages that the hub refuses for good. */
const refusalsEveryMs = 60_000;

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
  /** Of the destination; for logs. */
  readonly name: string;
  readonly cursor: OutboxCursor;
  /** Opens one session with the hub. */
  readonly connect: (signal: AbortSignal) => Promise<HubSession>;
  /** What batches become; made anew for each session, which knows the form and size it takes. */
  readonly translator: (session: HubSession) => Translator;
  readonly pace?: Pace;
  /** Keeps what the hub refuses for good. */
  readonly keepRefused: (message: HubMessage, reason: string) => Promise<void>;
  readonly log: Log;
  /** Called when the hub's answer proves that a link works or that it is gone. */
  readonly onChange?: (state: ForwarderState) => void;
}

/** Moves batches from the outbox to one hub, in order, until stopped. The only place that reconnects to that hub. */
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
  /** A hub that refuses everything says so now and then, with how often it did in between. */
  #refusals = { saidMs: Number.NEGATIVE_INFINITY, since: 0 };
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
      this.#options.cursor.rewind();
    }
    if (!signal.aborted)
      throw (await session.closed) ?? new NotConnectedError('hub-closed', 'the hub closed the connection', { retry: 'with-backoff' });
  }

  /** Keeps the window full; acknowledges from the oldest on. Returns when the signal aborts, throws what a send threw. */
  async #pump(session: HubSession, signal: AbortSignal): Promise<void> {
    const { cursor, pace } = this.#options;
    const translator = this.#options.translator(session);
    const { maxBodyBytes, compressed } = translator;
    const window = new SendWindow(session.window, maxInFlightBytes, (done) => this.#finish(done));
    const failed = new AbortController();
    let failure: unknown;
    // An answer that comes after the end belongs to a batch that was rewound meanwhile.
    let over = false;
    const signals = AbortSignal.any([signal, failed.signal]);
    const settled = (entry: Entry, part: Part, error: unknown): void => {
      if (over || failed.signal.aborted) return;
      if (error !== undefined && !isPoison(error)) {
        failure = error;
        failed.abort();
        return;
      }
      if (error !== undefined) entry.refused.push({ part, reason: (error as Error).message });
      window.settle(entry);
    };
    while (!signals.aborted) {
      await window.room(signals);
      await pace?.room(signals);
      if (signals.aborted) break;
      const batch = await cursor.next({ maxBodyBytes, compressed }, signals);
      if (!batch) break;
      const { parts, mark } = translator.translate(batch);
      pace?.took(parts.reduce((sum, { readings }) => sum + readings, 0));
      const entry = window.add(batch, mark, parts);
      for (const part of parts) {
        await window.wire(signals);
        if (signals.aborted) break;
        part.send(session).then(
          () => settled(entry, part, undefined),
          (error: unknown) => settled(entry, part, error ?? new Error('send failed')),
        );
      }
    }
    // A clean stop gives what is under way a moment to be acknowledged, so that it need not go twice.
    if (this.#stop.signal.aborted && !failed.signal.aborted) await window.drained(300);
    over = true;
    if (failed.signal.aborted) throw failure;
  }

  #finish({ batch, mark, parts, bytes, refused }: Entry): void {
    if (refused.length === 0) this.#options.cursor.acknowledge(batch, mark);
    else this.#refused(batch, mark, refused);
    // Nothing of it was for this hub, which therefore has proven nothing.
    if (parts === 0) return;
    this.#sent += parts;
    this.#sentBytes += bytes;
    this.#lastAckMs = Date.now();
    if (this.#attempts > 0 || this.#reason !== undefined) this.#back();
  }

  #refused(batch: OutboxBatch, mark: string | undefined, refused: Entry['refused']): void {
    const { cursor, log, name, keepRefused } = this.#options;
    const readings = refused.reduce((sum, { part }) => sum + part.readings, 0);
    const reason = refused[0]!.reason;
    cursor.reject(batch, reason, { readings, ...(mark !== undefined && { mark }) });
    const says = performance.now() - this.#refusals.saidMs >= refusalsEveryMs;
    if (says) {
      const { since } = this.#refusals;
      this.#refusals = { saidMs: performance.now(), since: 0 };
      log.error(
        {
          destination: name,
          first: batch.firstSequence,
          last: batch.lastSequence,
          readings,
          ...(since > 0 && { before: since }),
          reason,
          hint: 'dragoman dead-letters shows what was refused; if it is all of it, change the settings of this destination or the limits of the hub',
        },
        'the hub refuses a message for good; it is kept as a dead letter and a gap record follows',
      );
    } else this.#refusals.since++;
    for (const { part, reason: why } of refused) {
      keepRefused(part.message, why).catch((error: unknown) => {
        if (says) log.error({ destination: name, err: error }, 'a dead letter could not be kept');
      });
    }
  }

  #back(): void {
    this.#backoff.reset();
    const { log, name } = this.#options;
    if (this.#reason !== undefined) log.info({ destination: name, attempts: this.#attempts }, 'hub is back');
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
    const fields = {
      destination: this.#options.name,
      code: known ? error.code : 'unexpected',
      reason,
      ...(known && error.hint ? { hint: error.hint } : {}),
    };
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

interface Entry {
  readonly batch: OutboxBatch;
  readonly mark: string | undefined;
  readonly parts: number;
  readonly bytes: number;
  /** Memory that it holds. */
  readonly held: number;
  /** Parts that the hub has not answered yet. */
  open: number;
  readonly refused: { readonly part: Part; readonly reason: string }[];
}

/** Batches under way, oldest first; bounded by count of messages and by bytes; finished strictly in order. */
class SendWindow {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  readonly #finish: (entry: Entry) => void;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #onWire = 0;
  #wake: (() => void) | undefined;

  constructor(maxCount: number, maxBytes: number, finish: (entry: Entry) => void) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
    this.#finish = finish;
  }

  /** A batch of which nothing is to be sent is finished when those before it are. */
  add(batch: OutboxBatch, mark: string | undefined, parts: readonly Part[]): Entry {
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    const held = Math.max(bytes, batch.body.byteLength);
    const entry: Entry = { batch, mark, parts: parts.length, bytes, held, open: parts.length, refused: [] };
    this.#entries.push(entry);
    this.#bytes += held;
    this.#advance();
    return entry;
  }

  settle(entry: Entry): void {
    entry.open--;
    this.#onWire--;
    this.#advance();
    this.#wake?.();
  }

  #advance(): void {
    while (this.#entries[0]?.open === 0) {
      const first = this.#entries.shift()!;
      this.#bytes -= first.held;
      this.#finish(first);
    }
  }

  /** Resolves when another batch may be taken. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#entries.length > 0 && (this.#onWire >= this.#maxCount || this.#bytes >= this.#maxBytes) && !signal.aborted)
      await this.#change(signal);
  }

  /** Resolves when one more message may go on the wire, and counts it. */
  async wire(signal: AbortSignal): Promise<void> {
    while (this.#onWire >= this.#maxCount && !signal.aborted) await this.#change(signal);
    this.#onWire++;
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
