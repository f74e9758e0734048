import type { Log } from '../../adapters/contract.ts';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { HubMessage, HubSession } from '../contract.ts';
import { type Compression, packed } from '../delivery/compression.ts';
import { OrderedWindow } from '../delivery/ordered-window.ts';
import type { AddressTemplate } from '../delivery/template.ts';
import type { Doubts } from './doubts.ts';
import type { Link } from './link.ts';
import { over } from './link-end.ts';
import { type PublishProperties, publishBytes } from './packet-size.ts';
import type { Status } from './status.ts';
import { maxTopicBytes } from './topic.ts';

export interface SessionOptions {
  /** `host:port`, for texts. */
  readonly at: string;
  readonly gateway: string;
  readonly source: string;
  readonly log: Log;
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly compression: Compression;
  readonly ackTimeoutMs: number;
  readonly topic: AddressTemplate;
  /** Undefined: where a topic is of one point, or the message says so. */
  readonly retain: boolean | undefined;
  readonly messageExpiryMs: number | undefined;
  readonly status: Status | undefined;
  readonly doubts: Doubts;
}

/** Bound on bytes under way, beside the count. */
const maxInFlightBytes = 4 * 1024 * 1024;
/** How long a clean end waits for outstanding acknowledgements, and again for that of the status. */
const graceMs = 250;
/** How long the broker has to close its side after our DISCONNECT. */
const closeMs = 500;
/** Room of a packet beside its body, when the broker limits packets: topic and properties. */
const headerBytes = 2_048;

/** One life of one connection: messages of our own on topics from a template, QoS 1. */
export class MqttSession implements HubSession {
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly compression: Compression;
  readonly grain: AddressTemplate['grain'];
  readonly closed: Promise<Error | undefined>;

  readonly #link: Link;
  readonly #options: SessionOptions;
  readonly #sends: OrderedWindow;
  readonly #closed = Promise.withResolvers<Error | undefined>();
  #end: NotConnectedError | undefined;
  #ended: Promise<void> | undefined;
  #disposal: Promise<void> | undefined;

  constructor(link: Link, options: SessionOptions) {
    const { maximumPacketSize, receiveMaximum } = link.limits;
    this.#link = link;
    this.#options = options;
    this.window = Math.min(options.window, receiveMaximum);
    this.maxBodyBytes = Math.min(options.maxBodyBytes, Math.max(1, (maximumPacketSize ?? Number.POSITIVE_INFINITY) - headerBytes));
    this.compression = options.compression;
    this.grain = options.topic.grain;
    this.closed = this.#closed.promise;
    this.#sends = new OrderedWindow({
      count: this.window,
      bytes: maxInFlightBytes,
      ackTimeoutMs: options.ackTimeoutMs,
      probe: () => link.probe(),
      overdue: (waiting) => this.#finish(unacknowledged(link, waiting, options)),
    });
    void link.lost.then((reason) => this.#finish(reason));
    this.#sayOnline();
  }

  async send(message: HubMessage): Promise<void> {
    const { topic: template, doubts, at } = this.#options;
    const topic = template.fill(this.#options, message.about);
    checkTopic(topic, message);
    const { body, contentEncoding } = packed(message.body, message.contentEncoding, this.compression);
    const properties = this.#link.version === 5 ? this.#properties(message, contentEncoding) : undefined;
    const retain = this.#link.limits.retain && this.#retains(message);
    await this.#sends.send(
      body,
      (ready, settle) =>
        this.#link.publish({ topic, body: ready, qos: 1, retain, ...(properties ? { properties } : {}) }, (error) => {
          const judged = error && doubts.judge(at, message.id, error);
          if (judged instanceof NotConnectedError) this.#finish(judged);
          else settle(judged);
        }),
      (ready) => this.#checkSize(message, topic, ready.byteLength, properties),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  #retains({ retain, about }: HubMessage): boolean {
    return this.#options.retain ?? retain ?? (this.grain === 'reading' && about?.point !== undefined);
  }

  #properties(message: HubMessage, contentEncoding: string): PublishProperties {
    const { contentType, id, createdMs, about, properties } = message;
    const { messageExpiryMs, source } = this.#options;
    const isText = contentEncoding === 'utf-8' && /^text\/|[/+]json\b/.test(contentType);
    return {
      // Sent whenever it holds: a broker may check it (MQTT 5.0 §3.3.2.3.2).
      ...(isText ? { payloadFormatIndicator: true } : {}),
      ...(messageExpiryMs === undefined ? {} : { messageExpiryInterval: Math.ceil(messageExpiryMs / 1000) }),
      contentType,
      userProperties: {
        id,
        source,
        ...(about ? { subject: about.equipment } : {}),
        time: new Date(createdMs).toISOString(),
        ...(contentEncoding === 'utf-8' ? {} : { 'content-encoding': contentEncoding }),
        ...properties,
      },
    };
  }

  #checkSize(message: HubMessage, topic: string, bodyBytes: number, properties: PublishProperties | undefined): void {
    const { maxBodyBytes, at } = this.#options;
    const { maximumPacketSize } = this.#link.limits;
    if (bodyBytes > maxBodyBytes) {
      throw tooLarge(`Message ${message.id} has ${bodyBytes} bytes; the settings allow ${maxBodyBytes}.`);
    }
    if (maximumPacketSize === undefined) return;
    const bytes = publishBytes(topic, bodyBytes, properties, this.#link.version);
    if (bytes > maximumPacketSize) {
      throw tooLarge(`Message ${message.id} makes a packet of ${bytes} bytes; the broker ${at} takes ${maximumPacketSize}.`);
    }
  }

  /** First on the wire, so that no reading comes from a gateway that is said to be offline. */
  #sayOnline(): void {
    const { status, log } = this.#options;
    if (!status) return;
    const { retain } = this.#link.limits;
    this.#sends
      .send(status.online(Date.now()), (body, settle) => this.#link.publish({ topic: status.topic, body, qos: 1, retain }, settle))
      .catch((error: unknown) => {
        if (!this.#end)
          log.warn(
            { topic: status.topic, reason: error instanceof Error ? error.message : String(error) },
            'the broker does not take the status of this gateway',
          );
      });
  }

  async #dispose(): Promise<void> {
    if (!this.#end) {
      this.#sends.pause();
      await this.#sends.drained(graceMs);
    }
    if (!this.#end) await this.#sayOffline();
    this.#finish(undefined);
    await this.#ended;
  }

  /** DISCONNECT takes the will away, so the end is told by ourselves. */
  async #sayOffline(): Promise<void> {
    const { status } = this.#options;
    if (!status) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const enough = setTimeout(resolve, graceMs);
    const { retain } = this.#link.limits;
    this.#link.publish({ topic: status.topic, body: status.offline(Date.now()), qos: 1, retain }, () => resolve());
    await promise;
    clearTimeout(enough);
  }

  /** Once, whoever was first. */
  #finish(reason: NotConnectedError | undefined): void {
    if (this.#end) return;
    this.#end = reason ?? over(this.#options.at);
    this.#sends.close(this.#end);
    this.#closed.resolve(reason);
    // A link that is only silent is still open; DISCONNECT tells the broker that nobody is here any more.
    this.#ended = this.#link.end(closeMs);
  }
}

/** Messages wait and none is acknowledged: dead or slow, as the answer to the probe tells. */
export function unacknowledged(
  link: Pick<Link, 'answered'>,
  waiting: number,
  { ackTimeoutMs, at }: Pick<SessionOptions, 'ackTimeoutMs' | 'at'>,
): NotConnectedError {
  const text = `The broker ${at} acknowledged none of ${waiting} messages for ${ackTimeoutMs / 1000} s`;
  const retry = 'with-backoff';
  return link.answered
    ? new NotConnectedError('hub-throttled', `${text}, but it answers pings: it throttles.`, {
        retry,
        hint: 'Compare the message rate with the limits of the broker.',
      })
    : new NotConnectedError('hub-silent', `${text} and answers no ping; the link is dead.`, { retry });
}

function checkTopic(topic: string, { id }: HubMessage): void {
  const bytes = Buffer.byteLength(topic);
  if (bytes > 0 && bytes <= maxTopicBytes) return;
  throw new GatewayError('message-topic', `Message ${id} has a topic of ${bytes} bytes.`, {
    retry: 'never',
    hint: 'Write topic: so that it names something for every machine, also one without path.',
  });
}

const tooLarge = (message: string): GatewayError => new GatewayError('message-too-large', message, { retry: 'never' });
