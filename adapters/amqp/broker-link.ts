import { type Backoff, backoff } from '../../model/backoff.ts';
import type { SampleState } from '../../model/sample.ts';
import type { EndpointCounters } from './counters.ts';
import { refusedState } from './failures.ts';
import { type Incoming, Inflow } from './inflow.ts';
import { type AmqpError, type Connection, type EventContext, rhea, type Session } from './library.ts';
import type { BrokerSettings } from './settings.ts';

/** Deliveries that rhea can hold in one session; RabbitMQ 3 sends up to twice what was granted, and beyond 2048 rhea fails for good. */
const sessionBuffer = 8_192;

/** A larger message is refused, and with it its link, for a while. */
export const maxMessageBytes = 16 * 2 ** 20;

/** An address that the broker refused is tried again at this pace: it may be declared any minute, and nobody should hammer a broker. */
const retryRefused = { minMs: 5_000, stepMs: 5_000, maxMs: 60_000 };

export interface BrokerLinkContext {
  readonly connection: Connection;
  readonly where: string;
  readonly settings: BrokerSettings;
  readonly counters: EndpointCounters;
}

export interface LinkListener {
  deliver(incoming: Incoming): void;
  attached(): void;
  detached(state: SampleState): void;
}

export interface BrokerLinkOptions {
  readonly credit: number;
  /** For one who only looks: refused messages go back at once, and the link is not durable. */
  readonly peek?: boolean;
}

interface Attempt {
  readonly session: Session;
  readonly inflow: Inflow;
  readonly late: NodeJS.Timeout;
}

/**
 * One receiving link on a session of its own: what the broker does to one address never touches another.
 * Refused or ended by the broker, it opens again by itself, ever more slowly; the connection is somebody else's care.
 */
export class BrokerLink {
  readonly #context: BrokerLinkContext;
  readonly #address: string;
  readonly #listener: LinkListener;
  readonly #options: BrokerLinkOptions;
  readonly #backoff: Backoff = backoff({ normal: retryRefused });
  #attempt: Attempt | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(context: BrokerLinkContext, address: string, listener: LinkListener, options: BrokerLinkOptions) {
    this.#context = context;
    this.#address = address;
    this.#listener = listener;
    this.#options = options;
    this.#open();
  }

  get unsettled(): number {
    return this.#attempt?.inflow.unsettled ?? 0;
  }

  quiesce(): void {
    clearTimeout(this.#retry);
    this.#attempt?.inflow.quiesce();
  }

  /** Ends link and session, unless the connection went before. A durable subscription stays with the broker. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt) this.#end(attempt);
  }

  #open(): void {
    const { connection, settings } = this.#context;
    const session = connection.create_session(sessionBuffer);
    const late = setTimeout(() => failed('does not answer', undefined), settings.timeout);
    session.begin();
    const receiver = session.open_receiver(this.#attach());
    const attempt: Attempt = {
      session,
      late,
      inflow: new Inflow({
        receiver,
        session,
        credit: this.#options.credit,
        maxMessageBytes,
        counters: this.#context.counters,
        ...(this.#options.peek && { withoutPause: true }),
        take: (incoming) => this.#listener.deliver(incoming),
        tooLarge: (sizeBytes) =>
          failed('sends more than fits', {
            condition: 'amqp:link:message-size-exceeded',
            description: `a message has more than ${maxMessageBytes / 2 ** 20} MiB (${sizeBytes} bytes so far)`,
          }),
      }),
    };
    this.#attempt = attempt;
    const failed = (says: string, error: AmqpError | undefined): void => this.#failed(attempt, says, error);
    receiver.on('receiver_open', (context: unknown) => {
      // A refusal looks like an attach without a source, and a detach with the reason behind it (part 2 §2.6.3).
      if (this.#attempt === attempt && (context as EventContext).receiver?.source) this.#attached(attempt);
    });
    receiver.on('receiver_error', () => failed('refuses', receiver.error as AmqpError));
    receiver.on('receiver_close', () => failed('ended the link to', undefined));
    session.on('session_error', () => failed('refuses', session.error as AmqpError));
    session.on('session_close', () => failed('ended the session of', undefined));
  }

  #attach(): object {
    const { settings } = this.#context;
    const { capabilities, selector } = settings;
    const durable = settings.durable && !this.#options.peek;
    return {
      autoaccept: false,
      credit_window: 0,
      max_message_size: maxMessageBytes,
      ...(durable && { name: `dragoman ${this.#address}` }),
      source: {
        address: this.#address,
        // The broker keeps the subscription and what is unsettled, for as long as it takes (part 3 §3.5.3).
        ...(durable && { durable: 2, expiry_policy: 'never' }),
        ...(capabilities && { capabilities: [...capabilities] }),
        ...(selector !== undefined && { filter: selectorFilter(selector) }),
      },
    };
  }

  #attached(attempt: Attempt): void {
    clearTimeout(attempt.late);
    this.#backoff.reset();
    this.#listener.attached();
    attempt.inflow.start();
  }

  #failed(attempt: Attempt, verb: string, error: AmqpError | undefined): void {
    if (this.#attempt !== attempt || this.#closed) return;
    this.#attempt = undefined;
    this.#context.counters.refusedLinks++;
    this.#end(attempt);
    this.#retry = setTimeout(() => this.#open(), this.#backoff.next());
    const { status, reason } = refusedState(`the broker at ${this.#context.where} ${verb} ${this.#address}`, error);
    this.#listener.detached({ status, reason: `${reason}${hintFor(this.#address, error)}` });
  }

  /** The end of a session takes its link along, and leaves a durable subscription where it is (part 2 §2.5.5). */
  #end({ session, inflow, late }: Attempt): void {
    clearTimeout(late);
    inflow.stop();
    // rhea answers a detach in the next tick, and must not write it behind the end; nor the end behind the close of the connection.
    setImmediate(() => {
      if (this.#context.connection.is_open()) session.close();
    });
  }
}

/** RabbitMQ 3 declares `/queue/N` anew, and refuses when the queue exists with other properties (a durable one, mostly). */
function hintFor(address: string, error: AmqpError | undefined): string {
  const [, queue] = /^\/queue\/(.+)$/.exec(address) ?? [];
  return queue !== undefined && error?.condition === 'amqp:precondition-failed'
    ? `. For a queue that exists write /amq/queue/${queue}`
    : '';
}

/** Both the name and the code that Apache registered; Service Bus and Event Hubs know the same one. */
function selectorFilter(selector: string): object {
  const described = rhea.types.wrap_described(selector, 'apache.org:selector-filter:string');
  return { 'apache.org:selector-filter:string': described };
}
