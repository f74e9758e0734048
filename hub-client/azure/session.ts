import type { Log } from '../../adapters/contract.ts';
import { NotConnectedError } from '../../model/error.ts';
import type { HubMessage, HubSession } from '../contract.ts';
import { type Compression, packed } from '../delivery/compression.ts';
import { OrderedWindow } from '../delivery/ordered-window.ts';
import { Control } from './control/control.ts';
import { type IdentityName, idOf, pathOf } from './identity-name.ts';
import type { Link } from './link.ts';
import { checkSize, type ForwardedMessage, forwardedEnvelope, telemetryEnvelope } from './property-bag.ts';

export interface SessionOptions {
  readonly name: IdentityName;
  /** `host:port`, for texts. */
  readonly at: string;
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly compression: Compression;
  /** A link on which messages wait and none is acknowledged for so long is lost. */
  readonly ackTimeoutMs: number;
  /** For one answer of the twin. */
  readonly answerTimeoutMs: number;
  readonly log: Pick<Log, 'debug' | 'warn'>;
  /** When the token of a link that opens now must be replaced, in milliseconds from then; undefined for X.509. */
  readonly renewAfterMs: (() => number) | undefined;
  /** Opens the link that replaces the present one, with fresh credentials. */
  readonly reopen: (signal: AbortSignal) => Promise<Link>;
  /** A renewal was done. */
  readonly onRenewed?: () => void;
}

/** Bound on bytes under way, beside the count. */
const maxInFlightBytes = 4 * 1024 * 1024;
/** How long a clean end waits for outstanding acknowledgements, so that these messages need not go twice. */
const graceMs = 300;
/** How long the hub has to close its side after our DISCONNECT. */
const closeMs = 500;
/** How long a renewal waits for methods and commands at work and for answers of the twin; the old token lives a good while longer. */
const quietMs = 5_000;

/**
 * One life of one connection, over as many tokens as it lasts. IoT Hub allows one connection for each identity, so a
 * renewal is: stop sending, wait for what is under way, DISCONNECT, CONNECT with a fresh token. Sends made meanwhile wait.
 */
export class AzureSession implements HubSession {
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly compression: Compression;
  readonly control: Control;
  readonly closed: Promise<Error | undefined>;

  readonly #options: SessionOptions;
  readonly #sends: OrderedWindow;
  readonly #stop = new AbortController();
  readonly #closed = Promise.withResolvers<Error | undefined>();
  /** Undefined while one is replaced by the next, and after the end. */
  #link: Link | undefined;
  #ended: Promise<void> | undefined;
  #renewTimer: NodeJS.Timeout | undefined;
  #end: NotConnectedError | undefined;
  #disposal: Promise<void> | undefined;

  constructor(link: Link, options: SessionOptions) {
    this.#options = options;
    this.window = options.window;
    this.maxBodyBytes = options.maxBodyBytes;
    this.compression = options.compression;
    this.closed = this.#closed.promise;
    this.#sends = new OrderedWindow({
      count: options.window,
      bytes: maxInFlightBytes,
      ackTimeoutMs: options.ackTimeoutMs,
      probe: () => this.#link?.probe(),
      overdue: (waiting) => this.#finish(this.#unacknowledged(waiting)),
    });
    const { name, at, answerTimeoutMs, log } = options;
    this.control = new Control({ id: idOf(name), root: pathOf(name), at, answerTimeoutMs, log, fail: (reason) => this.#finish(reason) });
    this.#adopt(link);
  }

  send(message: HubMessage): Promise<void> {
    return this.sendFrom(undefined, message);
  }

  /** As `send`, from an output of the module that this session is. */
  async sendFrom(output: string | undefined, message: HubMessage): Promise<void> {
    const { body, contentEncoding } = packed(message.body, message.contentEncoding, this.compression);
    const { topic, propertyBytes } = telemetryEnvelope(pathOf(this.#options.name), { ...message, contentEncoding }, output);
    await this.#sends.send(
      body,
      (ready, settle) => this.#link?.publish(topic, ready, settle),
      (ready) => checkSize(message, ready.byteLength, propertyBytes),
    );
  }

  /** As `send`, for a message of this module that is only passed on: body and properties leave as they came. */
  async forward(message: ForwardedMessage): Promise<void> {
    const { topic, propertyBytes } = forwardedEnvelope(pathOf(this.#options.name), message);
    const id = message.system['$.mid'] ?? '(without id)';
    await this.#sends.send(
      message.body,
      (ready, settle) => this.#link?.publish(topic, ready, settle),
      (ready) => checkSize({ id }, ready.byteLength, propertyBytes),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  #unacknowledged(waiting: number): NotConnectedError {
    const { ackTimeoutMs, at } = this.#options;
    const text = `The hub ${at} acknowledged none of ${waiting} messages for ${ackTimeoutMs / 1000} s`;
    const retry = 'with-backoff';
    return this.#link?.answered
      ? new NotConnectedError('hub-throttled', `${text}, but it answers pings: it throttles.`, {
          retry,
          hint: 'Compare the message rate with the units of the hub and its quota of the day.',
        })
      : new NotConnectedError('hub-silent', `${text} and answers no ping; the link is dead.`, { retry });
  }

  #adopt(link: Link): void {
    this.#link = link;
    this.control.attach(link);
    void link.lost.then((reason) => {
      if (this.#link === link) this.#finish(reason);
    });
    const waitMs = this.#options.renewAfterMs?.();
    if (waitMs !== undefined) this.#renewTimer = setTimeout(() => void this.#renew(), waitMs);
  }

  async #renew(): Promise<void> {
    await this.control.quiet(quietMs);
    this.#sends.pause();
    await this.#sends.drained();
    const old = this.#link;
    if (this.#end || !old) return;
    this.#link = undefined;
    this.control.detach();
    await old.end(closeMs);
    try {
      const link = await this.#options.reopen(this.#stop.signal);
      if (this.#end) {
        await link.end(closeMs);
        return;
      }
      this.#adopt(link);
      this.#options.onRenewed?.();
      this.#sends.resume();
    } catch (error) {
      this.#finish(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #dispose(): Promise<void> {
    if (!this.#end) {
      this.#sends.pause();
      await Promise.all([this.#sends.drained(graceMs), this.control.quiet(graceMs)]);
    }
    this.#finish(undefined);
    await this.#ended;
  }

  /** Once, whoever was first. */
  #finish(reason: Error | undefined): void {
    if (this.#end) return;
    this.#end = endOf(reason, this.#options.at);
    clearTimeout(this.#renewTimer);
    this.#stop.abort();
    const link = this.#link;
    this.#link = undefined;
    this.#sends.close(this.#end);
    this.control.close(this.#end);
    this.#closed.resolve(reason);
    // A link that is only silent is still open; DISCONNECT tells the hub that nobody listens here any more.
    this.#ended = link?.end(closeMs);
  }
}

/** What a `send` is rejected with: always a lost connection, also when the reason behind it needs a person. */
function endOf(reason: Error | undefined, at: string): NotConnectedError {
  if (reason instanceof NotConnectedError) return reason;
  const text = reason === undefined ? `The session with ${at} was ended here.` : reason.message;
  return new NotConnectedError('hub-session-over', text, { retry: 'with-backoff', cause: reason });
}
