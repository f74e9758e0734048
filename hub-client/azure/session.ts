import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { HubMessage, HubSession } from '../contract.ts';
import type { Link } from './link.ts';
import { checkSize, telemetryEnvelope } from './property-bag.ts';

export interface SessionOptions {
  readonly deviceId: string;
  /** `host:port`, for texts. */
  readonly at: string;
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly compression: 'none' | 'gzip' | 'zstd';
  /** A link on which messages wait and none is acknowledged for so long is lost. */
  readonly ackTimeoutMs: number;
  /** When the token of a link that opens now must be replaced, in milliseconds from then; undefined for X.509. */
  readonly renewAfterMs: (() => number) | undefined;
  /** Opens the link that replaces the present one, with fresh credentials. */
  readonly reopen: (signal: AbortSignal) => Promise<Link>;
  /** A renewal was done. */
  readonly onRenewed?: () => void;
  /** The hub sent something that nobody subscribed to in this life. */
  readonly onStray?: (topic: string) => void;
}

/** Bound on bytes under way, beside the count. */
const maxInFlightBytes = 4 * 1024 * 1024;
/** How long a clean end waits for outstanding acknowledgements, so that these messages need not go twice. */
const graceMs = 300;
/** How long the hub has to close its side after our DISCONNECT. */
const closeMs = 500;

const compressors = { gzip: promisify(gzip), zstd: promisify(zstdCompress) } as const;

/** One `send`: waiting for its turn, or on the wire. */
interface Sending {
  readonly topic: string;
  /** Undefined while it is being compressed; what stands behind it waits, for the order. */
  body: Uint8Array | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * One life of one connection, over as many tokens as it lasts. IoT Hub allows one connection for each identity, so a
 * renewal is: stop sending, wait for what is under way, DISCONNECT, CONNECT with a fresh token. Sends made meanwhile wait.
 */
export class AzureSession implements HubSession {
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly compression: SessionOptions['compression'];
  readonly closed: Promise<Error | undefined>;

  readonly #options: SessionOptions;
  readonly #waiting: Sending[] = [];
  readonly #inFlight = new Set<Sending>();
  readonly #stop = new AbortController();
  readonly #closed = Promise.withResolvers<Error | undefined>();
  #inFlightBytes = 0;
  /** Undefined while one is replaced by the next, and after the end. */
  #link: Link | undefined;
  #renewing = false;
  #drained: PromiseWithResolvers<void> | undefined;
  #ended: Promise<void> | undefined;
  #renewTimer: NodeJS.Timeout | undefined;
  #ackTimer: NodeJS.Timeout | undefined;
  #probed = false;
  #end: NotConnectedError | undefined;
  #disposal: Promise<void> | undefined;

  constructor(link: Link, options: SessionOptions) {
    this.#options = options;
    this.window = options.window;
    this.maxBodyBytes = options.maxBodyBytes;
    this.compression = options.compression;
    this.closed = this.#closed.promise;
    this.#adopt(link);
  }

  send(message: HubMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#end) throw this.#end;
      const { topic, propertyBytes } = telemetryEnvelope(this.#options.deviceId, this.#encoded(message));
      const { compression } = this.#options;
      const sending: Sending = { topic, body: undefined, resolve, reject };
      this.#waiting.push(sending);
      if (compression === 'none' || message.contentEncoding !== 'utf-8') this.#ready(sending, message, message.body, propertyBytes);
      else {
        compressors[compression](message.body).then(
          (body) => this.#ready(sending, message, body, propertyBytes),
          (error: unknown) =>
            this.#refuse(sending, new GatewayError('message-compression', String(error), { retry: 'never', cause: error })),
        );
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  #encoded(message: HubMessage): HubMessage {
    const { compression } = this.#options;
    return compression === 'none' || message.contentEncoding !== 'utf-8' ? message : { ...message, contentEncoding: compression };
  }

  #ready(sending: Sending, message: HubMessage, body: Uint8Array, propertyBytes: number): void {
    if (this.#end) return;
    try {
      checkSize(message, body.byteLength, propertyBytes);
    } catch (error) {
      this.#refuse(sending, error as GatewayError);
      return;
    }
    sending.body = body;
    this.#pump();
  }

  #refuse(sending: Sending, error: GatewayError): void {
    const at = this.#waiting.indexOf(sending);
    if (at >= 0) this.#waiting.splice(at, 1);
    sending.reject(error);
    this.#pump();
  }

  /** Puts on the wire what has its turn. */
  #pump(): void {
    while (this.#link && !this.#renewing && this.#inFlight.size < this.window) {
      const next = this.#waiting[0];
      if (!next?.body) return;
      const bytes = next.body.byteLength;
      if (this.#inFlight.size > 0 && this.#inFlightBytes + bytes > maxInFlightBytes) return;
      this.#waiting.shift();
      if (this.#inFlight.size === 0) this.#watchAcks();
      this.#inFlight.add(next);
      this.#inFlightBytes += bytes;
      this.#link.publish(next.topic, next.body, () => this.#acked(next, bytes));
    }
  }

  #acked(sending: Sending, bytes: number): void {
    if (!this.#inFlight.delete(sending)) return;
    this.#inFlightBytes -= bytes;
    sending.resolve();
    if (this.#inFlight.size > 0) {
      this.#probed = false;
      this.#ackTimer?.refresh();
    } else {
      clearTimeout(this.#ackTimer);
      this.#drained?.resolve();
    }
    this.#pump();
  }

  /** Every acknowledgement restarts it. Half-way it asks whether the hub lives at all, to tell a dead link from a slow hub. */
  #watchAcks(): void {
    clearTimeout(this.#ackTimer);
    this.#probed = false;
    this.#ackTimer = setTimeout(() => {
      if (this.#probed) this.#finish(this.#unacknowledged());
      else {
        this.#probed = true;
        this.#link?.probe();
        this.#ackTimer?.refresh();
      }
    }, this.#options.ackTimeoutMs / 2);
  }

  #unacknowledged(): NotConnectedError {
    const { ackTimeoutMs, at } = this.#options;
    const text = `The hub ${at} acknowledged none of ${this.#inFlight.size} messages for ${ackTimeoutMs / 1000} s`;
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
    link.onMessage = (topic) => this.#options.onStray?.(topic);
    void link.lost.then((reason) => {
      if (this.#link === link) this.#finish(reason);
    });
    const waitMs = this.#options.renewAfterMs?.();
    if (waitMs !== undefined) this.#renewTimer = setTimeout(() => void this.#renew(), waitMs);
  }

  async #renew(): Promise<void> {
    this.#renewing = true;
    await this.#drain();
    const old = this.#link;
    if (this.#end || !old) return;
    this.#link = undefined;
    await old.end(closeMs);
    try {
      const link = await this.#options.reopen(this.#stop.signal);
      if (this.#end) {
        await link.end(closeMs);
        return;
      }
      this.#renewing = false;
      this.#adopt(link);
      this.#options.onRenewed?.();
      this.#pump();
    } catch (error) {
      this.#finish(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Resolves when nothing is under way, or the session is over. The acknowledgement timer bounds it. */
  async #drain(): Promise<void> {
    if (this.#inFlight.size === 0) return;
    this.#drained ??= Promise.withResolvers();
    await this.#drained.promise;
    this.#drained = undefined;
  }

  async #dispose(): Promise<void> {
    if (!this.#end && this.#inFlight.size > 0) {
      this.#renewing = true;
      const enough = setTimeout(() => this.#drained?.resolve(), graceMs);
      await this.#drain();
      clearTimeout(enough);
    }
    this.#finish(undefined);
    await this.#ended;
  }

  /** Once, whoever was first. */
  #finish(reason: Error | undefined): void {
    if (this.#end) return;
    this.#end = endOf(reason, this.#options.at);
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#ackTimer);
    this.#stop.abort();
    const link = this.#link;
    this.#link = undefined;
    for (const sending of this.#inFlight) sending.reject(this.#end);
    for (const sending of this.#waiting) sending.reject(this.#end);
    this.#inFlight.clear();
    this.#waiting.length = 0;
    this.#drained?.resolve();
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
