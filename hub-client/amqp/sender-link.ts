import type { AmqpError, Delivery, EventContext, Sender, Session } from 'rhea';
import { type GatewayError, NotConnectedError } from '../../model/error.ts';
import type { Outcome } from './outcome.ts';
import type { Wire } from './wire.ts';

export interface LinkOptions {
  readonly address: string;
  readonly name: string;
  /** Further fields of the target. */
  readonly target: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
}

/** The reason of a refusal follows at once, if it does. */
const refusalMs = 1_000;

/** One link to one address, in a session of its own. It ends once and never comes back. */
export interface SenderLink {
  /** Largest message in bytes, everything included; undefined when the broker names none. */
  readonly maxMessageBytes: number | undefined;
  /** How many messages the broker takes now: credit, less what was given to the library since it last wrote. */
  readonly credit: number;
  /** Called when credit may have come. */
  onCredit: (() => void) | undefined;
  /** In the order of the calls, only while there is credit. `ended` is called once; never, when the link goes first. */
  send(message: Buffer, ended: (outcome: Outcome) => void): void;
  /** Resolves when the link is gone, with the reason unless it was closed here. Never rejects. */
  readonly lost: Promise<GatewayError | undefined>;
  /** Detaches and ends the session; does not wait for the answer. */
  close(): void;
}

/**
 * Attaches and waits until the broker has said that this target, and no other, takes messages.
 * Rejects with NotConnectedError: `after-fix` when the broker does not want this address.
 */
export function openSenderLink(wire: Wire, options: LinkOptions, signal: AbortSignal): Promise<SenderLink> {
  const { address, name, target, timeoutMs } = options;
  const where = `${address} at ${wire.at}`;
  const session = wire.session();
  const sender = session.open_sender({
    name,
    target: { address, ...target },
    // A source is asked for by the standard; its address is only a word in the tools of the broker.
    source: { address: name },
    snd_settle_mode: 0,
    rcv_settle_mode: 0,
    // Modified is not released: one of its forms says "never".
    treat_modified_as_released: false,
  });
  return new Promise((resolve, reject) => {
    let opened = false;
    const lost = Promise.withResolvers<GatewayError | undefined>();
    const end = (error: GatewayError | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      forget();
      lost.resolve(error);
      if (!opened) {
        reject(error ?? detached(where, undefined));
        session.close();
      }
    };
    const abort = (): void =>
      end(new NotConnectedError('hub-session-over', `Attaching to ${where} was stopped.`, { retry: 'with-backoff' }));
    let timer = setTimeout(
      () => end(new NotConnectedError('hub-silent', `${where} did not answer within ${timeoutMs / 1000} s.`, { retry: 'with-backoff' })),
      timeoutMs,
    );
    signal.addEventListener('abort', abort, { once: true });
    const forget = wire.onLost(end);
    sender.on('sender_open', () => {
      // Without a target the broker refuses, and a detach that says why follows (part 2 §2.6.3).
      if (!isTerminus(sender.target)) {
        clearTimeout(timer);
        timer = setTimeout(() => end(nowhere(where)), refusalMs);
        return;
      }
      const given = (sender.target as { address?: string | null }).address;
      if (given !== undefined && given !== null && given !== address) end(elsewhere(where, given));
      else {
        opened = true;
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        resolve(senderLink(sender, session, lost.promise, end));
      }
    });
    const gone = (error: unknown): void => end(detached(where, error as AmqpError | undefined));
    sender.on('sender_error', () => gone(sender.error));
    sender.on('sender_close', () => gone(sender.error));
    session.on('session_error', () => gone(session.error));
    session.on('session_close', () => gone(session.error));
    if (signal.aborted) abort();
  });
}

function senderLink(
  sender: Sender,
  session: Session,
  lost: SenderLink['lost'],
  end: (error: GatewayError | undefined) => void,
): SenderLink {
  const underWay = new Map<Delivery, (outcome: Outcome) => void>();
  let unwritten = 0;
  const settle = (context: EventContext, outcome: Outcome): void => {
    const { delivery } = context;
    const ended = delivery && underWay.get(delivery);
    if (!ended) return;
    underWay.delete(delivery);
    if (!delivery.remote_settled) {
      // The broker waits for us to settle first, and will not do so itself: the library would keep the delivery for ever.
      delivery.update(true);
      (delivery as { remote_settled: boolean }).remote_settled = true;
    }
    ended(outcome);
  };
  sender.on('accepted', (context: EventContext) => settle(context, { kind: 'accepted' }));
  sender.on('released', (context: EventContext) => settle(context, { kind: 'released' }));
  sender.on('rejected', (context: EventContext) => settle(context, rejection(context)));
  sender.on('modified', (context: EventContext) => settle(context, modification(context)));
  sender.on('settled', (context: EventContext) => settle(context, { kind: 'none' }));
  const link: SenderLink = {
    maxMessageBytes: sizeOf(sender.max_message_size),
    get credit() {
      // The library counts down only when it writes, after this turn of the event loop; its buffer of 2048 must never run over.
      return sender.is_open() && sender.sendable() ? (sender as unknown as { credit: number }).credit - unwritten : 0;
    },
    onCredit: undefined,
    send(message, ended) {
      const delivery = sender.send(message, undefined, 0);
      underWay.set(delivery, ended);
      if (unwritten++ === 0) {
        // Queued after the library's own turn, which writes and takes the credit off.
        process.nextTick(() => {
          unwritten = 0;
          link.onCredit?.();
        });
      }
    },
    lost,
    close() {
      end(undefined);
      underWay.clear();
      sender.close();
      session.close();
    },
  };
  sender.on('sendable', () => link.onCredit?.());
  return link;
}

/** The library gives an absent source or target as a typed null (0x40), which is an object too. */
export const isTerminus = (terminus: unknown): boolean =>
  typeof terminus === 'object' && terminus !== null && (terminus as { type?: { typecode?: number } }).type?.typecode !== 0x40;

/** A ulong of 2^53 or more comes as a Buffer; that and 0 mean no limit (part 2 §2.7.3). */
const sizeOf = (size: unknown): number | undefined => (typeof size === 'number' && size > 0 ? size : undefined);

function rejection({ delivery }: EventContext): Outcome {
  const { error } = (delivery?.remote_state ?? {}) as { error?: { condition?: unknown; description?: unknown } | null };
  return { kind: 'rejected', condition: text(error?.condition), description: text(error?.description) };
}

function modification({ delivery }: EventContext): Outcome {
  const { undeliverable_here } = (delivery?.remote_state ?? {}) as { undeliverable_here?: unknown };
  return { kind: 'modified', undeliverableHere: undeliverable_here === true };
}

const text = (value: unknown): string | undefined => (value === undefined || value === null || value === '' ? undefined : String(value));

const nowhere = (where: string): NotConnectedError =>
  new NotConnectedError('hub-address', `The broker attached us to ${where} without a target, which is a refusal, and gave no reason.`, {
    retry: 'after-fix',
    hint: 'Check the address. A server of your own must echo the target of the attach (with rhea: receiver.set_target).',
  });

const elsewhere = (where: string, given: string): NotConnectedError =>
  new NotConnectedError('hub-address', `The broker attached us to "${given}" instead of ${where}.`, {
    retry: 'after-fix',
    hint: 'Write the address as the broker names it.',
  });

/** Conditions of a detach or of the end of a session that pass by themselves. */
const passing = new Set([
  'amqp:link:detach-forced',
  'amqp:internal-error',
  'amqp:resource-limit-exceeded',
  'amqp:connection:forced',
  'com.microsoft:timeout',
  'com.microsoft:server-busy',
]);

function detached(where: string, error: { condition?: string; description?: string } | undefined): NotConnectedError {
  const { condition, description } = error ?? {};
  const why = condition === undefined ? 'without a reason' : `${condition}${description ? `: ${description}` : ''}`;
  if (condition === undefined || passing.has(condition)) {
    const code = condition === 'com.microsoft:server-busy' ? 'hub-throttled' : 'hub-detached';
    return new NotConnectedError(code, `${where} was detached (${why}).`, { retry: 'with-backoff' });
  }
  return new NotConnectedError('hub-address', `${where} is not to be had (${why}).`, { retry: 'after-fix', hint: hintFor(condition, why) });
}

function hintFor(condition: string, why: string): string {
  if (condition === 'amqp:unauthorized-access')
    return 'This user or policy needs the right to send to this address (RabbitMQ: also to declare it).';
  if (/inequivalent arg/.test(why)) {
    return 'The queue exists with other arguments than a plain durable one. Write /amq/queue/NAME, which takes it as it is.';
  }
  if (/unknown_destination/.test(why)) return 'RabbitMQ 3 wants /queue/NAME or /amq/queue/NAME; RabbitMQ 4 wants /queues/NAME.';
  return 'Check the address: does the queue, topic or event hub exist under exactly this name?';
}
