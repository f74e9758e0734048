import type { EventContext, Message } from 'rhea';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { clockHint } from '../delivery/unreachable.ts';
import type { Proof } from './endpoint.ts';
import { renewAfterMs, serviceBusToken, tokenExpiryS } from './sas.ts';
import type { Wire } from './wire.ts';

export interface CbsOptions {
  readonly wire: Wire;
  /** Host of the namespace, as it stands in audiences. */
  readonly host: string;
  /** Read again for each token: a key that was rotated on disk comes into use without a restart. */
  readonly proof: () => Promise<Proof>;
  readonly lifetimeMs: number;
  readonly timeoutMs: number;
  /** A token could not be renewed; the session cannot go on. */
  readonly failed: (error: Error) => void;
  readonly renewed: (address: string) => void;
}

/**
 * Claims-based security: proves to the node `$cbs` that we may use an address, and again before the token runs out. Links stay as they are
 * while that happens, so no message waits or is overtaken.
 */
export class Cbs implements Disposable {
  readonly #options: CbsOptions;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** Addresses in use. One that is given up while its token is under way must not be renewed when the answer comes. */
  readonly #used = new Set<string>();
  #over = false;

  constructor(options: CbsOptions) {
    this.#options = options;
  }

  /** Resolves when links to the address may be opened. Rejects with NotConnectedError, or GatewayError `after-fix` when we are refused. */
  async authorize(address: string): Promise<void> {
    this.#used.add(address);
    await this.#prove(address);
  }

  /** The address is not used any more. */
  forget(address: string): void {
    this.#used.delete(address);
    clearTimeout(this.#timers.get(address));
    this.#timers.delete(address);
  }

  [Symbol.dispose](): void {
    this.#over = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #prove(address: string): Promise<void> {
    const { lifetimeMs, host, proof } = this.#options;
    const audience = `sb://${host}/${address}`;
    const given = await proof();
    const nowMs = Date.now();
    const token = 'token' in given ? given.token : serviceBusToken(audience, given, Math.floor((nowMs + lifetimeMs) / 1000));
    const endsMs = (tokenExpiryS(token) ?? Number.POSITIVE_INFINITY) * 1000;
    if (endsMs <= nowMs) throw expired(this.#options.wire.at, endsMs);
    await putToken(this.#options, audience, token);
    // By the monotonic clock from here on: a step of the wall clock must not let a token run out unseen.
    this.#renewIn(address, renewAfterMs(endsMs - nowMs, Math.random()), endsMs - nowMs);
  }

  #renewIn(address: string, waitMs: number, leftMs: number): void {
    // A timer takes 2^31 ms at most.
    if (this.#over || !this.#used.has(address) || waitMs > 2 ** 31 - 1) return;
    clearTimeout(this.#timers.get(address));
    this.#timers.set(
      address,
      setTimeout(() => void this.#renew(address, leftMs - waitMs), waitMs),
    );
  }

  /** A failure that may pass is tried again while the old token holds. */
  async #renew(address: string, leftMs: number): Promise<void> {
    const startMs = performance.now();
    try {
      await this.#prove(address);
      if (!this.#over) this.#options.renewed(address);
    } catch (error) {
      if (this.#over || !this.#used.has(address)) return;
      const stillMs = leftMs - (performance.now() - startMs);
      const passes = error instanceof GatewayError && error.retry === 'with-backoff' && stillMs > 2_000;
      if (passes) this.#renewIn(address, Math.min(30_000, stillMs / 3), stillMs);
      else this.#options.failed(error as Error);
    }
  }
}

let counter = 0;

/** One request and its answer, on links that are closed again: an idle link would be detached by the service. */
async function putToken({ wire, timeoutMs }: CbsOptions, audience: string, token: string): Promise<void> {
  const session = wire.session();
  const id = `cbs-${++counter}`;
  const result = Promise.withResolvers<void>();
  const fail = (error: Error): void => result.reject(error);
  const timer = setTimeout(
    () =>
      fail(
        new NotConnectedError('hub-silent', `$cbs at ${wire.at} did not answer within ${timeoutMs / 1000} s.`, { retry: 'with-backoff' }),
      ),
    timeoutMs,
  );
  const forget = wire.onLost(fail);
  const gone = (error: unknown): void => fail(noCbs(wire.at, error));
  session.on('session_error', () => gone(session.error));
  session.on('session_close', () => gone(session.error));
  const receiver = session.open_receiver({ name: `${id}-in`, source: { address: '$cbs' }, target: { address: id }, credit_window: 1 });
  receiver.on('receiver_error', () => gone(receiver.error));
  receiver.on('receiver_close', () => gone(receiver.error));
  receiver.on('message', ({ message }: EventContext) => {
    const answer = answerOf(message);
    if (answer.status >= 200 && answer.status < 300) result.resolve();
    else fail(refusal(wire.at, audience, answer));
  });
  const sender = session.open_sender({ name: `${id}-out`, target: { address: '$cbs' }, source: { address: id } });
  sender.on('sender_error', () => gone(sender.error));
  sender.on('sender_close', () => gone(sender.error));
  sender.once('sendable', () => {
    sender.send({
      to: '$cbs',
      reply_to: id,
      message_id: id,
      application_properties: { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: audience },
      body: token,
    });
  });
  try {
    await result.promise;
  } finally {
    clearTimeout(timer);
    forget();
    session.removeAllListeners('session_error');
    session.removeAllListeners('session_close');
    session.close();
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The properties are written with hyphens by the service, with underscores in older texts. */
function answerOf(message: Message | undefined): Answer {
  const properties = (message?.application_properties ?? {}) as Record<string, unknown>;
  return {
    status: Number(properties['status-code'] ?? properties.statusCode ?? 0),
    text: String(properties['status-description'] ?? properties.statusDescription ?? ''),
  };
}

function refusal(at: string, audience: string, { status, text }: Answer): GatewayError {
  const said = `${at} refused the token for ${audience}: ${status}${text ? ` (${text})` : ''}.`;
  if (status === 401 || status === 403) {
    return new GatewayError('hub-credentials', said, {
      retry: 'after-fix',
      hint: `Check in this order: the policy exists and may send, the key is its primary or secondary key, whole; the clock. ${clockHint(Date.now())}`,
    });
  }
  if (status === 404) {
    return new GatewayError('hub-address', said, {
      retry: 'after-fix',
      hint: 'Does the queue, topic or event hub exist under exactly this name?',
    });
  }
  return new NotConnectedError(status === 429 || status === 503 ? 'hub-throttled' : 'hub-busy', said, { retry: 'with-backoff' });
}

function noCbs(at: string, error: unknown): NotConnectedError {
  const { condition, description } = (error ?? {}) as { condition?: string; description?: string };
  const why = condition === undefined ? 'without a reason' : `${condition}${description ? `: ${description}` : ''}`;
  return new NotConnectedError('hub-cbs', `$cbs at ${at} ended the exchange of tokens (${why}).`, { retry: 'with-backoff' });
}

const expired = (at: string, endsMs: number): GatewayError =>
  new GatewayError('hub-credentials', `The ready-made token for ${at} ended ${new Date(endsMs).toISOString()}.`, {
    retry: 'after-fix',
    hint: `Use a connection string with SharedAccessKeyName and SharedAccessKey: it does not run out. ${clockHint(Date.now())}`,
  });
