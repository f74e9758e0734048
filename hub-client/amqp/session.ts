import type { Log } from '../../adapters/contract.ts';
import { type GatewayError, NotConnectedError } from '../../model/error.ts';
import type { HubMessage, HubSession } from '../contract.ts';
import { type Compression, packed } from '../delivery/compression.ts';
import type { AddressTemplate } from '../delivery/template.ts';
import { type Broker, queueToCheck, targetOptions, unroutable } from './broker.ts';
import type { Cbs } from './cbs.ts';
import { Lane, type LaneOptions } from './lane.ts';
import { encodeMessage, envelopeBytes } from './message.ts';
import { checkQueue } from './queue-check.ts';
import { openSenderLink, type SenderLink } from './sender-link.ts';
import type { Wire } from './wire.ts';

export interface SessionOptions {
  readonly wire: Wire;
  readonly broker: Broker;
  readonly template: AddressTemplate;
  readonly cbs: Cbs | undefined;
  readonly gateway: string;
  readonly source: string;
  readonly partitionKey: 'none' | 'gateway' | 'equipment';
  readonly allowUnroutable: boolean;
  readonly compression: Compression;
  readonly window: number;
  readonly maxMessageBytes: number;
  readonly maxLinks: number;
  readonly closeLinkAfterMs: number;
  readonly checkQueueEveryMs: number;
  readonly ackTimeoutMs: number;
  readonly attachTimeoutMs: number;
  readonly log: Log;
}

/** How long a clean end waits for outstanding outcomes, so that these messages need not go twice. */
const graceMs = 300;
/** How long the broker has to answer our close frame. */
const closeMs = 500;

/** One life of one connection: a lane for each address, all of them over when one of them is. */
export class AmqpSession implements HubSession {
  readonly window: number;
  readonly compression: Compression;
  readonly grain: HubSession['grain'];
  readonly closed: Promise<Error | undefined>;

  readonly #options: SessionOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #laneOptions: LaneOptions;
  readonly #closed = Promise.withResolvers<Error | undefined>();
  readonly #timers: NodeJS.Timeout[] = [];
  #linkNumber = 0;
  #maxBodyBytes: number;
  #heardBytes = 0;
  #end: NotConnectedError | undefined;
  #ended: Promise<void> | undefined;
  #disposal: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    const { wire, template, partitionKey, broker } = options;
    this.#options = options;
    this.window = options.window;
    this.compression = options.compression;
    this.grain = partitionKey === 'equipment' && template.grain === 'batch' ? 'event' : template.grain;
    this.closed = this.#closed.promise;
    this.#maxBodyBytes = options.maxMessageBytes;
    const self = this;
    this.#laneOptions = {
      broker,
      at: wire.at,
      window: options.window,
      ackTimeoutMs: options.ackTimeoutMs,
      log: options.log,
      get maxBodyBytes() {
        return self.#maxBodyBytes;
      },
      open: (address, signal) => this.#openLink(address, signal),
      encode: (message, body, contentEncoding) => encodeMessage(message, body, contentEncoding, this.#envelope(message)),
      over: (error) => this.finish(error),
      overdue: (address, waiting) => this.finish(this.#unsettled(address, waiting)),
    };
    void wire.lost.then((reason) => this.finish(reason));
    if (template.grain !== 'batch') this.#every(options.closeLinkAfterMs / 2, () => this.#closeIdle());
    this.#every(options.checkQueueEveryMs, () => this.#checkQueues());
  }

  get maxBodyBytes(): number {
    return this.#maxBodyBytes;
  }

  /** Opens the one link of an address without placeholders, so that a wrong one is told at connect, and learns how much it takes. */
  async openFixed(): Promise<void> {
    const lane = this.#lane(this.#options.template.fill(this.#options, undefined));
    await lane.open();
    const limit = lane.maxMessageBytes;
    if (limit !== undefined) this.#maxBodyBytes = Math.max(1, Math.min(this.#maxBodyBytes, limit - envelopeBytes));
  }

  async send(message: HubMessage): Promise<void> {
    if (this.#end) throw this.#end;
    const lane = this.#lane(this.#options.template.fill(this.#options, message.about));
    await lane.send(message, packed(message.body, message.contentEncoding, this.compression));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  /** Once, whoever was first. */
  finish(reason: Error | undefined): void {
    if (this.#end) return;
    const end = endOf(reason, this.#options.wire.at);
    this.#end = end;
    for (const timer of this.#timers) clearInterval(timer);
    this.#options.cbs?.[Symbol.dispose]();
    this.#ended = this.#options.wire.close(closeMs);
    for (const lane of this.#lanes.values()) lane.close(end);
    this.#lanes.clear();
    this.#closed.resolve(reason);
  }

  #lane(address: string): Lane {
    const known = this.#lanes.get(address);
    if (known) return known;
    if (this.#lanes.size >= this.#options.maxLinks) this.#closeOldest();
    const lane = new Lane(address, this.#laneOptions);
    this.#lanes.set(address, lane);
    return lane;
  }

  async #openLink(address: string, signal: AbortSignal): Promise<SenderLink> {
    const { wire, broker, cbs, allowUnroutable, attachTimeoutMs, gateway } = this.#options;
    const wrong = allowUnroutable ? undefined : unroutable(broker, address);
    if (wrong) {
      throw new NotConnectedError('hub-unroutable', `${wrong.problem}.`, { retry: 'after-fix', hint: wrong.hint });
    }
    await cbs?.authorize(address);
    const queue = allowUnroutable ? undefined : queueToCheck(broker, address);
    // `/queue/NAME` is declared by the attach itself.
    if (queue === address) await checkQueue(wire, queue, attachTimeoutMs);
    const name = `${gateway}-${address}-${++this.#linkNumber}`;
    return openSenderLink(wire, { address, name, target: targetOptions(broker, allowUnroutable), timeoutMs: attachTimeoutMs }, signal);
  }

  #envelope({ about }: HubMessage): { readonly gateway: string; readonly partitionKey: string | undefined } {
    const { gateway, partitionKey } = this.#options;
    const key = partitionKey === 'none' ? undefined : partitionKey === 'gateway' ? gateway : (about?.equipment ?? gateway);
    return { gateway, partitionKey: key };
  }

  #closeIdle(): void {
    const beforeMs = performance.now() - this.#options.closeLinkAfterMs;
    for (const lane of this.#lanes.values()) if (lane.pending === 0 && lane.usedMs < beforeMs) this.#drop(lane);
  }

  /** One that is at work is never closed: then there are more links than wanted, by the window at most. */
  #closeOldest(): void {
    const idle = [...this.#lanes.values()].filter((lane) => lane.pending === 0);
    const oldest = idle.reduce<Lane | undefined>((found, lane) => (found && found.usedMs <= lane.usedMs ? found : lane), undefined);
    if (oldest) this.#drop(oldest);
  }

  #drop(lane: Lane): void {
    this.#lanes.delete(lane.address);
    this.#options.cbs?.forget(lane.address);
    lane.close(endOf(undefined, this.#options.wire.at));
  }

  #checkQueues(): void {
    const { wire, broker, allowUnroutable, attachTimeoutMs, checkQueueEveryMs, log } = this.#options;
    if (allowUnroutable) return;
    for (const lane of this.#lanes.values()) {
      const queue = queueToCheck(broker, lane.address);
      const { unchecked } = lane;
      if (queue === undefined || unchecked === 0) continue;
      lane.unchecked = 0;
      checkQueue(wire, queue, attachTimeoutMs).catch((error: NotConnectedError) => {
        log.error(
          { address: lane.address, messages: unchecked, within: `${checkQueueEveryMs / 1000} s` },
          'a queue was deleted while messages went to it; those may be lost, though the broker took them',
        );
        this.finish(error);
      });
    }
  }

  /** What the broker sent meanwhile, heartbeats too, tells a dead link from a slow broker. */
  #unsettled(address: string, waiting: number): NotConnectedError {
    const { ackTimeoutMs, wire } = this.#options;
    const text = `${address} at ${wire.at} settled none of ${waiting} messages for ${ackTimeoutMs / 1000} s`;
    return wire.bytesRead > this.#heardBytes
      ? new NotConnectedError('hub-throttled', `${text}, but the connection lives: the broker holds messages back.`, {
          retry: 'with-backoff',
          hint: 'A broker that is short of memory or disk does this (RabbitMQ: see its alarms).',
        })
      : new NotConnectedError('hub-silent', `${text} and nothing else came; the connection is dead.`, { retry: 'with-backoff' });
  }

  #every(ms: number, act: () => void): void {
    this.#timers.push(setInterval(act, ms).unref());
  }

  async #dispose(): Promise<void> {
    if (!this.#end) await Promise.all([...this.#lanes.values()].map((lane) => lane.drain(graceMs)));
    this.finish(undefined);
    await this.#ended;
  }
}

/** What a `send` is rejected with: always a lost connection, also when the reason behind it needs a person. */
function endOf(reason: Error | undefined, at: string): NotConnectedError {
  if (reason instanceof NotConnectedError) return reason;
  const { code, retry, hint } = (reason ?? {}) as Partial<GatewayError>;
  const text = reason === undefined ? `The session with ${at} was ended here.` : reason.message;
  return new NotConnectedError(code ?? 'hub-session-over', text, {
    retry: retry === 'after-fix' ? retry : 'with-backoff',
    cause: reason,
    ...(hint ? { hint } : {}),
  });
}
