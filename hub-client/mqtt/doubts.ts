import { GatewayError, NotConnectedError } from '../../model/error.ts';

/** So often may a broker refuse one message for a reason that it does not name, before the message is held for the culprit. */
const patience = 5;

/**
 * A broker that answers "unspecified error" may be in trouble, or may never take this message: the code does not tell. The message
 * goes again with the next sessions, and after some refusals it is given up, so that it does not hold back all others for ever.
 */
export class Doubts {
  /** By broker; only the last message that was refused. */
  readonly #last = new Map<string, { readonly id: string; times: number }>();

  /** The error itself, or one that says `never`. */
  judge(at: string, id: string, error: GatewayError): GatewayError {
    if (!(error instanceof NotConnectedError) || error.code !== 'hub-refused') return error;
    const last = this.#last.get(at);
    if (last?.id !== id) {
      this.#last.set(at, { id, times: 1 });
      return error;
    }
    last.times++;
    if (last.times < patience) return error;
    this.#last.delete(at);
    return new GatewayError('message-refused', `${error.message} It did so ${patience} times.`, { retry: 'never', cause: error });
  }
}
